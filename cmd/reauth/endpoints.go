package main

import (
	"net/url"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// endpoints are the flags of the commands that send requests to a provider. They replace the
// provider's own addresses.
type endpoints struct {
	BaseURL string `help:"Send requests here instead of to the provider's own host: https, or http on loopback or with a port." placeholder:"URL"`
	Issuer  string `help:"Use this authorization server instead of the provider's own, with the same paths: https, or http on loopback." placeholder:"URL"`
}

// apply registers the provider of that name with the addresses of the flags, and returns it. With
// --base-url only the host of that URL gets the provider's credentials.
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
		// The pattern has no path, since a pattern with a path refuses paths with an encoded slash.
		pr.Hosts = []string{u.Scheme + "://" + u.Host}
	}
	if e.Issuer != "" && pr.Refresher != nil {
		if _, err := parseBase("--issuer", e.Issuer); err != nil {
			return pr, err
		}
		r, err := reauth.BuiltinRefresher(pr.Name, reauth.OAuth2Config{TokenURL: e.tokenURL(vendors.Of(pr.Name))})
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

// base returns the URL that the paths of the provider's API follow: that of --base-url, else that
// of the provider's probe.
func (e endpoints) base(row vendors.Vendor) (*url.URL, error) {
	if e.BaseURL != "" {
		return parseBase("--base-url", e.BaseURL)
	}
	base := row.ProbeBase()
	if base == "" {
		return nil, usagef("%s has no base URL that is everybody's: %s", row.Name, whyNoBase(row))
	}
	return url.Parse(base)
}

// whyNoBase tells the person what base URL to name for a provider that has no common one, or that
// the provider has none at all.
func whyNoBase(row vendors.Vendor) string {
	if row.Instead != "" {
		return "it is a local process that does not speak HTTP; use " + row.Instead
	}
	return "name " + row.Own.What + ", as in --base-url " + row.Own.Example
}

// parseBase reads the URL of a flag. It returns a usage error unless the URL names one host,
// without pattern, user, query, fragment and "..".
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

// tokenURL returns the address of the provider's token endpoint at the issuer of --issuer.
func (e endpoints) tokenURL(row vendors.Vendor) string {
	return row.Auth.TokenURLAt(e.Issuer)
}
