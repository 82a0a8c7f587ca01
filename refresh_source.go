package reauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/loosejson"
)

// Sources at a token endpoint: a grant that needs no refresh token. Nothing is spent by it, so that a
// request may be repeated, and a refusal never means that a person has to log in.

// ClientCredentialsSource is a source that gets a token for the program itself: the client credentials
// grant of RFC 6749 §4.4. ClientID is needed, but where Form has a client_assertion; so is TokenURL.
// ClientSecret goes into the body, or with BasicAuth into the header; a client that is known by its
// certificate has none. Reusable and Permanent have no meaning here. A server that wants more than
// RFC 6749 says, such as Auth0 its audience, gets it by Form.
//
// An error of Refresh is a *RefreshError, and never Permanent. A wrong configuration, an endpoint
// without an answer and a Subject that gives no token have the Code source_failed; an answer that says
// no has the server's code. The text names the endpoint and what to look at. A request that was not
// answered, or with 429 or 5xx, is repeated twice within seconds. Answers are bounded at 1 MiB,
// redirects are refused, and a refresh token in the answer is not used. Nothing is kept between two
// calls.
func ClientCredentialsSource(cfg OAuth2Config) Refresher {
	return &clientCredentials{newSourceGrant(cfg, url.Values{"grant_type": {"client_credentials"}})}
}

// clientCredentials is a ClientCredentialsSource.
type clientCredentials struct{ *grant }

// Refresh implements Refresher.
func (s clientCredentials) Refresh(ctx context.Context, c Credential) (Credential, error) {
	if cmp.Or(c.ClientID, s.cfg.ClientID) == "" && !s.cfg.Form.Has("client_assertion") {
		return Credential{}, s.wrong(c, "ClientID is empty; the client credentials grant wants it")
	}
	got, err := s.obtain(ctx, Credential{Provider: c.Provider, AccessToken: c.AccessToken, ClientID: c.ClientID})
	return got, s.explained(err, "")
}

// TokenExchangeConfig describes the exchange of a token of one system for one of another: RFC 8693, or
// RFC 7523 §2.1 with Assertion. TokenURL and Subject are needed. The zero value of any other field
// leaves the parameter out.
type TokenExchangeConfig struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Audience     string   // RFC 8693 §2.1: the name of the service that the token is for
	Resource     string   // RFC 8693 §2.1: the URL of that service
	Scopes       []string // of the token that is wanted
	// Subject gives the subject token, anew for each exchange: FileSource of a projected token, a
	// CommandSource, an identity SDK as a RefresherFunc. It is called with a Credential that names the
	// provider and has no token, and its result's AccessToken is the subject.
	Subject Refresher
	// SubjectTokenType is one of RFC 8693 §3; empty: urn:ietf:params:oauth:token-type:jwt.
	SubjectTokenType string
	// Assertion sends the subject as the assertion of a grant: RFC 7523 §2.1, the grant type
	// urn:ietf:params:oauth:grant-type:jwt-bearer.
	Assertion bool

	Form      url.Values  // parameters that a vendor wants beside; none that the request has already
	JSON      bool        // send a JSON object instead of a form
	BasicAuth bool        // send ClientID and ClientSecret by HTTP Basic instead of in the body
	Header    http.Header // added to each request
	// HTTPClient sends the requests; its redirects are refused. nil: a client of our own, with
	// time-outs. It is never the recovering transport.
	HTTPClient *http.Client
}

// oauth2 is the part of the configuration that all grants have.
func (c TokenExchangeConfig) oauth2() OAuth2Config {
	return OAuth2Config{
		TokenURL: c.TokenURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: c.Scopes,
		Form: c.Form, JSON: c.JSON, BasicAuth: c.BasicAuth, Header: c.Header, HTTPClient: c.HTTPClient,
	}
}

// String names the endpoint without the client's secret.
func (c TokenExchangeConfig) String() string { return c.oauth2().String() }

// Format prints String under any verb and flag.
func (c TokenExchangeConfig) Format(f fmt.State, _ rune) { show(f, c.String()) }

