package reauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// attempt is one request's way through the base: what is sent, and the body in a form that can be sent again. The first
// send of a request costs this one allocation, a header and, without GetBody, what is kept of the body.
type attempt struct {
	caller *http.Request
	out    http.Request
	first  sentBody                 // the caller's body, when it has GetBody
	last   atomic.Pointer[sentBody] // the one given out last
	kept   *keptBody                // the caller's body, when it has not
	header http.Header              // the caller's; on a redirect hop without what is not for this host
	again  func() (io.ReadCloser, error)
	next   io.ReadCloser // what the next send sends; not in out, which the base may still hold
	sends  int
}

// newAttempt makes a request ready to be sent with those headers. Of a body without GetBody it keeps up to limit bytes.
func newAttempt(req *http.Request, header http.Header, limit int64) *attempt {
	a := &attempt{caller: req, header: header, next: req.Body, again: req.GetBody}
	a.out = *req // what stays: Host, Trailer, TransferEncoding, Close, Cancel, the context and the URL
	switch {
	case !hasBody(req):
	case req.GetBody != nil:
		a.first.ReadCloser = req.Body
		a.out.Body = &a.first
		a.last.Store(&a.first)
		a.again = a.getBody
	case limit > 0:
		a.kept = newKeptBody(req.Body, req.ContentLength, limit)
		a.out.Body, _ = a.kept.rewind() // the first time there is nothing to rewind
		a.again = a.kept.rewind         // HTTP/2 asks for it after GOAWAY
	}
	a.out.GetBody = a.again
	return a
}

var errNoAnswer = errors.New("reauth: the base returned neither a response nor an error")

// send authorizes and sends. An error comes from the base; its response is never nil without one.
func (a *attempt) send(base http.RoundTripper, m *member, h *held, s *spec) (*http.Response, error) {
	out := &a.out
	if a.sends++; a.sends > 1 { // the base may still hold what it was given before
		again := *a.caller
		again.Body, again.GetBody = a.next, a.again
		out = &again
	}
	out.Header = h.authorize(s, a.header)
	m.inFlight.Add(1)
	defer m.inFlight.Add(-1) // also when the base panics
	resp, err := base.RoundTrip(out)
	switch {
	case err != nil && resp != nil: // not allowed; the client would drop the response
		if resp.Body != nil {
			_ = resp.Body.Close() // the error is what counts
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
	resp.Request = a.caller // not the clone: an SDK's dump of it would show the token
	return resp, nil
}

// bodyWait is how long the base may take to be done with the first body before GetBody is called.
const bodyWait = time.Second

// rewind gets the body ready for another send. The refusal in hand must be done with: a base that is still sending stops then.
func (a *attempt) rewind(ctx context.Context) error {
	req := a.caller
	switch {
	case !hasBody(req):
		return nil
	case a.kept != nil:
		body, err := a.kept.rewind()
		a.next = body
		return err
	case req.GetBody == nil:
		return errNotKept
	case !a.last.Load().wait(ctx, bodyWait):
		return errors.New("reauth: the first body is still being sent")
	}
	body, err := a.getBody()
	a.next = body
	return err
}

// getBody is the caller's GetBody; the base calls it too, when a connection fails it before anything was answered.
func (a *attempt) getBody() (io.ReadCloser, error) {
	body, err := a.caller.GetBody()
	if err != nil {
		return nil, fmt.Errorf("reauth: GetBody: %w", err)
	}
	b := &sentBody{ReadCloser: a.exact(body)}
	a.last.Store(b)
	return b, nil
}

// exact checks a rewound body's length where the length of the first is known.
func (a *attempt) exact(body io.ReadCloser) io.ReadCloser {
	switch {
	case a.caller.ContentLength > 0:
		return &exactBody{ReadCloser: body, left: a.caller.ContentLength}
	case a.first.eof.Load():
		return &exactBody{ReadCloser: body, left: a.first.n.Load()}
	}
	return body
}

// replayable reports whether another send is possible as far as one can tell before.
func (a *attempt) replayable() bool {
	return !hasBody(a.caller) || a.caller.GetBody != nil || a.kept != nil && a.kept.t.whole()
}

// sending reports whether the base may still be sending the body.
func (a *attempt) sending() bool {
	b := a.last.Load()
	return b != nil && !b.over.Load()
}

// release says that there will be no further send.
func (a *attempt) release() {
	if a.kept != nil {
		a.kept.release()
	}
}

// callerContext returns a context that ends with the caller's request: the request's own, or, where http.Client has set
// Request.Cancel, one that ends with that as well. The caller of callerContext must call stop.
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

// callerLeft reports whether the caller has ended the request. It looks at Cancel itself: the context of callerContext
// ends a moment later, and a base may return in between.
func callerLeft(req *http.Request) bool {
	select {
	case <-canceled(req):
		return true
	default:
		return req.Context().Err() != nil
	}
}

// canceled is how http.Client ends a request, beside its context, when it does not know the transport.
func canceled(req *http.Request) <-chan struct{} {
	//lint:ignore SA1019 Client.Timeout sets it on transports it does not know
	return req.Cancel //nolint:staticcheck // Client.Timeout sets it on transports it does not know
}
