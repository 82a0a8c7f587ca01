package reauth

import (
	"context"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/verdict"
)

// forbidden is a credential that was refused for want of an entitlement, or for a reason that nobody
// understands. Another credential that serves the same request proves that it lacks something.
type forbidden struct {
	member *member
	tokens *tokens
	reason string
	cause  verdict.Cause
}

// othersAfter is how many further credentials one request tries.
func othersAfter(cause verdict.Cause) int {
	switch cause {
	case verdict.Entitlement:
		return 2
	case verdict.Unclear:
		return 1
	case verdict.Anyone: // no request is sprayed over accounts
	}
	return 0
}

// evidence is what one request has shown of what credentials lack. The zero value is nothing.
type evidence struct {
	refused []forbidden // in their order
	others  int         // credentials that were tried since the first of them
	served  bool        // one that is not among them has served the request
}

// mayTryAnother reports whether the request tries one more credential.
func (e *evidence) mayTryAnother(g *group, about topic) bool {
	if len(e.refused) == 0 {
		return true
	}
	cause := e.refused[len(e.refused)-1].cause
	if e.others >= othersAfter(cause) {
		return false
	}
	_, more := g.doubts.drawn(about, time.Now())
	return more || cause != verdict.Unclear
}

// noteOther notes that another credential is tried.
func (e *evidence) noteOther() {
	if len(e.refused) > 0 {
		e.others++
	}
}

// chooseAnother chooses a credential that was not tried, and, of those, one that is not doubtful if it
// can.
func (e *evidence) chooseAnother(g *group, d *destination, r routing, tried []*member) (m *member, try uint32) {
	if len(e.refused) > 0 {
		if drawn, _ := g.doubts.drawn(r.about, time.Now()); len(drawn) > 0 {
			m, try = g.choose(d, time.Now(), r, append(drawn, tried...))
		}
	}
	if m == nil {
		m, try = g.choose(d, time.Now(), r, tried)
	}
	return m, try
}

// commit draws the conclusion when the request about the topic has its answer.
func (e *evidence) commit(ctx context.Context, g *group, about topic) {
	if len(e.refused) == 0 || about == "" || g.size.Load() < 2 {
		return
	}
	if e.served {
		g.doubts.clear(about)
		for _, f := range e.refused {
			f.member.lacks(ctx, f, about)
		}
		return
	}
	var unclear []*member
	for _, f := range e.refused {
		switch f.cause {
		case verdict.Entitlement:
			f.member.setLack(f.tokens, about, f.reason, lastRest)
		case verdict.Unclear:
			unclear = append(unclear, f.member)
		case verdict.Anyone:
		}
	}
	if len(unclear) > 0 {
		g.doubts.note(about, unclear, time.Now())
	}
}

// lacks puts the credential aside for the topic: another one has it. Other processes are told of a
// model.
func (m *member) lacks(ctx context.Context, f forbidden, about topic) {
	set := m.setLack(f.tokens, about, f.reason, lackRest)
	if set.mark == nil {
		return
	}
	m.emit(ctx, Event{Type: PutAside, Reason: f.reason, Until: set.mark.until, About: about.String()})
	if strings.HasPrefix(string(about), modelMark) {
		m.shareMarks(ctx, m.share(set))
	}
}
