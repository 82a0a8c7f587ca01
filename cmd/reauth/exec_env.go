package main

import (
	"slices"
	"strings"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/internal/vendors"
)

// settings are variables of an environment, by name.
type settings map[string]string

// environment returns the environment of a program: that of the command, with the variables that
// lead SDKs to the proxies, and those of the templates, which win. An empty one is taken out.
func environment(base []string, token string, list []*served, templates []string) ([]string, error) {
	set := lead(token, list)
	for _, t := range templates {
		name, text, ok := strings.Cut(t, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\x00") || strings.Contains(text, "\x00") {
			return nil, usagef("--env wants NAME=TEMPLATE; what was given is not repeated, as it may be a secret")
		}
		value, err := expand(text, token, list)
		if err != nil {
			return nil, err
		}
		set[name] = value
	}
	set.passProxies(base)
	env := slices.DeleteFunc(slices.Clone(base), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, ours := set[name]
		return ours
	})
	for name, value := range set {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return env, nil
}

// lead returns the variables that lead SDKs to the proxies. A provider gets those of its own kind
// of client first, and then those that no other provider has. An empty value is a variable to take
// out.
func lead(token string, list []*served) settings {
	set := make(settings)
	for _, foremost := range []bool{true, false} {
		for _, l := range list {
			for _, to := range l.row.Leads(l.api, l.origin) {
				if to.Foremost == foremost {
					set.add(to, token)
				}
			}
		}
	}
	return set
}

// add adds the variables of a client, unless another provider has them.
func (s settings) add(to vendors.Lead, token string) {
	for _, name := range to.Names() {
		if _, taken := s[name]; taken {
			return
		}
	}
	for _, name := range to.BaseURL {
		s[name] = to.URL
	}
	for _, name := range to.Key {
		s[name] = token
	}
	for _, name := range to.Instead {
		s[name] = ""
	}
}

// passProxies keeps requests to the proxies away from a forward proxy, which SDKs use for all
// hosts that NO_PROXY does not name. It does nothing where the environment has none.
func (s settings) passProxies(base []string) {
	const loopback = "127.0.0.1"
	has := func(names ...string) (value string, found bool) {
		for _, pair := range base {
			name, v, _ := strings.Cut(pair, "=")
			if slices.Contains(names, name) && v != "" {
				value, found = v, true
			}
		}
		return value, found
	}
	if _, any := has("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"); !any {
		return
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if _, ours := s[name]; ours {
			continue
		}
		s[name] = loopback
		if value, found := has(name); found {
			s[name] = value + "," + loopback
		}
	}
}

// url returns the base URL that the provider's own kind of client wants.
func (l *served) url() string {
	for _, to := range l.row.Leads(l.api, l.origin) {
		if to.Foremost {
			return to.URL
		}
	}
	return l.origin + l.api.Path()
}

// placeholder matches what a template may have. Other braces are the template's own.
var placeholder = pattern.Lazy(`\{(token|url|origin)(?::([A-Za-z0-9._-]+))?\}`)

// expand returns a template with its placeholders replaced.
func expand(text, token string, list []*served) (expanded string, err error) {
	expanded = placeholder().ReplaceAllStringFunc(text, func(found string) string {
		m := placeholder().FindStringSubmatch(found)
		of := list[0]
		if m[2] != "" {
			name := vendors.Canonical(m[2])
			i := slices.IndexFunc(list, func(l *served) bool { return l.row.Name == name })
			if i < 0 {
				err = usagef("--env: %s is none of the providers that are named", m[2])
				return ""
			}
			of = list[i]
		}
		switch m[1] {
		case "token":
			return token
		case "origin":
			return of.origin
		}
		return of.url()
	})
	return expanded, err
}
