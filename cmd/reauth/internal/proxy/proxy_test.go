package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// newProxy returns a proxy for a built-in provider. base stands for the provider's API; c is the
// pool's only credential unless it is empty.
func newProxy(t *testing.T, provider string, c reauth.Credential, base http.RoundTripper) *Proxy {
	t.Helper()
	p := newProxyOf(t, Config{Base: base}, provider)
	if c.AccessToken != "" {
		c.Provider = provider
		_, err := p.pool.Add(t.Context(), c)
		require.NoError(t, err)
	}
	return p
}

// newProxyOf returns a proxy for built-in providers, with an empty pool.
func newProxyOf(t *testing.T, c Config, providers ...string) *Proxy {
	t.Helper()
	c.Pool = reauth.NewPool()
	c.Addrs = []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8787}}
	c.MarkFinal = true
	for _, provider := range providers {
		pr, ok := reauth.LookupProvider(provider)
		require.True(t, ok)
		api := vendors.Of(pr.Name).API
		require.NotEmpty(t, api.BaseURL())
		upstream, err := url.Parse(api.Origin)
		require.NoError(t, err)
		at := "http://127.0.0.1:8787"
		if len(providers) > 1 {
			at += "/" + pr.Name
		}
		c.Backends = append(c.Backends, Backend{pr, upstream, []string{pr.Name}, BaseURLs(api, at)})
	}
	p := New(c)
	t.Cleanup(func() { require.NoError(t, c.Pool.Close()); p.stop() })
	return p
}

// serve sends a request to the proxy as a local client does, and returns the answer.
func serve(p *Proxy, method, target string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader("{}"))
	req.Host = "127.0.0.1:8787"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	return w
}

// completion lets the proxy serve a completion with a body of JSON.
func completion(p *Proxy, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
	req.Host = "127.0.0.1:8787"
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	return w
}

// echo is a provider that accepts everything. It keeps the last request.
type echo struct{ last *http.Request }

func (e *echo) RoundTrip(req *http.Request) (*http.Response, error) {
	e.last = req
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Set-Cookie": {"a=b"}, "X-Kept": {"1"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: req,
	}, nil
}

// The provider says in which header its credential goes; for a gateway of several APIs, the header
// in which the client had its key says so. The client's own key never reaches the provider.
func TestRewritePutsTheCredentialInPlaceOfTheClients(t *testing.T) {
	for _, c := range []struct {
		provider, target string
		headers          []string
		url, name, value string
	}{
		{
			"groq", "/openai/v1/models?a=1;b&key=mine",
			[]string{"Authorization: Bearer mine"},
			"https://api.groq.com/openai/v1/models?a=1;b&key=mine",
			"Authorization", "Bearer theirs",
		},
		{
			"groq", "/openai/v1/a%2Fb//c",
			[]string{"X-Api-Key: mine"},
			"https://api.groq.com/openai/v1/a%2Fb//c", "Authorization", "Bearer theirs",
		},
		{
			"opencode-zen", "/zen/v1/messages",
			[]string{"X-Api-Key: mine"},
			"https://opencode.ai/zen/v1/messages", "X-Api-Key", "theirs",
		},
		{
			"opencode-zen", "/zen/v1/models/x",
			[]string{"X-Goog-Api-Key: mine"},
			"https://opencode.ai/zen/v1/models/x", "X-Goog-Api-Key", "theirs",
		},
		{
			"opencode-zen", "/zen/v1/chat/completions", nil,
			"https://opencode.ai/zen/v1/chat/completions", "Authorization", "Bearer theirs",
		},
		{
			"anthropic", "/v1/messages",
			[]string{"Authorization: Bearer mine"},
			"https://api.anthropic.com/v1/messages", "X-Api-Key", "theirs",
		},
		{
			"gemini", "/v1beta/models/x:generateContent?key=mine&alt=sse&access_token=mine", nil,
			"https://generativelanguage.googleapis.com/v1beta/models/x:generateContent?alt=sse",
			"X-Goog-Api-Key", "theirs",
		},
	} {
		e := &echo{}
		w := serve(newProxy(t, c.provider, reauth.Credential{AccessToken: "theirs"}, e),
			http.MethodPost, c.target, append(c.headers, "Cookie: mine")...)
		require.Equal(t, http.StatusOK, w.Code, "%s %s", c.provider, w.Body)
		assert.Equal(t, c.url, e.last.URL.String())
		assert.Empty(t, e.last.Host)
		for _, name := range keyHeaders() {
			want := ""
			if name == c.name {
				want = c.value
			}
			assert.Equal(t, want, e.last.Header.Get(name), "%s %s", c.provider, name)
		}
		assert.Empty(t, e.last.Header.Get("Cookie"))
		assert.Empty(t, w.Header().Get("Set-Cookie"))
		assert.Equal(t, "1", w.Header().Get("X-Kept"))
	}
}

