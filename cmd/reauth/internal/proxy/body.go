package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// longAgo is a deadline that is over: a read under it returns no byte.
func longAgo() time.Time { return time.Unix(1, 0) }

// leave makes the answer to r the last one of its connection, and keeps net/http from reading the
// body of r, which a stranger can announce and never send. It must be called before the answer.
func leave(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.ContentLength != 0 {
		unread(http.NewResponseController(w), connFrom(r.Context()))
	}
}

// unread leaves the rest of a body unread. The connection must be one that net/http closes after
// the answer: it would take the rest for the next request.
func unread(control *http.ResponseController, c *conn) {
	// Only the recorder of a test has no deadlines, and it has no body to wait for either.
	_ = control.SetReadDeadline(longAgo())
	if c != nil {
		c.linger.Store(true)
	}
}

// errStalled is the error of a body of which no byte has come for too long.
var errStalled = errors.New("the client has stopped sending its body")

// body is the body of a request that is forwarded. Each read has a deadline of its own.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	// stall is how long a read may wait; 0: as long as it takes.
	stall time.Duration

	mu sync.Mutex
	// last is when the last byte came, if that was before the next read; zero: the next read begins
	// the time anew.
	last time.Time
	// done: all of it has been read.
	done bool
	// stalled: a read has met its deadline.
	stalled bool
	// left: the handler has returned, and the deadlines are the server's again. The transport may
	// still be reading.
	left bool
}

// renew sets the deadline of the next read, unless the handler has returned.
func (b *body) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left || b.stall <= 0 {
		return
	}
	from := b.last
	if b.last = (time.Time{}); from.IsZero() {
		from = time.Now()
	}
	// Only the recorder of a test has no deadlines.
	_ = b.control.SetReadDeadline(from.Add(b.stall))
}

// Read implements io.Reader. The deadline of the last read ends with the body: net/http clears it
// when it begins to watch the connection for the end of the client.
func (b *body) Read(p []byte) (int, error) {
	b.renew()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		b.done = true
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.stalled = true
		err = errStalled
	}
	return n, err
}

// unfinished reports whether something of the body has not been read. A nil body has nothing.
func (b *body) unfinished() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.done
}

// hasStalled reports whether a read has met its deadline. A nil body has none.
func (b *body) hasStalled() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stalled
}

// leave ends the use of the body with its handler. What has not been read of it never is: see
// answer. It does nothing to a nil body.
func (b *body) leave(c *conn) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	if !b.done {
		unread(b.control, c)
	}
}
