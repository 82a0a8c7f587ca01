package reauth

import (
	"errors"
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
	guarded := *req
	if req.GetBody != nil {
		guarded.GetBody = guardGetBody(g.pool, req)
	}
	account, body := g.objects.MentionedBy(&guarded)
	if m := g.find(account); m != nil && m.serves(d) {
		route.account = m
	}
	return route, body
}

// guardGetBody returns the GetBody of req, whose panic is an error.
func guardGetBody(p *Pool, req *http.Request) func() (io.ReadCloser, error) {
	return func() (body io.ReadCloser, err error) {
		defer func() {
			if r := recover(); r != nil {
				body, err = nil, p.crashed(req.Context(), credentialKey{}, "get-body", r)
			}
		}()
		if body, err = req.GetBody(); err == nil && body == nil {
			err = errors.New("it returned no body")
		}
		return body, err
	}
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
