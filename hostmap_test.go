package reauth

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
)

// The error about a bad pattern says what to write instead.
func TestBadHostPatterns(t *testing.T) {
	const (
		wildcard = "a wildcard cannot stand in the last two labels, it would match hosts of strangers; " +
			`name the domain, as in "*.example.com"`
		parts    = "only a host, a port and a path may stand in a pattern"
		plain    = "a path is written plainly, without % and without wildcards"
		punycode = "write an internationalized name in its ASCII form (xn--…)"
		needPort = `plain http outside loopback must name its port, as in "http://name:4000"`
		oneHost  = "plain http outside loopback must name one host exactly"
	)
	for name, c := range map[string]struct{ pattern, want string }{
		"empty":                         {"", "the host is missing"},
		"scheme alone":                  {"https://", "the host is missing"},
		"path alone":                    {"/v1", "the host is missing"},
		"port alone":                    {":8443", "the host is missing"},
		"root":                          {".", "the host is missing"},
		"everything":                    {"*", wildcard},
		"wildcard top-level domain":     {"api.example.*", wildcard},
		"wildcard domain":               {"*.com", wildcard},
		"wildcard second label":         {"api.*.com", wildcard},
		"part of the second label":      {"api.exam*.com", wildcard},
		"wildcard with a trailing dot":  {"api.*.com.", wildcard},
		"wildcard in an address":        {"10.*.0.1", "an address cannot hold a wildcard"},
		"two wildcards in a label":      {"*-*.api.example.com", "a label holds at most one wildcard"},
		"doubled wildcard":              {"**.api.example.com", "a label holds at most one wildcard"},
		"empty label":                   {"api..example.com", "a label of the host is empty"},
		"empty first label":             {".example.com", "a label of the host is empty"},
		"two trailing dots":             {"api.example.com..", "a label of the host is empty"},
		"empty port":                    {"example.com:", `port "" is not a number from 1 to 65535`},
		"port 0":                        {"example.com:0", `port "0" is not a number from 1 to 65535`},
		"port too large":                {"example.com:65536", `port "65536" is not a number from 1 to 65535`},
		"negative port":                 {"example.com:-1", `port "-1" is not a number from 1 to 65535`},
		"signed port":                   {"example.com:+443", `port "+443" is not a number from 1 to 65535`},
		"named port":                    {"example.com:https", `port "https" is not a number from 1 to 65535`},
		"wildcard port":                 {"example.com:*", `port "*" is not a number from 1 to 65535`},
		"two ports":                     {"example.com:80:90", "an IPv6 address stands in brackets"},
		"IPv6 without brackets":         {"::1", "an IPv6 address stands in brackets"},
		"query":                         {"example.com/v1?x=1", parts},
		"query at once":                 {"example.com?x=1", parts},
		"fragment":                      {"example.com#x", parts},
		"backslash":                     {`example.com\.evil.example`, parts},
		"backslash in the path":         {`example.com/a\b`, parts},
		"space":                         {"example.com /v1", parts},
		"climbing path":                 {"example.com/v1/../admin", `a path must not contain ".."`},
		"climbing at the end":           {"example.com/v1/..", `a path must not contain ".."`},
		"climbing with a parameter":     {"example.com/..;x/v1", `a path must not contain ".."`},
		"encoded slash":                 {"example.com/a%2Fb", plain},
		"any percent":                   {"example.com/a%62", plain},
		"wildcard in the path":          {"example.com/v*", plain},
		"internationalized":             {"bücher.example", punycode},
		"Cyrillic look-alike":           {"api.х.ai", punycode},
		"fullwidth dot":                 {"api。x.ai", punycode},
		"invalid UTF-8":                 {"a\xff.example.com", punycode},
		"control character":             {"exam\tple.com", `'\t' cannot stand in a host`},
		"percent in the host":           {"ex%61mple.com", `'%' cannot stand in a host`},
		"unknown scheme":                {"ftp://example.com", `scheme "ftp" is neither https nor http`},
		"scheme of a websocket":         {"wss://example.com", `scheme "wss" is neither https nor http`},
		"scheme of a process":           {"acp://copilot", `scheme "acp" is neither https nor http`},
		"empty scheme":                  {"://example.com", `scheme "" is neither https nor http`},
		"http without port":             {"http://litellm", needPort},
		"http with wildcard":            {"http://*.example.com:4000", oneHost},
		"loopback look-alike over http": {"http://localhost.example.com", "must name its port"},
		"IPv6 not closed":               {"[::1", "the bracket of the IPv6 address is not closed"},
		"IPv6 and a name":               {"[::1].example.com", "nothing but a port may follow the address"},
		"IPv6 and an empty port":        {"[::1]:", `port "" is not a number from 1 to 65535`},
		"IPv6 missing":                  {"[]:8080", "the host is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseHostPattern(c.pattern)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "host pattern "+strconv.Quote(c.pattern), "the error names the pattern")
		})
	}
}

