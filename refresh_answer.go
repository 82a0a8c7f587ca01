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

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/verdict"
)

// tokenAnswer is what a token endpoint said, in any of the forms seen: RFC 6749 §5's, an API's error object, MiniMax's
// status, GitHub's token and form.
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
	html              bool
	raw               map[string]json.RawMessage
}

// read takes in a body. What is no JSON and no form leaves the answer empty.
func (a *tokenAnswer) read(body []byte) {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")) // malformed: JSON is tried
	trimmed := strings.TrimSpace(string(body))
	switch {
	case strings.HasPrefix(trimmed, "<"):
		a.html = true
		return
	case json.Unmarshal(body, &a.raw) == nil: // under whatever type: the pair in it may be the only one there is
	case kind == "text/html":
		a.html = true
		return
	case kind == "application/x-www-form-urlencoded", kind == "text/plain" && strings.HasPrefix(trimmed, "access_token="):
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

// readError finds code and description: a string, or an object with code, type and message (RFC 6749's error or an API's).
func (a *tokenAnswer) readError() {
	a.Code, a.Description = loosejson.Text(a.raw["error"]), loosejson.Text(a.raw["error_description"])
	var nested map[string]json.RawMessage
	for _, key := range []string{"error", "detail"} {
		if json.Unmarshal(a.raw[key], &nested) == nil && nested != nil {
			break
		}
	}
	for _, s := range []string{loosejson.Text(nested["code"]), loosejson.Text(nested["type"]), loosejson.Text(a.raw["code"])} {
		if a.Code == "" {
			a.Code = s
		}
	}
	for _, s := range []string{loosejson.Text(nested["message"]), loosejson.Text(a.raw["message"]), loosejson.Text(a.raw["detail"])} {
		if a.Description == "" {
			a.Description = s
		}
	}
	a.failed = loosejson.Present(a.raw["error"])
}

// unanswered reports whether the exchange may or may not have happened: no answer, or one of something in between.
func (a *tokenAnswer) unanswered(err error) bool {
	return err != nil || a.status >= 500
}

// Codes by which token endpoints say that a grant is dead: RFC 6749's, and the spellings of OpenAI, MiniMax, GitHub and others.
var deadGrantCodes = []string{
	"invalid_grant", "invalid_refresh_token", "invalid_token", "bad_refresh_token", "expired_token", "token_expired", "token_revoked",
	"refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated", "refresh_token_revoked", "refresh_token_not_found",
	"app_session_terminated", "app_session_expired",
}

// isDead reports whether the answer is a definite word on the grant.
func (a *tokenAnswer) isDead(g *grant) bool {
	switch {
	case a.status >= 500, a.status == http.StatusTooManyRequests, a.html:
		return false
	case g != nil && g.temporary != nil && g.temporary(a):
		return false
	case slices.Contains(deadGrantCodes, strings.ToLower(a.Code)):
		return true
	case g == nil:
		return false
	case slices.Contains(g.cfg.Permanent, a.Code):
		return true
	// Not RFC 6749's word, which has invalid_client for that: Kimi's for a dead login.
	case a.status == http.StatusUnauthorized && a.Code == "unauthorized":
		return true
	}
	return g.permanent != nil && g.permanent(a)
}

// refusal is the answer as an error.
func (a *tokenAnswer) refusal(c Credential, g *grant) *RefreshError {
	e := &RefreshError{Provider: c.Provider, Status: a.status, Permanent: a.isDead(g)}
	secrets := secretsOf(c)
	if g != nil {
		e.Provider, secrets = cmp.Or(g.provider, c.Provider), secretsOf(c, g.cfg.ClientSecret)
	}
	e.Code, e.Description = redact(a.Code, secrets...), redact(a.Description, secrets...)
	e.RetryAfter, _ = retryAfter(a.header, time.Now())
	if e.RetryAfter == 0 {
		if n, ok := loosejson.Number(a.nested("error", "resets_in_seconds")); ok && n > 0 && n < verdict.MaxReset.Seconds() {
			e.RetryAfter = time.Duration(n * float64(time.Second))
		}
	}
	if a.html && e.Description == "" {
		e.Description = "the answer is a page, not of the token endpoint"
	}
	return e
}

func (a *tokenAnswer) nested(key, member string) json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(a.raw[key], &m) // no object: no member
	return m[member]
}

// credential is what the answer gives. What was rotated comes along with an error too: the provider has forgotten the rest.
func (a *tokenAnswer) credential(c Credential, g *grant, now time.Time) (Credential, error) {
	if a.status < 200 || a.status > 299 || a.failed {
		return Credential{}, a.refusal(c, g)
	}
	got := Credential{AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, AccountID: a.AccountID, Metadata: a.Metadata}
	switch {
	case a.AccessToken == "":
		e := a.refusal(c, g)
		if e.Code == "" {
			e.Code, e.Description = "no_access_token", "the token endpoint gave no access token"
		}
		return got, e
	case a.ExpiresIn != nil && *a.ExpiresIn <= 0:
		e := a.refusal(c, g)
		e.Code, e.Description = "expired_on_arrival", "the token endpoint gave a token that has expired"
		return got, e
	case a.ExpiresIn != nil:
		got.Expiry = now.Add(time.Duration(min(*a.ExpiresIn, maxLifetime.Seconds()) * float64(time.Second)))
	default:
		at := a.ExpiresAt
		if at.IsZero() {
			claims, _ := readJWT(a.AccessToken) // no JWT: no expiry
			at = claims.expiry()
		}
		got.Expiry = a.ourClock(at, now)
	}
	return got, nil
}

const maxLifetime = 10 * 365 * 24 * time.Hour

// ourClock moves an instant of the server's clock to ours, by the Date the answer carries.
func (a *tokenAnswer) ourClock(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return now.Add(at.Sub(date))
	}
	return now.Add(at.Sub(now)) // with a monotonic reading
}
