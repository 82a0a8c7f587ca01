package main

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// The URL of each probe gets the credentials of its provider. For a provider without a common base
// URL, the row holds what the command tells the person to name.
func TestProbesGoToTheProvider(t *testing.T) {
	pool := reauth.NewPool()
	for row := range vendors.All() {
		if row.ProbeBase() == "" {
			assert.True(t, row.Instead != "" || row.Own.What != "" && row.Own.Example != "", row.Name)
			continue
		}
		u, err := url.Parse(row.ProbeBase() + row.Probe.Path)
		require.NoError(t, err)
		pr, ok := pool.ProviderFor(u)
		assert.True(t, ok && pr.Name == row.Name, "%s: %s is %s's", row.Name, u, pr.Name)
		assert.NotEmpty(t, row.Probe.Method, row.Name)
	}
}

// The library refuses a credential without hosts for just those providers whose row has OwnHost,
// for which the command asks the person for a host.
func TestOwnHostIsTheLibrarys(t *testing.T) {
	for row := range vendors.All() {
		_, err := reauth.NewPool().Add(t.Context(), reauth.Credential{Provider: row.Name, AccessToken: "x"})
		assert.Equal(t, row.OwnHost, err != nil, "%s: %v", row.Name, err)
	}
}

// With --issuer, a refresh uses the path of the token endpoint that the library uses without it.
func TestTokenPathsAreTheLibrarys(t *testing.T) {
	for _, name := range reauth.ProviderNames() {
		pr, _ := reauth.LookupProvider(name)
		row := vendors.Of(name)
		if pr.Refresher == nil {
			assert.Nil(t, row.Auth, name)
			continue
		}
		var asked []string
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if !strings.Contains(r.URL.Path, ".well-known") {
				asked = append(asked, r.URL.Path)
			}
			return nil, errors.New("not today")
		})}
		r, err := reauth.BuiltinRefresher(name, reauth.OAuth2Config{HTTPClient: client})
		require.NoError(t, err)
		_, err = r.Refresh(t.Context(), reauth.Credential{Provider: name, RefreshToken: "rt"})
		require.Error(t, err)
		require.NotEmpty(t, asked, name)
		issuer := "https://login.example"
		e := endpoints{Issuer: issuer + "/"}
		if row.Auth.Mints {
			issuer = "https://api.login.example"
		}
		assert.Equal(t, issuer+asked[0], e.tokenURL(row), name)
	}
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAddressesAreHeldToTheRulesOfTheLibrary(t *testing.T) {
	for _, c := range []struct {
		e    endpoints
		want string // of the error; empty: there is none
	}{
		{endpoints{}, ""},
		{endpoints{BaseURL: "http://127.0.0.1:8080/v1", Issuer: "http://127.0.0.1:8081"}, ""},
		{endpoints{BaseURL: "https://gateway.example/xai/v1"}, ""},
		{endpoints{BaseURL: "http://litellm:4000"}, ""},
		{endpoints{BaseURL: "http://gateway.example/v1"}, "must name its port"},
		{endpoints{BaseURL: "gateway.example"}, "wants a URL"},
		{endpoints{BaseURL: "ftp://gateway.example"}, "wants a URL"},
		{endpoints{BaseURL: "https://user:" + marker + "@gateway.example"}, "without user"},
		{endpoints{BaseURL: "https://gateway.example/?key=" + marker}, "without user, query"},
		{endpoints{BaseURL: "https://*.gateway.example"}, "not a pattern"},
		{endpoints{BaseURL: "https://gateway.example/a/../b"}, "a path without .."},
		{endpoints{Issuer: "http://login.example"}, "must be https, or http on loopback"},
		{endpoints{Issuer: "https://u:" + marker + "@login.example"}, "without user"},
	} {
		p := reauth.NewPool()
		pr, err := c.e.apply(p, "grok")
		if c.want != "" {
			require.ErrorContains(t, err, c.want, "%+v", c.e)
			checkSecrets(t, "the error", err.Error())
			assert.Equal(t, exitUsage, (&app{ctx: t.Context(), stderr: t.Output()}).exit(err))
			continue
		}
		require.NoError(t, err, "%+v", c.e)
		assert.Equal(t, "xai-oauth", pr.Name)
		base, err := c.e.base(vendors.Of(pr.Name))
		require.NoError(t, err)
		got, ok := p.ProviderFor(base)
		assert.True(t, ok && got.Name == "xai-oauth", "%s", base)
		official, _ := url.Parse("https://api.x.ai/v1")
		_, ok = p.ProviderFor(official)
		assert.Equal(t, c.e.BaseURL == "", ok, "the official host is not served beside another one")
	}
}
