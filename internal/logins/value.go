package logins

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reauth-go/reauth/internal/jwt"
)

// stamp is a time that may be text or a number, in seconds or milliseconds. Anything else is
// unknown.
type stamp struct{ time.Time }

// UnmarshalJSON never fails: one odd stamp must not hide the login.
func (t *stamp) UnmarshalJSON(b []byte) error {
	var n float64
	switch {
	case json.Unmarshal(b, &n) == nil:
		t.Time = instant(n)
	case json.Unmarshal(b, &t.Time) != nil:
		t.Time = time.Time{}
	}
	return nil
}

// instant reads Unix seconds or milliseconds. What is no plausible instant is zero. Seconds are
// taken for milliseconds from the year 5138 on, and milliseconds for seconds until 1973.
func instant(n float64) time.Time {
	switch {
	case !(n > 0 && n < 1e14): // NaN is no instant either
		return time.Time{}
	case n > 1e11:
		return time.UnixMilli(int64(n))
	}
	return time.UnixMilli(int64(n * 1000))
}

// longest compares expiries. A login without one does not expire.
func longest(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// text is a member that is of use only as a text. Anything else is as good as none.
type text string

// UnmarshalJSON never fails: one odd member must not hide the login.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = ""
	}
	*t = text(s)
	return nil
}

// accountOf returns the account of a login: the one that the file names, or that its ID token tells where its
// access token does not.
func accountOf(access string, identity text, named string) string {
	return sendable(jwt.Account(access, string(identity), sendable(named)))
}

// digestPrefix begins the digest that Hermes writes in place of a secret that it keeps elsewhere.
const digestPrefix = "sha256:"

// token returns a token without the white space around it. It is empty for a value that is no
// token: a digest, or text that no header can carry.
func token(s string) string {
	s = sendable(s)
	if strings.HasPrefix(s, digestPrefix) {
		return ""
	}
	return s
}

// sendable returns text without the white space around it. It is empty for text with a control
// character, and for text that was not valid UTF-8, in which package json replaces what is wrong.
func sendable(s string) string {
	s = strings.TrimSpace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) {
		return ""
	}
	return s
}
