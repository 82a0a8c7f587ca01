package main

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
	"github.com/reauth-go/reauth/internal/vendors"
)

// addresses are the flags of the commands that serve several providers. They replace the providers'
// own addresses.
type addresses struct {
	BaseURL []string `help:"Send requests here instead of to the provider's own host: https, or http on loopback or with a port. Of several providers NAME=URL, once for each." placeholder:"URL" sep:"none"`
	Issuer  []string `help:"Use this authorization server instead of the provider's own, with the same paths: https, or http on loopback. Of several providers NAME=URL." placeholder:"URL" sep:"none"`
}

// namedAddress matches the value of such a flag that names its provider.
var namedAddress = pattern.Lazy(`^([A-Za-z0-9._-]+)=(.*)$`)

// of returns the addresses of each of the providers, whose names are canonical.
func (f addresses) of(names []string) (map[string]endpoints, error) {
	all := make(map[string]endpoints, len(names))
	for _, flag := range []struct {
		name   string
		values []string
		field  func(*endpoints) *string
	}{
		{"--base-url", f.BaseURL, func(e *endpoints) *string { return &e.BaseURL }},
		{"--issuer", f.Issuer, func(e *endpoints) *string { return &e.Issuer }},
	} {
		for _, value := range flag.values {
			name, at, err := whose(flag.name, value, names)
			if err != nil {
				return nil, err
			}
			e := all[name]
			if *flag.field(&e) != "" {
				return nil, usagef("%s is there twice for %s", flag.name, name)
			}
			*flag.field(&e) = at
			all[name] = e
		}
	}
	return all, nil
}

// whose returns the provider that a value of such a flag is for, and the address.
func whose(flag, value string, names []string) (name, at string, err error) {
	m := namedAddress().FindStringSubmatch(value)
	switch {
	case m != nil && slices.Contains(names, vendors.Canonical(m[1])):
		return vendors.Canonical(m[1]), m[2], nil
	case m != nil:
		return "", "", usagef("%s: %s is none of the providers that are named", flag, m[1])
	case len(names) > 1:
		return "", "", usagef("%s is for one of several providers here: say which, as in %s %s=URL", flag, flag, names[0])
	}
	return names[0], value, nil
}

// served is a provider that a proxy serves.
type served struct {
	names    []string // below which it is: its own, and the one that the user has typed
	provider reauth.Provider
	row      vendors.Vendor
	api      vendors.API // at the provider
	own      bool        // api is at an address of the user's own
	upstream *url.URL
	origin   string // of the proxy, with the prefix below which it is
}

// servedAs returns the providers that the user has typed, each once.
func servedAs(typed []string) (list []*served, err error) {
	for _, word := range typed {
		pr, err := lookup(word)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(s *served) bool { return s.row.Name == pr.Name })
		if i < 0 {
			i = len(list)
			list = append(list, &served{names: []string{pr.Name}, row: vendors.Of(pr.Name)})
		}
		// lookup takes a name in any case, with white space around it.
		if word = strings.ToLower(strings.TrimSpace(word)); !slices.Contains(list[i].names, word) {
			list[i].names = append(list[i].names, word)
		}
	}
	return list, nil
}

// config returns what a proxy needs to know of the providers, and these.
func (c *proxyCmd) config(a *app) (config proxy.Config, list []*served, err error) {
	if err := c.check(); err != nil {
		return config, nil, err
	}
	if list, err = servedAs(c.Provider); err != nil {
		return config, nil, err
	}
	names := make([]string, 0, len(list))
	for _, s := range list {
		names = append(names, s.row.Name)
	}
	at, err := c.of(names)
	if err != nil {
		return config, nil, err
	}
	pool, err := a.pool()
	if err != nil {
		return config, nil, err
	}
	for _, s := range list {
		if err := s.register(pool, at[s.row.Name], c.choosing); err != nil {
			return config, nil, err
		}
	}
	for _, s := range list { // when all of them are there: two may claim one address
		if err := s.check(pool); err != nil {
			return config, nil, err
		}
	}
	recipes := a.recipes // those that the pool has: a proxy that runs does not look for new ones
	return proxy.Config{
		Pool: pool, MarkFinal: c.MarkFinal, Affinity: c.affinity(),
		Source: view{recipes: recipes}.source,
	}, list, nil
}

// register registers the provider with the addresses and the flags.
func (s *served) register(pool *reauth.Pool, at endpoints, flags choosing) (err error) {
	if s.provider, err = at.apply(pool, s.row.Name); err != nil {
		return err
	}
	flags.apply(&s.provider)
	if err := pool.Register(s.provider); err != nil {
		return err
	}
	s.own = at.BaseURL != ""
	if s.api, err = apiAt(s.row, at.BaseURL); err != nil {
		return err
	}
	if s.upstream, err = url.Parse(s.api.Origin); err != nil {
		return usagef("--base-url: %s is no URL", s.api.Origin)
	}
	return nil
}

// check returns why the pool would put no credential on requests to the provider.
func (s *served) check(pool *reauth.Pool) error {
	// The pool sends credentials to the hosts of their provider only. Another address would get
	// every request without one.
	at := *s.upstream
	at.Path = s.api.Path()
	if owner, ok := pool.ProviderFor(&at); !ok || owner.Name != s.row.Name {
		return usagef("%s is no address of %s: no credential would be sent there", s.api.BaseURL(), s.row.Name)
	}
	// Without a credential every request would fail. The user learns it now, and a script by the
	// exit code.
	if err := proxy.Check(pool, s.provider); err != nil {
		return &exitError{exitLogin, err}
	}
	return nil
}

// apiAt is where the provider's API is: at an address of the user's, of which only the path is
// known, else where the provider documents it to be.
func apiAt(row vendors.Vendor, baseURL string) (vendors.API, error) {
	if baseURL == "" {
		if row.API.BaseURL() == "" {
			return row.API, usagef("%s has no address that is the same for all accounts; say yours with --base-url", row.Name)
		}
		return row.API, nil
	}
	u, err := parseBase("--base-url", baseURL)
	if err != nil {
		return vendors.API{}, err
	}
	// Clients append paths such as /models, so a slash at the end would be doubled.
	path := strings.TrimRight(u.EscapedPath(), "/")
	return vendors.API{Origin: u.Scheme + "://" + u.Host, Native: cmp.Or(path, "/")}, nil
}

// backends returns the providers as a proxy at that address serves them, and sets their origins: a
// single one is at the root.
func backends(list []*served, at string) []proxy.Backend {
	all := make([]proxy.Backend, 0, len(list))
	for _, s := range list {
		s.origin = at
		if len(list) > 1 {
			s.origin += "/" + s.row.Name
		}
		all = append(all, proxy.Backend{
			Provider: s.provider, Upstream: s.upstream, Names: s.names, BaseURLs: proxy.BaseURLs(s.api, s.origin),
		})
	}
	return all
}
