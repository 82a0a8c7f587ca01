package sdks

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// rig is a fake provider, a pool with a login to it, and the HTTP client that is handed to a
// library.
type rig struct {
	fake      *reauthtest.Provider
	pool      *reauth.Pool
	transport *reauth.RecoveringTransport
	http      *http.Client
	provider  string
	token     string // the access token of the login

	calls     atomic.Int64 // requests that the library made
	bodyless  atomic.Int64 // of them, those whose body cannot be rewound
	refreshed chan struct{}

	mu     sync.Mutex
	gate   *gate
	handed string // the body of the last refusal that the library was given
	record bool
	bodies [][]byte // as they arrived, once record is set
	halt   func()   // called when the first event of a stream has been sent; the rest never comes
}

// gate holds an exchange up.
type gate struct{ entered, leave chan struct{} }

// newRig is on a loopback server that speaks TLS and HTTP/2. Whatever host is dialled, that server
// answers: a library keeps its own base URL, and the pool the built-in provider's hosts.
func newRig(t testing.TB, c client) *rig {
	r := &rig{fake: reauthtest.New(c.dialect)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections of a storm that were not needed are cut
	server.StartTLS()
	base := server.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.ServerName = "example.com" // which the server's certificate is for
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(func() {
		base.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	r.fill(t, c, base)
	return r
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	if r.record && req.URL.Path != reauthtest.TokenPath {
		body, _ := io.ReadAll(req.Body) // cut short: it shows in the comparison
		r.mu.Lock()
		r.bodies = append(r.bodies, body)
		r.mu.Unlock()
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	if r.halt != nil {
		w = &halting{w, req.Context(), r.halt}
	}
	r.fake.ServeHTTP(w, req)
}

// halting sends the first event of a stream and waits until the client has gone.
type halting struct {
	http.ResponseWriter
	gone context.Context
	halt func()
}

func (h *halting) Flush() {
	h.ResponseWriter.(http.Flusher).Flush()
	h.halt()
	<-h.gone.Done()
}

// memoryRig is without sockets, for a bubble of synctest. A bubble begins in 2000, when Unix time
// had a digit less than the headers of today.
func memoryRig(t testing.TB, c client) *rig {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	r := &rig{fake: reauthtest.New(c.dialect)}
	r.fill(t, c, r.fake.Transport())
	return r
}

func (r *rig) fill(t testing.TB, c client, base http.RoundTripper) {
	r.provider, r.pool, r.refreshed = c.provider, reauth.NewPool(), make(chan struct{}, 8)
	r.pool.Observe = func(_ context.Context, e reauth.Event) {
		if e.Type == reauth.Refreshed {
			r.refreshed <- struct{}{}
		}
	}
	p, ok := reauth.LookupProvider(c.provider)
	require.True(t, ok)
	p.Refresher = r.refresher(t, c.provider, base)
	require.NoError(t, r.pool.Register(p))
	t.Cleanup(func() { assert.NoError(t, r.pool.Close()) })
	r.transport = reauth.NewRecoveringTransport(base, r.pool)
	r.http = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		r.calls.Add(1)
		if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
			r.bodyless.Add(1)
		}
		resp, err := r.transport.RoundTrip(req)
		if err == nil && resp.StatusCode >= 400 {
			body, err := io.ReadAll(resp.Body)
			assert.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			resp.Body = io.NopCloser(bytes.NewReader(body))
			r.mu.Lock()
			defer r.mu.Unlock()
			r.handed = string(body)
		}
		return resp, err
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// refresher is the provider's own, or, where the provider issues nothing but keys, that of an OAuth
// server in front of it.
func (r *rig) refresher(t testing.TB, provider string, base http.RoundTripper) reauth.Refresher {
	cfg := reauth.OAuth2Config{
		TokenURL: "https://auth.example.com" + reauthtest.TokenPath, ClientID: "test",
		HTTPClient: &http.Client{Transport: base},
	}
	refresher, err := reauth.BuiltinRefresher(provider, cfg)
	if err != nil {
		refresher = reauth.OAuth2Refresher(cfg)
	}
	return reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
		r.mu.Lock()
		g := r.gate
		r.mu.Unlock()
		if g != nil {
			g.entered <- struct{}{}
			<-g.leave
		}
		return refresher.Refresh(ctx, c)
	})
}

// hold makes exchanges wait until the gate's leave is closed.
func (r *rig) hold() *gate {
	g := &gate{entered: make(chan struct{}, 1), leave: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = g
	return g
}

// login puts a new login into the pool.
func (r *rig) login(t testing.TB) {
	access, refresh := r.fake.Login()
	r.token = access
	_, err := r.pool.Add(bounded(t), reauth.Credential{
		Provider: r.provider, ID: "me", AccessToken: access, RefreshToken: refresh,
	})
	require.NoError(t, err)
}

// key puts a key into the pool, after what is there; the provider knows it or does not.
func (r *rig) key(t testing.TB, key string, known bool) {
	if known {
		r.fake.AddKey(key)
	}
	_, err := r.pool.Add(bounded(t), reauth.Credential{Provider: r.provider, ID: key, AccessToken: key, Priority: 1})
	require.NoError(t, err)
}

// statuses are what the API answered, in that order.
func (r *rig) statuses() (s []int) {
	for _, req := range r.fake.Requests() {
		s = append(s, req.Status)
	}
	return s
}

// seen is how often each party was asked.
type seen struct{ calls, sends, exchanges int }

func (r *rig) seen() seen {
	return seen{int(r.calls.Load()), len(r.fake.Requests()), r.fake.Exchanges()}
}

func (s seen) String() string {
	text := plural(s.sends, "send")
	if s.calls > 1 && s.calls != s.sends {
		text = plural(s.calls, "call") + ", " + text
	}
	if s.exchanges > 0 {
		text += ", " + plural(s.exchanges, "exchange")
	}
	return text
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// gather makes n requests with the token wait for each other before they are answered: a storm
// whose size is known.
func (r *rig) gather(n int) {
	var arrived atomic.Int64
	all := make(chan struct{})
	r.fake.Refuse = func(req *http.Request, token string) *reauthtest.Answer {
		if token != r.token {
			return nil
		}
		if arrived.Add(1) == int64(n) {
			close(all)
		}
		select {
		case <-all:
		case <-req.Context().Done():
		case <-time.After(patience):
		}
		return nil
	}
}
