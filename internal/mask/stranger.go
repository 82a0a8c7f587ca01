package mask

import (
	"regexp"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Lengths of what may be a secret that nobody has told us.
const (
	withDigit = 20 // characters, with a digit among them: a token, a key, an id
	letters   = 32 // letters alone: longer than a word
)

// runs matches what tokens, keys, ids, paths and URLs are made of.
//
//nolint:gochecknoglobals // made once for the process
var runs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9_+/.~%:-]+`) })

// Stranger returns what may be told of a text that may hold secrets which nobody has told us, such as
// the words of a program that prints a token. It is Text, and masks what looks like a secret besides:
// a run of 20 characters with a digit among them, or of 32 letters. Ids of requests go with it, while
// words, file names and hosts stay.
func Stranger(text string, secrets ...string) string {
	m := newMasking(text, secrets)
	m.search(plain(m.source), rounds)
	for _, at := range runs().FindAllStringIndex(m.source, -1) {
		from, to := opaque(m.source[at[0]:at[1]])
		for i := at[0] + from; i < at[0]+to; i++ {
			m.hidden[i] = true
		}
	}
	return m.clean()
}

// opaque returns which part of a run looks like a secret; an empty part: none. Of a path and a URL it
// is what stands between the first and the last segment that look like one, else the whole run behind
// its public prefix.
func opaque(run string) (from, to int) {
	begin := 0
	for begin < len(run) {
		end := begin + strings.IndexAny(run[begin:]+"/", "/.:")
		if looksSecret(run[begin:end]) {
			if to == 0 {
				from = begin
			}
			to = end
		}
		begin = end + 1
	}
	if to > 0 && !strings.HasPrefix(run, "/") && !strings.Contains(run, "//") {
		return len(vendors.PublicPrefix(run)), len(run)
	}
	return from, to
}

// looksSecret reports whether a segment may be a secret, or a part of one.
func looksSecret(segment string) bool {
	if len(segment) >= withDigit && strings.ContainsAny(segment, "0123456789") {
		return true
	}
	return len(segment) >= letters && !strings.ContainsAny(segment, "_-")
}
