package verdict_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/verdict"
)

// asText writes a header as a fuzzer can change it, and asHeader reads it.
func asText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b) // of memory
	return b.String()
}

func asHeader(s string) http.Header {
	h := make(http.Header)
	for line := range strings.Lines(s) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			h[http.CanonicalHeaderKey(name)] = append(h[http.CanonicalHeaderKey(name)], strings.TrimSpace(value))
		}
	}
	return h
}

// The public function is fuzzed, so that the names of providers are resolved too.
func FuzzClassify(f *testing.F) {
	for _, r := range slices.Concat(fixturetest.Answers(f, fixtures), fixturetest.TokenAnswers(f, fixtures)) {
		f.Add(r.Provider, r.Resp.StatusCode, asText(r.Resp.Header), r.Body, len(r.Body)%8 == 0)
	}
	for _, text := range []string{"ҽ.000", "é-1", "模型-4", "ҽ", ".", "-", "\x80.1"} { // where a name of a model would begin
		f.Add("xai", 403, "", []byte(text), false)
	}
	f.Add("unheard-of", 429, "Retry-After: -1\nX-Ratelimit-Reset: NaN\n", []byte{0x1f, 0x8b, 8}, true)
	f.Fuzz(func(t *testing.T, provider string, status int, head string, body []byte, long bool) {
		if long { // the end of what is looked at falls in the middle of it
			body = append(bytes.Repeat([]byte(" "), max(verdict.MaxBody-len(body)/2, 0)), body...)
		}
		synctest.Test(t, func(t *testing.T) { // time stands still: a reset is the same twice
			resp := &http.Response{StatusCode: status, Header: asHeader(head)}
			header, given := resp.Header.Clone(), bytes.Clone(body)
			v := reauth.Classify(provider, resp, body)
			require.Equal(t, v, reauth.Classify(provider, resp, body), "the same answer twice")
			if len(body) > verdict.MaxBody {
				require.Equal(t, v, reauth.Classify(provider, resp, body[:verdict.MaxBody]), "what lies beyond 64 KiB does not count")
			}
			require.Equal(t, header, resp.Header, "nothing is changed")
			require.True(t, bytes.Equal(given, body))
			checkVerdict(t, status, body, v)
		})
	})
}

// checkVerdict holds for the verdict on any answer.
func checkVerdict(t *testing.T, status int, body []byte, v reauth.Verdict) {
	require.LessOrEqual(t, v.Kind, reauth.Forbidden)
	if v.Kind != reauth.Pass {
		require.NotEmpty(t, v.Reason)
	}
	if v.Reason != "" { // nothing of the answer gets into a log
		require.True(t, verdict.Reasoned(verdict.Kind(v.Kind), v.Reason), v.Reason)
	}
	if v.Kind != reauth.Exhausted {
		require.Zero(t, v.Reset)
	}
	require.False(t, v.Reset.After(time.Now().Add(verdict.MaxReset)), "a reset in %s", time.Until(v.Reset))
	structured := bytes.ContainsRune(body, '{') || bytes.HasPrefix(body, []byte{0x1f, 0x8b})
	switch {
	case status < 200, status >= 300 && status < 400, status >= 500 && status < 600, status < 300 && !structured:
		require.Equal(t, reauth.Pass, v.Kind, "%d: %s", status, v.Reason)
	}
}
