package verdict

import (
	"fmt"
	"net/http"
	"slices"
)

// refined are the meanings that no cell has.
var refined = []cell{{kind: Exhausted, reason: "rate-limit"}, {kind: Pass, reason: "not-found"}}

// Reasoned reports whether a rule or a cell has that kind and reason.
func Reasoned(k Kind, reason string) bool {
	return slices.ContainsFunc(allRules(), func(r *rule) bool { return r.reason == reason && r.kind == k }) ||
		slices.ContainsFunc(matrix, func(c cell) bool { return c.reason == reason && c.kind == k }) ||
		slices.ContainsFunc(slices.Concat(alone, refined), func(c cell) bool { return c.reason == reason && c.kind == k })
}

// Deciding returns the number of the rule that decides about an answer, and false if none does.
func Deciding(p Provider, resp *http.Response, body []byte) (number int, ok bool) {
	e, ok := examine(p, resp, body)
	if !ok {
		return 0, false
	}
	d := e.weigh()
	number = slices.Index(allRules(), d.rule)
	return number, number >= 0
}

// Worded returns the numbers of the rules that stand on words alone, with their reasons.
func Worded() map[int]string {
	worded := make(map[int]string)
	for i, r := range allRules() {
		if r.phrase != nil && r.code == nil && r.header == "" && r.in == "" {
			worded[i] = r.reason
		}
	}
	return worded
}

// Hear judges by the words and the status, without the tables of vendors.
func Hear(p Provider, resp *http.Response, body []byte) (Verdict, string) {
	e, ok := examine(p, resp, body)
	if !ok {
		return Verdict{}, "no refusal"
	}
	var d decision
	if d.rule = e.firstOf([][]rule{edgeRules}); d.rule == nil {
		if d.heard = e.listen(); d.heard.found && d.heard.best.fits(e.status) {
			d.spoke = true
		} else {
			d.rule = e.firstOf(after)
		}
	}
	return d.verdict(), fmt.Sprintf("best %+v next %+v", d.heard.best, d.heard.next)
}
