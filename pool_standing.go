package reauth

import (
	"context"
	"strings"
	"time"
)

// How long a credential is put aside.
const (
	billingRest  = time.Hour
	usageRest    = 15 * time.Minute
	rateRest     = time.Minute
	suspectRest  = 10 * time.Second // when every credential gave the same reason, it is probably the request's
	rejectedRest = 30 * time.Second // doubling
	refusedRest  = 5 * time.Second  // of tokens fresh from an exchange; doubling
	longestRest  = 5 * time.Minute  // of both
)

// exhaustedUntil is when a credential with that verdict is preferred again.
func exhaustedUntil(v Verdict, now time.Time) time.Time {
	if v.Reset.After(now) {
		return v.Reset
	}
	rest := usageRest
	switch {
	case strings.Contains(v.Reason, "billing"):
		rest = billingRest
	case strings.Contains(v.Reason, "rate"):
		rest = rateRest
	}
	if !v.Reset.IsZero() { // an instant gone by: the limit is over, or a clock is off
		rest = min(rest, rateRest)
	}
	return now.Add(rest)
}

// doubled is first, doubled for each time before.
func doubled(first time.Duration, before int32) time.Duration {
	return min(first<<min(max(before, 0), 16), longestRest)
}

// sentence is a mark that a request has brought about. It is told to others once it is clear that the credential is meant
// and not the request.
type sentence struct {
	m      *member
	mark   *mark
	of     Verdict
	proven bool // by the token endpoint, whatever other credentials say
}

// sentence gives m what the refusal of h, sent at the given time, deserves; failed is why a rejected token could not be
// renewed. It returns nil when there is nothing to remember: nobody is marked for tokens that have been replaced, and a
// burst of refusals counts once.
func (m *member) sentence(ctx context.Context, h *held, sent time.Time, v Verdict, failed error) *sentence {
	k := m.markFor(h, sent, v, failed)
	if k == nil {
		return nil
	}
	e := Event{Type: PutAside, Provider: m.provider, ID: m.id, Reason: k.reason, Until: k.until}
	if k.retired {
		e.Type = Retired
	}
	m.pool.emit(ctx, e)
	return &sentence{m: m, mark: k, of: v, proven: v.Kind == Rejected && isPermanent(failed)}
}

// markFor sets the mark that sentence finds deserved and returns it.
func (m *member) markFor(h *held, sent time.Time, v Verdict, failed error) *mark {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.digest != m.cur.Load().digest {
		return nil
	}
	again := int32(1) // what the count of refusals grows by
	final := v.Kind == Dead || v.Kind == Rejected && isPermanent(failed)
	if k := m.standing(now); k != nil && k.of == h.digest {
		if k.retired || sent.Before(k.at) && !final {
			return nil // it is known
		}
		again = 0 // sent although it was marked, for want of another
	}
	var k *mark
	switch {
	case final:
		k = newMark(time.Time{}, true, v.Reason, now, h.digest)
		if v.Kind == Rejected {
			k.reason = failureReason(failed)
		}
	case v.Kind == Exhausted:
		k = newMark(exhaustedUntil(v, now), false, v.Reason, now, h.digest)
	case v.Kind != Rejected:
		return nil
	case m.isUseless(h):
		k = newMark(now.Add(doubled(refusedRest, m.useless.Add(again)-1)), false, v.Reason, now, h.digest)
	default:
		k = newMark(now.Add(doubled(rejectedRest, m.strikes.Add(again)-1)), false, v.Reason, now, h.digest)
	}
	m.mark.Store(k)
	m.group.changed()
	return k
}

// settle tells the store the marks that a request has brought about. When several credentials gave the same reason
// without a reset, the request is suspect: nobody is put aside for long, and nobody else is told.
func settle(ctx context.Context, sentences []*sentence, served bool) {
	suspect := !served && suspicious(sentences)
	for _, s := range sentences {
		switch {
		case s.proven || !suspect:
			s.share(ctx)
		default:
			s.shorten(ctx)
		}
	}
}

func suspicious(sentences []*sentence) bool {
	n, reason := 0, ""
	for _, s := range sentences {
		switch {
		case s.proven:
			continue
		case !s.of.Reset.IsZero(), n > 0 && s.of.Reason != reason:
			return false
		}
		n, reason = n+1, s.of.Reason
	}
	return n > 1
}

// share writes the mark to the store.
func (s *sentence) share(ctx context.Context) {
	k := s.mark
	k.shared.Store(true)
	s.m.pool.mark(ctx, s.m, Standing{AsideUntil: k.until, Retired: k.retired, Reason: k.reason, At: k.at, Of: k.of})
}

// shorten leaves of the mark what a suspect request justifies.
func (s *sentence) shorten(ctx context.Context) {
	m, now := s.m, time.Now()
	until := now.Add(suspectRest)
	if !s.mark.retired && s.mark.until.Before(until) {
		return
	}
	m.mu.Lock()
	short := newMark(until, false, s.mark.reason, now, s.mark.of)
	ours := m.mark.CompareAndSwap(s.mark, short)
	if ours {
		m.group.changed()
	}
	m.mu.Unlock()
	if ours {
		m.pool.emit(ctx, Event{Type: PutAside, Provider: m.provider, ID: m.id, Reason: "suspect-request", Until: until})
	}
}
