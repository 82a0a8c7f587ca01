package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// The command refreshes a login in each dialect, at a server that speaks it, and stores the pair
// that is good then. A login that is revoked asks for a new one.
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

// GitHub's answer with a token that expires is added as it is. The command renews that token when
// GitHub refuses it, and mints one of Copilot's.
func TestRefreshOfCopilotRenewsGitHubsToken(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.GitHubLifetime = time.Hour
	server := serveFake(t, fake)
	s := newShell(t)
	token, renewal := fake.LoginGitHub()
	s.run(fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":28800}`, token, renewal),
		"add", "copilot", "--token-stdin", "--id", "you").ok()
	for range 3 {
		out := s.run("", "refresh", "copilot", "--issuer", server.URL).ok()
		assert.Contains(t, out, "copilot/you: refreshed, token ")
		assert.NotRegexp(t, "gh[ur]_", out)
		c := s.stored("copilot", "you")
		assert.True(t, fake.Current(c.RefreshToken))
		assert.True(t, fake.Current(c.Metadata[vendors.GitHubRefreshNote]))
		fake.ExpireGitHub()
	}
	assert.Equal(t, 6, fake.Exchanges(), "three renewals and three mints")
	fake.Revoke(renewal)
	out := s.run("", "refresh", "copilot", "--issuer", server.URL).fails(exitLogin)
	assert.Contains(t, out, "bad_refresh_token")
	assert.NotRegexp(t, "gh[ur]_", out)
	assert.Zero(t, fake.Reuses())
}
