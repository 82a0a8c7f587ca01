package reauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/reauth-go/reauth/internal/wait"
)

// version is what token calls say we are.
const version = "0.1.0"

// grant exchanges refresh tokens at the token endpoint of one provider: RFC 6749 §6 with what differs there.
type grant struct {
	provider  string
	cfg       OAuth2Config
	endpoints []string // the next only after a 404 or a request provably not sent
	discover  func(ctx context.Context, call func(*http.Request) (*http.Response, error)) (string, error)
	build     func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) // nil: buildGrant
	read      func(a *tokenAnswer)                                                                              // reads what the provider says in its own way
	permanent func(a *tokenAnswer) bool                                                                         // refusals beyond the known codes
	temporary func(a *tokenAnswer) bool                                                                         // refusals that are no word on the grant

	once   sync.Once
	client *retryablehttp.Client
}

// Format keeps the client's secret out of a dump of a Provider.
func (g *grant) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "reauth.Refresher("+g.cfg.String()+")") // fmt.State reports write errors itself
}

// Refresh implements Refresher.
func (g *grant) Refresh(ctx context.Context, c Credential) (Credential, error) {
	if c.RefreshToken == "" {
		return Credential{}, ErrNotRefreshable
	}
	endpoints := g.endpoints
	if g.discover != nil {
		endpoint, err := g.discover(ctx, func(req *http.Request) (*http.Response, error) {
			g.introduce(req)
			return g.do(req)
		})
		if err != nil {
			return Credential{}, g.failure(c, err)
		}
		endpoints = []string{endpoint}
	}
	var got Credential
	var err error
	for _, endpoint := range endpoints {
		var elsewhere bool
		if got, elsewhere, err = g.exchange(ctx, endpoint, c); !elsewhere {
			break
		}
	}
	return got, err
}

// exchange asks one endpoint. elsewhere: nothing was spent there, another one may be asked.
func (g *grant) exchange(ctx context.Context, endpoint string, c Credential) (got Credential, elsewhere bool, err error) {
	a, err := g.ask(ctx, endpoint, c)
	if refused, _ := ctx.Value(refusedKey{}).(bool); refused && a.unanswered(err) && !isUnsent(err) && wait.For(ctx, time.Second) {
		a, err = g.ask(ctx, endpoint, c)
	}
	if err != nil {
		return Credential{}, isUnsent(err), g.failure(c, err)
	}
	if a.status == http.StatusNotFound {
		return Credential{}, true, a.refusal(c, g)
	}
	got, err = a.credential(c, g, time.Now())
	return got, false, err
}

// ask sends the request and reads the answer, whatever it says.
func (g *grant) ask(ctx context.Context, endpoint string, c Credential) (*tokenAnswer, error) {
	build := g.build
	if build == nil {
		build = buildGrant
	}
	trace := new(sendTrace)
	req, err := build(trace.context(ctx), endpoint, c, g.cfg)
	if err != nil {
		return nil, &unsentError{err}
	}
	req.Header.Set("Accept", "application/json")
	g.introduce(req)
	resp, err := g.do(req)
	if err != nil {
		if trace.unsent(err) {
			err = &unsentError{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	a := &tokenAnswer{status: resp.StatusCode, header: resp.Header}
	a.read(body)
	if g.read != nil {
		g.read(a)
	}
	return a, nil
}

// introduce says who we are, and what the user adds to that.
func (g *grant) introduce(req *http.Request) {
	req.Header.Set("User-Agent", "reauth/"+version)
	for name, values := range g.cfg.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
}

const maxAnswer = 1 << 20

// do sends through go-retryablehttp, which repeats only what checkRetry allows.
func (g *grant) do(req *http.Request) (*http.Response, error) {
	g.once.Do(func() { g.client = newTokenClient(g.cfg) })
	r, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return g.client.Do(r)
}

// newTokenClient is made at the first refresh: a refresher costs nothing before.
func newTokenClient(cfg OAuth2Config) *retryablehttp.Client {
	own := ownTokenClient()
	if cfg.HTTPClient != nil {
		c := *cfg.HTTPClient
		own = &c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a refresh token is posted to nobody else
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

const maxRetryWait = 4 * time.Second

// ownTokenClient keeps no connection: exchanges are hours apart.
func ownTokenClient() *http.Client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 20 * time.Second,
		ForceAttemptHTTP2:     true,
		DisableKeepAlives:     true,
	}
	return &http.Client{Transport: t, Timeout: exchangeTimeout}
}

// checkRetry repeats what was provably not sent, and 429 when the wait is short. A token that does not rotate may also be
// sent again when no answer came.
func checkRetry(reusable bool) retryablehttp.CheckRetry {
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if ctx.Err() != nil {
			if err == nil {
				return false, nil // an answer that came with the deadline is an answer: the token has been spent for it
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
			wait, _ := retryAfter(resp.Header, time.Now()) // none: a short one
			return wait <= maxRetryWait, nil
		}
		return false, nil
	}
}

// backoff waits as long as the endpoint asks; checkRetry has found that short.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait, ok := retryAfter(resp.Header, time.Now()); ok {
			return min(wait, most)
		}
	}
	return retryablehttp.DefaultBackoff(least, most, attempt, nil)
}

