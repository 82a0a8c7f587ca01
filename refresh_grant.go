package reauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
)

// version is what token requests give as ours in User-Agent.
const version = release.Version

// OAuth2Refresher refreshes at any token endpoint of RFC 6749 §6, as a public or a confidential
// client.
//
// Only a definite refusal, such as invalid_grant, is Permanent. 429, 5xx, a page of HTML, a
// time-out or a success without access token are temporary. A request that was provably not sent,
// or was answered with 429, is repeated. Answers are bounded at 1 MiB and redirects refused.
//
// To repeat any other request may spend a rotating refresh token twice, which some providers forgive
// for a few seconds. So a pool repeats it once, at once, when the connection broke, the answer was a
// 5xx, or the machine slept meanwhile; and after 20 s without an answer, when the access token has
// expired or was refused. Pool.Refresh of a token that still lives repeats nothing.
func OAuth2Refresher(cfg OAuth2Config) Refresher {
	return &grant{cfg: &cfg, endpoint: cfg.TokenURL}
}

// grant exchanges refresh tokens at the token endpoint of one provider: RFC 6749 §6, and how the
// provider differs.
type grant struct {
	provider string
	cfg      *OAuth2Config // behind a pointer, of which fmt shows the address where it cannot call Format
	endpoint string
	// issuer is the server whose logins are renewed at endpoint; empty: endpoint's own.
	issuer string
	// regionURL returns the endpoint for the logins of another server of the vendor. nil: there is none.
	regionURL func(issuer string) (endpoint string, ok bool)
	// discover finds the endpoint where it may have moved. nil: it has not.
	discover func(ctx context.Context, call func(*http.Request) (*http.Response, error)) (string, error)
	// complete returns the metadata that the requests need and that a login may lack. nil: none. It is
	// kept beside the new tokens.
	complete func(c Credential) map[string]string
	// build makes the token request. nil: buildGrant.
	build func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error)
	// read takes from an answer what the provider says in its own way. nil: nothing.
	read func(a *tokenAnswer)
	// permanent and temporary are those of answerRules.
	permanent, temporary func(a *tokenAnswer) bool

	once   sync.Once // makes client at the first refresh: a refresher costs nothing before
	client *retryablehttp.Client
}

// Format keeps the client's secret out of a dump of a Provider.
func (g *grant) Format(f fmt.State, _ rune) { show(f, g.String()) }

func (g *grant) String() string { return "reauth.Refresher(" + g.cfg.String() + ")" }

// LogValue is what slog shows.
func (g *grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// Refresh implements Refresher.
func (g *grant) Refresh(ctx context.Context, c Credential) (Credential, error) {
	if c.RefreshToken == "" {
		return Credential{}, ErrNotRefreshable
	}
	endpoint, err := g.endpointOf(ctx, c)
	if err != nil {
		return Credential{}, err
	}
	c, more := g.completed(c)
	got, err := g.exchange(ctx, endpoint, c)
	if err == nil || got.RefreshToken != "" {
		got = got.withNotes(more)
	}
	return got, err
}

// completed returns the credential with the metadata that it lacked, and that metadata.
func (g *grant) completed(c Credential) (Credential, map[string]string) {
	if g.complete == nil {
		return c, nil
	}
	more := g.complete(c)
	return c.withNotes(more), more
}

// endpointOf returns where the tokens of a login are renewed. A refresh token goes to no other server
// than the one that gave it: a login at a server that is not the provider's default names that server
// in its metadata.
func (g *grant) endpointOf(ctx context.Context, c Credential) (string, error) {
	note := c.Metadata[vendors.IssuerNote]
	if note != "" && g.regionURL != nil {
		if endpoint, ok := g.regionURL(note); ok {
			return endpoint, nil
		}
	}
	if issuer, at := serverOf(note), serverOf(cmp.Or(g.issuer, g.endpoint)); issuer != "" && issuer != at {
		return "", &RefreshError{
			Provider: cmp.Or(g.provider, c.Provider), Code: "issuer_mismatch",
			Err: &unsentError{fmt.Errorf("the login is of %s, and this refresher asks %s: nothing was sent there; "+
				"name the server of the login in OAuth2Config.TokenURL of the provider's Refresher, "+
				"with the command by --issuer, or log in again", redact(issuer), at)},
		}
	}
	if g.discover == nil {
		return g.endpoint, nil
	}
	endpoint, err := g.discover(ctx, g.do)
	if err != nil {
		return "", g.failure(c, err)
	}
	return endpoint, nil
}

// serverOf returns scheme, host and port of a URL. An empty URL has no server; that of a malformed one
// is no server's that a refresher asks.
func serverOf(address string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return "a malformed address"
	}
	d := newDestination(u)
	server := strings.ToLower(u.Scheme) + "://" + d.host
	if d.port != "" {
		server += ":" + d.port
	}
	return server
}

