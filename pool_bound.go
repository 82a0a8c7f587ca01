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

// guardGetBody returns the GetBody of req. Its panic is an error, and so is one in a Read of the body.
func guardGetBody(p *Pool, req *http.Request) func() (io.ReadCloser, error) {
	return func() (body io.ReadCloser, err error) {
		defer func() {
			if r := recover(); r != nil {
				body, err = nil, p.crashed(req.Context(), credentialKey{}, "get-body", r)
			}
		}()
		body, err = req.GetBody()
		if err == nil && body == nil {
			err = errors.New("it returned no body")
		}
		if err != nil {
			return nil, err
		}
		return guardedBody{body, func(r any) error { return p.crashed(req.Context(), credentialKey{}, "body", r) }}, nil
	}
}

// guardedBody is a body whose panic in a Read is an error.
type guardedBody struct {
	io.ReadCloser
	crashed func(r any) error
}

func (b guardedBody) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, b.crashed(r)
		}
	}()
	return b.ReadCloser.Read(p)
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
