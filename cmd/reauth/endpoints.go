package main

import (
	"net/url"
	"strings"

	"github.com/reauth-go/reauth"
)

// endpoints are the flags of commands that speak to a provider: where it is, if not at its own address.
type endpoints struct {
	BaseURL string `help:"Send requests here instead of to the provider's own host: https, or http on loopback or with a port." placeholder:"URL"`
	Issuer  string `help:"Use this authorization server instead of the provider's own, with the same paths: https, or http on loopback." placeholder:"URL"`
}

// apply registers the provider of that name with the addresses given, and returns it. With a base URL its host is the only
// one that gets the provider's credentials.
func (e endpoints) apply(p *reauth.Pool, name string) (reauth.Provider, error) {
	pr, err := lookup(name)
	if err != nil || e.BaseURL == "" && e.Issuer == "" {
		return pr, err
	}
	if e.BaseURL != "" {
		u, err := parseBase("--base-url", e.BaseURL)
		if err != nil {
			return pr, err
		}
		pr.Hosts = []string{u.Scheme + "://" + u.Host} // not the path: a prefix would refuse what has an encoded slash
	}
	if e.Issuer != "" && pr.Refresher != nil {
		if _, err := parseBase("--issuer", e.Issuer); err != nil {
			return pr, err
		}
		r, err := reauth.BuiltinRefresher(pr.Name, reauth.OAuth2Config{TokenURL: e.tokenURL(pr.Name)})
		if err != nil {
			return pr, usagef("--issuer: %w", err)
		}
		pr.Refresher = r
	}
	if err := p.Register(pr); err != nil {
		return pr, usagef("--base-url: %w", err)
	}
	return pr, nil
}

// base returns the URL below which the provider's API is: the flag's, else the documented one.
func (e endpoints) base(provider string) (*url.URL, error) {
	if e.BaseURL != "" {
		return parseBase("--base-url", e.BaseURL)
	}
	c := catalogue[provider]
	if c.base == "" {
		return nil, usagef("%s has no base URL that is everybody's: %s", provider, c.missing)
	}
	return url.Parse(c.base)
}

// parseBase reads the URL that a flag names. It is one place: no pattern, no query, no user.
func parseBase(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, usagef("%s wants a URL such as https://gateway.example/v1", flag)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, usagef("%s wants a URL without user, query and fragment: a secret does not belong there", flag)
	case strings.Contains(u.Host, "*"):
		return nil, usagef("%s wants one host, not a pattern", flag)
	case strings.Contains(u.Path, ".."):
		return nil, usagef("%s wants a path without ..", flag)
	}
	return u, nil
}

// tokenPaths are the paths of the built-in refreshers' token endpoints. A test compares them with what those ask.
var tokenPaths = map[string]string{ //nolint:gochecknoglobals // a table
	"anthropic":     "/v1/oauth/token",
	"copilot":       "/copilot_internal/v2/token",
	"minimax-cn":    "/oauth2/token",
	"minimax-oauth": "/oauth2/token",
	"nous":          "/api/oauth/token",
	"openai-codex":  "/oauth/token",
	"qwen-oauth":    "/api/v1/oauth2/token",
	"xai-oauth":     "/oauth2/token",
}

// tokenURL is the provider's token endpoint at the issuer given.
func (e endpoints) tokenURL(provider string) string {
	return strings.TrimRight(e.Issuer, "/") + tokenPaths[provider]
}
