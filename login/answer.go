package login

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

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

// instant reads a point in time, which servers write in one of three units. A number below 1e9 is
// seconds from now; one below 1e12 is seconds since 1970 by the server's clock; a larger one is
// milliseconds since 1970. instant returns the zero time if there is no number, or if byOurClock
// does.
func instant(a *answer, member string) time.Time {
	switch n := a.number(member); {
	case n <= 0:
		return time.Time{}
	case n < 1e9:
		return time.Now().Add(seconds(n))
	case n < 1e12:
		return byOurClock(a, time.Unix(int64(n), 0))
	default:
		return byOurClock(a, time.UnixMilli(int64(min(n, 1e16))))
	}
}

// byOurClock converts an instant of the server's clock to one of ours. It returns the zero time for
// an instant in the past: no server gives a code or a token that has expired, so the clocks differ
// by an unknown time.
func byOurClock(a *answer, at time.Time) time.Time {
	at = at.Add(-a.skew())
	if !at.After(time.Now()) {
		return time.Time{}
	}
	return at
}
