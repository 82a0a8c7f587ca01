package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// retryingBase is go-retryablehttp as the base of a reauth.RecoveringTransport: 5xx and lost connections are mended below,
// credentials above. Copy it as it stands; each line that differs from retryablehttp's own RoundTripper has its reason.
type retryingBase struct {
	client *retryablehttp.Client // its RetryMax, RetryWaitMin and RetryWaitMax may be set before first use
}

// newRetryingBase returns a base over another one; nil is http.DefaultTransport.
func newRetryingBase(base http.RoundTripper) *retryingBase {
	if base == nil {
		base = http.DefaultTransport
	}
	b := new(retryingBase)
	b.client = &retryablehttp.Client{ // NewClient's logger would write each URL to stderr
		HTTPClient:   &http.Client{Transport: base, CheckRedirect: leaveRedirect},
		RetryMax:     3,
		RetryWaitMin: 500 * time.Millisecond,
		RetryWaitMax: 8 * time.Second,
		CheckRetry:   b.checkRetry,
		Backoff:      retryablehttp.DefaultBackoff,
		PrepareRetry: rewind,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the last answer is the caller's, with its body
	}
	return b
}

// RoundTrip sends req until there is an answer that no repetition below can better. What retryablehttp's own RoundTripper
// does to a body is not done: it would be read into memory first, however long, and never closed.
func (b *retryingBase) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil { // it can be sent only once
		return b.client.HTTPClient.Transport.RoundTrip(req)
	}
	out := *req
	out.RequestURI = "" // a httputil.ReverseProxy above leaves it set, and http.Client refuses that
	resp, err := b.client.Do(&retryablehttp.Request{Request: &out})
	var u *url.Error // the client above wraps it once more
	if errors.As(err, &u) {
		err = u.Err
	}
	return resp, err
}

// CloseIdleConnections lets the client above close those of the base.
func (b *retryingBase) CloseIdleConnections() { b.client.HTTPClient.CloseIdleConnections() }

// leaveRedirect leaves redirects to the client above: followed here, they would carry the key along.
func leaveRedirect(next *http.Request, _ []*http.Request) error {
	if next.Body != nil { // http.Client has got it ready already
		_ = next.Body.Close() // nothing was read
	}
	return http.ErrUseLastResponse
}

// checkRetry repeats 5xx, as the SDKs do, and requests that provably did not leave. 4xx, 429 among them, is for reauth to
// judge. Of the requests that may have been sent and have no answer only those are repeated that change nothing: a
// completion that got lost may have been paid for.
func (b *retryingBase) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case err != nil:
		mendable, _ := retryablehttp.DefaultRetryPolicy(ctx, nil, err) // no bad certificate, URL or header, and the caller is there
		return mendable && (unsent(err) || changesNothing(err)), nil
	case resp.StatusCode < 500 || resp.StatusCode == http.StatusNotImplemented:
		return false, nil
	}
	asked := retryablehttp.DefaultBackoff(0, 0, 0, resp) // what Retry-After says, else nothing
	return asked <= b.client.RetryWaitMax && rewindable(resp.Request), nil
}

// unsent reports whether no connection was had to send the request on, to the server or to a proxy.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// changesNothing reports whether the request of an error of http.Client has a safe method (RFC 9110 §9.2.1).
func changesNothing(err error) bool {
	var u *url.Error
	if !errors.As(err, &u) {
		return false
	}
	switch u.Op { // http.Client's spelling of the method
	case "Get", "Head", "Options", "Trace":
		return true
	}
	return false
}

// rewindable reports whether the body can be had again. retryablehttp asks only when the answer in hand is thrown away.
func rewindable(req *http.Request) bool {
	if req == nil {
		return false
	}
	body, err := bodyAgain(req)
	if err != nil {
		return false
	}
	if body != nil {
		_ = body.Close() // nothing was read
	}
	return true
}

// rewind gets the body ready to be sent again.
func rewind(req *http.Request) (err error) {
	req.Body, err = bodyAgain(req)
	return err
}

func bodyAgain(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody() // RoundTrip has seen to it that there is one
}