// claimed lists, for one pattern, URLs that it claims and URLs that it must not claim. Spaces
// separate the URLs.
type claimed struct{ pattern, yes, no string }

var claimTable = []claimed{
	{
		pattern: "api.x.ai",
		yes: "https://api.x.ai https://api.x.ai/ https://api.x.ai/v1?h=evil.example https://API.X.AI/v1 " +
			"HTTPS://api.x.ai https://api.x.ai./v1 https://api.x.ai:443/v1 https://api.x.ai:/v1 " +
			"https://someone:pw@api.x.ai/v1",
		no: "http://api.x.ai http://api.x.ai:443 https://api.x.ai:8443 https://api.x.ai:80 https://x.ai " +
			"https://us.api.x.ai https://api.x.ai.. https://.api.x.ai " +
			// look-alikes
			"https://api.x.ai.evil.example https://evilapi.x.ai https://evil.example/api.x.ai " +
			"https://api.x.ai@evil.example https://api.x.ai:443@evil.example " +
			"https://evil.example?h=api.x.ai https://evil.example#api.x.ai https://api-x.ai " +
			"https://api.x.ai-evil.example https://apixxai https://api.x.a https://xn--api-x.ai " +
			// other schemes
			"ws://api.x.ai wss://api.x.ai ftp://api.x.ai api.x.ai //api.x.ai mailto:api@api.x.ai https:api.x.ai " +
			"https:///v1 file:///api.x.ai " +
			// other scripts
			"https://api.х.ai https://ａpi.x.ai https://api。x.ai https://api.x.аi",
	},
	{"API.X.AI.", "https://api.x.ai", "https://api.x.ai.evil.example"},
	{"https://api.x.ai", "https://api.x.ai", "http://api.x.ai"},
	{"HTTPS://api.x.ai:443", "https://api.x.ai https://api.x.ai:443", "http://api.x.ai:443 https://api.x.ai:444"},
	{
		pattern: "gateway.corp:8443",
		yes:     "https://gateway.corp:8443/v1 https://GATEWAY.corp.:8443",
		no: "https://gateway.corp https://gateway.corp:443 http://gateway.corp:8443 https://gateway.corp:84430 " +
			"https://gateway.corp:844",
	},
	{
		pattern: "xn--bcher-kva.example",
		yes:     "https://xn--bcher-kva.example https://XN--BCHER-KVA.example",
		no:      "https://bücher.example https://bucher.example",
	},

	{
		pattern: "*.api.x.ai",
		yes:     "https://us.api.x.ai https://us-east-1.api.x.ai",
		no: "https://api.x.ai https://a.b.api.x.ai https://.api.x.ai https://us.api.x.ai.evil.example " +
			"https://usapi.x.ai http://us.api.x.ai https://us。eu.api.x.ai.evil.example",
	},
	{
		pattern: "bedrock-runtime.*.amazonaws.com",
		yes:     "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke",
		no: "https://bedrock-runtime.amazonaws.com https://bedrock-runtime..amazonaws.com " +
			"https://bedrock-runtime.a.b.amazonaws.com https://bedrock-runtime.us-east-1.amazonaws.com.cn " +
			"https://bedrock.us-east-1.amazonaws.com",
	},
	{
		pattern: "*-aiplatform.googleapis.com",
		yes:     "https://us-central1-aiplatform.googleapis.com",
		no: "https://aiplatform.googleapis.com https://-aiplatform.googleapis.com " +
			"https://a.b-aiplatform.googleapis.com https://us-aiplatform.googleapis.com.evil.example",
	},
	{
		pattern: "a*z.example.com",
		yes:     "https://a-z.example.com https://aaz.example.com https://azz.example.com",
		no:      "https://az.example.com https://a.z.example.com https://ab.example.com",
	},
	{"*.*.example.com", "https://a.b.example.com", "https://a.example.com https://a.b.c.example.com"},

	{
		pattern: "opencode.ai/zen/go",
		yes: "https://opencode.ai/zen/go https://opencode.ai/zen/go/ https://opencode.ai/zen/go/v1/x " +
			"https://opencode.ai/zen/go?x https://opencode.ai/%7aen/go/v1 https://opencode.ai:443/zen/go " +
			"https://opencode.ai/zen/go/a..b https://opencode.ai/zen/go/... https://opencode.ai/zen/go/a%20b " +
			"https://opencode.ai/zen/go/50%25 https://opencode.ai/zen/go/50%25.txt https://opencode.ai/zen/go/b%C3%BCcher",
		no: "https://opencode.ai https://opencode.ai/ https://opencode.ai/zen https://opencode.ai/zen/gopher " +
			"https://opencode.ai/zen/go-v2 https://opencode.ai/ZEN/GO https://opencode.ai/x/zen/go " +
			"https://opencode.ai//zen/go https://opencode.ai/zen//go " +
			// dot segments and encoded slashes: the server may resolve them to another path
			"https://opencode.ai/zen/go/../x https://opencode.ai/zen/go/.. " +
			"https://opencode.ai/zen/go/v1/../../../account https://opencode.ai/zen/go/%2e%2e/x " +
			"https://opencode.ai/zen/go/.%2E/x " +
			"https://opencode.ai/zen/go/..;a=b/x https://opencode.ai/../zen/go https://opencode.ai/zen%2Fgo " +
			"https://opencode.ai/zen/go/a%2fb https://opencode.ai/zen/go/..%2fx " +
			"https://opencode.ai/zen/go/..%5Cx https://opencode.ai/zen/go%5Cx " +
			"https://opencode.ai/zen/go/..%20/x https://opencode.ai/zen/go/..%00/x https://opencode.ai/zen/go/..%09;a/x " +
			// encoded twice or more: a server may decode what is left
			"https://opencode.ai/zen/go/%252e%252e/x https://opencode.ai/zen/go/%252E%252E%252Fx " +
			"https://opencode.ai/zen/go/.%252e/x https://opencode.ai/zen/go/%2e%252e/x https://opencode.ai/zen/go/%25252e. " +
			"https://opencode.ai/zen/go/..%252fx https://opencode.ai/zen/go/a%252fb https://opencode.ai/zen/go/..%255cx " +
			"https://opencode.ai/zen/go/%25u002e%25u002e/x https://opencode.ai/zen/go/%25%32%65./x " +
			"https://opencode.ai/%257aen/go/v1 https://opencode.ai/zen/go/%c0%ae%c0%ae/x https://opencode.ai/zen/go/a%ffb",
	},
	{"opencode.ai/zen/go/", "https://opencode.ai/zen/go https://opencode.ai/zen/go/v1", "https://opencode.ai/zen"},
	{"opencode.ai/", "https://opencode.ai https://opencode.ai/a%2fb https://opencode.ai/../x", "http://opencode.ai"},

	{
		pattern: "http://litellm:4000",
		yes:     "http://litellm:4000/v1 HTTP://LiteLLM:4000",
		no:      "http://litellm http://litellm:4001 https://litellm:4000 https://litellm http://x.litellm:4000",
	},
	{"http://litellm:80", "http://litellm http://litellm:80", "https://litellm:80 http://litellm:8080"},
	{
		pattern: "http://10.0.0.5:4000/v1",
		yes:     "http://10.0.0.5:4000/v1/x",
		no:      "http://10.0.0.5:4000/v2 http://10.0.0.50:4000/v1 http://110.0.0.5:4000/v1",
	},

	{
		pattern: "localhost",
		yes:     "http://localhost https://localhost http://localhost:11434/v1 https://LOCALHOST:8443",
		no:      "http://localhost.example.com http://localhost.example.com:11434 http://127.0.0.1 http://notlocalhost",
	},
	{
		pattern: "127.0.0.1:1234",
		yes:     "http://127.0.0.1:1234 https://127.0.0.1:1234",
		no: "http://127.0.0.1 http://127.0.0.1:12345 http://127.0.0.2:1234 http://localhost:1234 " +
			"http://127.0.0.1.example.com:1234",
	},
	{
		pattern: "http://127.0.0.1:80",
		yes:     "http://127.0.0.1 http://127.0.0.1:80 https://127.0.0.1:80",
		no:      "https://127.0.0.1 http://127.0.0.1:81",
	},
	{"https://localhost:443", "https://localhost https://localhost:443 http://localhost:443", "http://localhost"},
	{
		pattern: "[::1]:1234",
		yes:     "http://[::1]:1234 http://[0:0:0:0:0:0:0:1]:1234",
		no:      "http://[::1] http://[::2]:1234 http://[::1%25lo]:1234",
	},
	{
		pattern: "[2001:DB8::1]",
		yes:     "https://[2001:db8::1] https://[2001:db8:0:0::1]:443",
		no:      "http://[2001:db8::1] https://[2001:db8::2]",
	},
	{"192.0.2.7", "https://192.0.2.7", "http://192.0.2.7 https://192.0.2.70 https://3221225991"},
}

