package verdict

import (
	"fmt"
	"math/bits"
	"net/http"
	"strings"
	"time"
)

// Explanation tells why an answer got its verdict. Its texts are words of the answer.
type Explanation struct {
	Verdict   Verdict
	Decided   string   // what decided: "the rule …", "the words", or "nothing: it is no failure"
	Codes     []string // of the answer, in lower case
	Sentences []string // of the answer
	Said      []Said   // what the words say: what counts most, and what would have been else
	Stages    []Stage  // what each stage found, in their order; those behind the deciding one too
}

// Said is what some words of an answer say.
type Said struct {
	Kind      Kind
	Reason    string
	Who, What string // whom the words mean, and what they say of it
	Words     string // from the one to the other
	Code      bool   // they are a code
}

// Stage is one stage of the decision.
type Stage struct {
	Name  string
	Found string // a verdict with its reason; empty: nothing
}

// Explain is Of with the reasons. It takes more time.
func Explain(p Provider, resp *http.Response, body []byte) Explanation {
	x := Explanation{Decided: "nothing: it is no failure"}
	if resp == nil {
		return x
	}
	e, ok := examine(p, resp, body[:min(len(body), MaxBody)])
	if !ok {
		return x
	}
	x.Verdict, x.Codes, x.Sentences = e.decide(time.Now()), e.codes, e.texts
	d := e.weigh()
	switch {
	case d.rule != nil:
		x.Decided = "the rule " + d.rule.reason
	case d.spoke:
		x.Decided = "the words"
	}
	d.heard = e.listen()
	if d.heard.found {
		x.Said = append(x.Said, d.heard.best.explain())
	}
	if d.heard.two {
		x.Said = append(x.Said, d.heard.next.explain())
	}
	x.Stages = e.stages(&d.heard)
	return x
}

// explain puts a finding into words.
func (f *finding) explain() Said {
	return Said{f.kind, f.reason, f.who.names(), f.what.names(), f.text, f.fromCode}
}

// stages asks each stage for itself.
func (e *evidence) stages(h *heard) (list []Stage) {
	add := func(name string, v Verdict, found bool) {
		s := Stage{Name: name}
		if found {
			s.Found = fmt.Sprintf("%s, %s", v.Kind, v.Reason)
		}
		list = append(list, s)
	}
	for i, stage := range before {
		r := e.firstOf([][]rule{stage})
		add(stageNames[i], ruleVerdict(r), r != nil)
	}
	fits := h.found && h.best.fits(e.status)
	add("the words", Verdict{Kind: h.best.kind, Reason: h.best.reason}, fits)
	r := e.firstOf(after)
	add("the status", ruleVerdict(r), r != nil)
	return list
}

// stageNames are those of the tables in before.
var stageNames = []string{
	"who answered", "somebody else's trouble", "this vendor's codes and words", "codes of any vendor", "a bad request",
}

func ruleVerdict(r *rule) Verdict {
	if r == nil {
		return Verdict{}
	}
	return Verdict{Kind: r.kind, Reason: r.reason}
}

// conceptNames are the names of what a word may mean, in the order of their bits.
var conceptNames = []string{
	"money", "a limit", "a rate", "the key", "the account", "the model", "the place", "the client", "the plan",
	"a permission", "the upstream", "the vendor", "the request", "the content", "a feature", "the way to log in",
	"lacking", "overdue", "used up", "exceeded", "invalid", "expired", "revoked", "not found", "inactive", "banned",
	"misused", "denied", "not activated", "overloaded", "malformed", "failed", "needed",
}

// names names whom, or what, the concept stands for.
func (c concept) names() string {
	var list []string
	for c &= anyWho | anyWhat; c != 0; c &= c - 1 {
		list = append(list, conceptNames[bits.TrailingZeros64(uint64(c))])
	}
	return strings.Join(list, ", ")
}
