package integration

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// goingAway is the listener of an HTTP/2 server. Its first connections do not reach the server.
// goingAway closes them gracefully while the body of a request is on its way, and GOAWAY says that
// the server did not look at the request.
type goingAway struct {
	net.Listener
	t      testing.TB
	server *httptest.Server
	closes atomic.Int32 // connections that it has still to close
	conns  atomic.Int32
}

// newGoingAway serves h behind a listener that closes the first connections.
func newGoingAway(t testing.TB, closes int32, h http.Handler) *goingAway {
	s := httptest.NewUnstartedServer(h)
	g := &goingAway{Listener: s.Listener, t: t, server: s}
	g.closes.Store(closes)
	s.Listener, s.EnableHTTP2 = g, true
	s.StartTLS()
	t.Cleanup(s.Close)
	return g
}

func (g *goingAway) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.conns.Add(1)
		if g.closes.Add(-1) < 0 {
			return conn, nil
		}
		go g.goAway(tls.Server(conn, g.server.TLS))
	}
}

// goAway reads the beginning of a request and closes the connection as RFC 9113 §6.8 describes. It
// opens no window, so that the client cannot send a long body as a whole.
func (g *goingAway) goAway(conn *tls.Conn) {
	defer conn.Close()
	_, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
	if !assert.NoError(g.t, err) {
		return
	}
	f := http2.NewFramer(conn, conn)
	assert.NoError(g.t, f.WriteSettings())
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return // the client has closed the connection
		}
		if frame.Header().Type == http2.FrameData && frame.Header().Length > 0 {
			assert.NoError(g.t, f.WriteGoAway(0, http2.ErrCodeNo, nil))
			break
		}
	}
	_, _ = io.Copy(io.Discard, conn) // until the client closes the connection
}

// long is the length of a body that does not fit into the first window of a stream.
const long = 1 << 20

// net/http sends the body again from its beginning on a new connection. It uses the GetBody of the
// request, which reauth provides where the caller has none. That holds before a refusal, after one,
// and when both happen.
func TestGoAwayInTheMiddleOfABody(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", long/16)
	for name, c := range map[string]struct {
		token  string
		closes int32
		kept   bool
	}{
		"served, GetBody":         {composeLive, 1, false},
		"served, kept":            {composeLive, 1, true},
		"refused, GetBody":        {composeStale, 1, false},
		"refused, kept":           {composeStale, 1, true},
		"twice and refused, kept": {composeStale, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := new(origin)
			g := newGoingAway(t, c.closes, o)
			transport := newComposed(t, g.server.Client().Transport, c.token)
			req := plainRequest(t.Context(), t, http.MethodPost, g.server.URL, body)
			if !c.kept {
				rewindable(req, body)
			}
			resp, _ := mustAnswer(t, transport, req, 200)
			assert.Equal(t, 2, resp.ProtoMajor)
			if c.token == composeStale {
				o.recovered(t, body)
			} else if got := o.arrivals(); assert.Len(t, got, 1) {
				assert.True(t, body == got[0].Body)
			}
			assert.GreaterOrEqual(t, g.conns.Load(), c.closes+1)
		})
	}
}

// If a server closes its connection after a refusal, the replay goes over a new one.
func TestGoAwayWithTheRefusal(t *testing.T) {
	for name, kept := range map[string]bool{"GetBody": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			o := new(origin)
			g := newGoingAway(t, 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close") // net/http's server then sends GOAWAY
				o.ServeHTTP(w, r)
			}))
			transport := newComposed(t, g.server.Client().Transport, composeStale)
			req := plainRequest(t.Context(), t, http.MethodPost, g.server.URL, "body")
			if !kept {
				rewindable(req, "body")
			}
			mustAnswer(t, transport, req, 200)
			o.recovered(t, "body")
			// net/http may open one more, when the goodbye meets the replay on its way.
			if got := o.arrivals(); len(got) == 2 {
				assert.NotEqual(t, got[0].From, got[1].From)
			}
		})
	}
}

// If reauth keeps no body, it is as without reauth: net/http cannot send the body again, and says
// so.
func TestGoAwayWithoutGetBody(t *testing.T) {
	g := newGoingAway(t, 1, new(origin))
	transport := newComposed(t, g.server.Client().Transport, composeLive)
	transport.MaxBodyBuffer = -1
	req := plainRequest(t.Context(), t, http.MethodPost, g.server.URL, strings.Repeat("x", long))
	_, err := transport.RoundTrip(req)
	require.ErrorContains(t, err, "define Request.GetBody to avoid this error")
}

// Local gateways speak HTTP/2 without TLS.
func TestH2C(t *testing.T) {
	next := make(chan struct{})
	o := &origin{serve: func(w http.ResponseWriter, _ *http.Request) {
		for _, event := range []string{"data: 1\n\n", "data: 2\n\n", "data: 3\n\n"} {
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush() // a failure shows at the client
			<-next
		}
	}}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(o)
	server.Config.Protocols = protocols
	server.Start()
	t.Cleanup(server.Close)

	transport := newComposed(t, &http.Transport{Protocols: protocols}, composeStale)
	body := strings.Repeat("x", long)
	resp, err := transport.RoundTrip(plainRequest(t.Context(), t, http.MethodPost, server.URL, body))
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 2, resp.ProtoMajor)
	event := make([]byte, len("data: 1\n\n"))
	for _, want := range []string{"data: 1\n\n", "data: 2\n\n", "data: 3\n\n"} {
		_, err = io.ReadFull(resp.Body, event)
		require.NoError(t, err)
		assert.Equal(t, want, string(event), "each event arrives before the next one is sent")
		next <- struct{}{}
	}
	o.recovered(t, body)
	for _, a := range o.arrivals() {
		assert.Equal(t, "HTTP/2.0", a.Proto)
	}
}