// exchange asks the endpoint for new tokens.
func (g *grant) exchange(ctx context.Context, endpoint string, c Credential) (Credential, error) {
	ask := func(ctx context.Context) (*tokenAnswer, error) { return g.ask(ctx, endpoint, c) }
	a, err := askAgain(ctx, ask, isLost)
	if err != nil {
		return Credential{}, g.failure(c, err)
	}
	return a.credential(c, g.rules(), time.Now())
}

// isLost reports whether nobody can tell if the exchange happened: no answer, or one of a server in
// between.
func isLost(a *tokenAnswer, err error) bool {
	if err != nil {
		return !isUnsent(err)
	}
	return a.status >= 500
}

// ask sends the request and reads the answer, whatever it says.
func (g *grant) ask(ctx context.Context, endpoint string, c Credential) (*tokenAnswer, error) {
	build := g.build
	if build == nil {
		build = buildGrant
	}
	trace := new(sendTrace)
	req, err := build(trace.context(ctx), endpoint, c, *g.cfg)
	if err != nil {
		return nil, &unsentError{err}
	}
	req.Header.Set("Accept", "application/json")
	resp, err := g.do(req)
	if err != nil {
		if trace.unsent(err) {
			err = &unsentError{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	a := &tokenAnswer{status: resp.StatusCode, header: resp.Header}
	a.read(body, g.cfg.Permanent...)
	if g.read != nil {
		g.read(a)
	}
	return a, nil
}

// do sends a request with our headers. It may be sent again, as checkRetry says.
func (g *grant) do(req *http.Request) (*http.Response, error) {
	g.setHeaders(req)
	r, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	resp, err := g.tokenClient().Do(r)
	return resp, withoutURL(err)
}

// tokenClient returns the client, made if need be.
func (g *grant) tokenClient() *retryablehttp.Client {
	g.once.Do(func() { g.client = newTokenClient(*g.cfg) })
	return g.client
}

// withoutURL takes out of an error of http.Client the URL, which may hold what does not belong into
// a log.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", u.Op, u.Err)
	}
	return err
}

// setHeaders sets our User-Agent, and the headers that the configuration adds or replaces.
func (g *grant) setHeaders(req *http.Request) {
	req.Header.Set("User-Agent", "reauth/"+version)
	for name, values := range g.cfg.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
}

// rules are how the endpoint's answers are read.
func (g *grant) rules() answerRules {
	return answerRules{
		provider: g.provider, secrets: g.secrets(), permanent: g.isPermanent, temporary: g.temporary,
	}
}

// secrets are those of the configuration.
func (g *grant) secrets() []string {
	list := append(secretsInHeader(g.cfg.Header), g.cfg.ClientSecret)
	list = append(list, secretsInHeader(http.Header(g.cfg.Form))...)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, g.endpoint, http.NoBody)
	if err != nil {
		return list
	}
	return append(list, secretsOfProxy(g.tokenClient().HTTPClient.Transport, req)...)
}

// isPermanent reports whether an answer without a known code says that the grant is dead: to the
// configuration, or to the provider.
func (g *grant) isPermanent(a *tokenAnswer) bool {
	switch {
	case slices.Contains(g.cfg.Permanent, a.Code):
		return true
	case a.status == http.StatusUnauthorized && a.Code == "unauthorized":
		return true // Kimi says so of a dead login; of an unknown client RFC 6749 says invalid_client
	}
	return g.permanent != nil && g.permanent(a)
}

// failure is the error of an exchange without an answer.
func (g *grant) failure(c Credential, err error) error {
	var re *RefreshError
	if errors.As(err, &re) {
		return err
	}
	secrets := secretsOf(c, g.secrets()...)
	return &RefreshError{Provider: cmp.Or(g.provider, c.Provider), Err: newRedactedError(err, secrets...)}
}

// buildGrant is RFC 6749 §6's request, as a form or as JSON.
func buildGrant(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
	params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.RefreshToken}}
	return buildParams(ctx, endpoint, c, cfg, params)
}

