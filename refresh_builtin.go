package reauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/loosejson"

	"github.com/reauth-go/reauth/internal/vendors"
)

// BuiltinRefresher returns the refresher of a built-in provider, by name or alias. Each field of
// cfg that is not its zero value replaces the provider's setting. The provider's quirks, such as a
// header for the refresh token, stay.
//
// A login at another authorization server than the provider's own, as "reauth login --issuer" makes
// it, names that server in its Metadata. This refresher and OAuth2Refresher send the tokens of such
// a login to that server only: unless TokenURL is there, a refresh is an error of the code
// "issuer_mismatch", and nothing is sent.
func BuiltinRefresher(name string, cfg OAuth2Config) (Refresher, error) {
	row := vendors.Of(name)
	const wayOut = "use OAuth2Refresher or static keys"
	switch {
	case row.Name == "":
		return nil, errors.New("reauth: " + vendors.Unknown(vendors.Canonical(name), wayOut))
	case row.Auth == nil:
		return nil, fmt.Errorf("reauth: provider %q has no refresher of its own; %s", row.Name, wayOut)
	}
	if cfg.TokenURL != "" {
		if err := checkTokenURL(cfg.TokenURL); err != nil {
			return nil, fmt.Errorf("reauth: refresher of %s: %w", row.Name, err)
		}
	}
	return builtinRefresher(row, cfg), nil
}

// quirks adapt a grant to what an authorization server does in its own way.
var quirks = sync.OnceValue(func() map[vendors.Dialect]func(g *grant, row vendors.Vendor) {
	return map[vendors.Dialect]func(g *grant, row vendors.Vendor){
		vendors.Anthropic: anthropicQuirks,
		vendors.Codex:     codexQuirks,
		vendors.Copilot:   copilotQuirks,
		vendors.Kimi:      kimiQuirks,
		vendors.MiniMax:   minimaxQuirks,
		vendors.Nous:      nousQuirks,
		vendors.Qwen:      qwenQuirks,
		vendors.XAI:       xaiQuirks,
	}
})

// builtinRefresher makes the refresher of a row that has an authorization server, with the row's
// settings where cfg has none.
func builtinRefresher(row vendors.Vendor, cfg OAuth2Config) Refresher {
	g := &grant{provider: row.Name, endpoint: cmp.Or(cfg.TokenURL, row.Auth.TokenURL)}
	switch {
	case cfg.TokenURL != "":
	case row.Auth.Domain != "":
		g.discover = newDiscovery(row).endpoint
	default:
		g.regionURL = row.Auth.RegionTokenURL
	}
	if !row.Auth.Mints {
		cfg.ClientID = cmp.Or(cfg.ClientID, row.Auth.ClientID)
	}
	cfg.JSON = cfg.JSON || row.Auth.JSON
	cfg.Reusable = cfg.Reusable || row.Auth.Mints
	g.cfg = &cfg
	quirks()[row.Auth.Dialect](g, row)
	if row.Auth.Mints {
		return newMintingGrant(g, row)
	}
	return g
}

// anthropicQuirks: an API's error object may answer instead of RFC 6749's. The endpoint answers 429
// to some User-Agents, but not to ours.
func anthropicQuirks(g *grant, _ vendors.Vendor) {
	g.permanent = func(a *tokenAnswer) bool {
		return a.status == http.StatusUnauthorized && a.Code == "authentication_error"
	}
}

// codexQuirks: claims of the tokens tell the account.
func codexQuirks(g *grant, _ vendors.Vendor) {
	g.read = func(a *tokenAnswer) {
		for _, t := range []string{a.AccessToken, loosejson.Text(a.raw["id_token"])} {
			claims, _ := readJWT(t) // no JWT: no claims
			a.AccountID = cmp.Or(a.AccountID, claims.OpenAI.AccountID)
			if a.Metadata == nil {
				a.Metadata = claims.notes()
			}
		}
	}
}

// kimiQuirks: each request names the device of the login; a login that names none gets an id with its
// first renewal. 401 and 403 say that the grant is dead, whatever stands in the body.
func kimiQuirks(g *grant, _ vendors.Vendor) {
	g.complete = func(c Credential) map[string]string {
		if c.Metadata[vendors.DeviceNote] != "" {
			return nil
		}
		return map[string]string{vendors.DeviceNote: vendors.NewDevice()}
	}
	g.build = func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
		req, err := buildGrant(ctx, endpoint, c, cfg)
		if err != nil {
			return nil, err
		}
		for name, value := range vendors.DeviceHeader(version, c.Metadata[vendors.DeviceNote]) {
			req.Header.Set(name, value)
		}
		return req, nil
	}
	g.permanent = func(a *tokenAnswer) bool {
		return a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
	}
}

// nousQuirks: the refresh token goes into a header, and only there. The answer names the base URL that
// takes the tokens, which is kept if it is at one of the API's own hosts.
func nousQuirks(g *grant, row vendors.Vendor) {
	g.build = func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
		req, err := buildParams(ctx, endpoint, c, cfg, url.Values{"grant_type": {"refresh_token"}})
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Nous-Refresh-Token", c.RefreshToken)
		return req, nil
	}
	g.read = func(a *tokenAnswer) {
		if base := loosejson.Text(a.raw["inference_base_url"]); row.HasAPIAt(base) {
			a.Metadata = map[string]string{row.Auth.BaseNote: base}
		}
	}
	g.permanent = func(a *tokenAnswer) bool { return strings.Contains(strings.ToLower(a.Description), "reuse") }
}