// LogValue is what slog shows.
func (c TokenExchangeConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// TokenExchangeSource is a source that exchanges the token which a platform gives to a workload for
// one of the provider: workload identity federation. Subject is asked anew for each exchange, since
// its tokens are short-lived, and some servers take each only once.
//
// The errors of Refresh are those of ClientCredentialsSource. A refusal also tells the issuer, the
// audience and the expiry of a subject token that is a JWT: these are what is wrong as a rule.
func TokenExchangeSource(cfg TokenExchangeConfig) Refresher {
	return &tokenExchange{newSourceGrant(cfg.oauth2(), cfg.params()), cfg.Subject, cfg.Assertion}
}

// params are those of the grant, without the subject token.
func (c TokenExchangeConfig) params() url.Values {
	params := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}}
	if !c.Assertion {
		params.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
		params.Set("subject_token_type", cmp.Or(c.SubjectTokenType, "urn:ietf:params:oauth:token-type:jwt"))
	}
	if c.Audience != "" {
		params.Set("audience", c.Audience)
	}
	if c.Resource != "" {
		params.Set("resource", c.Resource)
	}
	return params
}

// tokenExchange is a TokenExchangeSource.
type tokenExchange struct {
	*grant
	subject   Refresher
	assertion bool
}

// Refresh implements Refresher.
func (s *tokenExchange) Refresh(ctx context.Context, c Credential) (Credential, error) {
	if s.subject == nil {
		return Credential{}, s.wrong(c, "Subject is nil; set what gives the subject token, such as a FileSource")
	}
	subject, err := s.subject.Refresh(ctx, Credential{Provider: c.Provider, ID: c.ID})
	subject.AccessToken = strings.TrimSpace(subject.AccessToken)
	if subject.AccessToken == "" {
		return Credential{}, s.withoutSubject(c, err)
	}
	if err := checkSourceToken(subject.AccessToken); err != nil {
		return Credential{}, s.wrong(c, "the token of Subject: "+err.Error())
	}
	got, err := s.obtain(ctx, Credential{
		Provider: c.Provider, AccessToken: c.AccessToken, RefreshToken: subject.AccessToken, ClientID: c.ClientID,
	})
	return got, s.explained(err, tellSubject(subject))
}

// withoutSubject is the error of a Subject that gives no token. That it is not refreshable is no
// property of the credential, so nobody is to match that.
func (s *tokenExchange) withoutSubject(c Credential, err error) error {
	var inner *RefreshError
	switch {
	case errors.Is(err, ErrNotRefreshable):
		return s.wrong(c, "Subject wants a refresh token, and gets none; "+
			"set what gives a token without one, such as a FileSource")
	case err == nil:
		return s.wrong(c, "Subject gave no token")
	case errors.As(err, &inner):
		return &RefreshError{
			Provider: c.Provider, Code: cmp.Or(inner.Code, codeSourceFailed), Status: inner.Status,
			Description: "the subject token: " + inner.Description, RetryAfter: inner.RetryAfter, Err: inner.Err,
		}
	}
	return &RefreshError{
		Provider: c.Provider, Code: codeSourceFailed, Description: "Subject gave no token",
		Err: newRedactedError(err, secretsOf(c)...),
	}
}

// newSourceGrant makes the grant of a source at a token endpoint, with these parameters. What the
// credential has as its refresh token is sent as the subject.
func newSourceGrant(cfg OAuth2Config, params url.Values) *grant {
	cfg.Reusable, cfg.Permanent = true, nil
	subject := ""
	switch grantType := params.Get("grant_type"); {
	case strings.HasSuffix(grantType, ":token-exchange"):
		subject = "subject_token"
	case strings.HasSuffix(grantType, ":jwt-bearer"):
		subject = "assertion"
	}
	return &grant{
		cfg: &cfg, endpoint: cfg.TokenURL,
		temporary: func(*tokenAnswer) bool { return true }, // the next subject token may be good
		build: func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
			all := maps.Clone(params)
			if subject != "" {
				all.Set(subject, c.RefreshToken)
			}
			return buildParams(ctx, endpoint, c, cfg, all)
		},
	}
}

