// Package verdict tells what an answer of a provider says about the credential that was sent.
//
// An answer becomes evidence: its codes, its sentences, its header and its status, freed from their
// envelope. The rules read the evidence in order, and the first rule that matches decides. Nothing
// here depends on a pool, a credential or a connection; the clock is read for reset times only.
package verdict

import (
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Kind is the kind of a verdict. The constants are those of package reauth, which documents them.
type Kind uint8

// The kinds of verdict.
const (
	Pass Kind = iota
	Rejected
	Dead
	Exhausted
	Forbidden
)

var kindNames = [...]string{"pass", "rejected", "dead", "exhausted", "forbidden"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Verdict is a decision about one answer. The zero value is a Pass without a reason.
type Verdict struct {
	Kind   Kind
	Reason string    // that of the rule that decided; it holds nothing of the answer
	Reset  time.Time // when an exhausted credential recovers; zero if the answer does not say
}

// Provider is what the classifier must know about the provider that answered. The zero value is an
// unknown provider.
type Provider struct {
	// Name is the canonical name. It selects the rules that hold for this provider only.
	Name string
	// Hides is the member of a JSON body by which the provider tells a refusal in a 200. It is empty
	// for a provider that answers a refused request with a status of its own.
	Hides vendors.Hides
	// Zone is the time zone of the provider's reset times that name none; nil means UTC.
	Zone *time.Location
}

// MaxBody is how many bytes of an answer's body count.
const MaxBody = 64 << 10

// Of judges an answer of p. body is the beginning of the body, decoded; what lies behind MaxBody
// does not count. resp.Body is not read, and resp.Request may be nil. A nil resp is a Pass.
func Of(p Provider, resp *http.Response, body []byte) Verdict {
	if resp == nil {
		return Verdict{}
	}
	body = body[:min(len(body), MaxBody)]
	if v, ok := lastJudged.Load().recall(p, resp, body); ok {
		return v
	}
	v := judge(p, resp, body)
	remember(p, resp, body, v)
	return v
}

// judge is Of without its memory.
func judge(p Provider, resp *http.Response, body []byte) Verdict {
	e, ok := examine(p, resp, body)
	if !ok {
		return Verdict{}
	}
	return e.decide(time.Now())
}

// examine returns the evidence in an answer, and false if the answer is no refusal.
func examine(p Provider, resp *http.Response, body []byte) (*evidence, bool) {
	body = decodeMagic(body)
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return readHidden(p, resp.Header, body)
	case resp.StatusCode < 400:
		return nil, false
	}
	return readEvidence(p, resp.StatusCode, resp.Header, body), true
}

// decide returns the verdict of the first rule that matches.
func (e *evidence) decide(now time.Time) Verdict {
	r := e.decidingRule()
	if r == nil {
		return Verdict{}
	}
	v := Verdict{Kind: r.kind, Reason: r.reason}
	if r.kind == Exhausted {
		v.Reset = e.reset(now, r.reason)
	}
	return v
}

// decidingRule returns the first rule that matches, or nil.
func (e *evidence) decidingRule() *rule {
	for _, stage := range ruleTable {
		for i := range stage {
			if stage[i].matches(e) {
				return &stage[i]
			}
		}
	}
	return nil
}

// Reasons returns the reasons of all rules, in their order. Several rules may have one reason.
func Reasons() (list []string) {
	for _, stage := range ruleTable {
		for i := range stage {
			list = append(list, stage[i].reason)
		}
	}
	return list
}
