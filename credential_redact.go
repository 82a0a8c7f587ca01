package reauth

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"
)

// Texts of others, a server's or a user's refresher's, may repeat a token. What goes into an error,
// an event or a log has been through here.

// secretsOf returns what must not be told of a credential.
func secretsOf(c Credential, more ...string) []string {
	return append(more, c.AccessToken, c.RefreshToken)
}

const (
	maxDetail = 512
	minSecret = 4 // shorter ones stand in any text
)

// redact drops what is not printable from a text, takes the secrets out of it, and bounds it. In
// this order: a secret must not come together, or be cut in two, afterwards.
func redact(s string, secrets ...string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			s = strings.ReplaceAll(s, secret, "[redacted]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[redacted]") // as a form or a URL holds it
		}
	}
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

// holdsSecret reports whether a text repeats one of the secrets.
func holdsSecret(text string, secrets ...string) bool {
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
			return true
		}
	}
	return false
}

// redactedError is somebody else's error without a secret in its text, and without one in itself:
// fmt shows what a field holds, under some verbs without asking.
type redactedError struct {
	text    string
	is      func(target error) bool
	timeout bool
}

// newRedactedError keeps of err its redacted text, what it matches, and whether it is a time-out.
func newRedactedError(err error, secrets ...string) *redactedError {
	var t interface{ Timeout() bool }
	return &redactedError{
		text:    redact(err.Error(), secrets...),
		is:      func(target error) bool { return errors.Is(err, target) },
		timeout: errors.As(err, &t) && t.Timeout(),
	}
}

func (e *redactedError) Error() string { return e.text }

// Format prints the text under any verb.
func (e *redactedError) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, e.text) // fmt.State reports write errors itself
}

// Is finds what the error wraps, without handing out its text.
func (e *redactedError) Is(target error) bool { return e.is(target) }

// Timeout reports whether the error is one.
func (e *redactedError) Timeout() bool { return e.timeout }
