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

// retryingBase is go-retryablehttp as the base of a reauth.RecoveringTransport. It repeats requests
// after 5xx and lost connections; reauth, above it, handles credentials. Copy it as it stands: each
// line that differs from retryablehttp's own RoundTripper has its reason.
type retryingBase struct {
	client *retryablehttp.Client // its RetryMax, RetryWaitMin and RetryWaitMax may be set before first use
}

// newRetryingBase returns a base over another one; nil is http.DefaultTransport.
func newRetryingBase(base http.RoundTripper) *retryingBase {
	if base == nil {
		base = http.DefaultTransport
	}
	b := new(retryingBase)
	b.client = &retryablehttp.Client{ // without Logger: NewClient's writes each URL to stderr
		HTTPClient:   &http.Client{Transport: base, CheckRedirect: leaveRedirect},
		RetryMax:     3,
		RetryWaitMin: 500 * time.Millisecond,
		RetryWaitMax: 8 * time.Second,
		CheckRetry:   b.checkRetry,
		Backoff:      retryablehttp.DefaultBackoff,
		PrepareRetry: rewind,
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the caller gets the last answer, with its body
	}
	return b
}

// RoundTrip sends req until it has an answer that no repetition here can better. Unlike
// retryablehttp's own RoundTripper, it does not read the body into memory before it sends it, and
// it closes the body.
func (b *retryingBase) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil { // it can be sent only once
		return b.client.HTTPClient.Transport.RoundTrip(req)
	}
	out := *req
	out.RequestURI = "" // httputil.ReverseProxy leaves it set, and http.Client refuses such a request
	resp, err := b.client.Do(&retryablehttp.Request{Request: &out})
	var u *url.Error // the http.Client above wraps the error too, so this layer comes off
	if errors.As(err, &u) {
		err = u.Err
	}
	return resp, err
}

// CloseIdleConnections closes those of the base. http.Client looks for this method.
func (b *retryingBase) CloseIdleConnections() { b.client.HTTPClient.CloseIdleConnections() }

// leaveRedirect leaves redirects to the http.Client above. Followed here, a redirect would carry
// the key to another host.
func leaveRedirect(next *http.Request, _ []*http.Request) error {
	if next.Body != nil { // http.Client has prepared it for the next request
		_ = next.Body.Close() // nothing was read
	}
	return http.ErrUseLastResponse
}

// checkRetry repeats a request after a 5xx, as the SDKs do, and a request that provably was not
// sent. It leaves 4xx, 429 among them, to reauth. A request without an answer may have been sent;
// it is repeated only if its method changes nothing, because a lost completion may have been paid
// for.
func (b *retryingBase) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	switch {
	case err != nil:
		// The policy refuses a bad certificate, URL or header, and a caller that has gone.
		mendable, _ := retryablehttp.DefaultRetryPolicy(ctx, nil, err)
		return mendable && (unsent(err) || changesNothing(err)), nil
	case resp.StatusCode < 500 || resp.StatusCode == http.StatusNotImplemented:
		return false, nil
	}
	asked := retryablehttp.DefaultBackoff(0, 0, 0, resp) // of Retry-After; without that header 0
	return asked <= b.client.RetryWaitMax && rewindable(resp.Request), nil
}

// unsent reports whether the request had no connection, to the server or to a proxy.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// changesNothing reports whether err, an error of http.Client, is about a request with a safe
// method (RFC 9110 §9.2.1).
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

// rewindable reports whether the body can be had again. retryablehttp itself asks only after it has
// thrown the answer away.
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

// rewind prepares the body to be sent again.
func rewind(req *http.Request) (err error) {
	req.Body, err = bodyAgain(req)
	return err
}

// bodyAgain returns the body from its beginning.
func bodyAgain(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody() // RoundTrip has checked that there is one
}
