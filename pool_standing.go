package reauth

import (
	"context"
	"net/http"
	"time"
)

// suspectRest is how long a credential is put aside when all of them gave one reason: the request
// is probably at fault.
const suspectRest = 10 * time.Second

// penalty is a mark caused by one request. It reaches the store only when it is known that the
// credential, and not the request, is at fault.
type penalty struct {
	m       *member
	mark    *mark
	verdict Verdict
	proven  bool // the token endpoint said so, whatever other credentials say
}

// penalize marks m for the refusal v of t, sent at the given time; failed is why a rejected token
// could not be renewed. It returns nil when setMark finds nothing to mark.
func (m *member) penalize(ctx context.Context, t *tokens, sent time.Time, v Verdict, failed error) *penalty {
	k := m.setMark(t, sent, v, failed)
	if k == nil {
		return nil
	}
	e := Event{Type: PutAside, Reason: k.reason, Until: k.until}
	if k.retired {
		e.Type = Retired
	}
	m.emit(ctx, e)
	return &penalty{m: m, mark: k, verdict: v, proven: v.Kind == Rejected && isPermanent(failed)}
}

// commitPenalties tells the store the marks of one request. When several credentials gave the same
// reason without a reset the request is suspect: nobody is put aside for long, and no other pool is
// told.
func commitPenalties(ctx context.Context, penalties []*penalty, served bool) {
	suspect := !served && suspicious(penalties)
	for _, p := range penalties {
		if p.proven || !suspect {
			p.share(ctx)
		} else {
			p.shorten(ctx)
		}
	}
}

// suspicious reports whether more than one credential was refused, for one reason and without a
// reset.
func suspicious(penalties []*penalty) bool {
	n, reason := 0, ""
	for _, p := range penalties {
		switch {
		case p.proven:
			continue
		case !p.verdict.Reset.IsZero(), n > 0 && p.verdict.Reason != reason:
			return false
		}
		n, reason = n+1, p.verdict.Reason
	}
	return n > 1
}

// share writes the mark to the store.
func (p *penalty) share(ctx context.Context) {
	k := p.mark
	k.shared.Store(true)
	p.m.shareStanding(ctx, Standing{AsideUntil: k.until, Retired: k.retired, Reason: k.reason, At: k.at, Of: k.of})
}

// shorten leaves of the mark what a suspect request justifies.
func (p *penalty) shorten(ctx context.Context) {
	now := time.Now()
	until := now.Add(suspectRest)
	if !p.mark.retired && p.mark.until.Before(until) {
		return
	}
	if p.m.replaceMark(p.mark, newMark(until, false, p.mark.reason, now, p.mark.of)) {
		p.m.emit(ctx, Event{Type: PutAside, Reason: "suspect-request", Until: until})
	}
}

// served notes an answer that is no refusal, and lifts the credential's mark for a success.
func (m *member) served(ctx context.Context, t *tokens, resp *http.Response, sent time.Time, attempt int) {
	s := resp.StatusCode
	if s >= 200 && s < 300 || s == http.StatusSwitchingProtocols {
		m.noteAccepted(ctx, t, sent)
	}
	if m.pool.observed() {
		m.emit(ctx, Event{Type: Sent, Status: s, Attempt: attempt, Duration: time.Since(sent)})
	}
}

// noteAccepted notes that a request sent with t at the given time was accepted, and tells the store
// when that lifted a mark.
func (m *member) noteAccepted(ctx context.Context, t *tokens, sent time.Time) {
	if m.accept(t, sent) {
		m.shareStanding(ctx, Standing{At: time.Now(), Of: t.digest})
	}
}

// shareStanding tells the store a standing. Where that may take time it happens in the background:
// no request waits for it. One standing of a credential is written at a time; of those that follow
// meanwhile only the newest is written, so that a storm of refusals is none for the store.
func (m *member) shareStanding(ctx context.Context, s Standing) {
	s = m.completeStanding(s)
	if !m.pool.shared {
		m.writeStanding(ctx, s)
		return
	}
	q := &queuedStanding{ctx, s}
	m.queueStanding(q, func() bool { // false when the pool is closed: it tells nobody any more
		return m.pool.work.startFromWorker(func() { m.writeStandings(q) })
	})
}

// writeStandings writes a standing, and those that were queued meanwhile.
func (m *member) writeStandings(q *queuedStanding) {
	defer func() {
		if q != nil { // an observer has ended the goroutine
			m.stopWriting()
		}
	}()
	for ; q != nil; q = m.nextStanding() {
		m.writeStanding(q.ctx, q.standing)
	}
}

// writeStanding writes one standing. A store that cannot take it costs nothing but the others'
// knowledge of the mark, and an event tells it.
func (m *member) writeStanding(ctx context.Context, s Standing) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer stop()
	if err := m.pool.store.Mark(ctx, m.provider, m.id, s); err != nil {
		m.emit(ctx, Event{Type: StoreFailed, Reason: "mark", Err: err})
	}
}
