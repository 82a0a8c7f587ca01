package vendors

import (
	"fmt"
	"slices"
	"strings"
)

// Unknown says that nobody knows a provider, which name a person may have meant, and the way out.
// more are names that are known beside those of the table. A name that is longer than any
// provider's is not repeated: it may be a secret in the wrong place.
func Unknown(name, wayOut string, more ...string) string {
	if len(name) > mostLetters {
		return "the provider is unknown (its name is not repeated, it may be a secret); " + wayOut
	}
	if meant := near(clean(name), more); meant != "" {
		return fmt.Sprintf("provider %q is unknown (did you mean %q?); %s", name, meant, wayOut)
	}
	return fmt.Sprintf("provider %q is unknown; %s", name, wayOut)
}

// mostLetters is more than the longest name has.
const mostLetters = 24

// near is Nearest among the names and aliases of the table, and some more.
func near(name string, more []string) string {
	known := slices.Clone(more)
	for v := range All() {
		known = append(append(known, v.Name), v.Aliases...)
	}
	return Nearest(name, known)
}

// Nearest returns the known name that differs least from one that is not known; empty: none is near. Of
// equals it is the first by the alphabet.
func Nearest(name string, known []string) (best string) {
	if len(name) > mostLetters {
		return "" // it takes time, and no name is as long
	}
	known = slices.Sorted(slices.Values(known))
	least := 2 * (1 + max(1, len(name)/4))
	for _, k := range known {
		d := 2 * distance(name, k)
		if begins(name, k) || begins(k, name) {
			d = min(d, 3) // one letter differs less
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// begins reports whether long is short and a further word, as in "gemini-pro".
func begins(long, short string) bool {
	rest, ok := strings.CutPrefix(long, short)
	return ok && len(short) > 3 && rest != "" && strings.ContainsAny(rest[:1], "-_./ ")
}

// distance is how many letters must be put in, left out, replaced, or changed with their neighbour
// to make b of a.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
