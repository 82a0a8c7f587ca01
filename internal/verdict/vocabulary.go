package verdict

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// entry is one expression of the lexicon: its further words, and what it says.
type entry struct {
	rest []string
	says concept
}

// vocabulary is the lexicon as it is looked up.
type vocabulary struct {
	exact map[string][]entry     // by the first word
	stems map[string]concept     // the beginnings of words
	runes map[rune][]scriptEntry // of languages without spaces, by the first letter
	heads map[string]uint64      // by the first bytes of stems: the bit of each length that they have
}

type scriptEntry struct {
	text string
	says concept
}

// known is the lexicon. It is made at first use: a program that is never refused needs none.
var known = sync.OnceValue(func() *vocabulary {
	v := &vocabulary{
		exact: make(map[string][]entry), stems: make(map[string]concept),
		runes: make(map[rune][]scriptEntry), heads: make(map[string]uint64),
	}
	for _, row := range lexicon {
		for w := range strings.FieldsSeq(row.words) {
			v.add(w, row.says)
		}
	}
	return v
})

func (v *vocabulary) add(w string, says concept) {
	first, _ := utf8.DecodeRuneInString(w)
	w, stem := strings.CutSuffix(w, "*")
	if unspaced(first) {
		text := strings.ReplaceAll(w, "_", " ")
		v.runes[first] = append(v.runes[first], scriptEntry{text, says})
		return
	}
	if stem && !strings.Contains(w, "_") {
		v.stems[w] |= says
		v.heads[w[:minStem]] |= 1 << len(w)
		return
	}
	parts := strings.Split(strings.Trim(w, "_"), "_")
	for i := range v.exact[parts[0]] {
		if e := &v.exact[parts[0]][i]; slices.Equal(e.rest, parts[1:]) {
			e.says |= says
			return
		}
	}
	v.exact[parts[0]] = append(v.exact[parts[0]], entry{parts[1:], says})
}

// minStem is how many bytes a stem has at least.
const minStem = 3

// unspaced reports whether a language writes no spaces between its words, or glues endings to them.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// How long a word may be that is taken apart.
const minCompound, maxCompound = 8, 96

// compound takes a code apart that is written as one word, such as insufficientbalance. It returns
// what its words say, or nil if it is not made of known words alone.
func (v *vocabulary) compound(w string) []concept {
	var dead [maxCompound + 1]bool // no way from there
	if len(w) < minCompound || len(w) > maxCompound {
		return nil
	}
	return v.apart(w, 0, nil, &dead)
}

// apart takes the rest of w from i on apart.
func (v *vocabulary) apart(w string, i int, said []concept, dead *[maxCompound + 1]bool) []concept {
	if i == len(w) {
		return said
	}
	for end := len(w); end >= i+2; end-- {
		if dead[end] {
			continue
		}
		if says := v.word(w[i:end]); says != 0 {
			if all := v.apart(w, end, append(said, says), dead); all != nil {
				return all
			}
		}
	}
	dead[i] = true
	return nil
}

// word returns what one word says.
func (v *vocabulary) word(w string) concept {
	for _, e := range v.exact[w] {
		if len(e.rest) == 0 {
			return e.says
		}
	}
	for n := len(w); n >= 5 && n >= len(w)-4; n-- {
		if says := v.stems[w[:n]]; says != 0 {
			return says
		}
	}
	return 0
}
