package verdict

import "strings"

// Vocabulary returns the texts that the rules look for: their codes, phrases and headers, and the
// names of the members that tell something. A text of their words alone says something of a refusal,
// and nothing of a person.
func Vocabulary() (texts []string) {
	for _, stage := range ruleTable {
		for _, r := range stage {
			texts = append(texts, r.reason, r.in, r.header)
			for _, list := range [][]string{r.code, r.phrase, r.page, r.unless} {
				texts = append(texts, list...)
			}
		}
	}
	texts = append(texts, strings.Fields(codeKeys+" "+textKeys+" "+tellingKeys)...)
	for _, b := range bodyResets {
		texts = append(texts, b.key)
	}
	for _, p := range periods {
		texts = append(texts, "per "+p.name, "per"+p.name)
		texts = append(texts, strings.Fields(p.words)...)
	}
	return texts
}
