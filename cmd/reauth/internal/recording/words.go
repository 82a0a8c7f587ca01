package recording

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/internal/verdict"
)

// words.txt holds the words of APIs and of English that occur in what providers answer, beside
// those that the rules look for.
//
//go:embed words.txt
var words string

// vocabulary returns the words that are never secret, in lower case: those that the rules look for,
// the names and hosts of providers, and words.txt.
var vocabulary = sync.OnceValue(func() map[string]bool { //nolint:gochecknoglobals // made once
	set := make(map[string]bool)
	add := func(texts ...string) {
		for _, text := range texts {
			for _, part := range parts(strings.ToLower(text)) {
				set[part] = true
			}
		}
	}
	add(words)
	add(verdict.Vocabulary()...)
	for row := range vendors.All() {
		add(row.Name)
		add(row.Aliases...)
		add(row.Hosts...)
	}
	return set
})

// parts returns the runs of letters and digits in a text.
func parts(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// isWord reports whether a run of letters and digits is a word of the vocabulary, one with a number
// behind it such as sha256, or several in CamelCase.
func isWord(part string) bool {
	lower, known := strings.ToLower(part), vocabulary()
	word := strings.TrimRight(lower, "0123456789")
	switch {
	case known[lower], known[strings.TrimSuffix(lower, "s")]:
		return true
	case len(word) >= 3 && len(lower)-len(word) <= 3 && known[word]:
		return true
	}
	pieces := camelPieces(part)
	for _, piece := range pieces {
		if len(piece) < 3 && !strings.EqualFold(piece, "id") || !known[strings.ToLower(piece)] {
			return false
		}
	}
	return len(pieces) > 1
}

// camelPieces splits a name in CamelCase: API and Key of APIKey.
func camelPieces(name string) (pieces []string) {
	isUpper := func(i int) bool { return i < len(name) && 'A' <= name[i] && name[i] <= 'Z' }
	isLower := func(i int) bool { return i < len(name) && 'a' <= name[i] && name[i] <= 'z' }
	begin := 0
	for i := 1; i < len(name); i++ {
		if isUpper(i) && (isLower(i-1) || isLower(i+1)) {
			pieces, begin = append(pieces, name[begin:i]), i
		}
	}
	return append(pieces, name[begin:])
}

// areWords reports whether a text has nothing but words of the vocabulary, and numbers of at most
// so many digits.
func areWords(text string, digits int) bool {
	for _, r := range text {
		if r > unicode.MaxASCII {
			return false
		}
	}
	for _, part := range parts(text) {
		if !isWord(part) && !isNumber(part, digits) {
			return false
		}
	}
	return true
}

// isNumber reports whether a run has at most so many digits and nothing else.
func isNumber(part string, digits int) bool {
	return len(part) <= digits && strings.Trim(part, "0123456789") == ""
}

// isForeign reports whether a text is a word of another language than English: it has nothing but
// letters, and one of them that no key has.
func isForeign(text string) bool {
	other := func(r rune) bool { return r > unicode.MaxASCII }
	return strings.ContainsFunc(text, other) && !strings.ContainsFunc(strings.Trim(text, "-.:?!"), func(r rune) bool {
		return !unicode.IsLetter(r)
	})
}
