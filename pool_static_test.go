package reauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// Nothing renews a static token. Where it is known how a person makes a new one, the event of its refusal
// says so.
func TestRefusedStaticTokenTellsHowItIsRemade(t *testing.T) {
	for _, c := range []struct{ provider, token, refresh, want string }{
		{"anthropic", "sk-ant-oat01-EXAMPLE", "", `make a new one by "claude setup-token"`},
		{"codex", "at-EXAMPLE", "", "make a new one at https://chatgpt.com/admin/access-tokens"},
		{"anthropic", "sk-ant-api03-EXAMPLE", "", ""},
		{"groq", "gsk_EXAMPLE", "", ""},
	} {
		pool := poolOf(t, reauth.Credential{Provider: c.provider, ID: "me", AccessToken: c.token, RefreshToken: c.refresh})
		var events eventLog
		pool.Observe = events.observe
		p, _ := reauth.LookupProvider(c.provider)
		base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			return answer(req, http.StatusUnauthorized, `{"error":{"code":"token_expired"}}`), nil
		})
		req, err := http.NewRequest(http.MethodPost, p.BaseURL+"/v1/x", strings.NewReader("{}"))
		require.NoError(t, err)
		status, _, err := testrig.Send(&http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}, req)
		require.NoError(t, err)
		assert.Equal(t, http.StatusUnauthorized, status)
		gaveUp := events.all(reauth.GaveUp)
		require.Len(t, gaveUp, 1, c.token)
		require.ErrorIs(t, gaveUp[0].Err, reauth.ErrNotRefreshable)
		assert.Equal(t, c.want != "", strings.Contains(gaveUp[0].Err.Error(), "make a new one"))
		assert.ErrorContains(t, gaveUp[0].Err, c.want)
		assert.NotContains(t, gaveUp[0].Err.Error(), c.token)
	}
}
