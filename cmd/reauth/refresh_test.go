package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// The command refreshes a login in each dialect, at a server that speaks it, and stores the pair that
// is good then. A login that is revoked asks for a new one.
func TestRefreshInEachDialect(t *testing.T) {
	for row := range vendors.All() {
		if row.Auth == nil || row.Auth.Mints {
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			server := serveFake(t, fake)
			s := newShell(t)
			access, refresh := fake.Login()
			s.run(fmt.Sprintf(`{"access_token":%q,"refresh_token":%q}`, access, refresh),
				"add", row.Name, "--token-stdin", "--id", "you").ok()
			args := []string{"refresh", row.Name, "--issuer", server.URL}
			for exchanges := range 2 {
				assert.Contains(t, s.run("", args...).ok(), row.Name+"/you: refreshed, token ")
				assert.Equal(t, exchanges+1, fake.Exchanges())
				assert.True(t, fake.Current(s.stored(row.Name, "you").RefreshToken))
			}
			fake.Revoke(s.stored(row.Name, "you").RefreshToken)
			assert.Contains(t, s.run("", args...).fails(exitLogin), "a new login is needed")
			require.Zero(t, fake.Reuses())
		})
	}
}
