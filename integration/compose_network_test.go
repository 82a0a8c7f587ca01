package integration

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// httpProxy is a forward proxy that leads to one origin, whatever host a request names. It takes
// CONNECT, and plain requests in absolute form.
type httpProxy struct {
	t      testing.TB
	to     *url.URL
	refuse bool // answers 407

	mu  sync.Mutex
	got []*http.Request
}

func (p *httpProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.got = append(p.got, r)
	p.mu.Unlock()
	switch {
	case p.refuse:
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.tunnel(w)
	default:
		(&httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(p.to) },
			Transport: &http.Transport{DisableKeepAlives: true},
		}).ServeHTTP(w, r)
	}
}

// tunnel connects the client with the origin.
func (p *httpProxy) tunnel(w http.ResponseWriter) {
	there, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to.Host)
	if !assert.NoError(p.t, err) {
		return
	}
	defer there.Close()
	w.WriteHeader(http.StatusOK)
	here, rw, err := http.NewResponseController(w).Hijack()
	if !assert.NoError(p.t, err) {
		return
	}
	defer here.Close()
	go func() {
		_, _ = io.Copy(there, rw) // until one side closes
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
}

func (p *httpProxy) requests() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.got...)
}

// proxied returns a base that sends everything through a proxy, which leads to the origin.
func proxied(t *testing.T, origin *httptest.Server) (*http.Transport, *httpProxy) {
	t.Helper()
	to, err := url.Parse(origin.URL)
	require.NoError(t, err)
	p := &httpProxy{t: t, to: to}
	u, err := url.Parse(serveOrigin(t, p).URL)
	require.NoError(t, err)
	u.User = url.UserPassword("user", "password")
	base := origin.Client().Transport.(*http.Transport).Clone()
	base.Proxy = http.ProxyURL(u)
	return base, p
}

const proxyCredential = "user:password"

// Through CONNECT the proxy sees neither the token nor its refusal.
func TestConnectProxy(t *testing.T) {
	o := new(origin)
	server := httptest.NewTLSServer(o)
	t.Cleanup(server.Close)
	base, proxy := proxied(t, server)
	c := newComposed(t, base, composeStale, "example.com")
	mustAnswer(t, c, plainRequest(t.Context(), t, http.MethodPost, "https://example.com/v1", "body"), 200)
	o.recovered(t, "body")
	got := proxy.requests()
	require.Len(t, got, 1, "the replay goes over the connection of the first send")
	assert.Equal(t, "example.com:443", got[0].Host)
	assert.Empty(t, got[0].Header.Get("Authorization"))
	assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte(proxyCredential)),
		got[0].Header.Get("Proxy-Authorization"))
	for _, a := range o.arrivals() {
		assert.Empty(t, a.Header.Get("Proxy-Authorization"), "the origin does not get the credential for the proxy")
	}

	proxy.refuse = true
	c.CloseIdleConnections()
	_, err := c.RoundTrip(plainRequest(t.Context(), t, http.MethodPost, "https://example.com/v1", "body"))
	require.ErrorContains(t, err, "Proxy Authentication Required")
	assert.EqualValues(t, 1, c.exchanges.Load(), "a proxy's refusal is not about the credential")
}

// A plain proxy gets the whole URL, and the token with it. This is why a pool sends tokens over
// http only to a host that is named with http.
func TestPlainProxy(t *testing.T) {
	o := new(origin)
	base, proxy := proxied(t, serveOrigin(t, o))
	c := newComposed(t, base, composeStale, "http://llm.corp.example:8080")
	mustAnswer(t, c, plainRequest(t.Context(), t, http.MethodPost, "http://llm.corp.example:8080/v1", "body"), 200)
	o.recovered(t, "body")
	for _, r := range proxy.requests() {
		assert.Equal(t, "http://llm.corp.example:8080/v1", r.RequestURI)
		assert.NotEmpty(t, r.Header.Get("Proxy-Authorization"))
	}

	proxy.refuse = true
	resp, _ := mustAnswer(t, c,
		plainRequest(t.Context(), t, http.MethodPost, "http://llm.corp.example:8080/v1", "body"), 407)
	assert.Equal(t, "Basic", resp.Header.Get("Proxy-Authenticate"))
	assert.EqualValues(t, 1, c.exchanges.Load(), "a proxy's refusal is not about the credential")
	assert.Len(t, proxy.requests(), 3)

	proxy.refuse = false
	mustAnswer(t, c, plainRequest(t.Context(), t, http.MethodPost, "http://llm.corp.example:8081/v1", "body"), 401)
	assert.Empty(t, o.arrivals()[2].Token, "another port is another host")
}

// A base may dial a socket whatever the URL says. The URL names the provider all the same.
func TestUnixSocket(t *testing.T) {
	o := new(origin)
	dir, err := os.MkdirTemp("", "reauth") // t.TempDir may be too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "llm.sock")
	server := httptest.NewUnstartedServer(o)
	require.NoError(t, server.Listener.Close())
	server.Listener, err = new(net.ListenConfig).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)

	base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	for _, url := range []string{"http://localhost/v1", "http://llm.sock.example/v1"} {
		o.got = nil
		c := newComposed(t, base, composeStale, "localhost", "http://llm.sock.example:80")
		mustAnswer(t, c, plainRequest(t.Context(), t, http.MethodPost, url, strings.Repeat("body", 1000)), 200)
		o.recovered(t, strings.Repeat("body", 1000))
	}
}
