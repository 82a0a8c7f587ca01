package reauthtest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// offline makes every request that would leave the process fail, and reports it.
func offline(t *testing.T) {
	t.Helper()
	network := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = network })
	http.DefaultTransport = roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request for %s left the test", r.URL.Host)
		return nil, errors.New("offline")
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// used returns a pool over the fake, with the login of a provider.
func used(t *testing.T, fake *reauthtest.Provider, provider, refresh string, names ...string) *reauth.Pool {
	t.Helper()
	pool := reauth.NewPool()
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	require.NoError(t, fake.Use(pool, names...))
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: provider, ID: "me", RefreshToken: refresh})
	require.NoError(t, err)
	return pool
}

// Each provider whose logins reauth renews does so at the fake, and not at the vendor.
func TestUseRenewsEveryLoginAtTheFake(t *testing.T) {
	offline(t)
	renewed := 0
	for _, name := range reauth.ProviderNames() {
		row, _ := reauth.LookupProvider(name)
		if row.Refresher == nil {
			continue
		}
		renewed++
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			_, refresh := fake.Login()
			if name == "copilot" {
				refresh, _ = fake.LoginGitHub()
			}
			pool := used(t, fake, name, refresh)
			c, err := pool.Token(t.Context(), name)
			require.NoError(t, err)
			assert.NotEmpty(t, c.AccessToken)
			assert.Equal(t, 1, fake.Exchanges())
		})
	}
	assert.Greater(t, renewed, 7)
}

// A program that asks the vendor's own URL is recovered within the fake.
func TestUseInMemory(t *testing.T) {
	offline(t)
	fake := reauthtest.New(reauthtest.XAI)
	access, refresh := fake.Login()
	pool := used(t, fake, "xai-oauth", refresh)
	fake.Expire(access)
	client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
	for range 2 {
		resp, err := client.Post("https://api.x.ai/v1/chat/completions", "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		fake.Expire()
	}
	assert.Equal(t, 2, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
}

// A program that asks a server on loopback gets the credential of the dialect's provider, or of the one
// that is named.
func TestUseOfAServer(t *testing.T) {
	for _, c := range []struct {
		dialect  reauthtest.Dialect
		provider string
		names    []string
	}{
		{reauthtest.XAI, "xai-oauth", nil},
		{reauthtest.OpenAI, "openai-api", nil},
		{reauthtest.Anthropic, "anthropic", nil},
		{reauthtest.Gemini, "gemini", nil},
		{reauthtest.OpenAI, "deepseek", []string{"deepseek"}},
		{reauthtest.OpenAI, "openai-codex", []string{"codex"}},
	} {
		t.Run(c.provider, func(t *testing.T) {
			fake := reauthtest.New(c.dialect)
			fake.AddKey("EXAMPLE-key")
			server := fake.Start()
			defer server.Close()
			pool := reauth.NewPool()
			defer pool.Close()
			require.NoError(t, fake.Use(pool, c.names...))
			_, err := pool.Add(t.Context(), reauth.Credential{Provider: c.provider, AccessToken: "EXAMPLE-key"})
			require.NoError(t, err)
			client := &http.Client{Transport: reauth.NewRecoveringTransport(nil, pool)}
			defer client.CloseIdleConnections()
			resp, err := client.Get(server.URL + "/v1/models")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			require.NotEmpty(t, fake.Requests())
			assert.Equal(t, "EXAMPLE-key", fake.Requests()[0].Token)
		})
	}
}

// A login that is made in the test, and the refresh of what it gave, stay with the fake.
func TestUseWithALogin(t *testing.T) {
	offline(t)
	synctest.Test(t, func(t *testing.T) {
		fake := reauthtest.New(reauthtest.XAI)
		fake.ApproveAfter = time.Second
		s, err := login.Start(t.Context(), "xai-oauth", &login.Options{Base: fake.Transport()})
		require.NoError(t, err)
		defer s.Close()
		c, err := s.Wait(t.Context())
		require.NoError(t, err)
		pool := reauth.NewPool()
		defer pool.Close()
		require.NoError(t, fake.Use(pool))
		id, err := pool.Add(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, pool.Refresh(t.Context(), "xai-oauth", id))
		assert.Equal(t, 1, fake.Exchanges())
	})
}

func TestUseRefuses(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	pool := reauth.NewPool()
	defer pool.Close()
	require.EqualError(t, fake.Use(pool, "klingon"),
		`reauthtest: use: no built-in provider is called "klingon"; reauth.ProviderNames lists them`)
	require.NoError(t, pool.Register(reauth.Provider{Name: "mine", Hosts: []string{"127.0.0.1"}}))
	require.ErrorContains(t, fake.Use(pool), "mine")
	_, err := fake.Refresher("groq")
	require.ErrorContains(t, err, "no refresher of its own")
}
