package reauth

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Kind is what a provider's answer says about the credential that was sent.
type Kind uint8

// The kinds of verdict.
const (
	Pass      Kind = iota // not about the credential: success, bad request, overload, edge page, an upstream's trouble
	Rejected              // the provider does not accept this credential now: expired, invalid, revoked
	Dead                  // the account or key is gone for good, said by a structured code: deactivated, banned, leaked
	Exhausted             // quota, billing, rate or spending limit of this credential
	Forbidden             // identity accepted, not entitled: scope, plan, region, policy; a refresh cannot help
)

var kindTable = [...]string{"pass", "rejected", "dead", "exhausted", "forbidden"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindTable) {
		return kindTable[k]
	}
	return "unknown"
}

// Verdict is what Classify makes of an answer. The zero value is a Pass without a reason.
type Verdict struct {
	Kind Kind
	// Reason names the rule that decided: short, stable and without anything of the answer in it, fit for logs and as
	// a metric's label, such as "xai:bad-credentials". Of an Exhausted verdict it tells how long the credential is put
	// aside when there is no Reset: 1 h when it contains "billing", 60 s for "rate", else 15 min.
	Reason string
	// Reset is when the provider says an exhausted credential recovers; zero if it does not say. It lies at most
	// 35 days ahead, and in the past when the provider named an instant that has gone by.
	Reset time.Time
}

// label is the verdict as events have it.
func (v Verdict) label() string {
	if v.Reason == "" {
		return v.Kind.String()
	}
	return v.Kind.String() + ":" + v.Reason
}

// maxPeek is how much of an answer is looked at.
const maxPeek = 64 << 10

// Classify reads an answer by the built-in rules: those of the provider, which may be given by any of its names, and the
// generic ones. An unknown provider gets the generic ones. body is the beginning of the answer's body, decoded; of more
// than 64 KiB the rest is ignored. resp.Body is not read, resp.Request may be nil; a nil resp is a Pass. Classify changes nothing and depends
// on nothing else but the clock: a relative reset time counts from a sane Date header, else from now.
//
// It may be called from several goroutines at once.
func Classify(provider string, resp *http.Response, body []byte) Verdict {
	return classify(canonicalName(provider), resp, body)
}

// classify is Classify for a canonical name.
func classify(provider string, resp *http.Response, body []byte) Verdict {
	if resp == nil {
		return Verdict{}
	}
	body = body[:min(len(body), maxPeek)]
	if v, ok := lastJudged.Load().recall(provider, resp, body); ok {
		return v
	}
	v := judge(provider, resp, body)
	remember(provider, resp, body, v)
	return v
}

// judge is classify without a memory.
func judge(provider string, resp *http.Response, body []byte) Verdict {
	body = decodeMagic(body)
	var e *evidence
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		var failed bool
		if e, failed = readFailure(provider, resp.Header, body); !failed {
			return Verdict{}
		}
	case resp.StatusCode < 400:
		return Verdict{}
	default:
		e = readEvidence(provider, resp.StatusCode, resp.Header, body)
	}
	return e.decide(time.Now())
}

// judged is an answer and what was made of it. In a storm everybody gets the same refusal: judging the last one again, which
// takes a third of what a caller costs, is spared. Only what does not depend on the clock is remembered, and nothing long.
type judged struct {
	provider string
	status   int
	header   [len(consulted)][]string
	body     string
	verdict  Verdict
}

var lastJudged atomic.Pointer[judged]

// consulted are the headers that a verdict without a reset may depend on, as net/http writes them.
var consulted = [...]string{
	"Cf-Mitigated", "Content-Type", "Www-Authenticate", "X-Amzn-Errortype", "X-Amzn-Waf-Action", "X-Error-Json",
	"X-Openai-Authorization-Error", "X-Vercel-Error", "X-Vercel-Mitigated",
}

const maxRemembered = 1 << 10

func (j *judged) recall(provider string, resp *http.Response, body []byte) (Verdict, bool) {
	if j == nil || j.status != resp.StatusCode || j.provider != provider || j.body != string(body) {
		return Verdict{}, false
	}
	for i, name := range consulted {
		if !slices.Equal(j.header[i], resp.Header[name]) {
			return Verdict{}, false
		}
	}
	return j.verdict, true
}

