package reauth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// hopWorld is servers of several hosts, over TLS and in the clear, that redirect by a plan.
type hopWorld struct {
	client *http.Client
	pool   *reauth.Pool
	events *eventLog
	status int               // of a redirect
	plan   map[string]string // URL → where it redirects to

	mu   sync.Mutex
	seen []string // "METHOD URL key body" of each request
}

// newHopWorld has the provider "example" at api and eu.example.com, and in the clear at
// gw.example.com:4000, and the provider "other" at other.example.com. Every other host is a
// stranger's.
func newHopWorld(t *testing.T) *hopWorld {
	t.Helper()
	w := &hopWorld{pool: reauth.NewPool(), events: new(eventLog)}
	w.pool.Observe = w.events.observe
	secure, plain := httptest.NewTLSServer(w), httptest.NewServer(w)
	base := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := plain.Listener.Addr()
			if strings.HasSuffix(addr, ":443") {
				to = secure.Listener.Addr()
			}
			return new(net.Dialer).DialContext(ctx, network, to.String())
		},
	}
	w.client = &http.Client{Transport: reauth.NewRecoveringTransport(base, w.pool)}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		secure.Close()
		plain.Close()
		require.NoError(t, w.pool.Close())
	})
	for name, hosts := range map[string][]string{
		"example": {"api.example.com", "eu.example.com", "http://gw.example.com:4000"}, "other": {"other.example.com"},
	} {
		require.NoError(t, w.pool.Register(reauth.Provider{Name: name, Hosts: hosts}))
		_, err := w.pool.Add(t.Context(), reauth.Credential{Provider: name, AccessToken: "key-of-" + name})
		require.NoError(t, err)
	}
	return w
}

func (w *hopWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	at := scheme + "://" + r.Host + r.URL.Path
	body, _ := io.ReadAll(r.Body) // the test sees what has come
	w.mu.Lock()
	w.seen = append(w.seen, strings.TrimSpace(fmt.Sprintf("%s %s %s %s",
		r.Method, at, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), body)))
	next := w.plan[at]
	w.mu.Unlock()
	if next != "" {
		rw.Header().Set("Location", next)
		rw.WriteHeader(w.status)
		return
	}
	_, _ = io.WriteString(rw, "arrived") // a client that has gone is the test's failure
}

// post sends a request along the hops, and returns the key that each of them got.
func (w *hopWorld) post(t *testing.T, status int, hops ...string) (keys []string) {
	t.Helper()
	w.mu.Lock()
	w.seen, w.status, w.plan = nil, status, make(map[string]string)
	for i := 1; i < len(hops); i++ {
		w.plan[hops[i-1]] = hops[i]
	}
	w.mu.Unlock()
	resp, err := w.client.Post(hops[0], "text/plain", strings.NewReader("prompt"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, w.seen, len(hops))
	for i, line := range w.seen {
		parts := strings.Fields(line)
		require.Equal(t, hops[i], parts[1])
		key := "-"
		if len(parts) > 2 && strings.HasPrefix(parts[2], "key-of-") {
			key = strings.TrimPrefix(parts[2], "key-of-")
		}
		keys = append(keys, key)
		if keeps := status == 307 || status == 308; i > 0 && keeps {
			assert.Equal(t, "POST", parts[0])
			assert.Equal(t, "prompt", parts[len(parts)-1], "%d sends method and body along", status)
		}
	}
	return keys
}

// Whoever redirects a client into a provider has chosen what is asked there. The provider's
// credential goes along only when the provider itself has redirected, all the way.
func TestRedirectsIntoAProvider(t *testing.T) {
	const (
		api, eu, slash = "https://api.example.com/v1", "https://eu.example.com/v1", "https://api.example.com/v1/"
		evil, other    = "https://evil.example.com/", "https://other.example.com/"
		clear, inClear = "http://api.example.com/v1", "http://gw.example.com:4000/v1/"
	)
	w := newHopWorld(t)
	for name, c := range map[string]struct {
		hops []string
		want string
	}{
		"from a stranger":                      {[]string{evil, api}, "- -"},
		"within the provider":                  {[]string{api, eu}, "example example"},
		"on one host":                          {[]string{slash, api}, "example example"},
		"thrice within the provider":           {[]string{eu, slash, api, eu + "/x"}, "example example example example"},
		"out and back":                         {[]string{api, evil, api + "/x"}, "example - -"},
		"from a stranger by the provider's":    {[]string{evil, slash, api}, "- - -"},
		"from another provider":                {[]string{other, api}, "other -"},
		"through another provider":             {[]string{api, other, eu}, "example - -"},
		"from the provider's name, in clear":   {[]string{clear, api}, "- -"},
		"from plain http that is registered":   {[]string{inClear, api}, "example -"},
		"within plain http that is registered": {[]string{inClear, "http://gw.example.com:4000/v1"}, "example example"},
		"to plain http that is registered":     {[]string{api, inClear}, "example example"},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				assert.Equal(t, c.want, strings.Join(w.post(t, status, c.hops...), " "))
			})
		}
	}
	told := w.events.all(reauth.PassedThrough)
	var hosts []string
	for _, e := range told {
		if e.Reason == "redirected" {
			hosts = append(hosts, e.Provider)
			assert.ErrorContains(t, e.Err, "has led there")
		}
	}
	assert.ElementsMatch(t, []string{"example", "example", "other"}, hosts, "once for each host")
}

// Response is set by http.Client on a hop. A program may set it too: what it says counts, and what
// it does not say is nobody's.
func TestResponseSetByHand(t *testing.T) {
	to := func(u string) *http.Request {
		return &http.Request{Method: http.MethodGet, URL: mustURL(t, u), Header: http.Header{}}
	}
	after := func(from *http.Request) *http.Response { return &http.Response{StatusCode: 307, Request: from} }
	long := to("https://api.x.ai/v1")
	for range 200 {
		next := to("https://api.x.ai/v1")
		next.Response, long = after(long), next
	}
	cycle := to("https://api.x.ai/v1")
	cycle.Response = after(cycle)
	pool := poolOf(t, reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"})
	for name, c := range map[string]struct {
		response *http.Response
		want     string
	}{
		"none":                        {nil, "Bearer key-EXAMPLE"},
		"of the provider":             {after(to("https://us.api.x.ai/v1")), "Bearer key-EXAMPLE"},
		"of a stranger":               {after(to("https://stranger.example/")), ""},
		"of the provider in clear":    {after(to("http://api.x.ai/v1")), ""},
		"of a request without a URL":  {after(&http.Request{}), ""},
		"of no request":               {&http.Response{StatusCode: 307}, ""},
		"of more hops than there are": {after(long), ""},
		"of itself":                   {cycle.Response, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var sent string
			base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = req.Header.Get("Authorization")
				return answer(req, 200, "{}"), nil
			})
			req := to("https://api.x.ai/v1")
			if req.Response = c.response; name == "of itself" {
				req = cycle
			}
			resp, err := reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, c.want, sent)
		})
	}
}
