package reauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Refresher obtains new tokens for a credential. Tokens, Expiry, AccountID and Metadata are taken from its result; what it
// leaves empty stays as it was. It is called by one goroutine at a time for a credential, with a deadline that is not a
// request's, while the credential is claimed in the store: it must not call the pool.
//
// An error that is not a *RefreshError counts as temporary. A credential returned beside an error is looked at too: a
// refresh token in it that differs from the one given is kept, for the provider has rotated it.
type Refresher interface {
	Refresh(ctx context.Context, c Credential) (Credential, error)
}

// RefresherFunc is a function as a Refresher.
type RefresherFunc func(ctx context.Context, c Credential) (Credential, error)

// Refresh calls f.
func (f RefresherFunc) Refresh(ctx context.Context, c Credential) (Credential, error) {
	return f(ctx, c)
}

// ErrNotRefreshable is returned by a Refresher that finds a credential to be a static key: it is not asked again for it.
var ErrNotRefreshable = errors.New("reauth: not refreshable")

// RefreshError is what a token endpoint answered, or why it did not. Its texts are bounded, printable and without tokens.
type RefreshError struct {
	Provider    string
	Code        string        // RFC 6749 §5.2's error, or the provider's own code
	Description string        // RFC 6749 §5.2's error_description, or the provider's message
	Status      int           // of the answer; 0: there was none
	Permanent   bool          // the grant is dead: a new login is needed
	RetryAfter  time.Duration // what the endpoint asks to wait; 0: it does not say
	Err         error         // what happened when there was no answer
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

// isPermanent reports whether err says that the grant is dead.
func isPermanent(err error) bool {
	var re *RefreshError
	return errors.As(err, &re) && re.Permanent
}

// refusedKey marks the context of an exchange whose access token has been refused already: there is less to lose then.
type refusedKey struct{}

// OAuth2Config describes a token endpoint. The zero value of a field is the default; BuiltinRefresher has the provider's.
type OAuth2Config struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	Reusable     bool         // refresh tokens do not rotate: unanswered exchanges may be repeated freely
	HTTPClient   *http.Client // nil: one of our own, with time-outs; never the recovering transport. Its redirects are refused

	JSON      bool        // send a JSON object instead of a form
	BasicAuth bool        // send ClientID and ClientSecret by HTTP Basic (RFC 6749 §2.3.1) instead of in the body
	Header    http.Header // added to each token request
	Permanent []string    // error codes, beside the known ones, that mean that the grant is dead
}

// String names the endpoint without the client's secret.
func (c OAuth2Config) String() string {
	endpoint := "of the provider"
	if u, err := url.Parse(c.TokenURL); err == nil && u.Host != "" {
		endpoint = u.Scheme + "://" + u.Host + u.Path // not what else a URL may hold
	}
	return "token endpoint " + endpoint + ", client " + c.ClientID
}

// Format prints String under any verb and flag.
func (c OAuth2Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.String()) // fmt.State reports write errors itself
}

// LogValue is what slog shows.
func (c OAuth2Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// OAuth2Refresher refreshes at any token endpoint of RFC 6749 §6, as a public or a confidential client.
//
// Permanent is only a definite refusal, such as invalid_grant. 429, 5xx, a page of HTML, a time-out or a success without
// access token are temporary. An exchange is repeated only when it was provably not sent, or answered with 429; any other
// failure once, within 2 s, and only when the access token has been refused already: to repeat an exchange spends a
// rotating refresh token twice. Answers are bounded at 1 MiB and redirects refused.
func OAuth2Refresher(cfg OAuth2Config) Refresher {
	return &grant{cfg: cfg, endpoints: []string{cfg.TokenURL}}
}

// BuiltinRefresher returns the refresher of a built-in provider, by name or alias, with some of its settings replaced: each
// field of cfg that is not its zero value. Its quirks, such as a header for the refresh token, stay.
func BuiltinRefresher(name string, cfg OAuth2Config) (Refresher, error) {
	build, ok := builtinRefreshers[canonicalName(name)]
	if !ok {
		return nil, fmt.Errorf("reauth: provider %q has no refresher of its own; use OAuth2Refresher or static keys", canonicalName(name))
	}
	if cfg.TokenURL != "" {
		if err := checkTokenURL(cfg.TokenURL); err != nil {
			return nil, fmt.Errorf("reauth: refresher of %s: %w", canonicalName(name), err)
		}
	}
	return build(cfg), nil
}

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

// TokenSourceRefresher refreshes through golang.org/x/oauth2. f is called anew for each refresh and must return a source
// that does not hand out a cached token, such as Config.TokenSource with the credential's refresh token and no access token.
// The context it gets is the exchange's; a source that ignores its end holds the credential's claim until it returns.
// Set Endpoint.AuthStyle: to find out, x/oauth2 posts the refresh token a second time after any failure. And give it, by
// oauth2.HTTPClient, a client that refuses redirects: its own follows them with the token.
func TokenSourceRefresher(f func(context.Context, Credential) oauth2.TokenSource) Refresher {
	return RefresherFunc(func(ctx context.Context, c Credential) (Credential, error) {
		src := f(ctx, c)
		if src == nil {
			return Credential{}, ErrNotRefreshable
		}
		t, err := src.Token()
		if err != nil {
			return Credential{}, fromOAuth2(c, err)
		}
		return Credential{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Expiry: t.Expiry}, nil
	})
}

// fromOAuth2 reads x/oauth2's error as our own.
func fromOAuth2(c Credential, err error) error {
	re := &RefreshError{Provider: c.Provider}
	var retrieve *oauth2.RetrieveError
	if !errors.As(err, &retrieve) {
		re.Err = newRedactedError(err, secretsOf(c)...)
		return re
	}
	a := tokenAnswer{Code: retrieve.ErrorCode, Description: retrieve.ErrorDescription}
	if retrieve.Response != nil {
		a.status, a.header = retrieve.Response.StatusCode, retrieve.Response.Header
	}
	if a.Code == "" {
		a.read(retrieve.Body)
	}
	return a.refusal(c, nil)
}
