package reauth

import (
	"io"
	"net/http"

	"github.com/reauth-go/reauth/internal/objects"
)

// Requests about objects of one account, such as a file or a stored response. Another account's
// credential would not find the object, so these requests are never switched.

// bind pins the request to the account that owns the object which its path or body names. A non-nil
// body replaces req.Body, which has been read. With one credential there is nothing to choose.
func (g *group) bind(
	p *registered, req *http.Request, d *destination, route routing,
) (bound routing, body io.ReadCloser) {
	if route.pinned || p.bound == nil && p.TrackObjects <= 0 || g.size.Load() < 2 {
		return route, nil
	}
	route.bound, _ = p.bound.of(req.URL.Path)
	if p.TrackObjects <= 0 {
		return route, nil
	}
	account, body := g.objects.MentionedBy(req)
	if m := g.find(account); m != nil && m.serves(d) {
		route.account = m
	}
	return route, body
}

// track learns from a successful answer which objects belong to m. It wraps the answer's body,
// which the caller reads as it arrives.
func (g *group) track(p *registered, req *http.Request, resp *http.Response, m *member) {
	if p.TrackObjects <= 0 {
		return
	}
	_, ofObjects := p.bound.of(req.URL.Path)
	resp.Body = objects.Track(resp, ofObjects, func(name string) { g.objects.Add(name, m.id, p.TrackObjects) })
}
