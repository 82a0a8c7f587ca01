package reauth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxRetryWait is the longest wait before a token request is repeated. If the endpoint asks for
// more, the refresh fails.
const maxRetryWait = 4 * time.Second

// newTokenClient makes the client of one token endpoint. It repeats only the requests that
// checkRetry allows.
func newTokenClient(cfg OAuth2Config) *retryablehttp.Client {
	own := ownTokenClient()
	if cfg.HTTPClient != nil {
		c := *cfg.HTTPClient
		own = &c
	}
	// A refresh token is posted to nobody else.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &retryablehttp.Client{
		HTTPClient:   own,
		RetryMax:     2,
		RetryWaitMin: 250 * time.Millisecond,
		RetryWaitMax: maxRetryWait,
		CheckRetry:   checkRetry(cfg.Reusable),
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// ownTokenClient makes the default client. It keeps no connection: exchanges are hours apart.
func ownTokenClient() *http.Client {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableKeepAlives:   true,
	}
	return &http.Client{Transport: t, Timeout: exchangeTimeout}
}

// checkRetry allows to repeat a request that was provably not sent, and one that was answered with
// 429 if the wait is short. With reusable refresh tokens it also allows to repeat a request without
// an answer, or with a 5xx.
func checkRetry(reusable bool) retryablehttp.CheckRetry {
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if ctx.Err() != nil {
			if err == nil {
				return false, nil // the answer came together with the deadline: the token is spent
			}
			return false, ctx.Err()
		}
		var cert *tls.CertificateVerificationError
		switch {
		case errors.As(err, &cert):
			return false, nil
		case err != nil:
			trace, _ := ctx.Value(traceKey{}).(*sendTrace)
			return reusable || trace.unsent(err), nil
		case resp.StatusCode == http.StatusTooManyRequests, reusable && resp.StatusCode >= 500:
			wait, _ := retryAfter(resp.Header, time.Now()) // no header: backoff's short wait
			return wait <= maxRetryWait, nil
		}
		return false, nil
	}
}

// backoff waits as long as the endpoint asks, which checkRetry has found to be short.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait, ok := retryAfter(resp.Header, time.Now()); ok {
			return min(wait, most)
		}
	}
	return retryablehttp.DefaultBackoff(least, most, attempt, nil)
}

// sendTrace proves that a request was not sent: net/http looked for a connection and never got one.
type sendTrace struct {
	mu             sync.Mutex
	looked, gotten bool
}

// traceKey is the key of a context's *sendTrace.
type traceKey struct{}

// context returns a context whose request t watches.
func (t *sendTrace) context(ctx context.Context) context.Context {
	set := func(b *bool) {
		t.mu.Lock()
		defer t.mu.Unlock()
		*b = true
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { set(&t.looked) },
		GotConn: func(httptrace.GotConnInfo) { set(&t.gotten) },
	})
	return context.WithValue(ctx, traceKey{}, t)
}

// unsent reports whether the request that failed with err provably did not leave. A nil trace knows
// only err.
func (t *sendTrace) unsent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.looked && !t.gotten
}

// errUnsent is matched by the error of a request that provably did not leave: no token was spent.
var errUnsent = errors.New("the request was not sent")

// unsentError is such an error.
type unsentError struct{ err error }

func (e *unsentError) Error() string        { return e.err.Error() }
func (e *unsentError) Unwrap() error        { return e.err }
func (e *unsentError) Is(target error) bool { return target == errUnsent }

// isUnsent reports whether err proves that the request never left, so that no token was spent. A
// user's refresher may return net's own error.
func isUnsent(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	return errors.Is(err, errUnsent) || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &name)
}

// isSilent reports whether err says that there was no answer in time to a request that may have been
// sent.
func isSilent(err error) bool {
	var slow interface{ Timeout() bool }
	return !isUnsent(err) && errors.As(err, &slow) && slow.Timeout()
}
