package contract_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The transport passes the suite for wrapping transports, whatever its pool holds for the host that
// the suite asks. The suite runs in a bubble, because a refreshable credential makes most requests
// wait: for the end of a peek, or until the provider accepts a new token. The module bench runs it
// on the loopback interface.
func TestContractSuite(t *testing.T) {
	for name, test := range map[string]struct {
		pool  bool
		creds []reauth.Credential
		final bool
	}{
		"no pool":                   {},
		"empty pool":                {pool: true},
		"static key":                {pool: true, creds: []reauth.Credential{staticKey(liveToken)}},
		"refreshable":               {pool: true, creds: []reauth.Credential{refreshable(liveToken)}},
		"refreshable, final marked": {pool: true, creds: []reauth.Credential{refreshable(liveToken)}, final: true},
	} {
		t.Run(name, func(t *testing.T) {
			var kept []reauthtest.Obligation
			synctest.Test(t, func(t *testing.T) {
				kept = reauthtest.CheckRoundTripper(func(base http.RoundTripper) http.RoundTripper {
					rt := &reauth.RecoveringTransport{Base: base, MarkFinal: test.final}
					if test.pool {
						rt.Pool = suitePool(t, test.creds)
					}
					return rt
				})
			})
			require.NotEmpty(t, kept)
			for _, o := range kept {
				t.Run(o.Name, func(t *testing.T) { assert.Empty(t, o.Failures, o.Duty) })
			}
		})
	}
}

// suitePool returns a pool with credentials for the host that the suite asks.
func suitePool(t *testing.T, creds []reauth.Credential) *reauth.Pool {
	pool := reauth.NewPool()
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	fresh := func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: "at-EXAMPLE-fresh"}, nil
	}
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "example", Hosts: []string{"api.example.com"}, Refresher: reauth.RefresherFunc(fresh),
	}))
	for _, cred := range creds {
		cred.Provider = "example"
		_, err := pool.Add(t.Context(), cred)
		require.NoError(t, err)
	}
	return pool
}
