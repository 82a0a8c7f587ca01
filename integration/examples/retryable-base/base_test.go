package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stale = "at-EXAMPLE-stale"
	live  = "at-EXAMPLE-live"
)

// seen is what a server saw of one request.
type seen struct{ token, body string }

// server answers each request by the next of its steps. The last step answers all further requests.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	got   []seen
	steps []http.HandlerFunc
}

func newServer(t *testing.T, steps ...http.HandlerFunc) *server {
	s := &server{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.mu.Lock()
		step := s.steps[min(len(s.got), len(s.steps)-1)]
		s.got = append(s.got, seen{strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), string(body)})
		s.mu.Unlock()
		step(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// requests returns the requests that the server has seen so far.
func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.got...)
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, http.StatusText(code))
	}
}

// lose takes the request and cuts the connection.
func lose(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// client is the HTTP client of a program: reauth over a retrying base. A refresh of its credential
// brings the live token.
func client(t *testing.T, base http.RoundTripper, token string) (*http.Client, *retryingBase) {
	t.Helper()
	pool := reauth.NewPool()
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "local", Hosts: []string{"127.0.0.1"},
		Authorize: func(h http.Header, c reauth.Credential) {
			h.Set("Authorization", "Bearer "+c.AccessToken)
			h.Set("X-Api-Key", c.AccessToken) // net/http carries it along to whatever host a redirect names
		},
		Refresher: reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
			return reauth.Credential{AccessToken: live}, nil
		}),
	}))
	cred := reauth.Credential{Provider: "local", AccessToken: token, RefreshToken: "rt-EXAMPLE"}
	require.NoError(t, add(t.Context(), pool, cred))
	b := newRetryingBase(base)
	b.client.RetryWaitMin = time.Millisecond
	c := &http.Client{Transport: reauth.NewRecoveringTransport(b, pool)}
	t.Cleanup(c.CloseIdleConnections)
	return c, b
}

// newTransport returns a transport of the test's own, so that tests share no connection.
func newTransport() *http.Transport { return new(http.Transport) }

// post sends a body. kept takes GetBody away, so that reauth has to keep the body.
func post(t *testing.T, c *http.Client, url, body string, kept bool) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	if kept {
		req.GetBody = nil
	}
	return c.Do(req)
}

// finish reads and closes an answer.
func finish(t *testing.T, resp *http.Response, err error) (code int, body string) {
	t.Helper()
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(b)
}

// 5xx below, credentials above: the body is right each time, with GetBody and without.
func TestOverloadIsMendedBelowAndTheTokenAbove(t *testing.T) {
	for name, kept := range map[string]bool{"GetBody": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, status(503), status(529), status(401), status(500), status(200))
			c, _ := client(t, newTransport(), stale)
			resp, err := post(t, c, s.URL, "the body", kept)
			code, _ := finish(t, resp, err)
			assert.Equal(t, 200, code)
			const body = "the body"
			want := []seen{{stale, body}, {stale, body}, {stale, body}, {live, body}, {live, body}}
			assert.Equal(t, want, s.requests())
		})
	}
}

// A 4xx is for reauth or for the program: the base returns it as it came, at once.
func TestNo4xxIsRepeated(t *testing.T) {
	for _, code := range []int{400, 401, 402, 403, 404, 408, 409, 425, 429, 501} {
		s := newServer(t, status(code, "Retry-After", "1"))
		b := newRetryingBase(newTransport())
		resp, err := post(t, &http.Client{Transport: b}, s.URL, "body", false)
		got, body := finish(t, resp, err)
		assert.Equal(t, code, got)
		assert.Equal(t, http.StatusText(code), body)
		assert.Len(t, s.requests(), 1, "%d", code)
		b.CloseIdleConnections()
	}
}

