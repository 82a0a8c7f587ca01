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

// rig is a fake provider, a pool with a login to it, and the HTTP client that a library gets.
type rig struct {
	fake      *reauthtest.Provider
	pool      *reauth.Pool
	transport *reauth.RecoveringTransport
	http      *http.Client
	provider  string
	token     string // the access token of the login

	calls     atomic.Int64  // requests that the library made
	bodyless  atomic.Int64  // of them, those whose body has no GetBody
	refreshed chan struct{} // gets a value for every Refreshed event

	mu     sync.Mutex
	gate   *gate
	handed string // the body of the last refusal that the library got
	record bool
	bodies [][]byte // in the order of arrival, if record is set
	halt   func()   // called after the first event of a stream; the rest of the stream never comes
}

// gate makes an exchange wait.
type gate struct{ entered, leave chan struct{} }

// newRig makes a rig on a loopback server that speaks TLS and HTTP/2. That server answers whatever
// host is dialled, so that a library keeps its own base URL, and the pool the hosts of the built-in
// provider.
func newRig(t testing.TB, c client) *rig {
	r := &rig{fake: reauthtest.New(c.dialect)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a storm cuts connections that it did not need
	server.StartTLS()
	base := server.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.ServerName = "example.com" // the name in the server's certificate
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

// serve records the body of the request, if a test wants that, and passes the request to the fake
// provider.
func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	if r.record && req.URL.Path != reauthtest.TokenPath {
		body, _ := io.ReadAll(req.Body) // the comparison shows a body that was cut
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

// halting sends the first event of a stream, calls halt, and waits until the client has left.
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

// memoryRig makes a rig without sockets, for a bubble of synctest. A bubble begins in the year
// 2000, when Unix time had one digit less than in the headers of today; memoryRig moves it to 2026.
func memoryRig(t testing.TB, c client) *rig {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	r := &rig{fake: reauthtest.New(c.dialect)}
	r.fill(t, c, r.fake.Transport())
	return r
}

// fill makes the pool, the transport and the HTTP client of the rig.
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

// refresher returns the refresher of the provider. For a provider that issues only keys, it returns
// that of an OAuth server in front of it.
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

// hold makes exchanges wait until the leave channel of the gate is closed.
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

// key puts a key into the pool, to be used after the credentials that are there. The provider knows
// the key or not.
func (r *rig) key(t testing.TB, key string, known bool) {
	if known {
		r.fake.AddKey(key)
	}
	_, err := r.pool.Add(bounded(t), reauth.Credential{Provider: r.provider, ID: key, AccessToken: key, Priority: 1})
	require.NoError(t, err)
}

// statuses returns the statuses of the API, in the order of its answers.
func (r *rig) statuses() (s []int) {
	for _, req := range r.fake.Requests() {
		s = append(s, req.Status)
	}
	return s
}

// seen is how often the library called, how often the transport sent, and how often it exchanged
// tokens.
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

// gather makes n requests with the token wait for each other before they are answered, so that the
// size of a storm is known.
func (r *rig) gather(n int) {
	var arrived atomic.Int64
	all := make(chan struct{})
	r.fake.Change(func(p *reauthtest.Provider) {
		p.Refuse = func(req *http.Request, token string) *reauthtest.Answer {
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
	})
}