// obtain asks the token endpoint for a token.
func (g *grant) obtain(ctx context.Context, c Credential) (Credential, error) {
	got, err := g.exchange(ctx, g.endpoint, c)
	if got.AccessToken != "" {
		if bad := checkSourceToken(strings.TrimSpace(got.AccessToken)); bad != nil {
			return Credential{}, &RefreshError{Provider: c.Provider, Code: codeSourceOutput, Description: bad.Error()}
		}
	}
	return Credential{AccessToken: got.AccessToken, Expiry: got.Expiry}, err
}

// wrong is the error of a source that cannot be asked as it is configured.
func (g *grant) wrong(c Credential, why string) error {
	return g.explained(&RefreshError{Provider: c.Provider, Err: &unsentError{errors.New(why)}}, "")
}

// explained is an error of a source at a token endpoint with what a person needs to go on: which
// endpoint it was, what to look at, and what the subject token says of itself.
func (g *grant) explained(err error, subject string) error {
	var re *RefreshError
	if !errors.As(err, &re) {
		return err
	}
	e := *re
	parts := []string{e.Description}
	if at := g.cfg.endpoint(); at != "" {
		parts = append(parts, "token endpoint "+at)
	}
	if e.Status != 0 {
		parts = append(parts, sourceHint(e.Status, e.Code), subject)
	}
	e.Code = cmp.Or(e.Code, codeSourceFailed)
	e.Description = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
	return &e
}

// sourceHints say what to look at when a token endpoint refuses a source: the codes of RFC 6749 §5.2
// and RFC 8693 §2.2.2, which has invalid_request also of a bad subject token; and OpenAI's of that.
var sourceHints = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"invalid_client":         "look at ClientID and ClientSecret",
		"unauthorized_client":    "the server does not allow this grant to the client",
		"unsupported_grant_type": "the server does not know this grant; look at TokenURL",
		"invalid_scope":          "look at Scopes",
		"invalid_target":         "look at Audience and Resource",
		"invalid_grant":          "the server does not take what it was given; look at the trust that is set up there",
		"invalid_subject_token":  "the server does not take the subject token; look at the trust that is set up there",
		"invalid_request":        "the server wants another subject token, or other parameters",
	}
})

// sourceHint says what to look at after an answer with that status and code.
func sourceHint(status int, code string) string {
	switch {
	case status >= 300 && status < 400:
		return "it answers with a redirect, which is not followed; set TokenURL to the address of the endpoint itself"
	case status == http.StatusNotFound:
		return "there is no token endpoint; look at TokenURL"
	}
	return sourceHints()[code]
}

// tellSubject tells what a subject token that is a JWT says of itself (RFC 7519 §4.1), without the
// token. Empty: it is none.
func tellSubject(c Credential) string {
	var claims struct {
		Issuer   json.RawMessage `json:"iss"`
		Audience json.RawMessage `json:"aud"` // a text or a list of them
	}
	if json.Unmarshal(jwt.Payload(c.AccessToken), &claims) != nil {
		return ""
	}
	var list []string
	_ = json.Unmarshal(claims.Audience, &list) // no list: a text
	audience := cmp.Or(strings.Join(list, ", "), loosejson.Text(claims.Audience))
	clean := func(s string) string { return label(redact(s, c.AccessToken)) }
	told := fmt.Sprintf("the subject token is of the issuer %q for the audience %q",
		clean(loosejson.Text(claims.Issuer)), clean(audience))
	c.fillFromJWT()
	switch {
	case c.Expiry.IsZero():
		return told
	case c.Expiry.After(time.Now()):
		return told + ", and expires at " + c.Expiry.UTC().Format(time.RFC3339)
	}
	return told + ", and has expired at " + c.Expiry.UTC().Format(time.RFC3339)
}
