package login

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/reauth-go/reauth/internal/vendors"
)

// session is a login under way.
type session struct {
	Login
	row    vendors.Vendor // of the provider; it has a login
	issuer string
	own    bool // the issuer is the provider's own
	client string
	scope  string
	typing bool // the person is asked to paste something

	plain   *http.Client          // each request once: codes and polls
	patient *retryablehttp.Client // what may be asked again: metadata, and for a new code
	hidden  []string              // not to be told
}

const (
	maxAnswer   = 1 << 20
	callTimeout = 20 * time.Second
	maxPatience = 10 * time.Second // of a Retry-After that is waited for
)

func newSession(l Login, row vendors.Vendor, f vendors.Flow) (*session, error) {
	s := &session{
		Login: l, row: row, issuer: row.Auth.Issuer, own: true,
		client: cmp.Or(l.ClientID, row.Auth.ClientID), scope: cmp.Or(l.Scope, f.Scopes, row.Auth.Scopes),
	}
	if l.Issuer != "" {
		issuer, err := checkIssuer(l.Issuer)
		if err != nil {
			return nil, err
		}
		s.issuer, s.own = issuer, false
	}
	if s.Base == nil {
		s.Base = http.DefaultTransport.(*http.Transport).Clone()
	}
	s.plain = &http.Client{
		Transport: introduction{s.Base, l.Header}, Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // codes go to nobody else
	}
	s.patient = &retryablehttp.Client{
		HTTPClient: s.plain, RetryMax: 3, RetryWaitMin: 500 * time.Millisecond, RetryWaitMax: maxPatience,
		CheckRetry: mayRepeat, Backoff: retryablehttp.DefaultBackoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return s, nil
}

// mayRepeat leaves it to the person to wait longer.
func mayRepeat(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && retryAfter(resp.Header) > maxPatience {
		return false, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
}

// introduction says who we are, and what the user adds to that.
type introduction struct {
	base   http.RoundTripper
	header http.Header
}

func (i introduction) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "reauth/"+Version)
	req.Header.Set("Accept", "application/json")
	for name, values := range i.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	return i.base.RoundTrip(req)
}

func (i introduction) CloseIdleConnections() {
	if c, ok := i.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// hide remembers what must not be told.
func (s *session) hide(secrets ...string) {
	for _, secret := range secrets {
		if len(secret) >= 4 { // a shorter one stands in any text
			s.hidden = append(s.hidden, secret, url.QueryEscape(secret))
		}
	}
}

// tell makes a text of others fit to be shown: printable, without secrets, not too long.
func (s *session) tell(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	for _, secret := range s.hidden {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// answer is what a server said. Numbers may be strings, and errors have the forms of RFC 6749 §5.2
// or of an API.
type answer struct {
	status            int
	header            http.Header
	raw               map[string]json.RawMessage // nil: it is no JSON object
	code, description string
}

func (a *answer) ok() bool { return a.status >= 200 && a.status <= 299 && a.raw != nil }

func (a *answer) text(member string) string {
	var s string
	_ = json.Unmarshal(a.raw[member], &s) // another type: no text
	return s
}

// number is zero when there is none.
func (a *answer) number(member string) float64 {
	var n float64
	if json.Unmarshal(a.raw[member], &n) == nil {
		return n
	}
	n, err := strconv.ParseFloat(a.text(member), 64)
	if err != nil || n != n {
		return 0
	}
	return n
}

func (a *answer) object(member string) *answer {
	o := &answer{header: a.header}
	_ = json.Unmarshal(a.raw[member], &o.raw) // no object: no members
	return o
}

func (a *answer) read(body []byte) {
	if json.Unmarshal(body, &a.raw) != nil {
		a.raw = nil
		return
	}
	e := a.object("error")
	a.code = cmp.Or(a.text("error"), e.text("code"), e.text("type"))
	a.description = cmp.Or(a.text("error_description"), e.text("message"), a.text("message"), a.object("base_resp").text("status_msg"))
}

// skew is how far the server's clock is ahead of ours, by the Date of the answer. That has whole
// seconds: less is none.
func (a *answer) skew() time.Duration {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return 0
	}
	if d := time.Until(date); d.Abs() > 3*time.Second {
		return d
	}
	return 0
}

// retryAfter reads RFC 9110 §10.2.3's seconds.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 86400)) * time.Second
}

// request is one to be sent. JSON is a body of its own kind; else the form is sent, or nothing.
type request struct {
	url    string
	form   url.Values
	json   map[string]string
	header map[string]string
	again  bool // it may be sent more than once
}

// do sends a request and reads the answer, whatever it says. An error means that there was none.
func (s *session) do(ctx context.Context, r request) (*answer, error) {
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

func (s *session) send(req *http.Request, again bool) (*http.Response, error) {
	if !again {
		return s.plain.Do(req)
	}
	repeatable, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return s.patient.Do(repeatable)
}

// noAnswer tells why there was none, without the request's address.
func (s *session) noAnswer(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("no answer within %s", callTimeout)
		}
		err = u.Err
	}
	return errors.New(s.tell(err.Error()))
}

// refusal is an answer that ends the login.
func (s *session) refusal(what string, a *answer) error {
	said := strings.Join(parts(s.tell(a.code), s.tell(a.description)), ": ")
	switch {
	case a.status >= 300 && a.status <= 399:
		said = "the server points to another address, which is not followed"
	case a.raw == nil:
		said = "the answer is not of an authorization server"
	case said == "":
		said = "the server does not say why"
	}
	advice := ""
	switch {
	case strings.Contains(a.description, "missing_codex_entitlement"):
		advice = "; this workspace has no Codex. Choose another one, or ask its administrator"
	case a.code == "access_denied":
		advice = "; consent was refused, there or by the account's own rules. Run the command again to be asked anew"
	case s.isIneligible(a):
		advice = fmt.Sprintf("; this account is not entitled to such a login, and logging in again does not change that. Use an API key: reauth add %s --key-stdin", s.row.Name)
	case a.code == "expired_token":
		return errTooLate
	case a.code == "invalid_client", a.code == "unauthorized_client":
		advice = "; the server does not take this client, see --client-id"
	case a.code == "invalid_scope":
		advice = "; see --scope"
	case a.status == http.StatusTooManyRequests:
		advice = "; wait a while, then run the command again"
		if wait := retryAfter(a.header); wait > 0 {
			advice = fmt.Sprintf("; run the command again in %s", wait)
		}
	case a.status >= 500:
		advice = "; run the command again later"
	}
	if a.status != 0 { // 0: brought by the browser
		what = fmt.Sprintf("%s: status %d", what, a.status)
	}
	return fmt.Errorf("%s: %s%s", what, said, advice)
}

// isIneligible: xAI says so by invalid_grant, or by 403 at its token endpoint, to accounts whose
// tier has no access.
func (s *session) isIneligible(a *answer) bool {
	return s.row.Auth.Dialect == vendors.XAI && a.status == http.StatusForbidden && a.raw != nil ||
		a.code == "invalid_grant" && strings.Contains(strings.ToLower(a.description), "access denied")
}

func parts(texts ...string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
}

// requestID is a random UUID (RFC 9562 §5.4), by which two providers want their requests told
// apart.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
