package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// healthy checks that a client at ip is told that the proxy is well.
func (s *strangers) healthy(ip string) {
	s.t.Helper()
	conn := s.dial(ip)
	defer conn.Close()
	s.send(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8787\r\n\r\n")
	resp, _ := s.answered(conn)
	require.Equal(s.t, 200, resp.StatusCode)
}

// open reports whether the proxy has not closed the connection.
func (s *strangers) open(c net.Conn) bool {
	s.t.Helper()
	synctest.Wait()
	// A pipe whose other end is closed takes no deadline.
	return c.SetReadDeadline(time.Now().Add(time.Hour)) == nil
}

// hanging returns a provider that answers when free is closed.
func hanging(free chan struct{}) provider {
	return func(req *http.Request) (*http.Response, error) {
		<-free
		return says(req, strings.NewReader("{}")), nil
	}
}

// When all connections are taken, the one that has waited longest for a request makes room.
func TestWaitingConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveStrangers(t, Limits{Connections: 4}, &echo{})
		var waiting []net.Conn
		for i := range 10 {
			conn := s.dial(fmt.Sprintf("192.0.2.%d", i))
			defer conn.Close()
			waiting = append(waiting, conn)
		}
		for i, conn := range waiting {
			assert.Equal(t, i >= 6, s.open(conn), i)
		}
		s.healthy("192.0.2.200")
	})
}

// When all connections have requests under way, a further one is told so, and /healthz is answered.
// The requests under way go on, and their end makes room.
func TestRunningRequestsAreNotCutForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := serveStrangers(t, Limits{Connections: 2}, hanging(free))
		var running []net.Conn
		for range 2 {
			conn := s.dial("192.0.2.1")
			defer conn.Close()
			s.send(conn, head("GET", "/openai/v1/x", ""))
			running = append(running, conn)
		}
		synctest.Wait()
		for range 2 * spare {
			idle := s.dial("192.0.2.1")
			defer idle.Close()
		}
		conn := s.dial("192.0.2.2")
		defer conn.Close()
		s.send(conn, head("GET", "/openai/v1/x", ""))
		resp, said := s.answered(conn)
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		assert.Equal(t, "1", resp.Header.Get("Retry-After"))
		assert.Contains(t, said, deniedBusy)
		assert.True(t, resp.Close)
		s.healthy("192.0.2.2")
		close(free)
		for _, conn := range running {
			resp, _ := s.answered(conn)
			assert.Equal(t, 200, resp.StatusCode)
		}
		synctest.Wait()
		conn = s.dial("192.0.2.3")
		defer conn.Close()
		s.send(conn, head("GET", "/openai/v1/x", ""))
		resp, _ = s.answered(conn)
		assert.Equal(t, 200, resp.StatusCode)
	})
}

// No client takes more than its share, and one that has used it up leaves the others theirs. The
// addresses of a /64 are one client.
func TestClientsHaveAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := serveStrangers(t, Limits{Connections: 100, PerClient: 2}, hanging(free))
		status := func(ip string) <-chan int {
			code := make(chan int, 1)
			conn := s.dial(ip)
			s.send(conn, head("GET", "/openai/v1/x", "Connection: close", ""))
			go func() {
				defer conn.Close()
				resp, _ := s.answered(conn)
				code <- resp.StatusCode
			}()
			synctest.Wait()
			return code
		}
		first := []<-chan int{status("2001:db8::1"), status("2001:db8::2")}
		assert.Equal(t, 503, <-status("2001:db8::3"))
		others := []<-chan int{status("2001:db8:0:1::1"), status("192.0.2.1"), status("192.0.2.2")}
		close(free)
		for _, code := range append(first, others...) {
			assert.Equal(t, 200, <-code)
		}
		synctest.Wait()
		assert.Equal(t, 200, <-status("2001:db8::3"))
	})
}

// atSocket is a listener at a socket of the file system.
type atSocket struct{ *pipes }

func (atSocket) Addr() net.Addr { return &net.UnixAddr{Name: "/run/s", Net: "unix"} }

// The limit of connections holds for all listeners together. Those of a socket are no one client's.
func TestOneGateIsBeforeAllListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, socket := newPipes(), atSocket{newPipes()}
		p := newProxy(t, "groq", reauth.Credential{AccessToken: "theirs"}, &echo{})
		s := serveProxy(t, Limits{Connections: 4}, p, second, socket)
		var waiting []net.Conn
		for i := range 9 {
			conn := []*pipes{s.pipes, second, socket.pipes}[i%3].dial(fmt.Sprintf("192.0.2.%d", i))
			defer conn.Close()
			waiting = append(waiting, conn)
			synctest.Wait() // each listener accepts in a goroutine of its own
		}
		for i, conn := range waiting {
			assert.Equal(t, i >= 5, s.open(conn), i)
		}
		s.healthy("192.0.2.200")
	})
	assert.Equal(t, nobody, clientOf(&net.UnixAddr{Net: "unix"}))
	g := newGate(Limits{PerClient: 1})
	for range 3 {
		assert.Nil(t, g.admit(&conn{client: nobody}))
	}
	assert.NotNil(t, func() *conn { g.admit(&conn{client: "a"}); return g.admit(&conn{client: "a"}) }())
}

// broken is a listener that fails.
type broken struct{ *pipes }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("no more files") }

// When a listener fails, Serve ends with its error, and closes the others.
func TestServeEndsWithItsListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t, "groq", reauth.Credential{AccessToken: "theirs"}, &echo{})
		well := newPipes()
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		require.ErrorContains(t, p.Serve(ctx, ctx, []net.Listener{well, broken{newPipes()}}, Limits{}), "no more files")
		_, err := well.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
