package reauth

import (
	"io"
	"net/http"
)

// bind adds to what the caller asked for what the request itself asks for. With one credential
// there is nothing to choose. The body, when it is not nil, is to be sent instead of the request's,
// which has been read.
func (g *group) bind(s *registered, req *http.Request, d *destination, asked routing) (routing, io.ReadCloser) {
	if asked.pinned || s.bound == nil && s.TrackObjects <= 0 || g.size.Load() < 2 {
		return asked, nil
	}
	asked.bound, _ = s.bound.of(req.URL.Path)
	if s.TrackObjects <= 0 {
		return asked, nil
	}
	owner, body := g.objects.mentionedBy(req)
	if m := g.find(owner); m != nil && m.serves(d) {
		asked.account = m
	}
	return asked, body
}