// On a host where only some paths are the provider's, the proxy forwards no request for another
// path: the pool has no credential for it. The answer names the base URL to set.
func TestForwardNamesTheBaseURLForAnotherPath(t *testing.T) {
	e := &echo{}
	w := serve(newProxy(t, "openrouter", reauth.Credential{AccessToken: "theirs"}, e),
		http.MethodPost, "/v1/chat/completions")
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Contains(t, w.Body.String(), "http://127.0.0.1:8787/api/v1")
	assert.Nil(t, e.last)
}

// failing is a provider that cannot be reached.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// The proxy does not repeat the text of a connection's error, which may quote the address of a
// forward proxy with its password.
func TestFailureNamesNoSecret(t *testing.T) {
	for err, want := range map[error]string{
		errors.New(`invalid proxy address "http://user:secret@proxy"`):               "the connection failed",
		&net.DNSError{Err: "no such host", Name: "secret.example", IsNotFound: true}: "its name was not found",
		fmt.Errorf("secret: %w", os.ErrDeadlineExceeded):                             "time-out",
		fmt.Errorf("secret: %w", context.DeadlineExceeded):                           "time-out",
	} {
		p := newProxy(t, "groq", reauth.Credential{AccessToken: "theirs"}, failing{err})
		w := serve(p, http.MethodPost, "/openai/v1/models")
		assert.Equal(t, http.StatusBadGateway, w.Code)
		assert.Contains(t, w.Body.String(), want)
		assert.NotContains(t, w.Body.String(), "secret")
		assert.Empty(t, w.Header().Get("X-Should-Retry"), "it may be worth another try")
		page := serve(p, http.MethodGet, "/").Body.String()
		assert.NotContains(t, page, "theirs")
		assert.NotContains(t, page, "user:secret")
	}
}

// Every built-in provider has a documented address on one of its hosts, or is on the list of those
// that have none.
func TestBasesAreTheProviders(t *testing.T) {
	own := []string{
		"anthropic-aws", "azure-foundry", "bedrock", "cloudflare", "copilot-acp", "databricks", "snowflake", "vertex",
	}
	pool := reauth.NewPool()
	for _, name := range reauth.ProviderNames() {
		api := vendors.Of(name).API
		bases := BaseURLs(api, api.Origin)
		require.Equal(t, slices.Contains(own, name), len(bases) == 0, name)
		for _, base := range bases {
			path := "/x"
			if base.For == "Anthropic" {
				path = "/v1/messages" // which its clients add
			}
			u, err := url.Parse(base.URL + path)
			require.NoError(t, err)
			owner, ok := pool.ProviderFor(u)
			// Clients of the provider's own API add the rest of the path themselves.
			if !ok && base.For == "" {
				owner, ok = pool.ProviderFor(u.JoinPath("../api/x"))
			}
			require.True(t, ok, base.URL)
			assert.Equal(t, name, owner.Name, base.URL)
		}
	}
}

// limited tells in the header of each answer what is left of a limit.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	if err == nil {
		for name, value := range map[string]string{"Limit": "100", "Remaining": "25", "Reset": "6m0s"} {
			resp.Header.Set("X-Ratelimit-"+name+"-Tokens", value)
		}
	}
	return resp, err
}

