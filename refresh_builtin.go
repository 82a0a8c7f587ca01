package reauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/loosejson"
)

// builtinRefreshers makes the refreshers of the built-in providers. Client ids are the vendors' public ones, of their own
// programs; Credential.ClientID and OAuth2Config replace them.
var builtinRefreshers = map[string]func(OAuth2Config) Refresher{
	"anthropic": anthropicRefresher,
	"copilot":   copilotRefresher,
	"minimax-cn": func(cfg OAuth2Config) Refresher {
		return minimaxRefresher(cfg, "minimax-cn", "https://account.minimaxi.com/oauth2/token")
	},
	"minimax-oauth": func(cfg OAuth2Config) Refresher {
		return minimaxRefresher(cfg, "minimax-oauth", "https://account.minimax.io/oauth2/token")
	},
	"nous":         nousRefresher,
	"openai-codex": codexRefresher,
	"qwen-oauth":   qwenRefresher,
	"xai-oauth":    xaiRefresher,
}

// newGrant is a grant with the provider's defaults where cfg leaves them.
func newGrant(provider string, cfg, defaults OAuth2Config) *grant {
	endpoints := []string{defaults.TokenURL}
	if cfg.TokenURL != "" {
		endpoints = []string{cfg.TokenURL}
	}
	if cfg.ClientID == "" {
		cfg.ClientID = defaults.ClientID
	}
	cfg.JSON = cfg.JSON || defaults.JSON
	cfg.Reusable = cfg.Reusable || defaults.Reusable
	return &grant{provider: provider, cfg: cfg, endpoints: endpoints}
}

// anthropicRefresher: two endpoints, of which the older one is asked only when the newer one cannot have spent the token.
// An API's error object may answer instead of RFC 6749's. The endpoint answers 429 to some User-Agents, not to ours.
func anthropicRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("anthropic", cfg, OAuth2Config{TokenURL: "https://platform.claude.com/v1/oauth/token", ClientID: "9d1c250a-e61b-44d9-88ed-5944d1962f5e", JSON: true})
	if cfg.TokenURL == "" {
		g.endpoints = append(g.endpoints, "https://console.anthropic.com/v1/oauth/token")
	}
	g.permanent = func(a *tokenAnswer) bool {
		return a.status == http.StatusUnauthorized && a.Code == "authentication_error"
	}
	return g
}

// codexRefresher: the account is told by a claim of the tokens.
func codexRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("openai-codex", cfg, OAuth2Config{TokenURL: "https://auth.openai.com/oauth/token", ClientID: "app_EMoamEEZ73f0CkXaXp7hrann", JSON: true})
	g.read = func(a *tokenAnswer) {
		for _, t := range []string{a.AccessToken, loosejson.Text(a.raw["id_token"])} {
			if claims, ok := readJWT(t); ok && a.AccountID == "" {
				a.AccountID = claims.OpenAI.AccountID
			}
		}
	}
	return g
}

// nousRefresher: the refresh token goes into a header, and only there.
func nousRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("nous", cfg, OAuth2Config{TokenURL: "https://portal.nousresearch.com/api/oauth/token", ClientID: "hermes-cli"})
	g.build = func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
		req, err := buildParams(ctx, endpoint, c, cfg, map[string]string{"grant_type": "refresh_token"})
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Nous-Refresh-Token", c.RefreshToken)
		return req, nil
	}
	g.read = func(a *tokenAnswer) {
		if u, err := url.Parse(loosejson.Text(a.raw["inference_base_url"])); err == nil && u.Scheme == "https" && u.Host == "inference-api.nousresearch.com" {
			a.Metadata = map[string]string{"base_url": u.String()}
		}
	}
	g.permanent = func(a *tokenAnswer) bool { return strings.Contains(strings.ToLower(a.Description), "reuse") }
	return g
}

// qwenRefresher: a dead grant is an invalid_request there. The endpoint wants some User-Agent, else its edge answers with a page.
func qwenRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("qwen-oauth", cfg, OAuth2Config{TokenURL: "https://chat.qwen.ai/api/v1/oauth2/token", ClientID: "f0304373b74a44d2b584a3fb70ca9e56"})
	g.read = func(a *tokenAnswer) { a.note("resource_url") }
	g.permanent = func(a *tokenAnswer) bool {
		return a.Code == "invalid_request" && strings.Contains(strings.ToLower(a.Description), "invalid refresh token")
	}
	return g
}

// note keeps a text member of the answer in the credential's metadata.
func (a *tokenAnswer) note(member string) {
	if s := loosejson.Text(a.raw[member]); s != "" {
		if a.Metadata == nil {
			a.Metadata = make(map[string]string)
		}
		a.Metadata[member] = s
	}
}

