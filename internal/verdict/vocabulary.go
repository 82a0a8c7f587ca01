package verdict

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
	for _, keys := range []map[string]bool{codeKeys, textKeys, tellingKeys} {
		for key := range keys {
			texts = append(texts, key)
		}
	}
	for _, b := range bodyResets {
		texts = append(texts, b.key)
	}
	for _, p := range namedPeriods {
		texts = append(texts, p.words...)
	}
	return texts
}
