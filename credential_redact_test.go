package reauth

import (
	"fmt"
	"io"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The error of a failed exchange is redacted when it is made. No verb of fmt finds a token in it or
// in the errors that it wraps.
func TestErrorOfAnExchangeHoldsNoToken(t *testing.T) {
	const access, refresh = "at-0123456789abcdefEXAMPLE", "rt-0123456789abcdefEXAMPLE"
	g := &grant{provider: "xai-oauth", cfg: new(OAuth2Config)}
	sent := Credential{AccessToken: access, RefreshToken: refresh}
	err := g.failure(sent, fmt.Errorf("cannot send %s: %w", refresh, io.EOF))
	for e := err; e != nil; {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%f"} {
			text := fmt.Sprintf(verb, e)
			assert.NotContains(t, text, access, verb)
			assert.NotContains(t, text, refresh, verb)
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	assert.ErrorIs(t, err, io.EOF)
}

// A form encodes some characters of a token. redact finds the encoded token too.
func TestRedactKnowsATokenInAForm(t *testing.T) {
	c := Credential{RefreshToken: "rt/abc+def=="}
	assert.NotContains(t, redact("refresh_token="+url.QueryEscape(c.RefreshToken), secretsOf(c)...), "abc%2Bdef")
}
