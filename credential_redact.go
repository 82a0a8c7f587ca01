package reauth

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/reauth-go/reauth/internal/mask"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Foreign text: what a token endpoint, a refresher, a store, a base or a panic says may repeat a
// secret. It passes here before it reaches an error, an event or a log, and nothing else does this
// work.

// secretsOf returns what must not be told of a credential, beside more.
func secretsOf(c Credential, more ...string) []string {
	list := append(slices.Clip(more), c.AccessToken, c.RefreshToken)
	for _, name := range vendors.SecretNotes() {
		if s := c.Metadata[name]; s != "" {
			list = append(list, s)
		}
	}
	return list
}

// redact returns what may be told of foreign text: at most 4 KiB on one line, printable, and without
// the secrets, however they are encoded. What begins like a known key goes, too.
func redact(text string, secrets ...string) string {
	text, _ = mask.Text(text, secrets...)
	return text
}

// maxLabel bounds a code, and a part of a reason, that others have written, in bytes: metrics have them
// as labels.
const maxLabel = 128

// label is redacted text as a code, or as a part of a reason.
func label(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxLabel)], "") }

// redactedError is somebody else's error without a secret in its text, and without one in itself:
// fmt shows what a field holds, under some verbs without asking.
type redactedError struct {
	text    string
	ours    error // an error of ours that it wraps, redacted as well; nil: none
	is      func(target error) bool
	as      func(target any) bool // nil: what it wraps holds a secret, so nobody gets it
	timeout bool
}

// redactable is an error type of ours whose fields hold foreign text.
type redactable interface {
	error
	redacted(secrets []string) error // a copy
}

// newRedactedError keeps of err its redacted text, what it matches, and whether it is a time-out. An
// error of ours stays what it is. nil stays nil.
func newRedactedError(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	e := &redactedError{is: func(target error) bool { return errors.Is(err, target) }}
	text, found := mask.Text(textOf(err), secrets...)
	e.text = text
	if !found {
		if same, ok := err.(*redactedError); ok && same.text == text { //nolint:errorlint // one that wraps it is another
			return same
		}
		e.as = func(target any) bool { return errors.As(err, target) }
	}
	if own, ok := errors.AsType[redactable](err); ok {
		e.ours = own.redacted(secrets)
		if err == own { //nolint:errorlint // one that wraps it says more
			return e.ours
		}
	}
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok {
		e.timeout = t.Timeout()
	}
	return e
}

// textOf is err.Error(), which may panic. fmt catches that.
func textOf(err error) string {
	return fmt.Sprint(onlyError{err})
}

// onlyError hides the other methods of an error from fmt.
type onlyError struct{ err error }

func (e onlyError) Error() string { return e.err.Error() }

func (e *redactedError) Error() string { return e.text }

// Format prints the text under any verb.
func (e *redactedError) Format(f fmt.State, _ rune) { show(f, e.text) }

// Is finds what the error wraps, without handing out its text.
func (e *redactedError) Is(target error) bool { return e.is(target) }

// As finds the type of what the error wraps, if no secret is in that.
func (e *redactedError) As(target any) bool {
	return e.ours != nil && errors.As(e.ours, target) || e.as != nil && e.as(target)
}

// Unwrap returns an error of ours.
func (e *redactedError) Unwrap() error { return e.ours }

// Timeout reports whether the error is one.
func (e *redactedError) Timeout() bool { return e.timeout }

// newPanicError is the panic of a function with the value r. It is called while the panic is being
// recovered, for the stack.
func newPanicError(what string, r any, secrets ...string) *panicError {
	return &panicError{what: what, text: redact(textOfPanic(r), secrets...), stack: string(debug.Stack())}
}

// textOfPanic is the text of a run-time error. Of any other value only the type is told: a refresher's
// may be about a token that nobody has seen yet.
func textOfPanic(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return textOf(err)
	}
	return fmt.Sprintf("a value of type %T", r)
}

// secretsInHeader returns the values that a configured header keeps secret, without their scheme. The
// parameters of a form are told by the same words.
func secretsInHeader(h http.Header) (list []string) {
	for name, values := range h {
		low := strings.ToLower(name)
		words := []string{"auth", "key", "secret", "token", "cookie", "pass", "assertion"}
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(low, w) }) {
			continue
		}
		for _, v := range values {
			list = append(list, v[strings.LastIndexByte(v, ' ')+1:])
		}
	}
	return list
}

// secretsOfProxy returns the user information of the proxy by which rt would send req: its password,
// or the user where that is all there is. None can be told of a RoundTripper that is no *http.Transport.
func secretsOfProxy(rt http.RoundTripper, req *http.Request) (list []string) {
	defer func() { _ = recover() }() // it is the program's function; the transport meets the same panic
	t, ok := rt.(*http.Transport)
	if !ok || t == nil || t.Proxy == nil {
		return nil
	}
	u, err := t.Proxy(req)
	if err != nil || u == nil || u.User == nil {
		return nil
	}
	if password, ok := u.User.Password(); ok && password != "" {
		return []string{password}
	}
	return []string{u.User.Username()}
}
