package reauth

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What of a URL decides whose it is.

// destination is what matters of a request's URL, normalized once.
type destination struct {
	host     string // empty: no pattern can match
	port     string // empty: the scheme's default
	path     string
	https    bool
	prefixes bool // a path prefix may match: the path has no trick in it
}

// newDestination normalizes u. It looks at URL.Host, which is what is dialled, never at the Host
// header.
func newDestination(u *url.URL) destination {
	var d destination
	switch {
	case u == nil:
		return d
	case u.Scheme == "https" || strings.EqualFold(u.Scheme, "https"):
		d.https = true
	case u.Scheme == "http" || strings.EqualFold(u.Scheme, "http"):
	default:
		return d
	}
	if d.host = u.Host; !isNormalName(d.host) && !d.normalize() {
		return destination{}
	}
	d.path, d.prefixes = u.Path, !isAmbiguous(u)
	return d
}

// isAmbiguous reports whether a server may take the path of u for another one than it looks: it may
// resolve "..", or decode the path once more than we have.
func isAmbiguous(u *url.URL) bool {
	if u.Opaque != "" || strings.IndexByte(u.Path, '\\') >= 0 || climbs(u.Path) || decodesFurther(u.Path) {
		return true
	}
	// RawPath is set only when the default encoding of Path is not what was written: the only way
	// to an encoded slash.
	return u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f")
}

// decodesFurther reports whether a path that was decoded once holds what a server may decode again:
// "%2e", "%u002e" (IIS), or bytes that are no UTF-8, such as a dot in an overlong form.
func decodesFurther(path string) bool {
	for rest, more := path, true; more; {
		if _, rest, more = strings.Cut(rest, "%"); isEscape(rest) {
			return true
		}
	}
	return !utf8.ValidString(path)
}

// isEscape reports whether s begins with what makes an escape of a "%" before it.
func isEscape(s string) bool {
	if len(s) < 2 {
		return false
	}
	isHex := func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }
	return s[0]|0x20 == 'u' || isHex(s[0]) && isHex(s[1])
}

// normalize splits d.host as it stands in a URL and normalizes it; it reports false for a host that
// no pattern can match.
func (d *destination) normalize() bool {
	host := d.host
	if strings.IndexByte(host, ':') >= 0 {
		var err error
		if host, d.port, err = splitAuthority(strings.TrimSuffix(host, ":")); err != nil {
			return false
		}
	}
	if d.https && d.port == "443" || !d.https && d.port == "80" {
		d.port = ""
	}
	d.host = normalHost(host)
	return isASCII(host) // net/http dials its xn-- form: another name, and "İ" in lower case would look like an "i"
}

// isNormalName reports whether host is a name, without a port, that normalizing leaves as it is.
// Most are.
func isNormalName(host string) bool {
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return !strings.HasSuffix(host, ".")
}

// normalHost lower-cases host, drops the trailing dot of a rooted name and writes an IP address in
// its one canonical way.
func normalHost(host string) string {
	if !isASCII(host) {
		return host
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if strings.IndexByte(host, ':') >= 0 {
		if a, err := netip.ParseAddr(host); err == nil {
			return a.String()
		}
	}
	return host
}

// isASCII reports whether s has only ASCII characters. net/http dials other hosts by another name.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// climbs reports whether a segment of path is "..", also with what some servers drop behind it: a
// parameter ("..;x"), white space, a control character.
func climbs(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	for seg := range strings.SplitSeq(path, "/") {
		name, _, _ := strings.Cut(seg, ";")
		if strings.TrimRightFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) == ".." {
			return true
		}
	}
	return false
}

// isLoopback reports whether a normalized host is this machine, so that no token leaves it (RFC
// 6761 §6.3 for the name).
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// splitAuthority splits "host", "host:port" and "[::1]:port".
func splitAuthority(s string) (host, port string, err error) {
	host, colon := s, false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", fmt.Errorf("the bracket of the IPv6 address is not closed")
		}
		var rest string
		host, rest = s[1:end], s[end+1:]
		if a, err := netip.ParseAddr(host); host != "" && (err != nil || !a.Is6() || a.Zone() != "") {
			return "", "", fmt.Errorf("brackets are for an IPv6 address, as in %q", "[::1]:8080")
		}
		if port, colon = strings.CutPrefix(rest, ":"); rest != "" && !colon {
			return "", "", fmt.Errorf("nothing but a port may follow the address")
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		if strings.Count(s, ":") > 1 {
			return "", "", fmt.Errorf("an IPv6 address stands in brackets, as in %q", "[::1]:8080")
		}
		host, port, colon = s[:i], s[i+1:], true
	}
	if !colon {
		return host, "", nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || port[0] == '+' {
		return "", "", fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return host, strconv.Itoa(n), nil // 0443 is 443
}

// mayBeDiverted reports whether the request could end elsewhere than at the host of its URL: over plain
// http a proxy goes where the Host header, or an opaque URL, says.
func (d *destination) mayBeDiverted(req *http.Request) bool {
	if d.https || isLoopback(d.host) {
		return false
	}
	return req.URL.Opaque != "" || req.Host != "" && !strings.EqualFold(req.Host, req.URL.Host)
}