// qwenQuirks: the endpoint answers invalid_request to a dead grant. Without a User-Agent its edge
// answers with a page.
func qwenQuirks(g *grant, _ vendors.Vendor) {
	g.read = func(a *tokenAnswer) { a.note("resource_url") }
	g.permanent = func(a *tokenAnswer) bool {
		return a.Code == "invalid_request" && strings.Contains(strings.ToLower(a.Description), "invalid refresh token")
	}
}

// minimaxQuirks: "status" tells success, and a failure may come with HTTP 200.
func minimaxQuirks(g *grant, _ vendors.Vendor) {
	g.read = func(a *tokenAnswer) {
		a.note("resource_url")
		if s := loosejson.Text(a.raw["status"]); s != "" && s != "success" {
			a.failed = true
		}
		msg := loosejson.Text(a.nested("base_resp", "status_msg"))
		switch {
		case a.Code != "":
			a.Description = cmp.Or(a.Description, msg)
		case a.failed, a.status != http.StatusOK:
			a.Code = msg
		}
		a.readExpiredIn()
	}
	deadWords := []string{"invalid_grant", "refresh_token_reused", "invalid_refresh_token"}
	g.permanent = func(a *tokenAnswer) bool {
		said := a.Code + " " + a.Description
		return slices.ContainsFunc(deadWords, func(word string) bool { return strings.Contains(said, word) })
	}
}

// readExpiredIn reads MiniMax's "expired_in": a number of seconds, or an instant in seconds or
// milliseconds.
func (a *tokenAnswer) readExpiredIn() {
	switch n, ok := loosejson.Number(a.raw["expired_in"]); {
	case !ok || n <= 0:
	case n < 1e9:
		a.ExpiresIn = &n
	case n < 1e12:
		a.ExpiresAt = time.Unix(int64(n), 0)
	default:
		a.ExpiresAt = time.UnixMilli(int64(min(n, 1e16)))
	}
}

// xaiQuirks: a 403 is about the account's tier, whatever its code. A new login does not help, and the
// grant is not dead.
func xaiQuirks(g *grant, _ vendors.Vendor) {
	g.temporary = func(a *tokenAnswer) bool { return a.status == http.StatusForbidden }
	g.read = func(a *tokenAnswer) {
		if a.status != http.StatusForbidden {
			return
		}
		why := "the account's tier has no access; a new login does not change that, an API key may"
		if a.Description != "" {
			why += ": " + a.Description
		}
		a.Code, a.Description = cmp.Or(a.Code, "tier_denied"), why
	}
}

// discovery asks an issuer for its token endpoint (OpenID Connect Discovery 1.0 §4) and accepts
// only one of its own hosts.
type discovery struct {
	provider string
	url      string
	hosts    []string // patterns
	known    string   // used while the issuer's metadata cannot be read

	mu    sync.Mutex
	found string
	until time.Time
}

// newDiscovery asks the issuer of a row that names its domain.
func newDiscovery(row vendors.Vendor) *discovery {
	return &discovery{
		provider: row.Name, url: row.Auth.Issuer + "/.well-known/openid-configuration",
		hosts: []string{row.Auth.Domain, "*." + row.Auth.Domain}, known: row.Auth.TokenURL,
	}
}

const (
	discoveryTimeout = 10 * time.Second // well within exchangeTimeout
	discoveryLasts   = 24 * time.Hour
)

// endpoint returns the token endpoint. If the issuer's metadata names a stranger's, that is an
// error: no token is sent then.
func (d *discovery) endpoint(
	ctx context.Context, call func(*http.Request) (*http.Response, error),
) (string, error) {
	if found := d.cached(); found != "" {
		return found, nil
	}
	named := d.ask(ctx, call)
	switch {
	case named == "":
		return d.known, nil // the metadata only tells whether the endpoint has moved
	case !d.owns(named):
		return "", &RefreshError{
			Provider: d.provider, Code: "discovery_invalid",
			Description: "the issuer's metadata names a token endpoint that is not its own",
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.until = named, time.Now().Add(discoveryLasts)
	return named, nil
}

// ask returns the token endpoint that the issuer's metadata names. It is empty if the metadata
// cannot be read.
func (d *discovery) ask(ctx context.Context, call func(*http.Request) (*http.Response, error)) string {
	ctx, stop := context.WithTimeout(ctx, discoveryTimeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return ""
	}
	resp, err := call(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var doc struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &doc) != nil {
		return ""
	}
	return doc.TokenEndpoint
}

// cached returns the endpoint that was found within discoveryLasts, else nothing.
func (d *discovery) cached() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().After(d.until) {
		return ""
	}
	return d.found
}

// owns reports whether an endpoint is at one of the issuer's hosts.
func (d *discovery) owns(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.User != nil {
		return false
	}
	dest := newDestination(u)
	return slices.ContainsFunc(d.hosts, func(h string) bool {
		p, err := parseHostPattern(h)
		return err == nil && p.matches(&dest)
	})
}
