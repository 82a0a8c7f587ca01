package reauth

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// routing is which credential a request may get: what its caller asked for through the context, and
// what the request itself asks for.
type routing struct {
	pinned       bool
	provider, id string // of the pin
	own          bool   // the caller's own credential
	affinity     string

	bound   bool    // the request is about objects of one account; see group.bind
	account *member // the credential of that account
	about   topic   // of the request; empty: it was not read
}

type routingKey struct{}

// routingFrom returns what the caller has asked for through the context.
func routingFrom(ctx context.Context) routing {
	r, _ := ctx.Value(routingKey{}).(routing) // none: the zero value
	return r
}

// stays reports whether the request must not be switched to another credential.
func (r routing) stays() bool { return r.pinned || r.bound || r.account != nil }

// WithCredential pins requests made with the context to one credential: it is refreshed, never
// switched, whatever its standing. Unknown, removed or not for the request's host, the request is
// sent as the caller made it, and PassedThrough tells it.
func WithCredential(ctx context.Context, provider, id string) context.Context {
	r := routingFrom(ctx)
	r.pinned, r.provider, r.id, r.own = true, vendors.Canonical(provider), id, false
	return context.WithValue(ctx, routingKey{}, r)
}

// WithoutCredential makes requests the caller's own: they are sent as the caller made them.
func WithoutCredential(ctx context.Context) context.Context {
	r := routingFrom(ctx)
	r.own = true
	return context.WithValue(ctx, routingKey{}, r)
}

// WithAffinity keeps requests with the same key on the same credential while it is in good
// standing, so that a conversation finds its prompt cache. The choice is a function of the key and
// the credentials' IDs: every process that shares them makes the same, and nothing is remembered. When
// a credential goes or is put aside, only its keys move, and they come back with it.
// It goes before the provider's Strategy and MaxInFlight, and after priority.
func WithAffinity(ctx context.Context, key string) context.Context {
	r := routingFrom(ctx)
	r.affinity = key
	return context.WithValue(ctx, routingKey{}, r)
}

// choose returns a credential for a request to d that has tried those before, or nil. As long as
// nothing has been tried, one that is not in good standing will do. try is not 0 where the request tries
// the credential after a rest; member.endTry ends that.
func (g *group) choose(d *destination, now time.Time, r routing, tried []*member) (m *member, try uint32) {
	switch {
	case r.pinned:
		return g.pinned(d, r, tried), 0
	case r.stays() && len(tried) > 0:
		return nil, 0
	case r.account != nil:
		return r.account, 0
	}
	if m := g.doubts.routed(r.about, now); m != nil && len(tried) == 0 && m.serves(d) {
		return m, 0
	}
	c := g.candidates(now).forTopic(r.about, now)
	if m := c.takeProbe(d, r, tried); m != nil {
		return m, 0
	}
	need := g.shortage(tried, r.about, now)
	if m, try := c.takeTrial(d, r, tried, need, now); m != nil {
		return m, try
	}
	return g.chooseGood(c, d, now, r, tried, need), 0
}

// hasAnother reports whether there is a credential for a request to d beside those.
func (g *group) hasAnother(d *destination, now time.Time, r routing, tried ...*member) bool {
	m, try := g.choose(d, now, r, tried)
	if m != nil {
		m.endTry(try)
	}
	return m != nil
}

// chooseGood is choose without probes and tries.
func (g *group) chooseGood(
	c *candidates, d *destination, now time.Time, r routing, tried []*member, need *seenLimit,
) *member {
	if r.bound && len(c.trials) > 0 {
		if m := c.firstUnmarked(d, r.about, now); m != nil {
			return m
		}
	}
	if len(c.tiers) == 0 && len(tried) == 0 && !r.bound {
		if m := g.leastShort(c, d, r.about, now); m != nil {
			return m
		}
	}
	if !c.hostBound && len(tried) == 0 && r.affinity == "" {
		return g.anyGood(c, r, now)
	}
	fits := func(m *member) bool { return !slices.Contains(tried, m) && m.serves(d) && need.mayFit(m, now) }
	if m := g.bestFit(c, now, r, fits); m != nil {
		return m
	}
	if len(tried) > 0 {
		return c.busyTrial(fits)
	}
	return c.soonest(d, r.about, now)
}

// pinned returns the credential that the request is pinned to, if it may have it.
func (g *group) pinned(d *destination, r routing, tried []*member) *member {
	m := g.find(r.id)
	if m == nil || len(tried) > 0 || r.provider != g.name || !m.serves(d) {
		return nil
	}
	return m
}