// buildParams is a token request with these parameters, those that tell who the client is and which
// scopes it wants, and those of Form.
func buildParams(
	ctx context.Context, endpoint string, c Credential, cfg OAuth2Config, params url.Values,
) (*http.Request, error) {
	if err := checkTokenURL(endpoint); err != nil {
		return nil, err
	}
	client := cmp.Or(c.ClientID, cfg.ClientID)
	if client != "" && !cfg.BasicAuth {
		params.Set("client_id", client)
		if cfg.ClientSecret != "" {
			params.Set("client_secret", cfg.ClientSecret)
		}
	}
	if len(cfg.Scopes) > 0 {
		params.Set("scope", strings.Join(cfg.Scopes, " "))
	}
	for name, values := range cfg.Form {
		if params.Has(name) {
			return nil, fmt.Errorf("the parameter %q is in Form, and the request has it already; leave it out of Form", name)
		}
		params[name] = values
	}
	kind, body := encodeParams(params, cfg.JSON)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the token URL is malformed") // the parser's error would repeat it
	}
	req.Header.Set("Content-Type", kind)
	if cfg.BasicAuth {
		req.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(cfg.ClientSecret)) // RFC 6749 §2.3.1
	}
	return req, nil
}

// encodeParams returns the content type and the body of a request with these parameters. In JSON a
// parameter with several values is a list.
func encodeParams(params url.Values, asJSON bool) (kind string, body []byte) {
	if !asJSON {
		return "application/x-www-form-urlencoded", []byte(params.Encode())
	}
	object := make(map[string]any)
	for name, values := range params {
		object[name] = values
		if len(values) == 1 {
			object[name] = values[0]
		}
	}
	body, _ = json.Marshal(object) // strings always encode
	return "application/json", body
}

// TokenSourceRefresher refreshes through golang.org/x/oauth2. It calls f anew for each refresh. f
// must return a source that does not hand out a cached token, such as Config.TokenSource with the
// credential's refresh token and no access token. f gets the context of the exchange, which the
// source should use: the exchange ends with it. An exchange whose answer was lost is repeated as
// OAuth2Refresher repeats it, with another call of f.
//
// Set Endpoint.AuthStyle: to find out the style, x/oauth2 posts the refresh token a second time
// after any failure. Give it, by oauth2.HTTPClient, a client that refuses redirects: its own client
// follows them with the token.
func TokenSourceRefresher(f func(context.Context, Credential) oauth2.TokenSource) Refresher {
	return tokenSource(f)
}

// tokenSource is a TokenSourceRefresher.
type tokenSource func(context.Context, Credential) oauth2.TokenSource

// Refresh implements Refresher.
func (f tokenSource) Refresh(ctx context.Context, c Credential) (Credential, error) {
	ask := func(ctx context.Context) (*oauth2.Token, error) { return f.ask(ctx, c) }
	t, err := askAgain(ctx, ask, isLostToOAuth2)
	switch {
	case errors.Is(err, ErrNotRefreshable):
		return Credential{}, ErrNotRefreshable
	case err != nil:
		return Credential{}, fromOAuth2(c, err)
	}
	return Credential{AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, Expiry: t.Expiry}, nil
}

// ask asks a new source.
func (f tokenSource) ask(ctx context.Context, c Credential) (*oauth2.Token, error) {
	trace := new(sendTrace)
	src := f(trace.context(ctx), c)
	if src == nil {
		return nil, ErrNotRefreshable
	}
	t, err := src.Token()
	if err != nil && trace.unsent(err) {
		err = &unsentError{err}
	}
	return t, err
}

// isLostToOAuth2 is isLost for x/oauth2. Of its errors only http.Client's is about an answer that
// did not come.
func isLostToOAuth2(_ *oauth2.Token, err error) bool {
	var retrieve *oauth2.RetrieveError
	if errors.As(err, &retrieve) {
		return retrieve.Response != nil && retrieve.Response.StatusCode >= 500
	}
	var sent *url.Error
	return errors.As(err, &sent) && !isUnsent(err)
}

// fromOAuth2 reads x/oauth2's error as our own.
func fromOAuth2(c Credential, err error) error {
	var retrieve *oauth2.RetrieveError
	if !errors.As(err, &retrieve) {
		return &RefreshError{Provider: c.Provider, Err: newRedactedError(err, secretsOf(c)...)}
	}
	a := tokenAnswer{Code: retrieve.ErrorCode, Description: retrieve.ErrorDescription}
	if retrieve.Response != nil {
		a.status, a.header = retrieve.Response.StatusCode, retrieve.Response.Header
	}
	if a.Code == "" {
		a.read(retrieve.Body)
	}
	return a.refusal(c, answerRules{})
}
