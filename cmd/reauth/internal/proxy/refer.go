package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// references are the headers of an answer that refer to somewhere else: Location (RFC 9110, section
// 10.2.2), Content-Location (section 8.7), and where Azure tells of the state of an operation, by
// an absolute URL (github.com/microsoft/api-guidelines, azure/Guidelines.md, "Long-Running
// Operations"). They are an array, because each answer is looked through.
func references() [4]reference {
	return [...]reference{
		{"Location", relative},
		{"Content-Location", relative},
		{"Operation-Location", absolute},
		{"Azure-Asyncoperation", absolute},
	}
}

// reference is a header, and how its value is written for a client.
type reference struct {
	header string
	form   form
}

// form is how a reference is written for a client.
type form int

const (
	relative form = iota
	absolute
)

// relocate makes the references of an answer that lead to the provider's origin lead through the
// proxy, below the prefix of the request. Others, such as those of a login, are left to the client,
// and so is what is no URL. Cookies, whose Path would have to follow too, never come down: see
// withoutOriginsOwn.
func (b *backend) relocate(resp *http.Response) {
	c := callFrom(resp.Request.Context())
	if c == nil {
		c = &call{backend: b}
	}
	for _, r := range references() {
		for i, value := range resp.Header[r.header] {
			resp.Header[r.header][i] = c.refer(resp.Request.URL, value, r.form)
		}
	}
	for i, value := range resp.Header["Link"] {
		resp.Header["Link"][i] = withTargets(value, func(target string) string {
			return c.refer(resp.Request.URL, target, relative)
		})
	}
}

// refer returns a reference of an answer from base as the client of this request follows it.
func (c *call) refer(base *url.URL, value string, as form) string {
	ref, err := url.Parse(value)
	if err != nil {
		return value
	}
	to := base.ResolveReference(ref)
	if !isAt(to, c.backend.Upstream) {
		return to.String()
	}
	if as == absolute && c.at != "" {
		return c.at + through(to, c.prefix)
	}
	return through(to, c.prefix)
}

// isAt reports whether a URL is of the origin.
func isAt(u, origin *url.URL) bool {
	return strings.EqualFold(u.Scheme, origin.Scheme) && strings.EqualFold(u.Host, origin.Host)
}

// through returns the reference of a client of the proxy to a URL of the provider.
func through(to *url.URL, prefix string) string {
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

// withTargets returns a value of Link (RFC 8288, section 3) with each target replaced. A target
// stands between angle brackets; in a quoted parameter they are text.
func withTargets(link string, replace func(string) string) string {
	var b strings.Builder
	for quoted := false; link != ""; {
		at := strings.IndexAny(link, `<"\`)
		if at < 0 {
			break
		}
		b.WriteString(link[:at])
		sign, rest := link[at], link[at+1:]
		link = rest
		switch {
		case sign == '\\' && quoted && rest != "": // the next byte is text, whatever it is
			b.WriteString(`\` + rest[:1])
			link = rest[1:]
			continue
		case sign == '"':
			quoted = !quoted
		case sign == '<' && !quoted:
			if target, behind, ok := strings.Cut(rest, ">"); ok {
				b.WriteString("<" + replace(target) + ">")
				link = behind
				continue
			}
		}
		b.WriteByte(sign)
	}
	return b.String() + link
}
