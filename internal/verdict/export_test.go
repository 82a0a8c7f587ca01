package verdict

import (
	"net/http"
	"slices"
)

// Reasoned reports whether a rule has that kind and reason.
func Reasoned(k Kind, reason string) bool {
	return slices.ContainsFunc(allRules(), func(r *rule) bool { return r.reason == reason && r.kind == k })
}

// Deciding returns the number of the rule that decides about an answer, and false if none does.
func Deciding(p Provider, resp *http.Response, body []byte) (number int, ok bool) {
	e, ok := examine(p, resp, body)
	if !ok {
		return 0, false
	}
	number = slices.Index(allRules(), e.decidingRule())
	return number, number >= 0
}

// Worded returns the numbers of the rules that stand on words alone, with their reasons.
func Worded() map[int]string {
	worded := make(map[int]string)
	for i, r := range allRules() {
		if r.phrase != nil && r.code == nil && r.header == "" {
			worded[i] = r.reason
		}
	}
	return worded
}
