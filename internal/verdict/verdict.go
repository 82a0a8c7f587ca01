// Package verdict tells what an answer of a provider says about the credential that was sent.
//
// An answer becomes evidence: its codes, its sentences, its header and its status, freed from their
// envelope. A few rules tell what no reader could know: who answers at all, what a number means, and
// codes that mean something else than they say. Then the words are read, those of codes and of
// sentences alike: whom they mean, and what they say of it (lexicon.go, clause.go, matrix.go). The
// status decides last. Nothing here depends on a pool, a credential or a connection; the clock is
// read for reset times only.
package verdict

import (
	"net/http"
	"slices"
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
	Reason string    // that of the rule or the cell of the matrix that decided; it holds nothing of the answer
	Reset  time.Time // when an exhausted credential recovers; zero if the answer does not say
	// OneModel says that the answer states a limit, or a lack, of one model or a family of models, and
	// not of the whole credential.
	OneModel bool
	// Family is the family of models that the answer names, as a word in lower case, such as "opus";
	// empty: it names none, and means the model of the request.
	Family string
	Cause  Cause // of a Forbidden verdict
}

// Cause is why something is forbidden, as far as it tells whether another credential may have it.
type Cause uint8

// The causes.
const (
	Unclear     Cause = iota // nobody understands it
	Entitlement              // this account may not have it: plan, scope, model, permission
	Anyone                   // nobody may have it in this way: content, place, the caller's client
)

var causeNames = [...]string{"unclear", "entitlement", "anyone"}

// String returns the cause's name in lower case.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
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
	e, ok := examine(p, resp, body[:min(len(body), MaxBody)])
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

// decision is what decided about an answer: a rule of the tables, or what the reading found. Neither:
// nothing did.
type decision struct {
	rule  *rule
	heard heard
	spoke bool // the reading decided
	// unheard says that a rule decided before the words were read.
	unheard bool
}

// verdict is the decision's, without a reset.
func (d *decision) verdict() Verdict {
	switch {
	case d.rule != nil:
		return Verdict{Kind: d.rule.kind, Reason: d.rule.reason}
	case d.spoke:
		return Verdict{Kind: d.heard.best.kind, Reason: d.heard.best.reason}
	}
	return Verdict{}
}

// decide returns the verdict on the evidence.
func (e *evidence) decide(now time.Time) Verdict {
	d := e.weigh()
	v := d.verdict()
	switch v.Kind {
	case Exhausted:
		v.Reset = e.reset(now, v.Reason)
	case Forbidden:
		v.Cause = d.cause()
	default:
		return v
	}
	s := e.scope(&d)
	v.OneModel, v.Family = s.model, s.family
	return v
}

// weigh asks the tables of what no reader could know, the words, and then the status.
func (e *evidence) weigh() (d decision) {
	if d.rule = e.firstOf(before); d.rule != nil {
		d.unheard = true
		return d
	}
	d.heard = e.listen()
	if d.heard.named && isBadRequest(e.status) && (!d.heard.best.fromCode || d.heard.best.rank > ofKey) {
		// The rest of such a message may quote anything.
		d.heard.best, d.spoke = finding{cell: cell{who: request, kind: Pass, reason: "request", rank: ofRequest}}, true
		return d
	}
	if d.heard.found && d.heard.best.fits(e.status) {
		d.spoke = true
		return d
	}
	d.rule = e.firstOf(after)
	return d
}

// isBadRequest reports whether a status is about the request.
func isBadRequest(status int) bool {
	return status == 400 || status == 404 || status >= 410 && status <= 422
}

// firstOf returns the first rule that matches, or nil.
func (e *evidence) firstOf(stages [][]rule) *rule {
	for _, stage := range stages {
		for i := range stage {
			if stage[i].matches(e) {
				return &stage[i]
			}
		}
	}
	return nil
}

// Reasons returns the reasons of all rules, and of all that the words may mean. Several may have one
// reason.
func Reasons() (list []string) {
	for _, stage := range slices.Concat(before, after) {
		for i := range stage {
			list = append(list, stage[i].reason)
		}
	}
	for _, m := range slices.Concat(matrix, alone) {
		list = append(list, m.reason)
	}
	return append(list, "rate-limit")
}
