package login

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
)

const (
	maxAnswer   = 1 << 20          // bytes that are read of an answer
	callTimeout = 20 * time.Second // of a request with its answer
	maxPatience = 10 * time.Second // between two tries; a longer Retry-After ends the tries
)

// newSession returns a session by flow f at the provider of the row.
func newSession(row vendors.Vendor, f vendors.Flow, opt Options) (*Session, error) {
	if err := checkOptions(row, opt); err != nil {
		return nil, err
	}
	auth := row.Login()
	s := &Session{
		row: row, auth: auth, opt: opt, issuer: auth.Issuer, own: true,
		client: cmp.Or(opt.ClientID, auth.ClientID), scope: cmp.Or(opt.Scope, f.Scopes, auth.Scopes),
	}
	s.opt.Header = opt.Header.Clone()
	for _, values := range s.opt.Header { // which may be secret, whatever the name says
		for _, value := range values {
			s.hide(value[strings.LastIndexByte(value, ' ')+1:]) // without a scheme
		}
	}
	if opt.Issuer != "" {
		issuer, err := checkIssuer(opt.Issuer)
		if err != nil {
			return nil, err
		}
		s.issuer, s.own = issuer, issuer == auth.Issuer
	}
	s.connect()
	return s, nil
}

// connect makes the clients that send the requests.
func (s *Session) connect() {
	s.base, s.ours = baseOf(s.opt)
	s.plain = &http.Client{
		Transport: introduction{s.base, s.opt.Header}, Timeout: callTimeout,
		// A redirect would send codes to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.patient = &retryablehttp.Client{
		HTTPClient: s.plain, RetryMax: 3, RetryWaitMin: 500 * time.Millisecond, RetryWaitMax: maxPatience,
		CheckRetry: mayRepeat, Backoff: retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// baseOf returns what sends the requests, and whether it is the session's own.
func baseOf(opt Options) (base http.RoundTripper, ours bool) {
	if opt.Base != nil {
		return opt.Base, false
	}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone(), true
	}
	return http.DefaultTransport, false
}

// closeIdle closes the connections that no request uses, so that none of their goroutines is left. It
// leaves alone those of a base that serves others too.
func (s *Session) closeIdle() {
	if s.ours {
		s.plain.CloseIdleConnections()
	}
}

// mayRepeat decides whether a request is repeated. It is not if the server asks to wait longer than
// maxPatience: the error then tells the person how long to wait.
func mayRepeat(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && retryAfter(resp.Header) > maxPatience {
		return false, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
}

// introduction is a transport that adds the headers that every request has.
type introduction struct {
	base   http.RoundTripper
	header http.Header // the user's; a header here replaces the package's own
}

// RoundTrip implements http.RoundTripper.
func (i introduction) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "reauth/"+release.Version)
	req.Header.Set("Accept", "application/json")
	for name, values := range i.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	return i.base.RoundTrip(req)
}

// CloseIdleConnections closes those of the base, if it can. http.Client looks for this method.
func (i introduction) CloseIdleConnections() {
	if c, ok := i.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// request is a request to an authorization server or its API. With a body it is a POST, else a GET.
type request struct {
	url    string
	form   url.Values        // the body, unless json is set
	json   map[string]string // the body
	header map[string]string
	again  bool // it may be sent more than once
}

// do sends a request and returns the answer, whatever its status is. An error means that there was
// no answer.
func (s *Session) do(ctx context.Context, r request) (*answer, error) {
	method, kind, body := http.MethodGet, "", []byte(nil)
	switch {
	case r.json != nil:
		method, kind = http.MethodPost, "application/json"
		body, _ = json.Marshal(r.json) // strings always encode
	case r.form != nil:
		method, kind, body = http.MethodPost, "application/x-www-form-urlencoded", []byte(r.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the server's address is malformed")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := s.send(req, r.again)
	if err != nil {
		return nil, s.noAnswer(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, s.noAnswer(err)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.read(content)
	return a, nil
}

// send sends a request, and repeats it on failure if again is set.
func (s *Session) send(req *http.Request, again bool) (*http.Response, error) {
	if !again {
		return s.plain.Do(req)
	}
	repeatable, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return s.patient.Do(repeatable)
}

// requestID returns a random UUID (RFC 9562 §5.4). MiniMax and the providers with Device.RequestID
// want one in the X-Request-Id header.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand: Read never returns an error
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