// retryAfter reads RFC 9110 §10.2.3's header. Seconds count from receipt; an instant is of the server's clock, which its
// Date header tells.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	said := h.Get("Retry-After")
	if n, err := strconv.ParseFloat(said, 64); err == nil && n >= 0 {
		wait = time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(said); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		wait = at.Sub(now)
	} else {
		return 0, false
	}
	return max(min(wait, maxRetryAfter), 0), true
}

const maxRetryAfter = 24 * time.Hour

// sendTrace proves that a request was not sent: net/http was looking for a connection and never got one.
type sendTrace struct {
	mu             sync.Mutex
	looked, gotten bool
}

type traceKey struct{}

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

// unsentError is an error of a request that provably did not leave.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

func isUnsent(err error) bool {
	var u *unsentError
	return errors.As(err, &u)
}

// failure is the error of an exchange without an answer.
func (g *grant) failure(c Credential, err error) error {
	var re *RefreshError
	if errors.As(err, &re) {
		return err
	}
	var u *url.Error // its URL may hold what does not belong into a log
	if errors.As(err, &u) {
		err = fmt.Errorf("%s: %w", u.Op, u.Err)
	}
	return &RefreshError{Provider: cmp.Or(g.provider, c.Provider), Err: newRedactedError(err, secretsOf(c, g.cfg.ClientSecret)...)}
}

// buildGrant is RFC 6749 §6's request, as a form or as JSON.
func buildGrant(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
	return buildParams(ctx, endpoint, c, cfg, map[string]string{"grant_type": "refresh_token", "refresh_token": c.RefreshToken})
}

func buildParams(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config, params map[string]string) (*http.Request, error) {
	if err := checkTokenURL(endpoint); err != nil {
		return nil, err
	}
	client := cfg.ClientID
	if c.ClientID != "" {
		client = c.ClientID
	}
	if client != "" && !cfg.BasicAuth {
		params["client_id"] = client
		if cfg.ClientSecret != "" {
			params["client_secret"] = cfg.ClientSecret
		}
	}
	if len(cfg.Scopes) > 0 {
		params["scope"] = strings.Join(cfg.Scopes, " ")
	}
	kind, body := "application/x-www-form-urlencoded", []byte(nil)
	if cfg.JSON {
		kind = "application/json"
		body, _ = json.Marshal(params) // strings always encode
	} else {
		form := make(url.Values)
		for k, v := range params {
			form.Set(k, v)
		}
		body = []byte(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the token URL is malformed") // the parser's error would repeat it
	}
	req.Header.Set("Content-Type", kind)
	if cfg.BasicAuth {
		req.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(cfg.ClientSecret)) // RFC 6749 §2.3.1
	}
	return req, nil
}
