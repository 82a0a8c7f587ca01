package reauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hostPattern is a parsed host pattern. See Provider.Hosts for what users may write.
type hostPattern struct {
	text     string // as it was written, for messages
	host     string // lower case, without trailing dot and without brackets; may hold wildcards
	port     string // empty: https's default, on loopback any
	path     string // empty, or "/a/b" without a trailing slash
	http     bool   // the pattern itself says http
	loopback bool
}

// parseHostPattern reads a pattern and says precisely what is wrong with a bad one. It guesses
// nothing: a pattern that matches too much sends a secret to a stranger.
func parseHostPattern(text string) (hostPattern, error) {
	p := hostPattern{text: text}
	if err := p.parse(text); err != nil {
		if i := strings.LastIndexByte(text, '@'); i >= 0 { // before it a password may stand
			text = text[i+1:]
		}
		return hostPattern{}, fmt.Errorf("host pattern %q: %w", text, err)
	}
	return p, nil
}

// parse reads the parts of a pattern in turn.
func (p *hostPattern) parse(text string) error {
	rest, err := p.parseScheme(text)
	if err != nil {
		return err
	}
	if strings.Contains(rest, "@") {
		return errors.New("a pattern holds no user name; write the host alone")
	}
	if strings.ContainsAny(rest, "?# \\") {
		return errors.New("only a host, a port and a path may stand in a pattern")
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		if err := p.parsePath(path); err != nil {
			return err
		}
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return err
	}
	p.host, p.port = normalHost(host), port
	if err := checkHost(p.host); err != nil {
		return err
	}
	p.loopback = isLoopback(p.host)
	return p.checkPlainHTTP()
}

// parseScheme returns the pattern without its scheme, if it has one.
func (p *hostPattern) parseScheme(text string) (rest string, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text, nil
	}
	switch strings.ToLower(scheme) {
	case "https":
	case "http":
		p.http = true
	default:
		return "", fmt.Errorf("scheme %q is neither https nor http", scheme)
	}
	return rest, nil
}

// parsePath reads what stands behind the first slash.
func (p *hostPattern) parsePath(path string) error {
	p.path = strings.TrimRight("/"+path, "/")
	switch {
	case strings.ContainsAny(p.path, "%*"):
		return errors.New("a path is written plainly, without % and without wildcards")
	case climbs(p.path):
		return fmt.Errorf("a path must not contain %q", "..")
	}
	return nil
}

// checkPlainHTTP makes sure that a pattern which lets a credential go over the wire in the clear
// names exactly where.
func (p *hostPattern) checkPlainHTTP() error {
	switch {
	case !p.http || p.loopback:
		return nil
	case p.port == "":
		return fmt.Errorf("plain http outside loopback must name its port, as in %q", "http://name:4000")
	case strings.Contains(p.host, "*"):
		return errors.New("plain http outside loopback must name one host exactly")
	}
	return nil
}

// parsePatterns reads several patterns.
func parsePatterns(texts []string) ([]hostPattern, error) {
	patterns := make([]hostPattern, 0, len(texts))
	for _, text := range texts {
		h, err := parseHostPattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, h)
	}
	return patterns, nil
}

// checkHost reports why a normalized host, which may hold wildcards, cannot stand in a pattern.
func checkHost(host string) error {
	if host == "" {
		return fmt.Errorf("the host is missing")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label == "" {
			return fmt.Errorf("a label of the host is empty")
		}
		for _, r := range label {
			switch {
			case r > 126:
				return fmt.Errorf("write an internationalized name in its ASCII form (xn--…)")
			case r != '-' && r != '_' && r != '*' && (r < '0' || r > '9') && (r < 'a' || r > 'z'):
				return fmt.Errorf("%q cannot stand in a host", r)
			}
		}
		if n := strings.Count(label, "*"); n > 1 {
			return fmt.Errorf("a label holds at most one wildcard")
		} else if n == 1 && i >= len(labels)-2 {
			return fmt.Errorf("a wildcard cannot stand in the last two labels, it would match hosts of strangers; "+
				"name the domain, as in %q", "*.example.com")
		}
	}
	if last := labels[len(labels)-1]; strings.Contains(host, "*") && last[0] >= '0' && last[0] <= '9' {
		return fmt.Errorf("an address cannot hold a wildcard")
	}
	return nil
}

// matches reports whether p claims d.
func (p *hostPattern) matches(d *destination) bool {
	return p.matchesOrigin(d) && p.matchesPath(d) && matchHost(p.host, d.host)
}

// matchesOrigin compares scheme and port.
func (p *hostPattern) matchesOrigin(d *destination) bool {
	switch {
	case p.loopback: // the token does not leave the machine: any scheme, and any port unless one is named
		if p.port == "" {
			return true
		}
		return p.port == d.port || d.port == "" && p.port == defaultPort(d.https)
	case p.http:
		return !d.https && (p.port == d.port || d.port == "" && p.port == "80")
	default:
		return d.https && (p.port == d.port || p.port == "443" && d.port == "")
	}
}

// defaultPort is the port of a URL that names none.
func defaultPort(https bool) string {
	if https {
		return "443"
	}
	return "80"
}

// matchesPath compares paths segment by segment: /v1 is a prefix of /v1/x, and not of /v10.
func (p *hostPattern) matchesPath(d *destination) bool {
	if p.path == "" {
		return true
	}
	if !d.prefixes || !strings.HasPrefix(d.path, p.path) {
		return false
	}
	return len(d.path) == len(p.path) || d.path[len(p.path)] == '/'
}

