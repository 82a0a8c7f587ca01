package reauth

import (
	"cmp"
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/verdict"

	"github.com/reauth-go/reauth/internal/loosejson"
)

// maxAnswer bounds the body of a token endpoint's answer, in bytes.
const maxAnswer = 1 << 20

// tokenAnswer is what a token endpoint said, in any of the forms that are known: RFC 6749 §5's, an
// API's error object, MiniMax's status, GitHub's token and form.
type tokenAnswer struct {
	status int
	header http.Header

	AccessToken, RefreshToken string
	AccountID                 string
	Metadata                  map[string]string

	ExpiresIn *float64  // seconds
	ExpiresAt time.Time // by the server's clock

	Code, Description string
	failed            bool // it says that it is a failure, whatever its status
	html              bool // it is a page for a person
	raw               map[string]json.RawMessage
}

// answerRules are what one token endpoint says in its own way. The zero value is for an endpoint of
// which nothing is known.
type answerRules struct {
	provider string   // named in errors; empty: the credential's
	secrets  []string // of the configuration, kept out of errors
	// permanent reports, of an answer without a known code, that the grant is dead. nil: no other
	// answer says so.
	permanent func(a *tokenAnswer) bool
	// temporary reports that a refusal says nothing about the grant, even with a known code. nil:
	// every known code counts.
	temporary func(a *tokenAnswer) bool
}

// read takes in a body. A body that is neither JSON, nor a form, nor a code leaves the answer empty.
// more are codes that this endpoint has beside those that are known.
func (a *tokenAnswer) read(body []byte, more ...string) {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")) // malformed: JSON is tried
	trimmed := strings.TrimSpace(string(body))
	switch code := cmp.Or(loosejson.Text(body), trimmed); {
	case a.isCode(code, more): // whatever the content type says: nothing else looks like it
		a.Code, a.failed = code, true
		return
	case strings.HasPrefix(trimmed, "<"):
		a.html = true
		return
	case json.Unmarshal(body, &a.raw) == nil: // whatever the content type says: the body may hold the only pair
	case kind == "text/html":
		a.html = true
		return
	case kind == "application/x-www-form-urlencoded",
		kind == "text/plain" && strings.HasPrefix(trimmed, "access_token="):
		a.readForm(trimmed)
		return
	default:
		return
	}
	a.AccessToken, a.RefreshToken = loosejson.Text(a.raw["access_token"]), loosejson.Text(a.raw["refresh_token"])
	if n, ok := loosejson.Number(a.raw["expires_in"]); ok {
		a.ExpiresIn = &n
	}
	a.readError()
}

// isCode reports whether a body is nothing but a code by which a token endpoint refuses: one of RFC
// 6749 §5.2, or of a dead grant. Only the two statuses of such a refusal count.
func (a *tokenAnswer) isCode(body string, more []string) bool {
	if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
		return false
	}
	lower := strings.ToLower(body)
	return slices.Contains(refusalCodes, lower) || slices.Contains(deadGrantCodes, lower) || slices.Contains(more, body)
}

// readForm takes in a body in the form application/x-www-form-urlencoded, which GitHub's endpoint
// answers with.
func (a *tokenAnswer) readForm(s string) {
	form, err := url.ParseQuery(s)
	if err != nil {
		return
	}
	a.AccessToken, a.RefreshToken = form.Get("access_token"), form.Get("refresh_token")
	a.Code, a.Description = form.Get("error"), form.Get("error_description")
	if n, err := strconv.ParseFloat(form.Get("expires_in"), 64); err == nil && !math.IsNaN(n) {
		a.ExpiresIn = &n
	}
	a.failed = a.Code != ""
}

// readError finds code and description. "error" is a string (RFC 6749 §5.2), an object with code,
// type and message (an API's error), or a sentence beside "code" (xAI's API).
func (a *tokenAnswer) readError() {
	a.Code, a.Description = loosejson.Text(a.raw["error"]), loosejson.Text(a.raw["error_description"])
	if code := loosejson.Text(a.raw["code"]); code != "" && strings.Contains(a.Code, " ") {
		a.Code, a.Description = code, cmp.Or(a.Description, a.Code)
	}
	var nested map[string]json.RawMessage
	for _, key := range []string{"error", "detail"} {
		if json.Unmarshal(a.raw[key], &nested) == nil && nested != nil {
			break
		}
	}
	said := func(member string) string { return loosejson.Text(a.raw[member]) }
	a.Code = cmp.Or(a.Code, loosejson.Text(nested["code"]), loosejson.Text(nested["type"]), said("code"))
	a.Description = cmp.Or(a.Description, loosejson.Text(nested["message"]), said("message"), said("detail"))
	a.failed = loosejson.Present(a.raw["error"])
}

