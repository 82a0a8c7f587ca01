package reauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// dialectRig is a pool with one login of a built-in provider, made at a fake that speaks its dialect.
// The built-in refresher asks the provider's own addresses, which all lead to the fake.
type dialectRig struct {
	t      *testing.T
	fake   *reauthtest.Provider
	pool   *reauth.Pool
	login  reauth.Credential
	client *http.Client
}

func newDialectRig(t *testing.T, provider string) *dialectRig {
	r := &dialectRig{t: t, fake: reauthtest.New(reauthtest.OpenAI)}
	access, refresh := r.fake.Login()
	r.login = reauth.Credential{Provider: provider, ID: "me", AccessToken: access, RefreshToken: refresh}
	refresher, err := reauth.BuiltinRefresher(provider, reauth.OAuth2Config{
		HTTPClient: &http.Client{Transport: r.fake.Transport()},
	})
	require.NoError(t, err)
	r.pool = loginPool(t, refresher, r.login)
	r.client = &http.Client{Transport: reauth.NewRecoveringTransport(r.fake.Transport(), r.pool)}
	return r
}

// post sends a request to the provider's API and returns the status of the answer.
func (r *dialectRig) post() int {
	r.t.Helper()
	p, _ := reauth.LookupProvider(r.login.Provider)
	req, err := http.NewRequest(http.MethodPost, p.BaseURL+"/chat/completions", strings.NewReader(`{"model":"m"}`))
	require.NoError(r.t, err)
	status, _, err := testrig.Send(r.client, req)
	require.NoError(r.t, err)
	return status
}

// refresh renews the login and returns the error.
func (r *dialectRig) refresh() error {
	return r.pool.Refresh(context.Background(), r.login.Provider, r.login.ID)
}

// held returns the login as the pool has it now.
func (r *dialectRig) held() reauth.Credential { return heldBy(r.t, r.pool, r.login) }

// A refused request waits for one exchange in the dialect of its provider and is replayed. The server
// has rotated the token, and the pool has the new one. A login that is revoked is dead.
func TestEachDialectRecovers(t *testing.T) {
	for _, provider := range builtinProviders {
		if provider == "copilot" {
			continue // its GitHub token is not spent
		}
		onFakeClock(t, provider, func(t *testing.T) {
			r := newDialectRig(t, provider)
			for exchanges := range 3 {
				assert.Equal(t, http.StatusOK, r.post())
				assert.Equal(t, exchanges, r.fake.Exchanges())
				assert.True(t, r.fake.Current(r.held().RefreshToken))
				r.fake.Expire()
			}
			r.fake.Revoke(r.held().RefreshToken)
			assert.Equal(t, http.StatusUnauthorized, r.post(), "the provider's own refusal")
			assert.True(t, refreshError(t, r.refresh()).Permanent)
			assert.Zero(t, r.fake.Reuses())
		})
	}
}
