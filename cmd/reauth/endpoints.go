package main

import (
	"fmt"
	"net/url"

	"github.com/reauth-go/reauth"
)

// endpoints are the flags of commands that speak to a provider: where it is, if not at its own address.
type endpoints struct {
	BaseURL string `help:"Send requests here instead of to the provider's own host." placeholder:"URL"`
	Issuer  string `help:"Use this authorization server instead of the provider's own, with the same paths." placeholder:"URL"`
}

// apply registers the provider of that name with the addresses given, and returns it.
func (e endpoints) apply(p *reauth.Pool, name string) (reauth.Provider, error) {
	pr, ok := reauth.LookupProvider(name)
	if !ok {
		return pr, usagef("provider %q is unknown; the known ones are listed by: reauth providers", name)
	}
	if e.BaseURL == "" && e.Issuer == "" {
		return pr, nil
	}
	if e.BaseURL != "" {
		u, err := url.Parse(e.BaseURL)
		if err != nil || u.Host == "" {
			return pr, usagef("--base-url %q is no URL such as http://127.0.0.1:8080", e.BaseURL)
		}
		host := u.Host
		if u.Scheme == "http" && u.Port() != "" {
			host = "http://" + u.Host
		}
		pr.Hosts = append(pr.Hosts, host)
	}
	if e.Issuer != "" && pr.Refresher != nil {
		r, err := reauth.BuiltinRefresher(pr.Name, reauth.OAuth2Config{TokenURL: e.tokenURL(pr.Name)})
		if err != nil {
			return pr, err
		}
		pr.Refresher = r
	}
	if err := p.Register(pr); err != nil {
		return pr, fmt.Errorf("reauth: --base-url: %w", err)
	}
	return pr, nil
}

// tokenURL is the provider's token endpoint at the issuer given.
func (e endpoints) tokenURL(provider string) string {
	paths := map[string]string{
		"anthropic":     "/v1/oauth/token",
		"copilot":       "/copilot_internal/v2/token",
		"minimax-cn":    "/oauth2/token",
		"minimax-oauth": "/oauth2/token",
		"nous":          "/api/oauth/token",
		"openai-codex":  "/oauth/token",
		"qwen-oauth":    "/api/v1/oauth2/token",
		"xai-oauth":     "/oauth2/token",
	}
	return e.Issuer + paths[provider]
}
