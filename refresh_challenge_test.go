package reauth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each row is a challenge, and its parameters.
func TestAuthParams(t *testing.T) {
	for challenge, want := range map[string]map[string]string{
		``:                                 {},
		`Basic`:                            {},
		`Bearer realm="a, b", error=x`:     {"realm": "a, b", "error": "x"},
		`Bearer error = "x" , claims="e="`: {"error": "x", "claims": "e="},
		`Bearer realm="say \"no\" \\"`:     {"realm": `say "no" \`},
		`Bearer Claims="open`:              {"claims": "open"},
		`Bearer max_age=`:                  {"max_age": ""},
		`Bearer a="1", a="2"`:              {"a": "1"},
		`Negotiate dG9r, Bearer error="y"`: {"error": "y"},
		`Bearer realm="", error="insufficient_claims",claims="eyJh"`: {
			"realm": "", "error": "insufficient_claims", "claims": "eyJh",
		},
	} {
		assert.Equal(t, want, authParams(challenge), challenge)
	}
}

// What a challenge asks for, so that the same is the same, and a plain refusal asks for nothing.
func TestRefusalAsks(t *testing.T) {
	asks := func(challenges ...string) string {
		return newRefusal(Verdict{}, &http.Response{Header: http.Header{"Www-Authenticate": challenges}}).asks()
	}
	for _, plain := range []string{
		``, `Bearer`, `Bearer realm="x"`, `Bearer error="invalid_token", error_description="expired"`,
		`Bearer error="invalid_token", scope="openid"`, `Basic realm="x"`, `DPoP error="use_dpop_nonce"`,
	} {
		assert.Empty(t, asks(plain), plain)
	}
	const cae = `Bearer realm="", authorization_uri="https://login.example", error="insufficient_claims", claims="eyJh"`
	require.NotEmpty(t, asks(cae))
	for _, same := range []string{
		`Bearer claims="eyJh", error="insufficient_claims"`,
		`PoP nonce="1", claims="eyJh", error="insufficient_claims"`,
	} {
		assert.Equal(t, asks(cae), asks(same))
	}
	assert.Equal(t, asks(cae), asks(`Basic realm="x"`, cae))
	assert.Equal(t, asks(cae, `Basic`), asks(cae))
	seen := make(map[string]bool)
	for _, other := range []string{
		cae, `Bearer error="insufficient_claims", claims="eyJi"`, `Bearer error="insufficient_claims"`,
		`Bearer error="insufficient_user_authentication", acr_values="mfa"`,
		`Bearer error="insufficient_user_authentication", max_age=5`,
		`Bearer error="insufficient_scope", scope="a"`, `Bearer error="insufficient_scope", scope="a b"`,
	} {
		require.NotEmpty(t, asks(other), other)
		assert.False(t, seen[asks(other)], other)
		seen[asks(other)] = true
	}
}

// A refusal keeps no more than it promises.
func TestRefusalIsBounded(t *testing.T) {
	long := "Bearer " + strings.Repeat("x", maxChallengeBytes)
	h := http.Header{}
	for range 100 {
		h.Add("WWW-Authenticate", "Bearer")
	}
	require.Len(t, newRefusal(Verdict{}, &http.Response{Header: h}).Challenges, maxChallenges)
	h = http.Header{"Www-Authenticate": {"Bearer", long, "Basic"}}
	require.Equal(t, []string{"Bearer"}, newRefusal(Verdict{}, &http.Response{Header: h}).Challenges)
}

// FuzzAuthParams looks for a challenge on which the reader does not come to an end.
func FuzzAuthParams(f *testing.F) {
	for _, s := range []string{`Bearer a="b", c=d`, `=`, `"="=`, `a="\`, `, ,=,"`, "\xfb=", "to\u212aen=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, value := range authParams(s) {
			if len(name)+len(value) > len(s) {
				t.Errorf("%q has the parameter %q=%q", s, name, value)
			}
		}
	})
}
