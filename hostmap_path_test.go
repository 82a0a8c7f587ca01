package reauth

import (
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPathsBelowAPattern checks that no reading of a path that a pattern claims leaves the pattern's
// path: a server may decode the path several times, in lenient ways, and resolve it then.
func FuzzPathsBelowAPattern(f *testing.F) {
	for _, rest := range []string{
		"", "/", "/v1/models", "/..", "/%2e%2e/x", "/%252e%252e/x", "/%25252e%25252e%25252fx", "/.%252e/x",
		"/a%252fb", "/..%252fx", "/..%255c..%255cx", "/%25u002e%25u002e/x", "/%25%32%65%25%32%65/x",
		"/%c0%ae%c0%ae/x", "/%25c0%25ae./x", "/..%00/x", "/..%20/x", "/..;a/x", "/..%3ba/x", "/50%25.txt", "/a%20b",
	} {
		f.Add("/zen/go" + rest)
	}
	const own = "/zen/go"
	p, err := parseHostPattern("opencode.ai" + own)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse("https://opencode.ai" + raw)
		if err != nil || u.Host != "opencode.ai" {
			return
		}
		if d := newDestination(u); !p.matches(&d) {
			return
		}
		for reading := u.Path; ; reading = decodedOnceMore(reading) {
			seen := resolved(reading)
			require.True(t, seen == own || strings.HasPrefix(seen, own+"/"), "%q may be read as %q", raw, seen)
			if reading == decodedOnceMore(reading) {
				return
			}
		}
	})
}

var escape = regexp.MustCompile(`%(?:[0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{4})`)

// decodedOnceMore replaces each escape by what it stands for. It leaves alone what is none.
func decodedOnceMore(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		code, _ := strconv.ParseUint(strings.TrimLeft(e, "%uU"), 16, 32) // the expression lets digits through only
		if len(e) == len("%XX") {
			return string([]byte{byte(code)})
		}
		return string(rune(code))
	})
}

// resolved returns a path as a lenient server resolves it.
func resolved(p string) string {
	p = strings.NewReplacer(`\`, "/", "\xc0\xae", ".", "\xc0\xaf", "/").Replace(p)
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		name, _, _ := strings.Cut(segment, ";")
		segments[i] = strings.TrimRight(name, " \t\r\n\x00")
	}
	return path.Clean("/" + strings.Join(segments, "/"))
}
