package reauth

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/sse"
	"github.com/reauth-go/reauth/internal/verdict"
)

const (
	peekTimeout  = 2 * time.Second
	drainTimeout = 500 * time.Millisecond
	maxDrain     = 256 << 10
)

// refusal is an answer that was looked into. Its body is whole for whoever gets it.
type refusal struct {
	resp    *http.Response
	prefix  []byte // as it came
	judged  []byte // the part of it that counts; nil: all
	rest    *tape  // of a body longer than the peek: still open; nil when the answer is in memory
	verdict Verdict
}

// peek reads a bounded prefix of resp's body and puts it back. A body that was read to its end is closed at once, so that
// the connection is free for the replay, and kept in memory.
func peek(ctx context.Context, cancel <-chan struct{}, resp *http.Response) *refusal {
	return peekUntil(ctx, cancel, resp, peekTimeout, nil)
}

// peekUntil is peek that ends when enough of the body is there, or d has gone by.
func peekUntil(ctx context.Context, cancel <-chan struct{}, resp *http.Response, d time.Duration, enough func([]byte) bool) *refusal {
	r := &refusal{resp: resp}
	if resp.Body == nil || resp.Body == http.NoBody {
		resp.Body = http.NoBody
		return r
	}
	t := &tape{src: resp.Body, limit: math.MaxInt64, hint: resp.ContentLength} // until release or discard
	var ended bool
	r.prefix, ended = readTape(ctx, cancel, t, 0, maxPeek, d, enough)
	if ended {
		_ = t.close() // it has been read to its end
		resp.Body = bodyOf(r.prefix)
		return r
	}
	r.rest = t
	resp.Body = newTapeReader(t, t.close)
	return r
}

// readTape reads up to n bytes of t from off on, for at most d, and no more when there are enough; nil: never. It reports
// whether the source ended well within them.
func readTape(ctx context.Context, cancel <-chan struct{}, t *tape, off int64, n int, d time.Duration, enough func([]byte) bool) (b []byte, ended bool) {
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	defer time.AfterFunc(d, end).Stop()
	defer context.AfterFunc(ctx, end)()
	if cancel != nil { // http.Client.Timeout has no other way
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-cancel:
				end()
			case <-done:
			}
		}()
	}
	b = make([]byte, 0, 512)
	for len(b) < n {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		k, err := t.read(b[len(b):min(cap(b), n)], off+int64(len(b)), stop)
		b = b[:len(b)+k]
		switch {
		case err != nil:
			return b, isEOF(err)
		case enough != nil && enough(b):
			return b, false
		}
	}
	k, err := t.read(make([]byte, 1), off+int64(len(b)), stop) // does it end here? The tape keeps what comes
	return b, k == 0 && isEOF(err)
}

// decoded returns the prefix as the classifier reads it.
func (r *refusal) decoded() []byte {
	if r.judged != nil {
		return r.judged
	}
	if r.resp.Uncompressed {
		return r.prefix
	}
	return verdict.Decode(r.resp.Header.Get("Content-Encoding"), r.prefix)
}

// discard gives the answer up. What is left of a longer one is drained, within bounds, so that the connection can serve
// again. Should the answer be returned after all, its body ends where it was cut.
func (r *refusal) discard(ctx context.Context, cancel <-chan struct{}) {
	if r == nil || r.rest == nil {
		return
	}
	if ctx.Err() == nil {
		r.rest.let()
		readTape(ctx, cancel, r.rest, int64(len(r.prefix)), maxDrain, drainTimeout, nil)
	}
	_ = r.resp.Body.Close() // nobody wants it
	r.rest = nil
	r.resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(r.prefix), cutReader{}))
}

// cutReader is the end of a body that was cut.
type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// release lets the rest of a long answer go through to the caller without being kept.
func (r *refusal) release() {
	if r.rest != nil {
		r.rest.pass()
	}
}

// bodyOf makes a body of bytes in memory.
func bodyOf(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// Some providers say 200, begin a stream, and refuse in its first event. Provider.FirstEvent has the transport look at that
// event, and at no other, before the answer goes to the caller.

// peekEvent is peek for a stream: it reads until the first event is there, for at most d. A stream that is slower than
// that goes to the caller as it comes; nothing of it has been changed.
func peekEvent(ctx context.Context, cancel <-chan struct{}, resp *http.Response, d time.Duration) *refusal {
	r := peekUntil(ctx, cancel, resp, d, func(b []byte) bool { return sse.End(b) > 0 })
	if end := sse.End(r.prefix); end > 0 || r.rest != nil { // else it ended in its first event
		r.judged = r.prefix[:end] // what else has come by now does not count: it might as well have come later
	}
	return r
}