func remember(provider string, resp *http.Response, body []byte, v Verdict) {
	if v.Kind != Rejected || len(body) > maxRemembered {
		return
	}
	j := &judged{provider: provider, status: resp.StatusCode, body: string(body), verdict: v}
	for i, name := range consulted {
		j.header[i] = slices.Clone(resp.Header[name])
	}
	lastJudged.Store(j)
}

// decide asks the rules in order; the first that matches decides.
func (e *evidence) decide(now time.Time) Verdict {
	for _, stage := range ruleTable {
		for i := range stage {
			r := &stage[i]
			if !r.matches(e) {
				continue
			}
			v := Verdict{Kind: r.kind, Reason: r.reason}
			if r.kind == Exhausted {
				v.Reset = e.reset(now, r.reason)
			}
			return v
		}
	}
	return Verdict{}
}

// rule is one row of the table. All conditions that are set must hold; of a list, one entry must.
type rule struct {
	kind   Kind
	reason string
	in     string   // canonical names of providers, separated by spaces; empty: everywhere
	status []int    // a number below 10 stands for its class; nil: any. An event without a status matches any but a class
	header string   // "Name" is there, or "Name: part" and its value contains part
	code   []string // "x" is x; "x*" and "*x" are what begins or ends so
	phrase []string // at most six words, lower case; "a … b" is a and soon after it b, "^a" is a at the beginning
	page   []string // words of an HTML page; "" is any page
	unless []string // phrases that must not occur
}

func (r *rule) matches(e *evidence) bool {
	return r.matchesStatus(e.status) && (e.status != 0 || r.code != nil || r.phrase != nil) &&
		r.appliesTo(e.provider) &&
		(r.header == "" || matchesHeader(r.header, e.header)) &&
		(r.code == nil || slices.ContainsFunc(e.codes, r.names)) &&
		(r.phrase == nil || says(e.text, r.phrase)) &&
		(r.page == nil || e.page != "" && says(e.page, r.page)) &&
		!says(e.text, r.unless)
}

func (r *rule) appliesTo(provider string) bool {
	if r.in == "" {
		return true
	}
	for name := range strings.FieldsSeq(r.in) {
		if name == provider {
			return true
		}
	}
	return false
}

func (r *rule) matchesStatus(status int) bool {
	if r.status == nil {
		return true
	}
	for _, s := range r.status {
		if s == status || s < 10 && s == status/100 || s >= 10 && status == 0 {
			return true
		}
	}
	return false
}

// names reports whether the rule names code.
func (r *rule) names(code string) bool {
	for _, c := range r.code {
		switch {
		case c == code:
			return true
		case strings.HasSuffix(c, "*") && strings.HasPrefix(code, c[:len(c)-1]):
			return true
		case strings.HasPrefix(c, "*") && strings.HasSuffix(code, c[1:]):
			return true
		}
	}
	return false
}

func matchesHeader(want string, h http.Header) bool {
	name, part, _ := strings.Cut(want, ": ")
	for _, v := range h.Values(name) {
		if strings.Contains(strings.ToLower(v), part) {
			return true
		}
	}
	return false
}

// says reports whether one of the phrases occurs in text.
func says(text string, phrases []string) bool {
	for _, p := range phrases {
		if begin, ok := strings.CutPrefix(p, "^"); ok {
			if strings.HasPrefix(text, begin) {
				return true
			}
			continue
		}
		first, second, gap := strings.Cut(p, " … ")
		i := strings.Index(text, first)
		if i >= 0 && !gap {
			return true
		}
		for ; i >= 0; i = nextIndex(text, first, i) {
			after := text[i+len(first):]
			if strings.Contains(after[:min(len(after), maxGap)], second) {
				return true
			}
		}
	}
	return false
}

// maxGap is how many bytes may stand in for "…", the second part included.
const maxGap = 80

func nextIndex(s, part string, i int) int {
	j := strings.Index(s[i+1:], part)
	if j < 0 {
		return -1
	}
	return i + 1 + j
}