func TestHostPatternClaims(t *testing.T) {
	for _, c := range claimTable {
		p, err := parseHostPattern(c.pattern)
		require.NoError(t, err, c.pattern)
		for want, list := range map[bool]string{true: c.yes, false: c.no} {
			for raw := range strings.FieldsSeq(list) {
				u, err := url.Parse(raw)
				if err != nil {
					require.False(t, want, "%s: %v", raw, err)
					continue // net/http would not send it either
				}
				d := newDestination(u)
				assert.Equal(t, want, p.matches(&d), "%s claims %s", c.pattern, raw)
				if valid, claims := oracle(c.pattern, u); !valid || claims != want {
					t.Errorf("the oracle is wrong about %s and %s", c.pattern, raw)
				}
			}
		}
	}
}

// A program can make URLs that no parser makes. A URL with Opaque sends another path than Path, and
// Host may hold anything.
func TestHostPatternsAndURLsMadeByHand(t *testing.T) {
	for name, c := range map[string]struct {
		pattern string
		u       *url.URL
		want    bool
	}{
		"opaque, host alone is asked": {
			"api.x.ai", &url.URL{Scheme: "https", Host: "api.x.ai", Opaque: "//elsewhere/v1"}, true,
		},
		"opaque, path": {
			"opencode.ai/zen",
			&url.URL{Scheme: "https", Host: "opencode.ai", Path: "/zen/v1", Opaque: "//opencode.ai/account"}, false,
		},
		"opaque without host":      {"api.x.ai", &url.URL{Scheme: "https", Opaque: "//api.x.ai/v1"}, false},
		"upper-case scheme":        {"api.x.ai", &url.URL{Scheme: "HTTPS", Host: "api.x.ai"}, true},
		"no scheme":                {"api.x.ai", &url.URL{Host: "api.x.ai"}, false},
		"userinfo inside the host": {"api.x.ai", &url.URL{Scheme: "https", Host: "evil.example@api.x.ai"}, false},
		"two ports":                {"api.x.ai", &url.URL{Scheme: "https", Host: "api.x.ai:443:443"}, false},
		"port of letters":          {"api.x.ai", &url.URL{Scheme: "https", Host: "api.x.ai:https"}, false},
		"port 0":                   {"localhost", &url.URL{Scheme: "http", Host: "localhost:0"}, false},
		"IPv6 without brackets":    {"[::1]", &url.URL{Scheme: "http", Host: "::1"}, false},
		"bracket not closed":       {"[::1]", &url.URL{Scheme: "http", Host: "[::1"}, false},
		"path without its raw form": {
			"opencode.ai/zen", &url.URL{Scheme: "https", Host: "opencode.ai", Path: "/zen/v1"}, true,
		},
		"raw path that is not the path": {
			"opencode.ai/zen",
			&url.URL{Scheme: "https", Host: "opencode.ai", Path: "/zen/v1", RawPath: "/zen/a%2Fb"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parseHostPattern(c.pattern)
			require.NoError(t, err)
			d := newDestination(c.u)
			assert.Equal(t, c.want, p.matches(&d))
		})
	}
	d := newDestination(nil)
	_, ok := mapOf(t, "localhost").lookup(&d)
	assert.False(t, ok, "a nil URL belongs to nobody")
}

