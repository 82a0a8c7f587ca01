package reauth

import (
	"context"
	"errors"
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
	mark    keyedMark
	verdict Verdict
	proven  bool // the token endpoint said so, whatever other credentials say
	twins   []*penalty
}

// penalize marks m for the refusal v of t, sent when those marks stood; failed is why a rejected
// token could not be renewed, and about the topic of the request. It returns nil when setMark finds
// nothing to mark.
func (m *member) penalize(
	ctx context.Context, t *tokens, seen *marks, v Verdict, failed error, about topic,
) *penalty {
	set := m.setMark(t, seen, v, failed, about)
	if set.mark == nil {
		return nil
	}
	e := Event{Type: PutAside, Reason: set.mark.reason, Until: set.mark.until}
	if isTopical(set.key) {
		e.About = topic(set.key).String()
	}
	if set.mark.retired {
		e.Type = Retired
	}
	m.emit(ctx, e)
	p := &penalty{m: m, mark: set, verdict: v, proven: v.Kind == Rejected && isPermanent(failed)}
	for _, twin := range m.group.twins(m) {
		if copied := twin.copyMark(t, set); copied.mark != nil {
			twin.emit(ctx, e)
			p.twins = append(p.twins, &penalty{m: twin, mark: copied})
		}
	}
	return p
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

// share tells the store the mark.
func (p *penalty) share(ctx context.Context) {
	p.m.shareMarks(ctx, p.m.share(p.mark))
	for _, twin := range p.twins {
		twin.share(ctx)
	}
}

// shorten leaves of the mark what a suspect request justifies.
func (p *penalty) shorten(ctx context.Context) {
	for _, twin := range p.twins {
		twin.shorten(ctx)
	}
	now, k := time.Now(), p.mark.mark
	until := now.Add(suspectRest)
	if !k.retired && k.until.Before(until) {
		return
	}
	short := newMark(until, false, k.reason, now, k.of)
	short.at = k.at
	if p.m.shorten(p.mark, short) {
		p.m.emit(ctx, Event{Type: PutAside, Reason: "suspect-request", Until: until})
	}
}

// served notes an answer that is no refusal, and lifts the credential's mark for a success.
func (m *member) served(
	ctx context.Context, t *tokens, resp *http.Response, sent time.Time, attempt int, about topic,
) {
	s := resp.StatusCode
	if isSuccess(s) {
		m.noteAccepted(ctx, t, sent, about)
	}
	if m.group.pool.observed() {
		m.emit(ctx, Event{Type: Sent, Status: s, Attempt: attempt, Duration: time.Since(sent)})
	}
}

// isSuccess reports whether a status says that the request was served.
func isSuccess(status int) bool {
	return status >= 200 && status < 300 || status == http.StatusSwitchingProtocols
}

// noteAccepted notes that a request about the topic, sent with t at the given time, was accepted, and
// tells the store which marks that lifted. The marks of its twins end with them.
func (m *member) noteAccepted(ctx context.Context, t *tokens, sent time.Time, about topic) {
	m.group.doubts.clear(about)
	lifted, writes := m.accept(t, sent, about)
	if !lifted {
		return
	}
	m.shareMarks(ctx, writes)
	for _, twin := range m.group.twins(m) {
		if own := twin.tokens.Load(); own.digest == t.digest {
			_, writes := twin.accept(own, sent, about)
			twin.shareMarks(ctx, writes)
		}
	}
}

// shareMarks tells the store marks, in the background: no request waits for it. One mark of a
// credential is written at a time, and of those that follow under one key meanwhile only the newest,
// so that a storm of refusals is none for the store.
func (m *member) shareMarks(ctx context.Context, writes []queuedMark) {
	if !m.group.pool.shared || m.source != nil || len(writes) == 0 {
		return
	}
	detached := context.WithoutCancel(ctx)
	m.queueMarks(writes, func() bool { // false when the pool is closed: it tells nobody any more
		return m.group.pool.work.startFromWorker(func() { m.writeMarks(detached) })
	})
}

// writeMarks writes the queued marks. A store that cannot take one costs the others' knowledge of
// it, until this pool looks at the store again; an event tells it.
func (m *member) writeMarks(ctx context.Context) {
	over := false
	defer func() {
		if !over { // an observer has ended the goroutine
			m.stopWriting()
		}
	}()
	overtaken := false
	for {
		q, ok := m.nextMark()
		if !ok {
			break
		}
		err := m.writeMark(ctx, q)
		overtaken = overtaken || errors.Is(err, ErrMarked)
	}
	over = true
	if overtaken { // another pool knows better: the next request takes over what that has written
		m.group.pool.view.lookSoon()
	}
}

// writeMark writes one mark in the background.
func (m *member) writeMark(ctx context.Context, q queuedMark) error {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	err := m.tellStore(ctx, q)
	if err != nil && !errors.Is(err, ErrMarked) {
		m.group.pool.view.noteAhead(m)
		m.emit(ctx, Event{Type: StoreFailed, Reason: "mark", Err: err})
	}
	return err
}

// tellStore writes one mark. When another one stands than this pool has seen, the next look reads the
// record again, even if nobody has changed it since the last look: a record that was read before that
// look may have been merged after it.
func (m *member) tellStore(ctx context.Context, q queuedMark) error {
	err := m.group.pool.store.Mark(ctx, m.group.name, m.id, q.key, q.mark, q.seen)
	if err == nil {
		m.wrote(q)
	}
	if err == nil || errors.Is(err, ErrMarked) {
		m.group.pool.noteWritten(m.key())
	}
	return err
}
