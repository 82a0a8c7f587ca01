package reauth

import (
	"net/http"
	"net/url"
)

// maxHops is more than any client follows: http.Client follows 10.
const maxHops = 100

// strays reports whether a redirect has led the request to the provider of g from elsewhere: whoever
// answered before has chosen what is asked of the provider. http.Client gives each hop the redirect
// that caused it, and that the request before, and so on. A hop is the provider's only if those
// before it are: else a stranger would lead there by way of a redirect of the provider's own, such as
// one that drops a slash.
func (p *Pool) strays(req *http.Request, g *group) bool {
	for range maxHops {
		from := req.Response
		switch {
		case from == nil:
			return false
		case from.Request == nil || from.Request.URL == nil || !p.leads(from.Request.URL, req.URL, g):
			return true
		}
		req = from.Request
	}
	return true
}

// leads reports whether a redirect from one URL to another is that of the provider of g. Over plain
// http anybody in between may have sent it; it may lead to where it came from, and nowhere else.
func (p *Pool) leads(from, to *url.URL, g *group) bool {
	d := newDestination(from)
	owner, _ := p.table().lookup(&d) // no provider: nil
	if owner != g || d.https {
		return owner == g
	}
	next := newDestination(to)
	return d.https == next.https && d.host == next.host && d.port == next.port
}