// mapOf makes a map of patterns, which spaces separate. The value of each pattern is its own text.
func mapOf(t testing.TB, patterns string) *hostMap[string] {
	t.Helper()
	m := new(hostMap[string])
	for text := range strings.FieldsSeq(patterns) {
		p, err := parseHostPattern(text)
		require.NoError(t, err)
		m.add(p, text)
	}
	return m
}

const manyPatterns = "x.ai api.x.ai *.x.com *.api.x.ai a*.api.x.ai ab*.api.x.ai abc.api.x.ai *.*.api.x.ai " +
	"host.example host.example:443 host.example:8443 host.example/a host.example/a/b host.example:8443/a " +
	"*.host.example/a/b/c *.host.example w.host.example/a localhost localhost:1234 localhost/v1 " +
	"http://plain.example:80 plain.example"

func TestLongestPatternWins(t *testing.T) {
	m := mapOf(t, manyPatterns)
	for raw, want := range map[string]string{
		"https://x.ai":                     "x.ai",
		"https://api.x.ai":                 "api.x.ai",
		"https://b.api.x.ai":               "*.api.x.ai",
		"https://ac.api.x.ai":              "a*.api.x.ai",
		"https://abd.api.x.ai":             "ab*.api.x.ai",
		"https://abc.api.x.ai":             "abc.api.x.ai",
		"https://abc.abc.api.x.ai":         "*.*.api.x.ai",
		"https://a.b.c.api.x.ai":           "",
		"https://host.example":             "host.example:443",
		"https://host.example:8443/b":      "host.example:8443",
		"https://host.example:8443/a/b":    "host.example:8443/a",
		"https://w.host.example/a/b/c":     "w.host.example/a", // more letters of a host beat any path
		"https://w.host.example/b":         "*.host.example",
		"https://v.host.example/a/b/c/d":   "*.host.example/a/b/c",
		"https://v.host.example/a/b/cd":    "*.host.example",
		"http://localhost/v2":              "localhost",
		"http://localhost:9/v1":            "localhost/v1",
		"http://localhost:1234/v1":         "localhost:1234", // a named port comes before the path
		"http://plain.example/":            "http://plain.example:80",
		"https://plain.example/":           "plain.example",
		"https://plain.example:80/":        "",
		"https://stranger.example/":        "",
		"https://stranger.x.com.evil.test": "",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		d := newDestination(u)
		got, ok := m.lookup(&d)
		assert.Equal(t, want, got, raw)
		assert.Equal(t, want != "", ok, raw)
	}
}

