package main

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// The library's table and the command's are one: nothing is missing, and every probe goes where the credential does.
func TestCatalogueFitsTheLibrary(t *testing.T) {
	assert.Equal(t, reauth.ProviderNames(), slices.Sorted(maps.Keys(catalogue)))
	pool := reauth.NewPool()
	for name, e := range catalogue {
		if e.base == "" {
			assert.NotEmpty(t, e.missing, name)
			continue
		}
		u, err := url.Parse(e.base + e.probe.path)
		require.NoError(t, err)
		pr, ok := pool.ProviderFor(u)
		assert.True(t, ok && pr.Name == name, "%s: %s is %s's", name, u, pr.Name)
		assert.NotEmpty(t, e.probe.method, name)
	}
	for _, name := range reauth.ProviderNames() {
		_, err := reauth.NewPool().Add(t.Context(), reauth.Credential{Provider: name, AccessToken: "x"})
		assert.Equal(t, catalogue[name].ownHost, err != nil, "%s: %v", name, err)
	}
}

// Where a probe goes is where the proxy goes.
func TestProbesAndProxyAgreeOnTheOrigin(t *testing.T) {
	for name, e := range catalogue {
		if to, ok := proxy.BaseOf(name); ok {
			assert.True(t, strings.HasPrefix(e.base+"/", to.Origin+"/"), "%s: the probe goes to %s, the proxy to %s", name, e.base, to.Origin)
		}
	}
}

// The paths of the token endpoints are those that the library asks.
func TestTokenPathsAreTheLibrarys(t *testing.T) {
	for _, name := range reauth.ProviderNames() {
		pr, _ := reauth.LookupProvider(name)
		if pr.Refresher == nil {
			assert.NotContains(t, tokenPaths, name)
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
		assert.Equal(t, asked[0], tokenPaths[name], name)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAddressesAreHeldToTheRulesOfTheLibrary(t *testing.T) {
	for _, c := range []struct {
		e    endpoints
		want string // empty: good
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
		base, err := c.e.base(pr.Name)
		require.NoError(t, err)
		got, ok := p.ProviderFor(base)
		assert.True(t, ok && got.Name == "xai-oauth", "%s", base)
		official, _ := url.Parse("https://api.x.ai/v1")
		_, ok = p.ProviderFor(official)
		assert.Equal(t, c.e.BaseURL == "", ok, "the official host is not served beside another one")
	}
}
