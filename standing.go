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

// putAside marks m as not preferred until then, if it still holds what was refused.
func (m *member) putAside(ctx context.Context, h *held, until time.Time, reason string) *mark {
	k := newMark(until, false, reason, time.Now(), h.digest)
	if !m.setMark(k) {
		return nil
	}
	m.pool.emit(ctx, Event{Type: PutAside, Provider: m.provider, ID: m.id, Reason: reason, Until: until})
	return k
}

// retire marks m as of no use until it has new tokens, is Reset or is accepted after all.
func (m *member) retire(ctx context.Context, h *held, reason string) *mark {
	k := newMark(time.Time{}, true, reason, time.Now(), h.digest)
	if old := m.mark.Load(); old != nil && old.retired && old.of == h.digest {
		return nil // it is known
	}
	if !m.setMark(k) {
		return nil
	}
	m.pool.emit(ctx, Event{Type: Retired, Provider: m.provider, ID: m.id, Reason: reason})
	return k
}

// sentence gives m what the refusal of h, sent at the given time, deserves; failed is why a rejected token could not be
// renewed. It returns nil when there is nothing to remember: nobody is marked for tokens that have been replaced, and a
// burst of refusals counts once.
func (m *member) sentence(ctx context.Context, h *held, sent time.Time, v Verdict, failed error) *sentence {
	now := time.Now()
	again := int32(1) // what the count of refusals grows by
	if k := m.standing(now); k != nil && k.of == h.digest && !isPermanent(failed) {
		if sent.Before(k.at) {
			return nil
		}
		again = 0 // sent although it was marked, for want of another
	}
	s := &sentence{m: m, of: v}
	switch {
	case v.Kind == Dead:
		s.mark = m.retire(ctx, h, v.Reason)
	case v.Kind == Exhausted:
		s.mark = m.putAside(ctx, h, exhaustedUntil(v, now), v.Reason)
	case v.Kind != Rejected:
		return nil
	case isPermanent(failed):
		s.mark, s.proven = m.retire(ctx, h, failureReason(failed)), true
	case m.isUseless(h):
		s.mark = m.putAside(ctx, h, now.Add(doubled(refusedRest, m.useless.Add(again)-1)), v.Reason)
	default:
		s.mark = m.putAside(ctx, h, now.Add(doubled(rejectedRest, m.strikes.Add(again)-1)), v.Reason)
	}
	if s.mark == nil {
		return nil
	}
	return s
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
