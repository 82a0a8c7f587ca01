package reauth

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// What the transport does to headers: it puts a credential on, and takes other credentials off.

// authorize puts the tokens on a request. header is the caller's; the result is a map of its own.
func (r *registered) authorize(t *tokens, header http.Header) http.Header {
	if header == nil {
		header = http.Header{}
	}
	if r.Authorize != nil && !r.builtin {
		own := header.Clone()
		r.Authorize(own, t.cred.clone())
		return own
	}
	own := maps.Clone(header) // copied as it lies in memory; both maps share the values
	for name, values := range own {
		if len(values) < cap(values) {
			own[name] = slices.Clip(values) // safe from an append
		}
		if r.Authorize == nil && name != "Authorization" && isCredentialHeader(name) {
			delete(own, name)
		}
	}
	if r.Authorize != nil {
		r.Authorize(own, t.cred)
	} else {
		own["Authorization"] = t.bearer() // without room for an append
	}
	return own
}

// headerFor returns h without the headers that hold a secret of a credential which is not for d: h
// itself when there is none.
func (p *Pool) headerFor(h http.Header, d *destination) http.Header {
	own := h
	here, _ := p.table().lookup(d) // no provider: nil
	for _, m := range p.members() {
		if m.group == here && m.serves(d) {
			continue
		}
		for _, name := range m.secretsIn(h) {
			if len(own) == len(h) {
				own = h.Clone()
			}
			delete(own, name)
		}
	}
	return own
}

// secretsIn returns the headers that hold a secret of m, also one that has been replaced: a
// replaced access token may serve for an hour yet.
func (m *member) secretsIn(header http.Header) (names []string) {
	e, replaced := m.tokens.Load().entry(), m.replaced()
	secrets := secretsOf(e.Credential)
	for name, values := range header {
		if slices.ContainsFunc(values, func(v string) bool {
			last := v[strings.LastIndexByte(v, ' ')+1:]
			return slices.ContainsFunc(secrets, func(secret string) bool { return carries(v, secret) }) ||
				e.leftBehind(last) || slices.Contains(replaced, digest(last))
		}) {
			names = append(names, name)
		}
	}
	return names
}

// carries reports whether a header's value is the secret, alone or behind a scheme.
func carries(value, secret string) bool {
	if secret == "" || !strings.HasSuffix(value, secret) {
		return false
	}
	rest := value[:len(value)-len(secret)]
	return rest == "" || strings.HasSuffix(rest, " ")
}