// Of equally long patterns the one that was added first wins. So the pool adds registered providers
// before built-in ones.
func TestFirstOfEqualPatternsWins(t *testing.T) {
	for _, pattern := range []string{"api.example.com/v1", "*.example.com"} {
		p, err := parseHostPattern(pattern)
		require.NoError(t, err)
		var m hostMap[int]
		for n := range 5 {
			m.add(p, n)
		}
		d := newDestination(&url.URL{Scheme: "https", Host: "api.example.com", Path: "/v1"})
		first, ok := m.lookup(&d)
		assert.True(t, ok)
		assert.Zero(t, first)
	}
}

// The built-in patterns are valid, need https, and no two providers claim the same pattern.
func TestBuiltinPatternsAreGoodAndNobodyElses(t *testing.T) {
	claims := make(map[string]string) // names of providers
	for row := range vendors.All() {
		for _, text := range row.Hosts {
			p, err := parseHostPattern(text)
			require.NoError(t, err, row.Name)
			assert.False(t, p.http, "%s: plain http is the registrant's decision", text)
			key := p.host + ":" + p.port + p.path
			assert.Empty(t, claims[key], "%s is claimed by %s too", text, row.Name)
			claims[key] = row.Name
		}
	}
}

// oracle decides by the letter of the rules whether a pattern is valid and whether it claims u. It
// is slow, shares nothing with the code, and goes by what net/http dials and sends.
func oracle(pattern string, u *url.URL) (valid, claims bool) {
	m := patternGrammar.FindStringSubmatch(pattern)
	if m == nil || m[1] == "" && strings.Contains(pattern, "://") { // with another scheme
		return false, false
	}
	scheme, host := asciiLower(m[1]), strings.TrimSuffix(asciiLower(m[2]), ".")
	port, path := m[3], strings.TrimRight(m[4], "/")
	if port != "" && !isPort(port) || climbing(path) {
		return false, false
	}
	matchHost, local := hostRule(host)
	wild := strings.Contains(host, "*")
	if matchHost == nil || scheme == "http" && !local && (port == "" || wild) {
		return false, false
	}
	return true, matchHost(dialled(u)) && originFits(scheme, port, local, u) && pathFits(path, u)
}

