package proxy

import (
	"net/http"
	"net/url"
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

// relocate makes the references of an answer that lead to the provider's origin lead through the
// proxy, below the prefix of the request: Location (RFC 9110, section 10.2.2) and Content-Location
// (section 8.7). Others, such as those of a login, are left to the client, and so is what is no
// URL.
func (b *backend) relocate(resp *http.Response) {
	prefix := ""
	if c := callFrom(resp.Request.Context()); c != nil {
		prefix = c.prefix
	}
	for _, name := range []string{"Location", "Content-Location"} {
		for i, value := range resp.Header[name] {
			if ref, err := url.Parse(value); err == nil {
				resp.Header[name][i] = through(resp.Request.URL.ResolveReference(ref), b.Upstream, prefix)
			}
		}
	}
}

// through returns the reference of a client of the proxy to a URL.
func through(to, upstream *url.URL, prefix string) string {
	if !strings.EqualFold(to.Scheme, upstream.Scheme) || !strings.EqualFold(to.Host, upstream.Host) {
		return to.String()
	}
	path := prefix + to.EscapedPath()
	switch {
	case path == "":
		path = "/"
	// Two slashes at the beginning would name a host (RFC 3986, section 4.2).
	case strings.HasPrefix(path, "//"):
		path = "/." + path
	}
	if to.RawQuery != "" || to.ForceQuery {
		path += "?" + to.RawQuery
	}
	if to.Fragment != "" {
		path += "#" + to.EscapedFragment()
	}
	return path
}
