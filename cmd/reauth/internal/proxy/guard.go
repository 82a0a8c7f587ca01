package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guard decides who may use the proxy. Whoever reaches it spends the account, and a web page that
// the user has open can reach a loopback port too: by a form or a script of its own, or under a
// name of its own that it points at 127.0.0.1.
type guard struct {
	hosts map[string]bool // the proxy's own addresses, as a Host header says them, in lower case
	token *[sha256.Size]byte
}

// newGuard makes a guard for a listener at addr. names are further hosts by which clients reach it,
// each with a port of its own or else with the listener's, or with none. An empty token lets every
// program in.
func newGuard(addr net.Addr, names []string, token string) *guard {
	g := &guard{hosts: make(map[string]bool)}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		g.allow(host, port)
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		g.allow(own, port)
	}
	for _, name := range names {
		if h, p, err := net.SplitHostPort(name); err == nil {
			g.allow(h, p)
			continue
		}
		name = strings.Trim(name, "[]")
		g.allow(name, port)
		g.allow(name, "")
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		g.token = &sum
	}
	return g
}

func (g *guard) allow(host, port string) {
	bare := host
	if strings.Contains(host, ":") {
		bare = "[" + host + "]"
	}
	if port != "" {
		g.hosts[strings.ToLower(net.JoinHostPort(host, port))] = true
	}
	if port == "" || port == "80" {
		g.hosts[strings.ToLower(bare)] = true
	}
}

// denial is why a request is refused.
type denial struct {
	status  int
	code    string // stable, for programs and as a metric's label
	message string // for people
}

// The codes of denials.
const (
	deniedMethod = "method_not_allowed"
	deniedTarget = "bad_request_target"
	deniedHost   = "host_not_allowed"
	deniedOrigin = "origin_not_allowed"
	deniedSite   = "cross_site_request"
	deniedToken  = "client_token_required"
)

func denialCodes() []string {
	return []string{deniedMethod, deniedTarget, deniedHost, deniedOrigin, deniedSite, deniedToken}
}

// check returns why a request is refused whatever it asks for, or nil. Of a client's token it knows
// nothing: see admits.
func (g *guard) check(r *http.Request) *denial {
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace: // the one is no API's, the other would show the credential
		return &denial{http.StatusMethodNotAllowed, deniedMethod, "the proxy does not forward " + r.Method}
	case !g.hosts[strings.ToLower(r.Host)]:
		return &denial{http.StatusForbidden, deniedHost, "the Host header is not an address of this proxy; start it with --host to give it another name"}
	case !strings.HasPrefix(r.URL.Path, "/"):
		return &denial{http.StatusBadRequest, deniedTarget, "the request names no path"}
	}
	for _, origin := range r.Header["Origin"] {
		if !g.owns(origin) {
			return &denial{http.StatusForbidden, deniedOrigin, "requests of web pages are refused: they must not spend the account"}
		}
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" {
			return &denial{http.StatusForbidden, deniedSite, "requests of web pages are refused: they must not spend the account"}
		}
	}
	return nil
}

// owns reports whether an Origin header names the proxy itself.
func (g *guard) owns(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && g.hosts[strings.ToLower(u.Host)]
}

// admits reports whether the request carries the client token, if one is wanted, in any of the
// headers in which SDKs send a key. A person's browser sends it as the password of HTTP Basic,
// which is taken for the proxy's own pages only.
func (g *guard) admits(r *http.Request, page bool) bool {
	if g.token == nil {
		return true
	}
	for _, name := range keyHeaders() {
		for _, value := range r.Header[name] {
			if name == "Authorization" {
				scheme, rest, _ := strings.Cut(value, " ")
				if !strings.EqualFold(scheme, "Bearer") {
					continue
				}
				value = strings.TrimSpace(rest)
			}
			if g.is(value) {
				return true
			}
		}
	}
	_, password, ok := r.BasicAuth()
	return page && ok && g.is(password)
}

// is compares digests, which are of one length, in constant time.
func (g *guard) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// keyHeaders are the headers in which clients send a key, in canonical form.
func keyHeaders() []string {
	return []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"}
}