// matchHost compares label by label; a wildcard stands for at least one character and never for a
// dot.
func matchHost(pattern, host string) bool {
	if strings.IndexByte(pattern, '*') < 0 {
		return pattern == host
	}
	for {
		pl, prest, pmore := strings.Cut(pattern, ".")
		hl, hrest, hmore := strings.Cut(host, ".")
		if pmore != hmore || !matchLabel(pl, hl) {
			return false
		}
		if !pmore {
			return true
		}
		pattern, host = prest, hrest
	}
}

// matchLabel compares one label of a host with one of a pattern.
func matchLabel(pattern, label string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == label
	}
	return len(label) > len(before)+len(after) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
}

// longer orders patterns so that the longest match comes first: by the letters of the host, then a
// named port, then the path.
func (p *hostPattern) longer(q *hostPattern) int {
	letters := func(s string) int { return len(s) - strings.Count(s, "*") }
	return cmp.Or(
		cmp.Compare(letters(q.host), letters(p.host)),
		cmp.Compare(min(len(q.port), 1), min(len(p.port), 1)),
		cmp.Compare(len(q.path), len(p.path)),
	)
}

// same reports whether p and q claim exactly the same requests.
func (p *hostPattern) same(q *hostPattern) bool {
	return p.host == q.host && p.effectivePort() == q.effectivePort() && p.path == q.path &&
		(p.http == q.http || p.loopback)
}

// overlaps reports whether some request is claimed by both p and q.
func (p *hostPattern) overlaps(q *hostPattern) bool {
	return overlapHosts(p.host, q.host) && p.overlapsPath(q) && p.overlapsOrigin(q)
}

// overlapsPath reports whether the one's paths are some of the other's.
func (p *hostPattern) overlapsPath(q *hostPattern) bool {
	below := func(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
	return below(p.path, q.path) || below(q.path, p.path)
}

// overlapsOrigin tries the schemes and ports that make a difference to either.
func (p *hostPattern) overlapsOrigin(q *hostPattern) bool {
	for _, port := range []string{"", p.port, q.port} {
		for _, https := range []bool{true, false} {
			d := destination{https: https, port: port}
			if p.matchesOrigin(&d) && q.matchesOrigin(&d) {
				return true
			}
		}
	}
	return false
}

// overlapHosts reports whether some host matches both patterns.
func overlapHosts(a, b string) bool {
	for {
		al, arest, amore := strings.Cut(a, ".")
		bl, brest, bmore := strings.Cut(b, ".")
		if amore != bmore || !overlapLabels(al, bl) {
			return false
		}
		if !amore {
			return true
		}
		a, b = arest, brest
	}
}

// overlapLabels reports whether some label matches both patterns: where both have a wildcard, any
// that begins and ends as both want.
func overlapLabels(a, b string) bool {
	aBefore, aAfter, aWild := strings.Cut(a, "*")
	bBefore, bAfter, bWild := strings.Cut(b, "*")
	switch {
	case !aWild:
		return matchLabel(b, a)
	case !bWild:
		return matchLabel(a, b)
	}
	return (strings.HasPrefix(aBefore, bBefore) || strings.HasPrefix(bBefore, aBefore)) &&
		(strings.HasSuffix(aAfter, bAfter) || strings.HasSuffix(bAfter, aAfter))
}

// effectivePort is the port that is dialled; empty on loopback for any.
func (p *hostPattern) effectivePort() string {
	if p.port == "" && !p.loopback {
		return "443"
	}
	return p.port
}

// hostMap finds the owner of a URL: the one table from hosts to providers. It is built once and
// then only read.
type hostMap[T any] struct {
	exact map[string][]hostEntry[T] // by host, longest match first
	wild  map[string][]hostEntry[T] // by the last two labels, which hold no wildcard
}

type hostEntry[T any] struct {
	hostPattern
	owner T
}

// add adds a pattern of an owner. Of equal patterns the one that was added first is found.
func (m *hostMap[T]) add(p hostPattern, owner T) {
	index, key := &m.exact, p.host
	if strings.Contains(p.host, "*") {
		index, key = &m.wild, lastTwoLabels(p.host)
	}
	if *index == nil {
		*index = make(map[string][]hostEntry[T])
	}
	list := append((*index)[key], hostEntry[T]{p, owner})
	slices.SortStableFunc(list, func(a, b hostEntry[T]) int { return a.longer(&b.hostPattern) })
	(*index)[key] = list
}

// lookup returns the owner of the longest pattern that matches d. An exact host is always longer
// than a wildcard that matches it.
func (m *hostMap[T]) lookup(d *destination) (owner T, ok bool) {
	if d.host == "" {
		return owner, false
	}
	if owner, ok = firstMatch(m.exact[d.host], d); ok {
		return owner, true
	}
	return firstMatch(m.wild[lastTwoLabels(d.host)], d)
}

// near returns a pattern that has the host of d, whatever it says of scheme, port and path, and its
// owner; nil: none has.
func (m *hostMap[T]) near(d *destination) *hostEntry[T] {
	if d.host == "" {
		return nil
	}
	for _, list := range [][]hostEntry[T]{m.exact[d.host], m.wild[lastTwoLabels(d.host)]} {
		for i := range list {
			if matchHost(list[i].host, d.host) {
				return &list[i]
			}
		}
	}
	return nil
}

// firstMatch returns the owner of the first entry that matches d; the longest stand first.
func firstMatch[T any](list []hostEntry[T], d *destination) (owner T, ok bool) {
	for i := range list {
		if list[i].matches(d) {
			return list[i].owner, true
		}
	}
	return owner, false
}

// lastTwoLabels returns the end of a host in which no pattern has a wildcard.
func lastTwoLabels(host string) string {
	if i := strings.LastIndexByte(host, '.'); i > 0 {
		if j := strings.LastIndexByte(host[:i], '.'); j >= 0 {
			return host[j+1:]
		}
	}
	return host
}
