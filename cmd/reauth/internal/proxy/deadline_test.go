package proxy

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// countedDeadlines counts how often the timers of a connection are moved.
type countedDeadlines struct {
	net.Conn
	moves int
}

func (c *countedDeadlines) SetReadDeadline(t time.Time) error {
	c.moves++
	return c.Conn.SetReadDeadline(t)
}

// A deadline holds, whichever was set before it, and while a read waits. One that is later than the
// timer, or none, moves no timer.
func TestReadDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		counted := &countedDeadlines{Conn: server}
		c := newConn(counted, 0)
		defer c.Close()
		in := func(d time.Duration) { require.NoError(t, c.SetReadDeadline(time.Now().Add(d))) }
		read := func() time.Duration {
			start := time.Now()
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return time.Since(start)
		}
		in(time.Minute)
		in(10 * time.Second)
		assert.Equal(t, 10*time.Second, read())
		in(time.Hour)
		assert.Equal(t, time.Hour, read(), "after one that is over")
		in(time.Second)
		before := counted.moves
		for range 100 {
			in(2 * time.Minute)
			require.NoError(t, c.SetReadDeadline(time.Time{}))
		}
		assert.Equal(t, before, counted.moves)
		time.AfterFunc(5*time.Second, func() { in(time.Second) })
		assert.Equal(t, 6*time.Second, read(), "set while the read waits without one")
		in(time.Hour)
		time.AfterFunc(5*time.Second, func() { _ = c.SetReadDeadline(longAgo()) })
		assert.Equal(t, 5*time.Second, read(), "over while the read waits")
		assert.Zero(t, read(), "and over still")
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		time.AfterFunc(time.Hour, func() { _, _ = client.Write([]byte("a")) })
		n, err := c.Read(make([]byte, 1))
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	})
}