// The http.Client follows a redirect, and drops the key on the way to another host.
func TestRedirectCarriesNoKey(t *testing.T) {
	var stranger atomic.Value
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stranger.Store([]string{r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), string(body)})
	}))
	t.Cleanup(elsewhere.Close)
	u, err := url.Parse(elsewhere.URL)
	require.NoError(t, err)
	const otherName = "http://localhost:" // than the provider's
	s := newServer(t, status(307, "Location", otherName+u.Port()+"/"))
	c, b := client(t, newTransport(), live)
	resp, err := post(t, c, s.URL, "the body", false)
	code, _ := finish(t, resp, err)
	assert.Equal(t, 200, code)
	assert.Equal(t, []string{"", "", "the body"}, stranger.Load())
	assert.Equal(t, []seen{{live, "the body"}}, s.requests())

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
	require.NoError(t, err)
	resp, err = b.RoundTrip(req)
	code, _ = finish(t, resp, err)
	assert.Equal(t, 307, code, "the base itself follows nothing")
}

// A lost completion may have been paid for; a lost list of models was not. The test runs on a new
// connection and on one that has served before, because net/http treats these differently.
func TestLostRequests(t *testing.T) {
	for name, first := range map[string][]http.HandlerFunc{"new connection": nil, "used connection": {status(200)}} {
		for method, sends := range map[string]int{
			http.MethodPost: 1, http.MethodPut: 1, http.MethodDelete: 1, http.MethodGet: 2, http.MethodHead: 2,
		} {
			t.Run(name+" "+method, func(t *testing.T) {
				s := newServer(t, append(first, lose, status(200))...)
				c, _ := client(t, newTransport(), live)
				if first != nil {
					resp, err := post(t, c, s.URL, "", false)
					finish(t, resp, err)
				}
				before := len(s.requests())
				req, err := http.NewRequestWithContext(t.Context(), method, s.URL, strings.NewReader("body"))
				require.NoError(t, err)
				resp, err := c.Do(req)
				if sends == 1 {
					require.Error(t, err)
					var u *url.Error
					require.ErrorAs(t, err, &u)
					assert.False(t, errors.As(u.Err, &u), "wrapped once, by the client")
				} else {
					code, _ := finish(t, resp, err)
					assert.Equal(t, 200, code)
				}
				assert.Len(t, s.requests()[before:], sends)
			})
		}
	}
}

// A request that was not sent is sent again, whatever its method.
func TestUnsentPostIsSentAgain(t *testing.T) {
	s := newServer(t, status(200))
	for name, kept := range map[string]bool{"GetBody": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			var dials atomic.Int32
			base := newTransport()
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if dials.Add(1) < 3 {
					addr = "127.0.0.1:1" // nobody listens there
				}
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			c, _ := client(t, base, live)
			before := len(s.requests())
			resp, err := post(t, c, s.URL, "the body", kept)
			code, _ := finish(t, resp, err)
			assert.Equal(t, 200, code)
			assert.EqualValues(t, 3, dials.Load())
			assert.Equal(t, []seen{{live, "the body"}}, s.requests()[before:])
		})
	}
}

func TestLastAnswerPassesThrough(t *testing.T) {
	s := newServer(t, status(503, "X-Which", "the server's own"))
	c, b := client(t, newTransport(), live)
	resp, err := post(t, c, s.URL, "body", false)
	code, body := finish(t, resp, err)
	assert.Equal(t, 503, code)
	assert.Equal(t, "Service Unavailable", body)
	assert.Equal(t, "the server's own", resp.Header.Get("X-Which"))
	assert.Len(t, s.requests(), 1+b.client.RetryMax)
}

// When the server asks for a longer wait than the base allows, the base does not wait at all.
func TestLongRetryAfterIsNotWaitedFor(t *testing.T) {
	s := newServer(t, status(503, "Retry-After", "3600"))
	c, _ := client(t, newTransport(), live)
	resp, err := post(t, c, s.URL, "body", false)
	code, _ := finish(t, resp, err)
	assert.Equal(t, 503, code)
	assert.Len(t, s.requests(), 1)
}

