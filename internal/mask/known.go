package mask

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/vendors"
)

// pattern finds what looks like a secret. Its group is the secret.
type pattern struct {
	find  *regexp.Regexp
	least int  // characters that it has
	mixed bool // it counts only with a digit in it: without one it may be a word
}

// matches returns where in a text the pattern finds secrets. A full stop at the end is the sentence's.
func (p pattern) matches(text []byte) (list [][2]int) {
	for _, at := range p.find.FindAllSubmatchIndex(text, -1) {
		found := bytes.TrimRight(text[at[2]:at[3]], ".")
		if len(found) >= p.least && (!p.mixed || bytes.ContainsAny(found, "0123456789")) {
			list = append(list, [2]int{at[2], at[2] + len(found)})
		}
	}
	return list
}

// tail is the rest of a key. Behind a line break it goes on with what is no word.
const tail = `([A-Za-z0-9_.~+/=-]{8,}(?:\n[A-Za-z0-9_.~+/=-]*[0-9][A-Za-z0-9_.~+/=-]*)*)`

// known returns the patterns of what is a secret, whoever's it is.
//
//nolint:gochecknoglobals // made once for the process
var known = sync.OnceValue(func() []pattern {
	return []pattern{
		// What begins like a known key.
		{find: regexp.MustCompile(`(?:^|[^A-Za-z0-9])(?:` + prefixes() + `)` + tail), least: run},
		// Members of a token endpoint's answer, which a refresher may fail to read.
		{find: regexp.MustCompile(`(?i)(?:access|refresh|id)_?token["']? ?[:=] ?["']?` + tail), least: run, mixed: true},
		// Members of a connection string.
		{find: regexp.MustCompile(`(?i)(?:password|passwd|pwd|client_?secret)=["']?([^\s"'&;,]{4,})`)},
		// The user information of a URL, and of one that net/url cannot read and quotes.
		{find: regexp.MustCompile(`://([^\s/@"'<>]+|[^\s/:@"'<>]+:[^\s"'<>]*)@`)},
		{find: regexp.MustCompile(`"[A-Za-z][A-Za-z0-9+.-]*://([^\s/:@"]+:[^"\n]*)@`)},
	}
})

// prefixes matches the public prefixes, the longest first.
func prefixes() string {
	list := slices.Clone(vendors.Prefixes())
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for i, p := range list {
		list[i] = regexp.QuoteMeta(p)
	}
	return strings.Join(list, "|")
}
