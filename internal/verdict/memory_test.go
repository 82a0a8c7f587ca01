package verdict_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/verdict"
)

// Whatever was judged before, and however little differs from it, an answer gets the verdict that
// it gets by itself.
func TestRememberedRefusalChangesNoVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	list := fixturetest.Answers(t, fixtures)
	check := func(what string, p verdict.Provider, resp *http.Response, body []byte) {
		want, got := verdict.Judge(p, resp, body), verdict.Of(p, resp, body)
		require.Equal(t, want.Kind, got.Kind, what)
		require.Equal(t, want.Reason, got.Reason, what)
		require.Equal(t, want.Reset.IsZero(), got.Reset.IsZero(), what)
	}
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for range rounds {
		f, other := list[rng.IntN(len(list))], list[rng.IntN(len(list))]
		p := verdict.Provider{Name: canonical(f.Provider), Hides: hidings[rng.IntN(len(hidings))]}
		check(f.Name, p, f.Resp, f.Body)
		check(f.Name+" again", p, f.Resp, f.Body)
		changed := *f.Resp
		changed.Header = f.Resp.Header.Clone()
		for name := range other.Resp.Header {
			changed.Header[name] = other.Resp.Header[name]
		}
		check(f.Name+" with the header of "+other.Name, p, &changed, f.Body)
		changed.Header = f.Resp.Header.Clone()
		changed.StatusCode = []int{200, 400, 401, 402, 403, 404, 429, 500}[rng.IntN(8)]
		check(f.Name+" with another status", p, &changed, f.Body)
		check(f.Name+" of another provider", verdict.Provider{Name: canonical(other.Provider), Hides: p.Hides}, f.Resp, f.Body)
		check(f.Name+" hidden elsewhere", verdict.Provider{Name: p.Name, Hides: hidings[rng.IntN(len(hidings))]}, f.Resp, f.Body)
		check(f.Name+" cut", p, f.Resp, f.Body[:len(f.Body)/2])
	}
}

// No header but those that are compared decides a verdict.
func TestConsultedHeadersAreAllThatCount(t *testing.T) {
	for _, name := range verdict.Consulted() {
		assert.Equal(t, http.CanonicalHeaderKey(name), name)
	}
	assert.Subset(t, verdict.Consulted(), verdict.RuleHeaders())
	for _, f := range fixturetest.Answers(t, fixtures) {
		bare := *f.Resp
		bare.Header = make(http.Header)
		for _, name := range verdict.Consulted() {
			if v, ok := f.Resp.Header[name]; ok {
				bare.Header[name] = v
			}
		}
		for _, hides := range hidings {
			p := verdict.Provider{Name: canonical(f.Provider), Hides: hides}
			want, got := verdict.Judge(p, f.Resp, f.Body), verdict.Judge(p, &bare, f.Body)
			assert.Equal(t, want.Kind, got.Kind, f.Name)
			assert.Equal(t, want.Reason, got.Reason, f.Name)
		}
	}
}

// An answer whose verdict depends on the clock is judged each time.
func TestNoResetIsRemembered(t *testing.T) {
	body := []byte(`{"error":{"type":"usage_limit_reached","resets_in_seconds":60}}`)
	resp := &http.Response{StatusCode: 429, Header: http.Header{}}
	first := verdict.Of(verdict.Provider{Name: "openai-api"}, resp, body)
	second := verdict.Of(verdict.Provider{Name: "openai-api"}, resp, body)
	assert.True(t, second.Reset.After(first.Reset), "%v is not after %v", second.Reset, first.Reset)
}