var (
	patternGrammar = regexp.MustCompile(`^(?:([hH][tT][tT][pP][sS]?)://)?` + // the scheme
		`(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.*-]+)` + // the host
		`(?::([0-9]+))?` + // the port
		`(/[^?#@ \\%*]*)?$`) // the path
	dotsAndNothing = regexp.MustCompile(`^\.\.[\x00-\x20\x7f]*$`)
	stillEncoded   = regexp.MustCompile(`(?s)%([0-9A-Fa-f]{2}|[Uu].)`)

	labelGrammar = regexp.MustCompile(`^[a-z0-9_-]*\*?[a-z0-9_-]*$`)
)

// asciiLower lowers only ASCII letters. Some other letters become ASCII ones in lower case,
// although net/http dials another host for them.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// hostRule returns the function that matches hosts against a pattern's host. It is nil for a bad
// pattern. local reports whether the pattern's host is this machine.
func hostRule(host string) (match func(string) bool, local bool) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.Is6() == strings.HasPrefix(host, "[") {
		return func(h string) bool { b, err := netip.ParseAddr(h); return err == nil && a == b }, a.IsLoopback()
	}
	labels := strings.Split(host, ".")
	expr := make([]string, len(labels))
	for i, l := range labels {
		if l == "" || !labelGrammar.MatchString(l) || strings.Contains(l, "*") && i >= len(labels)-2 {
			return nil, false
		}
		expr[i] = strings.ReplaceAll(regexp.QuoteMeta(l), `\*`, `[^.]+`)
	}
	if last := labels[len(labels)-1]; strings.Contains(host, "*") && last[0] >= '0' && last[0] <= '9' {
		return nil, false
	}
	return regexp.MustCompile(`^` + strings.Join(expr, `\.`) + `$`).MatchString, host == "localhost"
}

// dialled returns the host that net/http connects to. For a name that is not ASCII net/http dials
// another name, so no pattern claims it: then dialled returns "".
func dialled(u *url.URL) string {
	h := u.Hostname()
	otherScript := strings.ContainsFunc(h, func(r rune) bool { return r > 126 })
	if otherScript || strings.Contains(h, ":") && !strings.HasPrefix(u.Host, "[") {
		return ""
	}
	return strings.TrimSuffix(asciiLower(h), ".")
}

// originFits reports whether the scheme and the port of u fit those of a pattern.
func originFits(scheme, port string, local bool, u *url.URL) bool {
	defaults := map[string]string{"http": "80", "https": "443"}
	at := u.Port()
	if at == "" {
		at = defaults[u.Scheme]
	}
	if defaults[u.Scheme] == "" || !isPort(at) {
		return false
	}
	want, _ := strconv.Atoi(port)
	got, _ := strconv.Atoi(at)
	switch {
	case local:
		return port == "" || got == want
	case scheme == "http":
		return u.Scheme == "http" && got == want
	case port == "":
		want = 443
	}
	return u.Scheme == "https" && got == want
}