// minimaxRefresher: "status" tells success, a failure may come with HTTP 200, and "expired_in" is a number of seconds or an
// instant in seconds or milliseconds. The account hosts are asked directly: the older ones answer with a redirect.
func minimaxRefresher(cfg OAuth2Config, name, endpoint string) Refresher {
	g := newGrant(name, cfg, OAuth2Config{TokenURL: endpoint, ClientID: "78257093-7e40-4613-99e0-527b14b39113"})
	g.read = func(a *tokenAnswer) {
		a.note("resource_url")
		if s := loosejson.Text(a.raw["status"]); s != "" && s != "success" {
			a.failed = true
		}
		if msg := loosejson.Text(a.nested("base_resp", "status_msg")); msg != "" && (a.failed || a.status != http.StatusOK) && a.Code == "" {
			a.Code = msg
		}
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
	g.permanent = func(a *tokenAnswer) bool {
		return slices.ContainsFunc([]string{"invalid_grant", "refresh_token_reused", "invalid_refresh_token"}, func(s string) bool {
			return strings.Contains(a.Code+" "+a.Description, s)
		})
	}
	return g
}

// xaiRefresher finds its endpoint by discovery. A 403 there is about the account's tier: a new login does not help, and
// the grant is not dead.
func xaiRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("xai-oauth", cfg, OAuth2Config{TokenURL: "https://auth.x.ai/oauth2/token", ClientID: "b1a00492-073a-47ea-816f-4c329264a828"})
	if cfg.TokenURL == "" {
		d := &discovery{url: "https://auth.x.ai/.well-known/openid-configuration", hosts: []string{"x.ai", "*.x.ai"}, known: "https://auth.x.ai/oauth2/token"}
		g.discover = d.endpoint
	}
	g.temporary = func(a *tokenAnswer) bool { return a.status == http.StatusForbidden }
	g.read = func(a *tokenAnswer) {
		if a.status == http.StatusForbidden && a.Code == "" {
			a.Code, a.Description = "tier_denied", "the account's tier has no access; a new login does not change that"
		}
	}
	return g
}

// discovery asks an issuer for its token endpoint (OpenID Connect Discovery 1.0 §4) and accepts only one of its own hosts.
type discovery struct {
	url   string
	hosts []string
	known string // used while the issuer's metadata cannot be had

	mu    sync.Mutex
	found string
	until time.Time
}

const discoveryLasts = 24 * time.Hour

// endpoint returns the token endpoint. A metadata document that names a stranger is an error: no token is sent then.
func (d *discovery) endpoint(ctx context.Context, call func(*http.Request) (*http.Response, error)) (string, error) {
	if found := d.cached(); found != "" {
		return found, nil
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second) // a refresh has 30 s in all
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return "", errors.New("the discovery URL is malformed")
	}
	resp, err := call(req)
	if err != nil {
		return d.known, nil // discovery only tells whether it has moved
	}
	defer resp.Body.Close()
	var doc struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &doc) != nil || doc.TokenEndpoint == "" {
		return d.known, nil
	}
	if !d.owns(doc.TokenEndpoint) {
		return "", &RefreshError{Provider: "xai-oauth", Code: "discovery_invalid", Description: "the issuer's metadata names a token endpoint that is not its own"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.until = doc.TokenEndpoint, time.Now().Add(discoveryLasts)
	return d.found, nil
}

func (d *discovery) cached() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().After(d.until) {
		return ""
	}
	return d.found
}

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

// copilotRefresher mints: RefreshToken holds a GitHub token, which is not spent, and the answer is a token of its own form.
// A GitHub token of an OAuth app cannot mint and is sent as it is. The mint may want an editor's version header; which
// one, is the user's to say (OAuth2Config.Header).
func copilotRefresher(cfg OAuth2Config) Refresher {
	g := newGrant("copilot", cfg, OAuth2Config{TokenURL: "https://api.github.com/copilot_internal/v2/token", Reusable: true})
	g.build = func(ctx context.Context, endpoint string, c Credential, _ OAuth2Config) (*http.Request, error) {
		if isCopilotKey(c.RefreshToken) {
			return nil, ErrNotRefreshable
		}
		if err := checkTokenURL(endpoint); err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
		if err != nil {
			return nil, errors.New("the token URL is malformed")
		}
		req.Header.Set("Authorization", "token "+c.RefreshToken)
		return req, nil
	}
	g.read = func(a *tokenAnswer) {
		a.AccessToken = loosejson.Text(a.raw["token"])
		if n, ok := loosejson.Number(a.raw["expires_at"]); ok {
			a.ExpiresAt = unixSeconds(n)
		}
		if api := loosejson.Text(a.nested("endpoints", "api")); api != "" {
			a.Metadata = map[string]string{"endpoint": api}
		}
	}
	g.permanent = func(a *tokenAnswer) bool {
		return a.status == http.StatusUnauthorized || a.status == http.StatusNotFound // revoked, or of a kind that cannot mint
	}
	return g
}

// isCopilotKey tells a GitHub token that Copilot's API takes as it is.
func isCopilotKey(token string) bool { return strings.HasPrefix(token, "gho_") }
