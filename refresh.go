package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"
)

// Refresher obtains new tokens for a credential. The pool takes the tokens, Expiry, AccountID and
// Metadata from its result; a field that the result leaves empty stays as it was. One goroutine at
// a time calls it for a credential. Meanwhile the credential is claimed in the store, so a Refresher
// must not call the pool.
//
// Its context ends at the deadline of the exchange, after 30 s, and is no request's. A Refresher
// must return then. Of one that goes on, those who wait are let go, with a *RefreshError that names
// it and whose Code is refresher_hangs. It is not called again before it returns, and a pair that it
// brings late is saved. But the claim on the credential ends 10 s after the deadline; then another
// process may spend the same refresh token.
//
// RefusalFromContext tells why it is called, and what the provider asks of the new tokens.
//
// A token or an account that cannot be sent (with a control character, or no valid UTF-8) counts as
// absent; RefreshFailed tells it.
//
// An error that is not a *RefreshError counts as temporary. The pool looks at a credential returned
// beside an error too: it keeps a refresh token there that differs from the one given, because the
// provider has rotated it.
type Refresher interface {
	Refresh(ctx context.Context, c Credential) (Credential, error)
}

// RefresherFunc is a function as a Refresher.
type RefresherFunc func(ctx context.Context, c Credential) (Credential, error)

// Refresh calls f.
func (f RefresherFunc) Refresh(ctx context.Context, c Credential) (Credential, error) {
	return f(ctx, c)
}

// nameOf names a refresher to people: a function by its name and place.
func nameOf(r Refresher) string {
	if s, ok := r.(fmt.Stringer); ok {
		return s.String()
	}
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Func {
		return fmt.Sprintf("%T", r)
	}
	f := runtime.FuncForPC(v.Pointer())
	if f == nil {
		return fmt.Sprintf("%T", r)
	}
	file, line := f.FileLine(v.Pointer())
	return fmt.Sprintf("%s (%s:%d)", f.Name(), filepath.Base(file), line)
}

// exchangeTimeout bounds one call of a Refresher.
const exchangeTimeout = 30 * time.Second

// ErrNotRefreshable is returned by a Refresher that finds a credential to be a static key. The pool
// does not ask it again for that credential.
var ErrNotRefreshable = errors.New("reauth: not refreshable")

// RefreshError is what a token endpoint answered, or why it did not. In what the pool returns and
// tells, its texts are bounded, printable and without tokens.
type RefreshError struct {
	Provider    string
	Code        string        // RFC 6749 §5.2's error, the provider's own code, or one of ours
	Description string        // RFC 6749 §5.2's error_description, or the provider's message
	Status      int           // of the answer; 0: there was none
	Permanent   bool          // the grant is dead: a new login is needed
	RetryAfter  time.Duration // how long the endpoint asks to wait; 0: it does not say
	Err         error         // why there was no answer
}

// Error tells what is known, without a secret.
func (e *RefreshError) Error() string {
	var b strings.Builder
	b.WriteString("reauth: refresh")
	if e.Provider != "" {
		b.WriteString(" " + e.Provider)
	}
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("status %d", e.Status))
	}
	for _, s := range []string{e.Code, e.Description} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) > 0 {
		b.WriteString(": " + strings.Join(parts, ": "))
	}
	if e.Permanent {
		b.WriteString("; a new login is needed")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *RefreshError) Unwrap() error { return e.Err }

// redacted is e without those secrets.
func (e *RefreshError) redacted(secrets []string) error {
	clean := *e
	clean.Provider, clean.Code = label(redact(e.Provider, secrets...)), label(redact(e.Code, secrets...))
	clean.Description = redact(e.Description, secrets...)
	clean.Err = newRedactedError(e.Err, secrets...)
	return &clean
}

// isPermanent reports whether err says that the grant is dead.
func isPermanent(err error) bool {
	var re *RefreshError
	return errors.As(err, &re) && re.Permanent
}

// OAuth2Config describes a token endpoint. The zero value of a field is the default;
// BuiltinRefresher has the provider's.
type OAuth2Config struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	Reusable     bool // refresh tokens do not rotate: an exchange without an answer may be repeated freely
	// HTTPClient sends the token requests; its redirects are refused. nil: a client of our own,
	// with time-outs. It is never the recovering transport.
	HTTPClient *http.Client

	Form      url.Values  // parameters that the server wants beside those of the grant; none that it has already
	JSON      bool        // send a JSON object instead of a form
	BasicAuth bool        // send ClientID and ClientSecret by HTTP Basic (RFC 6749 §2.3.1) instead of in the body
	Header    http.Header // added to each token request
	Permanent []string    // error codes, beside the known ones, that mean that the grant is dead
}

// String names the endpoint without the client's secret.
func (c OAuth2Config) String() string {
	return "token endpoint " + cmp.Or(c.endpoint(), "of the provider") + ", client " + c.ClientID
}

// endpoint is the token URL without user and query, which may hold a secret; empty: it is no URL.
func (c OAuth2Config) endpoint() string {
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// Format prints String under any verb and flag.
func (c OAuth2Config) Format(f fmt.State, _ rune) { show(f, c.String()) }

// LogValue is what slog shows.
func (c OAuth2Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// checkTokenURL makes sure that a refresh token will not go over the wire in the clear.
func checkTokenURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return errors.New("the token URL is not an absolute URL")
	case u.User != nil:
		return errors.New("the token URL holds a user name; secrets do not belong into a URL")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(normalHost(u.Hostname())):
		return nil
	}
	return fmt.Errorf("the token URL must be https, or http on loopback, not %q", u.Scheme)
}
