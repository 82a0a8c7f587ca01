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

	"github.com/hashicorp/go-retryablehttp"

	"github.com/reauth-go/reauth/internal/mask"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
)

// session is a login under way.
type session struct {
	Login
	row    vendors.Vendor // of the provider; its Auth is not nil
	issuer string         // without a slash at its end
	own    bool           // the issuer is the provider's own
	client string         // the client ID
	scope  string         // space-separated
	typing bool           // the person is asked to paste something

	plain   *http.Client          // sends a request once: an exchange of a code, a poll
	patient *retryablehttp.Client // repeats a request that fails: for metadata, or for a new code
	hidden  []string              // secrets that no text may show
}

const (
	maxAnswer   = 1 << 20          // bytes that are read of an answer
	callTimeout = 20 * time.Second // of a request with its answer
	maxPatience = 10 * time.Second // between two tries; a longer Retry-After ends the tries
)

// newSession returns the session of a login by flow f at the provider of the row.
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
		// A redirect would send codes to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.patient = &retryablehttp.Client{
		HTTPClient: s.plain, RetryMax: 3, RetryWaitMin: 500 * time.Millisecond, RetryWaitMax: maxPatience,
		CheckRetry: mayRepeat, Backoff: retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return s, nil
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

// hide keeps secrets out of every later text of tell.
func (s *session) hide(secrets ...string) { s.hidden = append(s.hidden, secrets...) }

// tell returns a server's text in a form that can be shown: one line, the hidden secrets replaced, at
// most 300 bytes and an ellipsis.
func (s *session) tell(text string) string {
	text, _ = mask.Text(text, s.hidden...)
	text = printable.Line(text)
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// answer is the answer of a server. Servers write numbers also as strings. They write errors in the
// form of RFC 6749 §5.2, or in the form of the provider's API.
type answer struct {
	status            int // 0: the browser brought the answer
	header            http.Header
	raw               map[string]json.RawMessage // members of the JSON object; nil: the body is none
	code, description string                     // of the error; empty: there is none
}

// ok reports whether the answer is a JSON object with a success status. It may hold an error still:
// GitHub sends errors with 200.
func (a *answer) ok() bool { return a.status >= 200 && a.status <= 299 && a.raw != nil }

// text returns a member that is a string, and "" for any other.
func (a *answer) text(member string) string {
	var s string
	_ = json.Unmarshal(a.raw[member], &s) // an error means another type, or no such member
	return s
}

// number returns a member that is a number, or a string with a number. For any other it returns
// zero.
func (a *answer) number(member string) float64 {
	var n float64
	if json.Unmarshal(a.raw[member], &n) == nil {
		return n
	}
	n, err := strconv.ParseFloat(a.text(member), 64)
	if err != nil || n != n { // ParseFloat reads "NaN", which differs from itself
		return 0
	}
	return n
}

// object returns a member that is an object. For any other it returns an answer without members.
func (a *answer) object(member string) *answer {
	o := &answer{header: a.header}
	_ = json.Unmarshal(a.raw[member], &o.raw) // an error means another type, or no such member
	return o
}

// isCode reports whether s is a code of RFC 6749 §5.2 or RFC 8628 §3.5. Some servers answer with one
// of them alone.
func isCode(s string) bool {
	switch s {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "authorization_pending", "slow_down", "access_denied", "expired_token":
		return true
	}
	return false
}

// read fills a from the body of the answer. A refusal whose body is nothing but a code means what
// the code means inside of JSON.
func (a *answer) read(body []byte) {
	refuses := a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized
	if code := string(bytes.TrimSpace(body)); refuses && isCode(code) {
		body, _ = json.Marshal(map[string]string{"error": code}) // strings always encode
	}
	if json.Unmarshal(body, &a.raw) != nil {
		a.raw = nil
		return
	}
	e := a.object("error")
	a.code = cmp.Or(a.text("error"), e.text("code"), e.text("type"))
	a.description = cmp.Or(
		a.text("error_description"), e.text("message"), a.text("message"),
		a.object("base_resp").text("status_msg"), // MiniMax's
	)
}

// skew returns how far the server's clock is ahead of ours, by the Date of the answer. Date has
// whole seconds and the answer was on its way, so a difference of up to three seconds counts as
// none.
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

// retryAfter returns the Retry-After of an answer, up to a day. It reads only the form in seconds
// (RFC 9110 §10.2.3); a date gives zero.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 86400)) * time.Second
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

// send sends a request, and repeats it on failure if again is set.
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

// noAnswer returns the error of a request without an answer. It leaves out the request's address,
// which the error of net/http contains.
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

// refusal returns the error for an answer that ends the login: what has failed, the server's own
// reason, and advice for the person where there is any.
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
		advice = fmt.Sprintf("; this account is not entitled to such a login, and logging in again does not change that. Use an API key: reauth add %s --key-stdin",
			s.row.Name)
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
	if a.status != 0 { // the browser brings no status
		what = fmt.Sprintf("%s: status %d", what, a.status)
	}
	return fmt.Errorf("%s: %s%s", what, said, advice)
}

// isIneligible reports whether the account may not log in at all. xAI answers an account whose tier
// has no access with 403 at its token endpoint, or with invalid_grant and "access denied".
func (s *session) isIneligible(a *answer) bool {
	return s.row.Auth.Dialect == vendors.XAI && a.status == http.StatusForbidden && a.raw != nil ||
		a.code == "invalid_grant" && strings.Contains(strings.ToLower(a.description), "access denied")
}

// parts returns the texts that are not empty.
func parts(texts ...string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
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