// takeProbe returns the credential that is to be probed, once, if the request can do that.
func (c *candidates) takeProbe(d *destination, r routing, tried []*member) *member {
	m := c.probe.Load()
	if m == nil || !c.mayTry(m, d, r, tried) || !c.probe.CompareAndSwap(m, nil) { // else another request probes it
		return nil
	}
	return m
}

// mayTry reports whether the request can find out whether a credential that was put aside serves again.
func (c *candidates) mayTry(m *member, d *destination, r routing, tried []*member) bool {
	return !r.bound && m.serves(d) && !slices.Contains(tried, m) &&
		(r.affinity == "" || c.homesOf(everyone, c.all).nearest(r.affinity, anyMember) == m)
}

// takeTrial has the request try a credential that is due for it, if it is as good a choice as those in
// good standing. try ends the try: see member.endTry.
func (c *candidates) takeTrial(
	d *destination, r routing, tried []*member, need *seenLimit, now time.Time,
) (m *member, try uint32) {
	for _, m := range c.trials {
		if !c.isDueBefore(m) || !c.mayTry(m, d, r, tried) || !need.mayFit(m, now) {
			continue
		}
		if try := m.beginTry(now); try != 0 {
			return m, try
		}
	}
	return nil, 0
}

// anyGood is choose for a group in which every member serves every host.
func (g *group) anyGood(c *candidates, r routing, now time.Time) (best *member) {
	switch {
	case len(c.tiers) == 0:
		return c.spare
	case r.bound:
		return c.good[0]
	}
	for _, tier := range c.tiers {
		m, busy := g.pick(tier, r.about, now)
		if !busy {
			return m
		}
		best = cmp.Or(best, m)
	}
	return best
}

// bestFit returns a member in good standing, of the best priority possible, that fits; nil if there is
// none.
func (g *group) bestFit(c *candidates, now time.Time, r routing, fits func(*member) bool) (best *member) {
	for i, tier := range c.tiers {
		if r.affinity != "" {
			if m := c.homesOf(i, tier).nearest(r.affinity, fits); m != nil {
				return m
			}
			continue
		}
		fit := slices.DeleteFunc(slices.Clone(tier), func(m *member) bool { return !fits(m) })
		if len(fit) == 0 {
			continue
		}
		if r.bound {
			return fit[0]
		}
		m, busy := g.pick(fit, r.about, now)
		if !busy {
			return m
		}
		best = cmp.Or(best, m)
	}
	return best
}

// soonest returns the member that serves d and recovers soonest.
func (c *candidates) soonest(d *destination, about topic, now time.Time) (best *member) {
	var at time.Time
	for _, m := range c.all {
		if !m.serves(d) {
			continue
		}
		var t time.Time // zero: in good standing again since the snapshot was made
		if k := m.marks.Load().standing(about, now); k != nil {
			t = k.recovers()
		}
		if best == nil || t.Before(at) {
			best, at = m, t
		}
	}
	return best
}

// pick chooses one of several equals, of which there is at least one, for a request about the topic. It is
// busy when each of them has as many requests in flight as Provider.MaxInFlight allows; the Strategy
// alone has chosen it then.
func (g *group) pick(from []*member, about topic, now time.Time) (m *member, busy bool) {
	provider := g.provider.Load()
	if provider == nil { // not registered yet: a caller of Token
		return from[0], false
	}
	var i uint64
	if len(from) > 1 {
		i = g.prefer(provider, from, about, now)
	}
	if provider.MaxInFlight <= 0 {
		return from[i], false
	}
	for n := range uint64(len(from)) {
		if m := from[(i+n)%uint64(len(from))]; !provider.isBusy(m) {
			return m, false
		}
	}
	return from[i], true
}

// prefer returns the index of the one of several equals that the provider's Strategy chooses.
func (g *group) prefer(provider *registered, from []*member, about topic, now time.Time) uint64 {
	switch provider.Strategy {
	case RoundRobin:
		return (g.turn.Add(1) - 1) % uint64(len(from))
	case Random:
		return rand.Uint64N(uint64(len(from)))
	case LeastInFlight:
		return g.leastInFlight(from)
	case MostHeadroom:
		return g.mostHeadroom(provider, from, about, now)
	case FillFirst:
	}
	return 0
}

// leastInFlight looks at up to maxLooks members from a moving start, and stops at an idle one.
func (g *group) leastInFlight(from []*member) (best uint64) {
	start, least := g.turn.Add(1), int64(math.MaxInt64)
	for i := range uint64(min(len(from), maxLooks)) {
		at := (start + i) % uint64(len(from))
		if n := from[at].inFlight.Load(); n < least {
			if best, least = at, n; n == 0 {
				break
			}
		}
	}
	return best
}

func anyMember(*member) bool { return true }
