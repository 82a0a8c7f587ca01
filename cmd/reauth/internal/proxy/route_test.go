package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// newProxies returns a proxy for three providers, with a key of each.
func newProxies(t *testing.T, base http.RoundTripper) *Proxy {
	t.Helper()
	names := []string{"xai-oauth", "anthropic", "openrouter"}
	p := newProxyOf(t, Config{Base: base}, names...)
	for _, name := range names {
		_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: name, ID: "mine", AccessToken: "key-of-" + name})
		require.NoError(t, err)
	}
	return p
}

// Each provider is below its name, path for path, and gets its own credential.
func TestRouteLeadsToTheProvider(t *testing.T) {
	e := &echo{}
	p := newProxies(t, e)
	for path, want := range map[string]string{
		"/xai-oauth/v1/models?a=1;b":         "https://api.x.ai/v1/models?a=1;b Bearer key-of-xai-oauth",
		"/openrouter/api/v1/models":          "https://openrouter.ai/api/v1/models Bearer key-of-openrouter",
		"/openrouter/api/v1/a//c%20d":        "https://openrouter.ai/api/v1/a//c%20d Bearer key-of-openrouter",
		"/xai-oauth/v1/a%2Fb":                "https://api.x.ai/v1/a%2Fb Bearer key-of-xai-oauth",
		"/xai-oauth/healthz":                 "https://api.x.ai/healthz Bearer key-of-xai-oauth",
		"/xai-oauth//v1/models":              "https://api.x.ai//v1/models Bearer key-of-xai-oauth",
		"/xai-oauth/xai-oauth/v1/models":     "https://api.x.ai/xai-oauth/v1/models Bearer key-of-xai-oauth",
		"/xai-oauth/anthropic/v1/messages":   "https://api.x.ai/anthropic/v1/messages Bearer key-of-xai-oauth",
		"/xai-oauth/../anthropic/v1/message": "https://api.x.ai/../anthropic/v1/message Bearer key-of-xai-oauth",
	} {
		w := serve(p, http.MethodPost, path)
		require.Equal(t, http.StatusOK, w.Code, "%s %s", path, w.Body)
		assert.Equal(t, want, e.last.URL.String()+" "+e.last.Header.Get("Authorization"))
	}
	w := serve(p, http.MethodPost, "/anthropic/v1/messages", "X-Api-Key: mine")
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "key-of-anthropic", e.last.Header.Get("X-Api-Key"))
}

// What is below no name is answered by the proxy, which lists those that there are; nothing is
// forwarded.
func TestRouteOfNobody(t *testing.T) {
	e := &echo{}
	p := newProxies(t, e)
	for _, path := range []string{"/v1/models", "/groq/v1/models", "//xai-oauth/v1", "/XAI-OAUTH/v1", "/xai%2Doauth/v1", "/xai-oauth%2Fv1"} {
		w := serve(p, http.MethodGet, path)
		assert.Equal(t, http.StatusNotFound, w.Code, path)
		assert.Contains(t, w.Body.String(), `"code":"unknown_provider"`, path)
		assert.Contains(t, w.Body.String(), "/xai-oauth/ /anthropic/ /openrouter/", path)
		assert.Equal(t, "false", w.Header().Get("X-Should-Retry"), path)
	}
	for _, path := range []string{"/openrouter", "/openrouter/"} {
		w := serve(p, http.MethodGet, path)
		assert.Equal(t, http.StatusNotFound, w.Code, path)
		assert.Contains(t, w.Body.String(), "http://127.0.0.1:8787/openrouter/api/v1", path)
	}
	assert.Nil(t, e.last)
	// A denial that is about no provider is counted for none.
	assert.Contains(t, serve(p, http.MethodGet, "/metrics").Body.String(),
		`reauth_proxy_denied_total{provider="",reason="unknown_provider"} 6`)
}

// Below the name of a provider no credential of another one is spent, even on a host that both
// have.
func TestRouteKeepsToTheProvider(t *testing.T) {
	e := &echo{}
	p := newProxyOf(t, Config{Base: e}, "opencode-zen")
	for _, name := range []string{"opencode-zen", "opencode-go"} {
		_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: name, AccessToken: "key-of-" + name})
		require.NoError(t, err)
	}
	w := serve(p, http.MethodPost, "/zen/v1/chat/completions")
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "Bearer key-of-opencode-zen", e.last.Header.Get("Authorization"))
	e.last = nil
	w = serve(p, http.MethodPost, "/zen/go/v1/chat/completions")
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Contains(t, w.Body.String(), "not_served")
	assert.Nil(t, e.last)
}

