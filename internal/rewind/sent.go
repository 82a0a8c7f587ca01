package rewind

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// SentBody is a body that a caller can make again, on its way through a transport. It notices when
// the transport is done with it: some GetBody functions rewind one shared reader, which must not
// happen while that reader is still being read.
//
// The zero value with a ReadCloser is ready for use. Close closes the ReadCloser once.
type SentBody struct {
	io.ReadCloser

	n      atomic.Int64 // bytes read so far
	eof    atomic.Bool  // the body was read to its end
	over   atomic.Bool  // the body was read to its end, or closed
	closed atomic.Bool

	mu   sync.Mutex
	done chan struct{} // closed when the body is over; nil until somebody waits
}

// Read implements io.Reader.
func (b *SentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if isEOF(err) {
		b.eof.Store(true)
		b.finish()
	}
	return n, err
}

// WriteTo lets a body that is in memory write itself in one go, as io.Copy would without us.
func (b *SentBody) WriteTo(w io.Writer) (int64, error) {
	wt, ok := b.ReadCloser.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	n, err := wt.WriteTo(w)
	b.n.Add(n)
	if err == nil {
		b.eof.Store(true)
		b.finish()
	}
	return n, err
}

// Close implements io.Closer.
func (b *SentBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	err := b.ReadCloser.Close()
	b.finish()
	return err
}

func (b *SentBody) finish() {
	if b.over.Swap(true) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done != nil {
		close(b.done)
	}
}

// Done reports whether the transport is done with the body: it has read the body to its end, or has
// closed it.
func (b *SentBody) Done() bool { return b.over.Load() }

// Wait waits until the transport is done with the body. It returns false when d has gone by, or ctx
// has ended, before.
func (b *SentBody) Wait(ctx context.Context, d time.Duration) bool {
	done := b.doneChan()
	if done == nil {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// doneChan returns the channel that finish closes, or nil when the body is over already.
func (b *SentBody) doneChan() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over.Load() {
		return nil
	}
	if b.done == nil {
		b.done = make(chan struct{})
	}
	return b.done
}

// Length returns the length of the body. It is known once the body was read to its end.
func (b *SentBody) Length() (n int64, known bool) {
	if !b.eof.Load() { // looked at first: Read counts the last bytes before it notes the end
		return 0, false
	}
	return b.n.Load(), true
}

// ExactBody is a rewound body that must be as long as the one that was sent before. A middleware
// above may have set another Body and forgotten GetBody. ExactBody holds the last bytes back until
// it knows that nothing follows them, so that no server takes a wrong body for a whole one.
type ExactBody struct {
	io.ReadCloser
	left int64
}

// NewExactBody returns body, whose reads fail unless it is length bytes long.
func NewExactBody(body io.ReadCloser, length int64) *ExactBody {
	return &ExactBody{ReadCloser: body, left: length}
}

// Read implements io.Reader.
func (b *ExactBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 {
		return 0, b.checkEnd()
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0 && (err == nil || isEOF(err)):
		if end := b.checkEnd(); !isEOF(end) {
			return 0, end
		}
	case isEOF(err):
		return 0, errStale
	}
	return n, err
}

// checkEnd returns io.EOF if the body ends here.
func (b *ExactBody) checkEnd() error {
	var one [1]byte
	for range 100 { // a reader may return nothing and no error for a while
		n, err := b.ReadCloser.Read(one[:])
		switch {
		case n > 0:
			return errStale
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