// note keeps a text member of the answer in the credential's metadata.
func (a *tokenAnswer) note(member string) {
	if s := loosejson.Text(a.raw[member]); s != "" {
		if a.Metadata == nil {
			a.Metadata = make(map[string]string)
		}
		a.Metadata[member] = s
	}
}

// nested returns a member of an object inside the answer.
func (a *tokenAnswer) nested(key, member string) json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(a.raw[key], &m) // no object: no member
	return m[member]
}

// refusalCodes are those of RFC 6749 §5.2 that say nothing against the grant.
var refusalCodes = []string{
	"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
}

// deadGrantCodes are the codes by which token endpoints say that a grant is dead: RFC 6749's, and
// the spellings of OpenAI, MiniMax, GitHub and others.
var deadGrantCodes = []string{
	"invalid_grant", "invalid_refresh_token", "invalid_token", "bad_refresh_token", "expired_token",
	"token_expired", "token_revoked", "refresh_token_expired", "refresh_token_reused",
	"refresh_token_invalidated", "refresh_token_revoked", "refresh_token_not_found",
	"app_session_terminated", "app_session_expired",
}

// isDead reports whether the answer says definitely that the grant is dead.
func (a *tokenAnswer) isDead(r answerRules) bool {
	switch {
	case a.status >= 500, a.status == http.StatusTooManyRequests, a.html:
		return false
	case r.temporary != nil && r.temporary(a):
		return false
	case slices.Contains(deadGrantCodes, strings.ToLower(a.Code)):
		return true
	}
	return r.permanent != nil && r.permanent(a)
}

// refusal is the answer as an error.
func (a *tokenAnswer) refusal(c Credential, r answerRules) *RefreshError {
	secrets := append(secretsOf(c, r.secrets...), a.AccessToken, a.RefreshToken)
	e := &RefreshError{
		Provider: cmp.Or(r.provider, c.Provider), Status: a.status, Permanent: a.isDead(r), RetryAfter: a.retryAfter(),
		Code: label(redact(a.Code, secrets...)), Description: redact(a.Description, secrets...),
	}
	if a.html && e.Description == "" {
		e.Description = "the answer is a page, not of the token endpoint"
	}
	return e
}

// retryAfter is how long the answer asks to wait: by its header, else by OpenAI's
// error.resets_in_seconds. 0: it does not ask.
func (a *tokenAnswer) retryAfter() time.Duration {
	if wait, _ := retryAfter(a.header, time.Now()); wait > 0 {
		return wait
	}
	n, ok := loosejson.Number(a.nested("error", "resets_in_seconds"))
	if ok && n > 0 && n < verdict.MaxReset.Seconds() {
		return time.Duration(n * float64(time.Second))
	}
	return 0
}

// credential is the credential in the answer. Beside an error it holds a refresh token that came
// with it: the provider has rotated to that one and forgotten the old.
func (a *tokenAnswer) credential(c Credential, r answerRules, now time.Time) (Credential, error) {
	if a.status < 200 || a.status > 299 || a.failed {
		return Credential{}, a.refusal(c, r)
	}
	got := Credential{
		AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, AccountID: a.AccountID, Metadata: a.Metadata,
	}
	switch {
	case a.AccessToken == "":
		e := a.refusal(c, r)
		if e.Code == "" {
			e.Code, e.Description = "no_access_token", "the token endpoint gave no access token"
		}
		return got, e
	case a.ExpiresIn != nil && *a.ExpiresIn <= 0:
		e := a.refusal(c, r)
		e.Code, e.Description = "expired_on_arrival", "the token endpoint gave a token that has expired"
		return got, e
	}
	got.Expiry = a.expiry(now)
	return got, nil
}

// maxLifetime bounds expires_in, so that it fits into a time.Duration.
const maxLifetime = 10 * 365 * 24 * time.Hour

// expiry is when the access token expires, by our clock: as the answer says, else as the token
// does. Zero: neither says.
func (a *tokenAnswer) expiry(now time.Time) time.Time {
	if a.ExpiresIn != nil {
		return now.Add(time.Duration(min(*a.ExpiresIn, maxLifetime.Seconds()) * float64(time.Second)))
	}
	at := a.ExpiresAt
	if at.IsZero() {
		claims, _ := readJWT(a.AccessToken) // no JWT: no expiry
		at = claims.expiry()
	}
	return a.ourClock(at, now)
}

// ourClock moves an instant of the server's clock to ours, by the Date of the answer.
func (a *tokenAnswer) ourClock(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return now.Add(at.Sub(date))
	}
	return now.Add(at.Sub(now)) // keeps the monotonic reading of now
}

// maxRetryAfter bounds the wait that a token endpoint may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header Retry-After (RFC 9110 §10.2.3). Seconds count from receipt. An
// instant is of the server's clock, which the answer's Date tells.
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