// When a body is too long to be kept, the request is not repeated, and its answer is not lost.
func TestBodyThatCannotBeHadAgain(t *testing.T) {
	for name, limit := range map[string]int64{"over the cap": 16, "never kept": -1} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, status(503))
			c, _ := client(t, newTransport(), live)
			c.Transport.(*reauth.RecoveringTransport).MaxBodyBuffer = limit
			resp, err := post(t, c, s.URL, strings.Repeat("x", 100), true)
			code, body := finish(t, resp, err)
			assert.Equal(t, 503, code)
			assert.Equal(t, "Service Unavailable", body)
			assert.Len(t, s.requests(), 1)
		})
	}
}

// writer is a body that is written while it is sent. Its second half is written only when the
// server has the first, so a transport that reads all of it first would wait for ever.
type writer struct {
	*io.PipeReader
	closed atomic.Int32
}

func (w *writer) Close() error {
	w.closed.Add(1)
	return w.PipeReader.Close()
}

func TestBodyIsSentWhileItIsWrittenAndClosed(t *testing.T) {
	for name, codes := range map[string][]int{
		"served": {200}, "overloaded": {503, 200}, "redirected": {307}, "refused": {401, 200},
	} {
		t.Run(name, func(t *testing.T) {
			half := make(chan struct{}, 1)
			var got []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b := make([]byte, 4)
				_, err := io.ReadFull(r.Body, b)
				assert.NoError(t, err)
				select {
				case half <- struct{}{}:
				default:
				}
				rest, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				got = append(got, string(b)+string(rest))
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(codes[len(got)-1])
			}))
			t.Cleanup(s.Close)
			in, out := io.Pipe()
			go func() {
				_, _ = io.WriteString(out, "half")
				<-half
				_, _ = io.WriteString(out, " and half")
				_ = out.Close() // never fails
			}()
			body := &writer{PipeReader: in}
			c, _ := client(t, newTransport(), stale)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
			require.NoError(t, err)
			resp, err := c.Transport.RoundTrip(req)
			code, _ := finish(t, resp, err)
			assert.Equal(t, codes[len(codes)-1], code)
			require.Len(t, got, len(codes))
			for _, b := range got {
				assert.Equal(t, "half and half", b)
			}
			closed := func() bool { return body.closed.Load() == 1 }
			assert.Eventually(t, closed, 5*time.Second, time.Millisecond, "the caller's body is closed")
		})
	}
}

// The end of the caller's context ends a wait between two sends, and is the error.
func TestContextEndsTheWait(t *testing.T) {
	s := newServer(t, status(503))
	c, b := client(t, newTransport(), live)
	b.client.RetryWaitMin, b.client.RetryWaitMax = time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
	require.NoError(t, err)
	go func() {
		for len(s.requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err = c.Do(req)
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, s.requests(), 1)
}

// Requests of a reverse proxy have a RequestURI, which http.Client refuses, and their answers may
// be upgrades.
func TestUnderAReverseProxy(t *testing.T) {
	s := newServer(t, status(503), status(401), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		line, err := rw.ReadString('\n')
		assert.NoError(t, err)
		_, err = io.WriteString(conn, "echo: "+line)
		assert.NoError(t, err)
	})
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	c, _ := client(t, newTransport(), stale)
	toServer := func(r *httputil.ProxyRequest) { r.SetURL(u) }
	front := httptest.NewServer(&httputil.ReverseProxy{Transport: c.Transport, Rewrite: toServer})
	t.Cleanup(front.Close)

	base := newTransport()
	t.Cleanup(base.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "example")
	resp, err := base.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	_, err = io.WriteString(resp.Body.(io.Writer), "hello\n")
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "echo: hello\n", string(b))
	assert.Len(t, s.requests(), 3)
}

func TestExample(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	assert.Contains(t, out.String(), "send 3: 401")
}
