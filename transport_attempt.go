package reauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/rewind"
	"github.com/reauth-go/reauth/internal/wait"
)

// attempt is one request's way through the base: the request that is sent, and its body in a form
// that can be sent again. The first send of a request allocates the attempt, a header and, without
// GetBody, the kept bytes of the body.
type attempt struct {
	caller *http.Request
	out    http.Request                    // the first request for the base
	header http.Header                     // the caller's; on a redirect hop without secrets of other hosts
	first  rewind.SentBody                 // the caller's body, if it has GetBody and is not known to be in memory
	memory rewind.MemoryCopy               // of the caller's body, if it has GetBody and is in memory
	latest atomic.Pointer[rewind.SentBody] // the SentBody that the base was given last
	kept   *rewind.KeptBody                // the caller's body, if it has no GetBody
	again  func() (io.ReadCloser, error)   // what the base calls as GetBody
	next   io.ReadCloser                   // the body of the next send; not in out, which the base may still hold
	sender *member                         // of the last send
	sends  int
}

// bounds are those of the bodies without GetBody that are kept.
type bounds struct {
	body   int64          // bytes of one; not positive: none is kept
	memory int64          // bytes of all together; not positive: none is kept
	kept   *rewind.Budget // what all take up now
}

// newAttempt makes a request ready to be sent with those headers. It keeps a body without GetBody,
// within bounds.
func newAttempt(req *http.Request, header http.Header, b bounds) *attempt {
	a := &attempt{caller: req, header: header, next: req.Body, again: req.GetBody}
	a.out = *req // Host, Trailer, TransferEncoding, Close, Cancel, the context and the URL stay
	switch {
	case !rewind.HasBody(req):
	case req.GetBody != nil:
		a.out.Body = a.firstBody()
		a.again = a.getBody
	case b.body > 0 && b.memory > 0:
		a.kept = rewind.NewKeptBody(req.Body, req.ContentLength, b.body, b.kept, b.memory)
		a.out.Body, _ = a.kept.Rewind() // the first call cannot fail
		a.again = a.kept.Rewind         // HTTP/2 calls it after GOAWAY
	}
	a.out.GetBody = a.again
	return a
}

// firstBody returns the caller's body, which has GetBody, in a form that GetBody does not disturb.
func (a *attempt) firstBody() io.ReadCloser {
	if a.caller.ContentLength > 0 { // else the replay could not be compared with it
		if body := a.memory.Of(a.caller); body != nil {
			return body
		}
	}
	a.first.ReadCloser = a.caller.Body
	a.latest.Store(&a.first)
	return &a.first
}

var errNoAnswer = errors.New("reauth: the base returned neither a response nor an error")

