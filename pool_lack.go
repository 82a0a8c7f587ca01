package reauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Why a request, or a caller of Token, gets no credential, in a word and in a sentence.

// lack says why a request with that routing gets no credential of the group: no credential fits, or
// those that do, which have been tried, have no access token.
func (g *group) lack(r routing, tried []*member) lack {
	l := lack{reason: keyNotForHost, provider: g.name}
	if r.pinned {
		l.provider, l.id = r.provider, r.id
	}
	switch {
	case len(tried) > 0:
		l.reason = noToken
	case r.pinned && g.pool.lookup(r.provider, r.id) == nil:
		l.reason = pinUnknown
	case !r.pinned && g.size.Load() == 0:
		l.reason = noCredential
	}
	return l
}

// strangers says why a request to d, which no provider has, gets no credential.
func (p *Pool) strangers(d *destination) lack {
	near := p.table().near(d)
	switch {
	case near == nil:
		return lack{reason: unknownHost}
	case d.https || near.http || near.loopback:
		return lack{reason: unknownHost, provider: near.owner.name}
	}
	return lack{reason: plainHTTP, provider: near.owner.name}
}

// explain says a lack in words, with the way out. tried are the credentials without a token.
func (p *Pool) explain(l lack, d *destination, tried []*member) error {
	switch l.reason {
	case unknownHost:
		if l.diverted {
			return errors.New("over plain http a proxy goes where Request.Host or an opaque URL says, and that is not the " +
				"host of the URL; leave Request.Host empty, or use https")
		}
		return p.explainStranger(l, d)
	case plainHTTP:
		return fmt.Errorf("the credentials of %s go over https only; use https, "+
			`or Register the provider with a pattern such as "http://name:4000" that names this host and port`, l.provider)
	case noCredential:
		return fmt.Errorf("the pool has no credential of %s; Add one", l.provider)
	case pinUnknown:
		_, err := p.member(l.provider, l.id)
		return fmt.Errorf("WithCredential names one that is not there: %w", err)
	case noToken:
		return explainNoToken(l, tried)
	case redirected:
		return fmt.Errorf("a redirect from elsewhere than %s has led there, or one over plain http; "+
			"send the request to that address itself", l.provider)
	}
	return explainNotForHost(l, p.group(l.provider))
}

// explainStranger says why a host is no provider's.
func (p *Pool) explainStranger(l lack, d *destination) error {
	if near := p.table().near(d); near != nil {
		return fmt.Errorf("%s has the host pattern %q, which is for another port or path; "+
			"use that address, or Register the provider with this one too", l.provider, near.text)
	}
	return errors.New("no provider of the pool has that host; Register one that has, " +
		"or send the request by another client, or with WithoutCredential")
}

// explainNotForHost says why none of g's credentials is for the request.
func explainNotForHost(l lack, g *group) error {
	if l.id != "" {
		return fmt.Errorf("WithCredential names %s of %s, which is not for this request; name another one, "+
			"or change its Credential.Hosts", shown(l.id), l.provider)
	}
	const wayOut = "change Credential.Hosts, or Add another one"
	if slices.ContainsFunc(g.snapshot(), func(m *member) bool { return m.tokens.Load().refusing != nil }) {
		return fmt.Errorf("of the %d credentials of %s none is for that host: a login is sent to the hosts of its own "+
			"region or plan; send the request there, %s", g.size.Load(), l.provider, wayOut)
	}
	return fmt.Errorf("of the %d credentials of %s none is for that host; %s", g.size.Load(), l.provider, wayOut)
}

// explainNoToken tells of the last credential that was tried why it has no access token.
func explainNoToken(l lack, tried []*member) error {
	m := tried[len(tried)-1]
	why := m.whyNoToken()
	if errors.Is(why, ErrNotRefreshable) && m.place.Load().follow == nil {
		why = errors.New("it has no access token, and its provider has no way to get one")
	}
	wayOut := "log in again"
	if m.source != nil {
		wayOut = "mend its source"
	}
	return fmt.Errorf("no credential of %s has an access token: %s: %w; %s, or Add one that has",
		l.provider, m, why, wayOut)
}

// tellLack tells, once for each host, why a request gets no credential.
func (p *Pool) tellLack(req *http.Request, l lack, d *destination, tried []*member) {
	l.host = hostOf(req.URL)
	if !p.told.firstTime(l, time.Now()) {
		return
	}
	p.emit(req.Context(), Event{
		Type: PassedThrough, Reason: l.reason, Provider: l.provider, ID: l.id,
		Err: fmt.Errorf("reauth: a request to %s is sent without a credential: %w", shown(l.host), p.explain(l, d, tried)),
	})
}

// hostOf returns the host of a URL for a message: without a user name, which url.URL keeps apart,
// but a program may have put there.
func hostOf(u *url.URL) string { return u.Host[strings.LastIndexByte(u.Host, '@')+1:] }
