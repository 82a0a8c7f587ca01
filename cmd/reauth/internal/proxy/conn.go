package proxy

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lingering is how long a connection stays open after an answer for which its request was not read
// to the end. A close with unread bytes resets the connection, and the client might lose the
// answer.
const lingering = 500 * time.Millisecond

// conn is a connection of a client. Its writes have a deadline that each byte renews which the
// client takes, its deadlines move the timer of the connection below only where they must (see
// deadline), and its close lingers if linger is set.
type conn struct {
	net.Conn
	// stall is how long the client may take no byte; 0: as long as it likes.
	stall time.Duration
	// linger: the client may still be sending.
	linger atomic.Bool
	// gone is called once, when the connection has been closed.
	gone   func()
	once   sync.Once
	closed error

	// client is whose connection it is: see clientOf.
	client string
	// spare: it is beyond the limits. place is its place in a list of the gate, or nil. The gate
	// guards both; spare does not change once the connection is accepted.
	spare bool
	place *list.Element

	// reads and writes are the deadlines that net/http, crypto/tls and body set.
	reads, writes deadline
}

// newConn returns a connection over one that was accepted.
func newConn(below net.Conn, stall time.Duration) *conn {
	c := &conn{Conn: below, stall: stall}
	c.reads.arm, c.writes.arm = below.SetReadDeadline, below.SetWriteDeadline
	return c
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.reads.set(t) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.writes.set(t) }

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.reads.early(time.Time{}) {
			return n, err
		}
	}
}

// Write implements net.Conn. A client that takes some of b within the time has as long again for
// the rest: it is slow, but it lives.
func (c *conn) Write(b []byte) (int, error) {
	written := 0
	for until := c.patience(); ; {
		if err := c.writes.within(until); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:])
		written += n
		if n > 0 {
			until = c.patience()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.writes.early(until) {
			return written, err
		}
	}
}

// patience returns how long the client may take no byte from now; zero: as long as it likes.
func (c *conn) patience() time.Time {
	if c.stall <= 0 {
		return time.Time{}
	}
	return time.Now().Add(c.stall)
}

// CloseWrite tells the client that nothing more comes, where the network can do so.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if !c.linger.Swap(false) {
		return c.cut()
	}
	// The connection is closed in any case: a client that has gone needs no word of it.
	_ = c.CloseWrite()
	time.AfterFunc(lingering, func() { _ = c.cut() })
	return nil
}

// cut closes the connection at once.
func (c *conn) cut() error {
	c.once.Do(func() {
		c.closed = c.Conn.Close()
		if c.gone != nil {
			c.gone()
		}
	})
	return c.closed
}

// connKey is the context key of a request's conn.
type connKey struct{}

// withConn is the ConnContext of the server.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if c := connOf(c); c != nil {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// connOf returns the conn below a connection of the server, or nil.
func connOf(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// connFrom returns the connection of a request, or nil: the request of a test may have none.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
