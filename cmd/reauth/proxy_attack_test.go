package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// attacked is a proxy with a client token, for attacks by raw sockets.
func attacked(t *testing.T, args ...string) (*rig, *running) {
	t.Helper()
	r := newRig(t)
	return r, r.start(t, append([]string{"--client-token-env", "REAUTH_TEST_CLIENT_TOKEN", "--log-level", "error"}, args...)...)
}

// dial opens a connection and sends text.
func (p *running) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	// The proxy may close the connection before all of it is sent.
	_, _ = io.WriteString(conn, text)
	return conn
}

// header is the beginning of a request to the proxy, up to its empty line.
func (p *running) header(request string, more ...string) string {
	lines := append([]string{request + " HTTP/1.1", "Host: " + strings.TrimPrefix(p.url, "http://")}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// reachable checks that /healthz answers within a second, on a connection of its own.
func (p *running) reachable(t *testing.T, during string) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(p.url + "/healthz")
	require.NoError(t, err, during)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, during)
}

// answers reads the status lines of all answers until the proxy closes the connection.
func answers(t *testing.T, conn net.Conn) (lines []string) {
	t.Helper()
	for r := bufio.NewScanner(conn); r.Scan(); {
		if strings.HasPrefix(r.Text(), "HTTP/1.") {
			lines = append(lines, strings.TrimSpace(r.Text()))
		}
	}
	return lines
}

// Strangers hold connections of every kind, more of them than the proxy has. It is reachable through
// all of it, and a program with the token is served.
func TestProxyIsReachableUnderAttack(t *testing.T) {
	const each = 64
	bearer := "Authorization: Bearer " + clientToken
	for name, request := range map[string]func(p *running) string{
		"nothing":         func(*running) string { return "" },
		"a slow header":   func(p *running) string { return p.header("GET /v1/models")[:20] },
		"a long header":   func(p *running) string { return p.header("GET /v1/models", "X-A: "+strings.Repeat("a", 100<<10)) },
		"no body":         func(p *running) string { return p.header("POST /v1/x", "Content-Length: 10") },
		"no body, local":  func(p *running) string { return p.header("GET /healthz", "Content-Length: 10") },
		"no chunk":        func(p *running) string { return p.header("POST /v1/x", "Transfer-Encoding: chunked") },
		"half a body":     func(p *running) string { return p.header("POST /v1/x", "Content-Length: 900000") + "half" },
		"no continuation": func(p *running) string { return p.header("POST /v1/x", "Content-Length: 9", "Expect: 100-continue") },
		"a foreign host":  func(*running) string { return "POST /v1/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n" },
		"pipelined":       func(p *running) string { return strings.Repeat(p.header("GET /v1/models"), 100) },
		"kept alive":      func(p *running) string { return p.header("GET /healthz") },
		// The token does not help either: a body that stalls, and an answer that nobody reads.
		"with the token, no body":    func(p *running) string { return p.header("POST /v1/x", bearer, "Content-Length: 10") },
		"with the token, never read": func(p *running) string { return p.header("GET /v1/endless", bearer) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p := attacked(t, "--max-connections", "32", "--stall-timeout", "1s")
			r.on("/v1/endless", func(w http.ResponseWriter, req *http.Request) {
				for req.Context().Err() == nil {
					_, _ = w.Write(make([]byte, 64<<10))
				}
			})
			for range each {
				p.dial(t, request(p))
			}
			p.reachable(t, name)
			// Those that hold a request are cut after the stall time-out; the others make room at once.
			require.Eventually(t, func() bool {
				resp, _ := p.do(t, http.MethodGet, "/v1/models", "", bearer)
				return resp.StatusCode == http.StatusOK
			}, patience, 50*time.Millisecond)
			p.reachable(t, name)
		})
	}
}

// Ten thousand connections that send nothing are more than the proxy takes by default.
func TestProxyIsReachableThroughIdleConnections(t *testing.T) {
	_, p := attacked(t)
	n := min(10_000, openable())
	for i := range n {
		p.dial(t, "")
		if i%1000 == 999 {
			p.reachable(t, "idle connections")
		}
	}
	p.reachable(t, "idle connections")
}

// A refused request ends its connection: what a stranger has hidden behind it is no request. What
// goes up for a client with the token is framed anew.
func TestProxyServesNoSmuggledRequest(t *testing.T) {
	r, p := attacked(t)
	bearer := "Authorization: Bearer " + clientToken
	hidden := p.header("GET /v1/smuggled", bearer)
	for name, request := range map[string]string{
		"pipelined":     p.header("GET /v1/models") + hidden,
		"CL.TE":         p.header("POST /v1/x", "Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden,
		"TE.CL":         p.header("POST /v1/x", "Transfer-Encoding: chunked", "Content-Length: 4") + "0\r\n\r\n" + hidden,
		"in the body":   p.header("POST /v1/x", "Content-Length: 5") + hidden,
		"two lengths":   p.header("POST /v1/x", bearer, "Content-Length: 5", "Content-Length: 6") + hidden,
		"TE of a sort":  p.header("POST /v1/x", bearer, "Transfer-Encoding: xchunked") + hidden,
		"TE twice":      p.header("POST /v1/x", bearer, "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + hidden,
		"bad chunk":     p.header("POST /v1/x", "Transfer-Encoding: chunked") + "zz\r\n" + hidden,
		"a bare header": p.header("POST /v1/x", bearer, "Content-Length : 5") + hidden,
	} {
		got := answers(t, p.dial(t, request))
		require.Len(t, got, 1, name)
		assert.NotContains(t, got[0], " 2", name)
	}
	assert.Empty(t, r.Requests())
	p.reachable(t, "smuggling")
}
