package proxy

import (
	"net/http"
	"strings"
)

// reserved are the first segments that are the proxy's own.
func reserved() []string { return []string{"", "-", "healthz", "metrics"} }

// route returns the backend that a request is for, and what the path begins with that its provider
// does not know. The path is taken as it is written: what is escaped names no backend.
func (p *Proxy) route(r *http.Request) (b *backend, prefix string, d *denial) {
	segment, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch b := p.byName[segment]; {
	case b != nil && rest == "":
		return nil, "", &denial{http.StatusNotFound, "not_served", "this is no path of an API" + b.hint()}
	case b != nil:
		return b, "/" + segment, nil
	case len(p.backends) == 1:
		return p.backends[0], "", nil
	}
	served := make([]string, 0, len(p.backends))
	for _, b := range p.backends {
		served = append(served, "/"+b.Provider.Name+"/")
	}
	return nil, "", &denial{
		http.StatusNotFound, deniedProvider,
		"the path does not begin with the name of a provider; there are " + strings.Join(served, " "),
	}
}

// hint tells the base URL to set, for the end of an error message. It is empty when there is none.
func (b *backend) hint() string {
	if len(b.BaseURLs) == 0 {
		return ""
	}
	return "; the base URL to set is " + b.BaseURLs[0].URL
}

// withoutPrefix returns a request whose path does not begin with the prefix.
func withoutPrefix(r *http.Request, prefix string) *http.Request {
	if prefix == "" {
		return r
	}
	out, at := *r, *r.URL
	at.Path = strings.TrimPrefix(at.Path, prefix)
	at.RawPath = strings.TrimPrefix(at.RawPath, prefix)
	out.URL = &at
	return &out
}
