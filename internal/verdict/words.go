package verdict

import (
	"slices"
	"strings"
)

// longestWord is how long the name of a member may be that counts as a word. Longer ones are names of
// headers, written without their hyphens.
const longestWord = 24

// Vocabulary returns the texts that the classifier knows: the English words of the lexicon, the codes, phrases
// and headers of the rules, and the names of the members that tell something. A text of their words
// alone says something of a refusal, and nothing of a person.
func Vocabulary() (texts []string) {
	for _, row := range lexicon {
		for w := range strings.FieldsSeq(row.words) {
			if isASCII(w) {
				texts = append(texts, strings.ReplaceAll(strings.TrimSuffix(w, "*"), "_", " "))
			}
		}
	}
	for _, stage := range slices.Concat(before, after) {
		for _, r := range stage {
			texts = append(texts, r.reason, r.in, r.header)
			for _, list := range [][]string{r.code, r.phrase, r.page, r.unless} {
				texts = append(texts, list...)
			}
		}
	}
	for key := range knownKeys() {
		if len(key) <= longestWord {
			texts = append(texts, key)
		}
	}
	for _, p := range periods {
		texts = append(texts, "per "+p.name, "per"+p.name)
		texts = append(texts, strings.Fields(p.words)...)
	}
	return texts
}
