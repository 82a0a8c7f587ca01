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

// places are the ways in which a proxy can be reached: a single provider at the root, one of
// several below its name, and through a socket.
func places() map[string]func(*rig, *testing.T, ...string) *running {
	return map[string]func(*rig, *testing.T, ...string) *running{
		"at the root": (*rig).start, "below a name": (*rig).startBelow, "at a socket": (*rig).startAtSocket,
	}
}

// attacked is a proxy with a client token, for attacks by raw sockets.
func attacked(t *testing.T, start func(*rig, *testing.T, ...string) *running, args ...string) (*rig, *running) {
	t.Helper()
	r := newRig(t)
	return r, r.startAttacked(t, start, args...)
}

// startAttacked starts such a proxy for a rig.
func (r *rig) startAttacked(t *testing.T, start func(*rig, *testing.T, ...string) *running, args ...string) *running {
	t.Helper()
	return start(r, t, append([]string{"--client-token-env", "REAUTH_TEST_CLIENT_TOKEN", "--log-level", "error"}, args...)...)
}

// dial opens a connection and sends text.
func (p *running) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := p.connect(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	// The proxy may close the connection before all of it is sent.
	_, _ = io.WriteString(conn, text)
	return conn
}

// header is the beginning of a request to the proxy, up to its empty line. Paths of the API begin
// with /v1.
func (p *running) header(request string, more ...string) string {
	request = strings.Replace(request, " /v1", " "+p.prefix+"/v1", 1)
	lines := append([]string{request + " HTTP/1.1", "Host: " + strings.TrimPrefix(p.url, "http://")}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// reachable checks that /healthz answers within patience, on a connection of its own. Patience is
// less than the minute after which a proxy cuts requests that stall, by default: a proxy that
// answers only once it has cut others does not pass.
func (p *running) reachable(t *testing.T, during string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: p.connect}}
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

// Strangers hold connections of every kind, more of them than the proxy has. It is reachable
// through all of it, and a program with the token is served. Of the other places only some are
// tried: what is below a name, or comes through a socket, passes the same guard.
func TestProxyIsReachableUnderAttack(t *testing.T) {
	const bearer = "Authorization: Bearer " + clientToken
	for name, attack := range map[string]struct {
		request    func(p *running) string
		everywhere bool
	}{
		"nothing":         {func(*running) string { return "" }, true},
		"a slow header":   {func(p *running) string { return p.header("GET /v1/models")[:20] }, false},
		"a long header":   {func(p *running) string { return p.header("GET /v1/models", "X-A: "+strings.Repeat("a", 100<<10)) }, false},
		"no body":         {func(p *running) string { return p.header("POST /v1/x", "Content-Length: 10") }, true},
		"no body, local":  {func(p *running) string { return p.header("GET /healthz", "Content-Length: 10") }, false},
		"no body, nobody": {func(p *running) string { return p.header("POST /none/x", bearer, "Content-Length: 10") }, true},
		"no chunk":        {func(p *running) string { return p.header("POST /v1/x", "Transfer-Encoding: chunked") }, false},
		"half a body":     {func(p *running) string { return p.header("POST /v1/x", "Content-Length: 900000") + "half" }, false},
		"no continuation": {func(p *running) string { return p.header("POST /v1/x", "Content-Length: 9", "Expect: 100-continue") }, false},
		"a foreign host":  {func(*running) string { return "POST /v1/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n" }, true},
		"pipelined":       {func(p *running) string { return strings.Repeat(p.header("GET /v1/models"), 100) }, true},
		"kept alive":      {func(p *running) string { return p.header("GET /healthz") }, false},
		// The token does not help either: a body that stalls, and an answer that nobody reads.
		"with the token, no body":    {func(p *running) string { return p.header("POST /v1/x", bearer, "Content-Length: 10") }, true},
		"with the token, never read": {func(p *running) string { return p.header("GET /v1/endless", bearer) }, true},
		// --affinity reads a body before it is sent.
		"with the token, no JSON": {func(p *running) string {
			return p.header("POST /v1/x", bearer, "Content-Type: application/json", "Content-Length: 90000") + `{"a":`
		}, true},
	} {
		for place, start := range places() {
			if attack.everywhere || place == "at the root" {
				t.Run(name+" "+place, func(t *testing.T) {
					t.Parallel()
					underAttack(t, start, attack.request)
				})
			}
		}
	}
}

// underAttack sends a proxy the request on many connections. It checks that one which cuts no
// request while the test waits is reachable meanwhile, and that another one, which soon cuts those
// that stall, serves others then.
func underAttack(t *testing.T, start func(*rig, *testing.T, ...string) *running, request func(p *running) string) {
	t.Helper()
	flags := []string{"--max-connections", "32", "--affinity", "--grace", "100ms", "--stall-timeout"}
	r, p := attacked(t, start, append(flags, "1m")...)
	r.on("/v1/endless", func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 64<<10))
		}
	})
	attack := func() {
		const each = 64
		for range each {
			p.dial(t, request(p))
		}
		p.reachable(t, "the attack")
	}
	attack()
	p.end(t)

	p = r.startAttacked(t, start, append(flags, "1s")...)
	attack()
	// Those that hold a request are cut after the stall time-out; the others make room at once.
	require.Eventually(t, func() bool {
		resp, _ := p.do(t, http.MethodGet, p.prefix+"/v1/models", "", "Authorization: Bearer "+clientToken)
		return resp.StatusCode == http.StatusOK
	}, patience, 50*time.Millisecond)
	p.reachable(t, "the attack")
}

// Ten thousand connections that send nothing are more than the proxy takes by default.
func TestProxyIsReachableThroughIdleConnections(t *testing.T) {
	_, p := attacked(t, (*rig).start)
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
	for place, start := range places() {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			r, p := attacked(t, start)
			for name, request := range smuggled(p) {
				got := answers(t, p.dial(t, request))
				require.Len(t, got, 1, name)
				assert.NotContains(t, got[0], " 2", name)
			}
			assert.Empty(t, r.Requests())
			p.reachable(t, "smuggling")
		})
	}
}

// smuggled returns requests to a proxy that hide another one.
func smuggled(p *running) map[string]string {
	bearer := "Authorization: Bearer " + clientToken
	hidden := p.header("GET /v1/smuggled", bearer)
	return map[string]string{
		"pipelined":     p.header("GET /v1/models") + hidden,
		"CL.TE":         p.header("POST /v1/x", "Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden,
		"TE.CL":         p.header("POST /v1/x", "Transfer-Encoding: chunked", "Content-Length: 4") + "0\r\n\r\n" + hidden,
		"in the body":   p.header("POST /v1/x", "Content-Length: 5") + hidden,
		"two lengths":   p.header("POST /v1/x", bearer, "Content-Length: 5", "Content-Length: 6") + hidden,
		"TE of a sort":  p.header("POST /v1/x", bearer, "Transfer-Encoding: xchunked") + hidden,
		"TE twice":      p.header("POST /v1/x", bearer, "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + hidden,
		"bad chunk":     p.header("POST /v1/x", "Transfer-Encoding: chunked") + "zz\r\n" + hidden,
		"a bare header": p.header("POST /v1/x", bearer, "Content-Length : 5") + hidden,
	}
}