// Dashboards rely on the names, types and labels of the metrics.
func TestMetricsNames(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	access, refresh := fake.Login()
	fake.Expire(access)
	p := newProxy(t, "xai-oauth", reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh}, limited{fake.Transport()})
	pr, _ := reauth.LookupProvider("xai-oauth")
	pr.ReadLimits = true
	pr.Refresher = reauth.OAuth2Refresher(reauth.OAuth2Config{
		TokenURL: "https://auth.x.ai" + reauthtest.TokenPath, HTTPClient: &http.Client{Transport: fake.Transport()},
	})
	require.NoError(t, p.pool.Register(pr))
	require.Equal(t, http.StatusOK, completion(p, `{"model":"grok-4"}`).Code)
	w := serve(p, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, w.Code)

	families, err := p.registry.Gather()
	require.NoError(t, err)
	var got strings.Builder
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "reauth_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		fmt.Fprintf(&got, "%s %s {%s}\n", strings.ToLower(f.GetType().String()), f.GetName(), strings.Join(labels, ","))
	}
	golden, err := os.ReadFile("testdata/metrics.txt")
	require.NoError(t, err)
	assert.Equal(t, string(golden), got.String())
	for _, line := range []string{
		`reauth_verdicts_total{kind="rejected",provider="xai-oauth",reason="`,
		`reauth_refreshes_total{provider="xai-oauth",result="exchanged"} 1`,
		`reauth_recovery_seconds_count{provider="xai-oauth",result="recovered"} 1`,
		`reauth_credentials{provider="xai-oauth",state="good"} 1`,
		`reauth_limit_left_ratio{credential="me",limit="tokens",model="grok-4",provider="xai-oauth"} 0.25`,
		"go_goroutines ", "process_open_fds ",
	} {
		assert.Contains(t, w.Body.String(), line)
	}
	assert.NotContains(t, w.Body.String(), access)
}

// The page is complete when there is nothing to show, and when there is more than it shows.
func TestPage(t *testing.T) {
	p := newProxy(t, "xai-oauth", reauth.Credential{}, &echo{})
	w := serve(p, http.MethodGet, "/")
	assert.Contains(t, w.Body.String(), "The store holds no credential of xai-oauth.")
	assert.Contains(t, w.Body.String(), "None yet")
	for i := range keptDecisions + 5 {
		p.observe(context.Background(), reauth.Event{
			Time: time.Now(), Type: reauth.Switched, ID: fmt.Sprintf("c%d", i), Reason: "<i>",
		})
	}
	p.observe(context.Background(), reauth.Event{Time: time.Now(), Type: reauth.Sent, Status: 200})
	p.observe(context.Background(), reauth.Event{
		Time: time.Now().Add(-48 * time.Hour), Type: reauth.Retired, Err: errors.New("<broken>"),
	})
	body := serve(p, http.MethodGet, "/-/status").Body.String()
	rows := regexp.MustCompile(`(?s)<tr data-type="([^"]+)"`).FindAllStringSubmatch(body, -1)
	require.Len(t, rows, keptDecisions)
	assert.Equal(t, "retired", rows[0][1], "the newest first")
	assert.Contains(t, body, "&lt;broken&gt;")
	assert.NotContains(t, body, "<i>")
	assert.NotContains(t, body, ">c5<", "the oldest has gone")
	assert.Contains(t, body, ">c6<")
	p.draining.Store(true)
	assert.Contains(t, serve(p, http.MethodGet, "/-/status").Body.String(), "stopping")
	assert.Equal(t, http.StatusServiceUnavailable, serve(p, http.MethodGet, "/healthz").Code)
	for path, kind := range map[string]string{"/-/status.css": "text/css", "/-/status.js": "text/javascript"} {
		w := serve(p, http.MethodGet, path)
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Contains(t, w.Header().Get("Content-Type"), kind)
	}
	for _, path := range []string{"/-/", "/-/page.html", "/-/../page.go"} {
		assert.Equal(t, http.StatusNotFound, serve(p, http.MethodGet, path).Code, path)
	}
}

func TestTimesForPeople(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{30 * time.Second, "in 30 s"},
		{-90 * time.Second, "1 min ago"},
		{119 * time.Minute, "in 119 min"},
		{26 * time.Hour, "in 26 h"},
		{-72 * time.Hour, "3 days ago"},
	} {
		assert.Equal(t, c.want, when(now.Add(c.d), now))
	}
	assert.Equal(t, "–", when(time.Time{}, now))
}
