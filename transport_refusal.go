package reauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/rewind"
	"github.com/reauth-go/reauth/internal/sse"
	"github.com/reauth-go/reauth/internal/verdict"
	"github.com/reauth-go/reauth/internal/wait"
)

const (
	peekTimeout  = 2 * time.Second
	drainTimeout = 500 * time.Millisecond
	maxDrain     = 256 << 10 // bytes
)

// refusal is an answer whose beginning was read, and put back: whoever gets the answer reads its
// body from the first byte.
type refusal struct {
	resp    *http.Response
	prefix  []byte       // the beginning of the body, as it was sent
	judged  []byte       // the part of prefix to classify; nil: all of it
	rest    *rewind.Tape // of a body longer than prefix, still open; nil when the whole body is in memory
	verdict Verdict
	of      string // ID of the credential
	failed  error  // why the tokens could not be replaced, or the request not sent again; nil: neither was tried
}

// peek reads the beginning of resp's body. A body that ends within it is closed at once, so that
// the connection is free for the replay, and kept in memory.
func peek(ctx context.Context, resp *http.Response) *refusal {
	return peekUntil(ctx, resp, peekTimeout, nil)
}

// peekUntil is peek with a time limit of d. It stops earlier when enough reports that it has seen
// enough of the body.
func peekUntil(ctx context.Context, resp *http.Response, d time.Duration, enough func([]byte) bool) *refusal {
	r := &refusal{resp: resp}
	if resp.Body == nil || resp.Body == http.NoBody {
		resp.Body = http.NoBody
		return r
	}
	t := rewind.NewTape(resp.Body, resp.ContentLength, math.MaxInt64) // it keeps all until release or discard
	began, ended := time.Now(), false
	if r.prefix, ended = peekFor(ctx, t, d, enough); !ended && wait.HeldUp(began, d) {
		r.prefix, ended = peekFor(ctx, t, d, enough)
	}
	if ended {
		_ = t.Close() // the body was read to its end, so there is no error to see
		resp.Body = bodyOf(r.prefix)
		return r
	}
	r.rest = t
	resp.Body = t.NewReader(t.Close)
	return r
}

// peekFor reads the beginning of what the tape has, for at most d.
func peekFor(ctx context.Context, t *rewind.Tape, d time.Duration, enough func([]byte) bool) ([]byte, bool) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	return t.Peek(ctx, 0, maxPeek, enough)
}

// decoded returns the part of the prefix that counts, as the classifier reads it.
func (r *refusal) decoded() []byte {
	if r.judged != nil {
		return r.judged
	}
	if r.resp.Uncompressed {
		return r.prefix
	}
	return verdict.Decode(r.resp.Header.Get("Content-Encoding"), r.prefix)
}

// discard gives the answer up. It drains the rest of a longer body, within bounds, so that the
// connection can serve another request. If the answer is returned to the caller after all, its body
// breaks off after the prefix.
func (r *refusal) discard(ctx context.Context) {
	if r == nil || r.rest == nil {
		return
	}
	if ctx.Err() == nil {
		r.rest.Release()
		ctx, stop := context.WithTimeout(ctx, drainTimeout)
		r.rest.Peek(ctx, int64(len(r.prefix)), maxDrain, nil)
		stop()
	}
	_ = r.resp.Body.Close() // nobody reads it any more
	r.rest = nil
	r.resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(r.prefix), cutReader{}))
}

// cutReader is the end of a body that was cut.
type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// release lets the rest of a longer body go through to the caller without being kept.
func (r *refusal) release() {
	if r.rest != nil {
		r.rest.Direct()
	}
}

// bodyOf makes a body of bytes in memory.
func bodyOf(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// detached is a copy of resp for a classifier, which may read the copy's body.
func detached(resp *http.Response, body []byte) *http.Response {
	c := *resp
	c.Body = bodyOf(body)
	return &c
}

// peekEvent is peek for a stream of events. Some providers answer 200, begin a stream, and refuse
// in its first event. peekEvent reads until that event is there, but for at most d
// (Provider.FirstEvent). A slower stream goes to the caller as it comes, unchanged and unjudged.
func peekEvent(ctx context.Context, resp *http.Response, d time.Duration) *refusal {
	r := peekUntil(ctx, resp, d, func(b []byte) bool { return sse.End(b) > 0 })
	if end := sse.End(r.prefix); end > 0 || r.rest != nil { // else the stream ended in its first event
		r.judged = r.prefix[:end] // later events do not count: how many are here by now is chance
	}
	return r
}

// isFinal reports whether no quick retry can help.
func isFinal(v Verdict) bool {
	return v.Kind != Exhausted || v.Reset.IsZero() || time.Until(v.Reset) > time.Minute
}

// noteRelogin adds to why the tokens of the refused credential could not be replaced.
func (r *refusal) noteRelogin(id string, err error) {
	switch {
	case r.of != id:
	case r.failed == nil:
		r.failed = err
	default:
		r.failed = fmt.Errorf("%w; %w", r.failed, err)
	}
}

// gaveUp tells that the caller gets the refusal, and why the credential could not be renewed. Of one
// that nothing can renew, such as a key, the verdict says more than that.
func (r *refusal) gaveUp() Event {
	e := Event{Type: GaveUp, ID: r.of, Status: r.resp.StatusCode, Reason: r.verdict.label(), Err: r.failed}
	if e.Err != nil && !errors.Is(e.Err, ErrNotRefreshable) && !errors.Is(e.Err, errNotReplayed) {
		e.Reason = failureReason(e.Err)
	}
	return e
}
