package reauthtest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing/synctest"
)

// inBubble reports whether the caller runs in a bubble of testing/synctest, where a socket would
// stop the clock for ever.
func inBubble() (in bool) {
	defer func() {
		// testing/synctest has no function that tells. Outside of a bubble, Wait panics with these
		// words. Inside, it may panic with others, if another goroutine is in Wait.
		in = recover() != "goroutine is not in a bubble"
	}()
	synctest.Wait()
	return true
}

// unstarted returns a server of h. It is on the loopback interface, or in memory if the suite runs
// in a bubble.
func (s *suite) unstarted(h http.HandlerFunc) *httptest.Server {
	if !s.memory {
		return httptest.NewUnstartedServer(h)
	}
	//nolint:gosec // a server without time-outs; its only client is the suite
	return &httptest.Server{Listener: newMemoryListener(), Config: &http.Server{Handler: h}}
}

// memoryListener is a network in memory that has one server.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial connects to the server, whatever the address.
func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory:443" }
