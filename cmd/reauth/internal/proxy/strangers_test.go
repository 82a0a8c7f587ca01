package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// pipes is a listener whose connections are pipes in memory: a write waits until it is read. In a
// bubble of synctest the deadlines of their two ends are exact.
type pipes struct {
	queue chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{queue: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8787} }

// from is a connection whose client is at an address.
type from struct {
	net.Conn
	client net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.client }

// dial connects a client that is at the IP address.
func (l *pipes) dial(ip string) net.Conn {
	client, server := net.Pipe()
	l.queue <- from{server, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4000}}
	return client
}

// strangers is a proxy that serves pipes, under a client token.
type strangers struct {
	*pipes
	t *testing.T
	p *Proxy
}

// serveStrangers starts a proxy in the bubble of t. base stands for the provider. The proxy ends
// with the test.
func serveStrangers(t *testing.T, l Limits, base http.RoundTripper) *strangers {
	t.Helper()
	return serveProxy(t, l, newProxy(t, "groq", reauth.Credential{AccessToken: "theirs"}, base))
}

// serveProxy is serveStrangers for a proxy, and for further listeners.
func serveProxy(t *testing.T, l Limits, p *Proxy, further ...net.Listener) *strangers {
	t.Helper()
	s := &strangers{newPipes(), t, p}
	s.p.guard = newGuard([]net.Addr{s.Addr()}, nil, token)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.p.Serve(ctx, ctx, append(further, s), l) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return s
}

const token = "client-token-0123456789abcdef"

// head is the header of a request to the proxy with the client token, up to the empty line.
func head(method, path string, more ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nAuthorization: Bearer " + token + "\r\n" +
		strings.Join(append(more, ""), "\r\n")
}

// send writes text to the connection.
func (s *strangers) send(c net.Conn, text string) {
	s.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(s.t, err)
}

// answered reads an answer.
func (s *strangers) answered(c net.Conn) (*http.Response, string) {
	s.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(s.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp, string(body)
}

// ended checks that the proxy has closed the connection.
func (s *strangers) ended(c net.Conn) {
	s.t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(s.t, err, io.EOF)
}

// A request that the proxy refuses or answers itself is answered at once, whatever body it
// announces and never sends, and its connection is closed.
func TestRefusedRequestsAreNotReadOn(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		request string
	}{
		"no token":        {401, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nContent-Length: 10\r\n\r\n"},
		"no token, GET":   {401, "GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1:8787\r\n\r\n"},
		"in chunks":       {401, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"large":           {401, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nContent-Length: 9000000\r\n\r\nbegin"},
		"it would wait":   {401, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"},
		"foreign host":    {403, "POST /v1/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 10\r\n\r\n"},
		"foreign origin":  {403, head("POST", "/v1/x", "Origin: https://evil.example", "Content-Length: 10", "")},
		"health":          {200, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nContent-Length: 10\r\n\r\n"},
		"health, no body": {200, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8787\r\n\r\n"},
		"the page":        {200, head("GET", "/", "Content-Length: 10", "")},
		"the metrics":     {200, head("GET", "/metrics", "Transfer-Encoding: chunked", "")},
		"to be read only": {405, head("POST", "/healthz", "Content-Length: 10", "")},
		"no such page":    {404, head("GET", "/-/x", "Content-Length: 10", "")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveStrangers(t, Limits{}, &echo{})
				conn := s.dial("192.0.2.1")
				defer conn.Close()
				start := time.Now()
				s.send(conn, c.request)
				resp, _ := s.answered(conn)
				assert.Equal(t, c.status, resp.StatusCode)
				assert.True(t, resp.Close, "it says that it closes")
				assert.Zero(t, time.Since(start), "it waited for the body")
				s.ended(conn)
				assert.LessOrEqual(t, time.Since(start), time.Second)
			})
		})
	}
}