// send authorizes the request with the tokens of m and sends it. An error comes from the base;
// without an error the response and its body are not nil.
func (a *attempt) send(base http.RoundTripper, m *member, t *tokens, p *registered) (*http.Response, error) {
	out := &a.out
	if a.sends++; a.sends > 1 { // the base may still hold the request of the send before
		again := *a.caller
		again.Body, again.GetBody = a.next, a.again
		out = &again
	}
	a.sender = m
	var err error
	if out.Header, err = m.authorize(a.caller.Context(), p, t, a.header); err != nil {
		closeBody(out)
		return nil, err
	}
	resp, err := a.roundTrip(base, out, m)
	switch {
	case err != nil && resp != nil: // http.RoundTripper forbids it, and http.Client would drop the response
		if resp.Body != nil {
			_ = resp.Body.Close() // the base's error is the one to return
		}
		return nil, err
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errNoAnswer
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	resp.Request = a.caller // not out: an SDK's dump of that would show the token
	return resp, nil
}

// roundTrip calls the base, whose panic goes on to the caller.
func (a *attempt) roundTrip(base http.RoundTripper, out *http.Request, m *member) (*http.Response, error) {
	over := false
	m.inFlight.Add(1)
	defer func() {
		m.inFlight.Add(-1)
		if !over {
			closeBody(out)
			a.release()
		}
	}()
	resp, err := base.RoundTrip(out)
	over = true
	return resp, err
}

// bodyWait is how long the base may take to be done with the first body before GetBody is called.
const bodyWait = time.Second

// rewind makes the body ready for another send. A refusal in hand must have been read or discarded
// before, because that is what stops a base that is still sending.
func (a *attempt) rewind(ctx context.Context) (err error) {
	switch {
	case !rewind.HasBody(a.caller):
		return nil
	case a.kept != nil:
		a.next, err = a.kept.Rewind()
		return err
	case a.caller.GetBody == nil:
		return rewind.ErrNotKept
	case !a.awaitSent(ctx):
		return errors.New("reauth: the first body is still being sent")
	}
	a.next, err = a.getBody()
	return err
}

// awaitSent waits until the base is done with the body that it was given last, so that GetBody may be
// called. It returns false when that takes too long. A base that did not run meanwhile gets its time.
func (a *attempt) awaitSent(ctx context.Context) bool {
	b, began := a.latest.Load(), time.Now()
	return b == nil || b.Wait(ctx, bodyWait) || wait.HeldUp(began, bodyWait) && b.Wait(ctx, bodyWait)
}

// getBody calls the caller's GetBody. The base calls getBody as well, when a connection breaks
// before it has brought an answer.
func (a *attempt) getBody() (io.ReadCloser, error) {
	body, err := guardGetBody(a.sender.group.pool, a.caller)()
	if err != nil {
		return nil, fmt.Errorf("reauth: GetBody: %w", err)
	}
	b := &rewind.SentBody{ReadCloser: a.exact(body)}
	a.latest.Store(b)
	return b, nil
}

// exact makes the reads of a rewound body fail if its length differs from that of the first body.
// It checks nothing while the length of the first body is unknown.
func (a *attempt) exact(body io.ReadCloser) io.ReadCloser {
	if a.caller.ContentLength > 0 {
		return rewind.NewExactBody(body, a.caller.ContentLength)
	}
	if n, known := a.first.Length(); known {
		return rewind.NewExactBody(body, n)
	}
	return body
}

// replayable reports whether rewind is likely to succeed.
func (a *attempt) replayable() bool {
	return !rewind.HasBody(a.caller) || a.caller.GetBody != nil || a.kept != nil && a.kept.Whole()
}

// sending reports whether the base may still be sending the body.
func (a *attempt) sending() bool {
	b := a.latest.Load()
	return b != nil && !b.Done()
}

// sentSoFar returns the beginning of the body, as far as it can be had: of one with GetBody all of it,
// once the base is done with the one that it was given.
func (a *attempt) sentSoFar(ctx context.Context) io.ReadCloser {
	switch {
	case !rewind.HasBody(a.caller):
	case a.kept != nil:
		return io.NopCloser(a.kept.SoFar())
	case a.caller.GetBody != nil && a.awaitSent(ctx):
		if b, err := guardGetBody(a.sender.group.pool, a.caller)(); err == nil {
			return b
		}
	}
	return http.NoBody
}

// closeBody closes the body of a request that is not sent: http.RoundTripper owes that to the
// caller.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the error in hand says more
	}
}

// release says that there will be no further send.
func (a *attempt) release() {
	if a.kept != nil {
		a.kept.Release()
	}
}

// callerContext returns a context that ends with the caller's request. It is the request's own, or,
// where http.Client has set Request.Cancel, one that ends with that as well. The caller of
// callerContext must call stop.
func callerContext(req *http.Request) (ctx context.Context, stop context.CancelFunc) {
	cancel := canceled(req)
	if cancel == nil {
		return req.Context(), func() {}
	}
	joined, end := context.WithCancel(req.Context())
	go func() {
		defer end()
		select {
		case <-cancel:
		case <-joined.Done():
		}
	}()
	return joined, end
}

// callerLeft reports whether the caller has ended the request. It looks at Cancel itself: the
// context of callerContext ends a moment later, and a base may return in between.
func callerLeft(req *http.Request) bool {
	select {
	case <-canceled(req):
		return true
	default:
		return req.Context().Err() != nil
	}
}

// canceled returns the channel by which http.Client.Timeout ends a request when http.Client does
// not know the transport, as it knows *http.Transport. It is nil where http.Client has not set it.
func canceled(req *http.Request) <-chan struct{} {
	//lint:ignore SA1019 Client.Timeout sets it on transports it does not know
	return req.Cancel //nolint:staticcheck // Client.Timeout sets it on transports it does not know
}
