package reauth_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Whatever was judged before, and however little differs from it, an answer gets the verdict that it gets by itself.
func TestRememberedRefusalChangesNoVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	list := loadFixtures(t, false)
	check := func(what, provider string, resp *http.Response, body []byte) {
		want, got := reauth.Judge(provider, resp, body), reauth.Classify(provider, resp, body)
		require.Equal(t, want.Kind, got.Kind, what)
		require.Equal(t, want.Reason, got.Reason, what)
		require.Equal(t, want.Reset.IsZero(), got.Reset.IsZero(), what)
	}
	for range 3000 {
		f, other := list[rng.IntN(len(list))], list[rng.IntN(len(list))]
		check(f.name, f.provider, f.resp, f.body)
		check(f.name+" again", f.provider, f.resp, f.body)
		changed := *f.resp
		changed.Header = f.resp.Header.Clone()
		for name := range other.resp.Header {
			changed.Header[name] = other.resp.Header[name]
		}
		check(f.name+" with the header of "+other.name, f.provider, &changed, f.body)
		changed.Header = f.resp.Header.Clone()
		changed.StatusCode = []int{200, 400, 401, 402, 403, 404, 429, 500}[rng.IntN(8)]
		check(f.name+" with another status", f.provider, &changed, f.body)
		check(f.name+" of another provider", other.provider, f.resp, f.body)
		check(f.name+" cut", f.provider, f.resp, f.body[:len(f.body)/2])
	}
}

// No header but those that are compared decides a verdict.
func TestConsultedHeadersAreAllThatCount(t *testing.T) {
	for _, name := range reauth.Consulted() {
		assert.Equal(t, http.CanonicalHeaderKey(name), name)
	}
	assert.Subset(t, reauth.Consulted(), reauth.RuleHeaders())
	for _, f := range loadFixtures(t, false) {
		bare := *f.resp
		bare.Header = make(http.Header)
		for _, name := range reauth.Consulted() {
			if v, ok := f.resp.Header[name]; ok {
				bare.Header[name] = v
			}
		}
		want, got := reauth.Judge(f.provider, f.resp, f.body), reauth.Judge(f.provider, &bare, f.body)
		assert.Equal(t, want.Kind, got.Kind, f.name)
		assert.Equal(t, want.Reason, got.Reason, f.name)
	}
}

// What the clock has a part in is judged each time.
func TestNoResetIsRemembered(t *testing.T) {
	body := []byte(`{"error":{"type":"usage_limit_reached","resets_in_seconds":60}}`)
	resp := &http.Response{StatusCode: 429, Header: http.Header{}}
	first := reauth.Classify("openai", resp, body)
	second := reauth.Classify("openai", resp, body)
	assert.True(t, second.Reset.After(first.Reset), "%v is not after %v", second.Reset, first.Reset)
}