// A single provider is at the root, and below its name too.
func TestRouteOfOne(t *testing.T) {
	e := &echo{}
	p := newProxy(t, "groq", reauth.Credential{AccessToken: "theirs"}, e)
	for _, path := range []string{"/openai/v1/models", "/groq/openai/v1/models"} {
		require.Equal(t, http.StatusOK, serve(p, http.MethodGet, path).Code, path)
		assert.Equal(t, "https://api.groq.com/openai/v1/models", e.last.URL.String())
	}
}

// No name of a provider is a path of the proxy's own, or the beginning of one of its API's.
func TestNamesAreNoPaths(t *testing.T) {
	for row := range vendors.All() {
		for _, name := range append([]string{row.Name}, row.Aliases...) {
			assert.NotContains(t, reserved(), name)
			assert.Equal(t, name, url.PathEscape(name), "it is a segment as it is")
			for _, path := range []string{row.API.OpenAI, row.API.Claude, row.API.Native} {
				first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
				assert.NotEqual(t, first, name, "%s: %s", row.Name, path)
			}
		}
	}
}

// moved answers with a reference.
type moved struct{ location string }

func (m moved) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := says(req, strings.NewReader(""))
	resp.StatusCode = http.StatusTemporaryRedirect
	resp.Header["Location"] = []string{m.location}
	resp.Header["Content-Location"] = []string{m.location}
	resp.Header["Set-Cookie"] = []string{"a=b; Path=/"}
	return resp, nil
}

// A reference to the provider's origin leads the client through the proxy, and one to elsewhere
// there.
func TestReferencesLeadThroughTheProxy(t *testing.T) {
	for location, want := range map[string][2]string{
		"/api/v1/other?a=1#b":               {"/api/v1/other?a=1#b", "/openrouter/api/v1/other?a=1#b"},
		"https://openrouter.ai/api/v1/x":    {"/api/v1/x", "/openrouter/api/v1/x"},
		"HTTPS://OpenRouter.AI/api/a%2Fb":   {"/api/a%2Fb", "/openrouter/api/a%2Fb"},
		"//openrouter.ai/api/v1/x":          {"/api/v1/x", "/openrouter/api/v1/x"},
		"other":                             {"/api/v1/other", "/openrouter/api/v1/other"},
		"../../../../up":                    {"/up", "/openrouter/up"},
		"?page=2":                           {"/api/v1/models?page=2", "/openrouter/api/v1/models?page=2"},
		"https://openrouter.ai":             {"/", "/openrouter"},
		"https://openrouter.ai//evil/x":     {"/.//evil/x", "/openrouter//evil/x"},
		"https://login.example/x":           {"https://login.example/x", "https://login.example/x"},
		"//login.example/x":                 {"https://login.example/x", "https://login.example/x"},
		"http://openrouter.ai/api/v1/x":     {"http://openrouter.ai/api/v1/x", "http://openrouter.ai/api/v1/x"},
		"https://openrouter.ai:8443/api/v1": {"https://openrouter.ai:8443/api/v1", "https://openrouter.ai:8443/api/v1"},
		"%zz":                               {"%zz", "%zz"},
	} {
		for i, prefix := range []string{"", "/openrouter"} {
			p := newProxy(t, "openrouter", reauth.Credential{AccessToken: "theirs"}, moved{location})
			w := serve(p, http.MethodGet, prefix+"/api/v1/models")
			require.Equal(t, http.StatusTemporaryRedirect, w.Code)
			assert.Equal(t, []string{want[i]}, w.Header()["Location"], location)
			assert.Equal(t, []string{want[i]}, w.Header()["Content-Location"], location)
			assert.Empty(t, w.Header()["Set-Cookie"])
		}
	}
}

// The metrics and the page tell the providers apart.
func TestSeveralProvidersAreToldApart(t *testing.T) {
	p := newProxies(t, &echo{})
	require.Equal(t, http.StatusOK, serve(p, http.MethodPost, "/xai-oauth/v1/chat/completions").Code)
	metrics := serve(p, http.MethodGet, "/metrics").Body.String()
	for _, line := range []string{
		`reauth_proxy_requests_total{code="200",provider="xai-oauth"} 1`,
		`reauth_proxy_requests_total{code="200",provider="anthropic"} 0`,
		`reauth_credentials{provider="openrouter",state="good"} 1`,
		`reauth_store_failures_total{provider=""} 0`,
	} {
		assert.Contains(t, metrics, line)
	}
	assert.Equal(t, 1, strings.Count(metrics, "# TYPE reauth_proxy_requests_total"))
	page := serve(p, http.MethodGet, "/").Body.String()
	for _, b := range p.backends {
		assert.Contains(t, page, `aria-label="Credentials of `+b.Provider.Name+`"`)
		for _, base := range b.BaseURLs {
			assert.Contains(t, page, "<code>"+base.URL+"</code>")
		}
	}
	assert.True(t, slices.ContainsFunc(p.backends, func(b *backend) bool { return len(b.BaseURLs) == 2 }))
}
