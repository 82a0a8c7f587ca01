package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guard decides which requests the proxy accepts. Whoever reaches the proxy spends the account, and
// a web page in the user's browser can reach a loopback port too: by a form or a script, or by DNS
// rebinding, where a name of the page's own resolves to 127.0.0.1. Origin and Sec-Fetch-Site reveal
// the first kind, the Host header the second.
//
// No page reaches a socket of the file system, whose mode says who may; a relay before it does. So
// there a Host header names this machine, has a single label, as clients make one up, or is one of
// the proxy's.
type guard struct {
	// hosts has the proxy's own addresses in lower case, as a Host header names them.
	hosts map[string]bool
	// token is the SHA-256 of the client token; nil: every program is welcome.
	token *[sha256.Size]byte
}

// newGuard returns a guard for listeners at those addresses. names are further hosts by which
// clients reach them. A name with a port means that port. A name without one means the listeners'
// ports, and also a Host header without a port, since behind TLS clients use the default port. An
// empty token lets every program in.
func newGuard(addrs []net.Addr, names []string, token string) *guard {
	g := &guard{hosts: make(map[string]bool)}
	for _, addr := range addrs {
		if !isSocket(addr) {
			g.listens(addr, names)
		}
	}
	for _, name := range names {
		if h, p, err := net.SplitHostPort(name); err == nil {
			g.allow(h, p)
			continue
		}
		g.allow(strings.Trim(name, "[]"), "")
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		g.token = &sum
	}
	return g
}

// listens allows the hosts by which clients reach a TCP listener.
func (g *guard) listens(addr net.Addr, names []string) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	// No Host header names an unspecified address such as 0.0.0.0.
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		g.allow(host, port)
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		g.allow(own, port)
	}
	for _, name := range names {
		if _, _, err := net.SplitHostPort(name); err != nil {
			g.allow(strings.Trim(name, "[]"), port)
		}
	}
}

// isSocket reports whether a listener's address is a socket of the file system.
func isSocket(addr net.Addr) bool { return addr.Network() == "unix" }

// knows reports whether the Host header of a request is an address of the proxy.
func (g *guard) knows(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && isSocket(addr) {
		return g.hosts[host] || isMadeUp(host)
	}
	return g.hosts[host]
}

// isMadeUp reports whether a host is one that clients of a socket name for want of another: this
// machine, or a single label. A page's host has several.
func isMadeUp(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host != "" && !strings.ContainsAny(host, ".:")
}

// allow adds a host with a port. Clients leave out port 80 and 443, the defaults of http and https,
// so the bare host is then allowed too. An IPv6 address stands in brackets.
func (g *guard) allow(host, port string) {
	bare := host
	if strings.Contains(host, ":") {
		bare = "[" + host + "]"
	}
	if port != "" {
		g.hosts[strings.ToLower(net.JoinHostPort(host, port))] = true
	}
	if port == "" || port == "80" || port == "443" {
		g.hosts[strings.ToLower(bare)] = true
	}
}

// denial is the proxy's own refusal of a request.
type denial struct {
	status int
	// code is stable: programs test it, and it labels a metric.
	code string
	// message is for people, and says what to do.
	message string
}

// The codes of the denials that are counted by reason.
const (
	deniedMethod = "method_not_allowed"
	deniedTarget = "bad_request_target"
	deniedHost   = "host_not_allowed"
	deniedOrigin = "origin_not_allowed"
	deniedSite   = "cross_site_request"
	deniedToken  = "client_token_required"
	deniedBusy   = "too_many_connections"
	// deniedProvider: the client is no stranger, but its path begins with the name of no provider.
	deniedProvider = "unknown_provider"
)

// denialCodes returns all of these codes, for the metrics.
func denialCodes() []string {
	return []string{
		deniedMethod, deniedTarget, deniedHost, deniedOrigin, deniedSite, deniedToken, deniedBusy, deniedProvider,
	}
}

// check returns why a request is refused whatever it asks for, or nil. It does not look at the
// client token: see admits.
func (g *guard) check(r *http.Request) *denial {
	switch {
	// No provider's API uses CONNECT. TRACE would return the request, with its credential, to the
	// client.
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return &denial{http.StatusMethodNotAllowed, deniedMethod, "the proxy does not forward " + r.Method}
	case !g.knows(r):
		return &denial{
			http.StatusForbidden, deniedHost,
			"the Host header is not an address of this proxy; start it with --host to give it another name",
		}
	// "OPTIONS *" is such a request.
	case !strings.HasPrefix(r.URL.Path, "/"):
		return &denial{http.StatusBadRequest, deniedTarget, "the request names no path"}
	}
	for _, origin := range r.Header["Origin"] {
		if !g.owns(origin) {
			return &denial{
				http.StatusForbidden, deniedOrigin,
				"requests of web pages are refused: they must not spend the account",
			}
		}
	}
	// Browsers send Sec-Fetch-Site also where they leave out Origin, as with an image. "none" means
	// that the user has typed the address. See the W3C's Fetch Metadata Request Headers.
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" {
			return &denial{
				http.StatusForbidden, deniedSite,
				"requests of web pages are refused: they must not spend the account",
			}
		}
	}
	return nil
}

// owns reports whether an Origin header names the proxy itself, as its status page does. An origin
// is a scheme, a host and a port (RFC 6454, section 6.2): what has anything else, such as a user,
// was made up by nobody who means well.
func (g *guard) owns(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && origin == u.Scheme+"://"+u.Host &&
		g.hosts[strings.ToLower(u.Host)]
}

// admits reports whether the request carries the client token, or whether none is required. It
// accepts the token in every header in which SDKs send a key. For the proxy's own pages it also
// accepts the password of HTTP Basic, which is how a person's browser can send it.
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

// is reports whether token is the client token. It compares digests in constant time, so that the
// time reveals neither the token's length nor its beginning.
func (g *guard) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// keyHeaders returns the headers in which clients send a key, in canonical form: those of OpenAI,
// Anthropic, Azure and Google.
func keyHeaders() []string {
	return []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"}
}