// climbing reports whether a server may resolve the path, as it is written, to a folder above.
func climbing(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		before, _, _ := strings.Cut(segment, ";")
		if dotsAndNothing.MatchString(before) {
			return true
		}
	}
	return false
}

// pathFits reports whether the path that net/http sends for u begins with the segments of prefix.
func pathFits(prefix string, u *url.URL) bool {
	if prefix == "" {
		return true
	}
	sent := strings.ToLower(u.EscapedPath() + u.RawPath) // net/http does not send a RawPath that does not match Path
	if u.Opaque != "" || strings.Contains(sent, "%2f") || strings.Contains(sent, "%5c") || climbing(u.Path) ||
		stillEncoded.MatchString(u.Path) || !utf8.ValidString(u.Path) {
		return false
	}
	want, got := strings.Split(prefix, "/"), strings.Split(u.Path, "/")
	for i, segment := range want {
		if i >= len(got) || got[i] != segment {
			return false
		}
	}
	return true
}

// FuzzHostPattern compares the code with the oracle.
func FuzzHostPattern(f *testing.F) {
	for _, c := range claimTable {
		for raw := range strings.FieldsSeq(c.yes + " " + c.no) {
			f.Add(c.pattern, raw, "")
		}
	}
	for pattern := range strings.FieldsSeq(manyPatterns) {
		f.Add(pattern, "https://abc.api.x.ai/a/b", "//elsewhere/a")
	}
	for _, pattern := range []string{
		"", "*", "*.com", "a**.b.c", "a..b", "h:0", "h:x", "u@h", "h?q", "h#f", `h\x`, "h/../x", "h/%2f", "h/*",
		"ftp://h", "http://h", "[::1", "[]",
	} {
		f.Add(pattern, "https://h/x", "")
	}
	f.Fuzz(func(t *testing.T, pattern, raw, opaque string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		if opaque != "" {
			u.Opaque = opaque
		}
		p, err := parseHostPattern(pattern)
		valid, claims := oracle(pattern, u)
		require.Equal(t, valid, err == nil, "pattern %q is good: %v", pattern, err)
		if err != nil {
			return
		}
		d := newDestination(u)
		require.Equal(t, claims, p.matches(&d), "%q claims %q", pattern, u)
		var m hostMap[bool]
		m.add(p, true)
		_, found := m.lookup(&d)
		require.Equal(t, claims, found, "the map finds %q by %q", u, pattern)
	})
}

// Some letters become ASCII letters in lower case, or look like them. For such a name net/http
// dials another host: for "apİ.example" one that begins with xn--ap-.
func TestHostInAnotherScriptIsNobodys(t *testing.T) {
	for pattern, list := range map[string]string{
		"api.openai.com":   "https://api.openaİ.com https://apİ.openai.com https://api.opena%C4%B0.com",
		"api.kimi.com":     "https://api.\u212aimi.com",
		"*.api.openai.com": "https://u\u015f.api.openai.com https://a。b.api.openai.com https://a.api.openaİ.com",
	} {
		p, err := parseHostPattern(pattern)
		require.NoError(t, err)
		for raw := range strings.FieldsSeq(list) {
			u, err := url.Parse(raw)
			require.NoError(t, err)
			d := newDestination(u)
			assert.False(t, p.matches(&d), "%s claims %s", pattern, u.Host)
		}
		_, err = parseHostPattern(strings.ReplaceAll(pattern, "i", "İ"))
		assert.ErrorContains(t, err, "write an internationalized name in its ASCII form")
	}
}

func TestHostPatternsWrittenOtherwise(t *testing.T) {
	for _, bad := range []string{"[api.x.ai]", "[192.0.2.7]", "[fe80::1%eth0]"} {
		_, err := parseHostPattern(bad)
		assert.ErrorContains(t, err, "IPv6", bad)
	}
	p, err := parseHostPattern("gateway.corp:08443")
	require.NoError(t, err)
	d := newDestination(&url.URL{Scheme: "https", Host: "gateway.corp:8443"})
	assert.True(t, p.matches(&d), "a leading zero changes nothing")
	_, err = parseHostPattern("https://someone:hunter2@gateway.corp")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
	assert.ErrorContains(t, err, `host pattern "gateway.corp": a pattern holds no user name`)
}
