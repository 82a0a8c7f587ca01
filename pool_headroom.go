package reauth

import (
	"math"
	"time"
)

const (
	// maxLooks is how many members a choice compares. It is exact for pools of that size.
	maxLooks = 64
	// maxFarLooks is how many it looks at where of none something is left.
	maxFarLooks = 1024
	// sameHeadroom is how far apart two shares may be that count as equal: providers round them, and
	// each answer changes them. Of little, half is not as much.
	sameHeadroom = 0.05
)

// headroom is what is known of how much a member can still serve.
type headroom struct {
	left     float64 // of its tightest window, less what the requests in flight may take
	ends     int64   // when that window ends, in unix nanoseconds; never: not known
	inFlight int64
}

// headroom returns the member's, for a request about the topic.
func (m *member) headroom(about topic, now time.Time) headroom {
	inFlight := m.inFlight.Load()
	left, reset := m.limits.Load().tightest(about, inFlight, now)
	h := headroom{left: left, ends: math.MaxInt64, inFlight: inFlight}
	if !reset.IsZero() {
		h.ends = reset.UnixNano()
	}
	return h
}

// before reports whether of two members with about as much left the one with h is to be preferred: what
// is left of its window is lost sooner. Among windows that end together the less busy one is.
func (h headroom) before(o headroom) bool {
	return h.ends < o.ends || h.ends == o.ends && h.inFlight < o.inFlight
}

// mostHeadroom looks at up to maxLooks members from a moving start, at the next ones where of none of
// these something is left, and returns the index of the best. One that has as many requests in flight as
// it may is chosen only if all are.
func (g *group) mostHeadroom(provider *registered, from []*member, about topic, now time.Time) (best uint64) {
	var looks [maxLooks]headroom
	start, n := g.turn.Add(1), uint64(len(from))
	for past := uint64(0); past < min(n, maxFarLooks); past += maxLooks {
		seen := looks[:min(n-past, maxLooks)]
		for i := range seen {
			m := from[(start+past+uint64(i))%n]
			seen[i] = m.headroom(about, now)
			if provider.isBusy(m) {
				seen[i].left -= busyTakes
			}
		}
		i := bestHeadroom(seen)
		best = (start + past + i) % n
		if seen[i].left > 0 {
			break
		}
	}
	return best
}

// bestHeadroom returns the index of the one with the most left, or of those with about as much, the one
// whose window ends soonest.
func bestHeadroom(seen []headroom) (best uint64) {
	most := math.Inf(-1)
	for i := range seen {
		most = max(most, seen[i].left)
	}
	least := most
	if most > 0 {
		least = max(most-sameHeadroom, most/2)
	}
	var chosen *headroom
	for i := range seen {
		if h := &seen[i]; h.left >= least && (chosen == nil || h.before(*chosen)) {
			best, chosen = uint64(i), h
		}
	}
	return best
}

// asksBuckets reports whether the strategy looks at buckets.
func (g *group) asksBuckets() bool {
	p := g.provider.Load()
	return p != nil && p.Strategy == MostHeadroom && p.limits.Buckets
}

// leastShort returns, where no member is in good standing, the one with the most left of its buckets for a
// request of that topic: those that were refused may have been larger. nil: the strategy does not ask
// for it, or of none something is left as far as is known.
func (g *group) leastShort(c *candidates, d *destination, about topic, now time.Time) (best *member) {
	if !g.asksBuckets() {
		return nil
	}
	most := 0.0
	for _, m := range c.all {
		if !m.serves(d) || m.waitsForBucket(about, now) == nil {
			continue
		}
		if h := m.headroom(about, now); h.ends != math.MaxInt64 && h.left > most {
			best, most = m, h.left
		}
	}
	return best
}

// longestFill is how long an empty bucket takes to fill up.
const longestFill = time.Minute

// waitsForBucket returns the mark by which the member is put aside, if a bucket may be its reason; else
// nil. A bucket is not when the token was refused, and when the mark is for longer.
func (m *member) waitsForBucket(about topic, now time.Time) *mark {
	k := m.marks.Load().standing(about, now)
	if k == nil || k.retired || k.of == m.tokens.Load().digest || k.until.After(now.Add(longestFill)) {
		return nil
	}
	return k
}

// shortage returns what a request about the topic found to be too little: of the buckets in which those
// that it has tried had the least left, the one with the most. nil: no bucket is why they refused it, as
// far as is known, or the strategy does not ask for it.
func (g *group) shortage(tried []*member, about topic, now time.Time) (most *seenLimit) {
	if len(tried) == 0 || !g.asksBuckets() {
		return nil
	}
	for _, m := range tried {
		if l := m.shortOf(about, now); l != nil && (most == nil || l.Left*l.size > most.Left*most.size) {
			most = l
		}
	}
	return most
}

// mostShort is the share of a bucket of which hardly any request takes more: with more left, a refusal has
// another reason. Where requests take much on average, some take twice as much.
const mostShort = 0.5

// shortOf returns the bucket with the least left, if the refusal that put the member aside has told of
// it; nil: it has not, or the reason is another one.
func (m *member) shortOf(about topic, now time.Time) (least *seenLimit) {
	n, refused := m.limits.Load(), m.waitsForBucket(about, now)
	if n == nil || refused == nil {
		return nil
	}
	for i := range n.list {
		l := &n.list[i]
		if l.size > 0 && l.holdsUp(about) && (least == nil || l.Left < least.Left) {
			least = l
		}
	}
	if least == nil || least.Left > max(mostShort, 2*least.takes) || least.told.Before(refused.at.Add(-time.Second)) {
		return nil
	}
	return least
}

// mayFit reports whether more is left in that bucket of m than where a request did not fit, as far as is
// known; l is nil where it was no matter of a bucket.
func (l *seenLimit) mayFit(m *member, now time.Time) bool {
	if l == nil {
		return true
	}
	o := m.limits.Load().find(l.Name, l.Model)
	return o == nil || o.size == 0 || o.leftBeside(m.inFlight.Load(), now)*o.size > l.Left*l.size
}

// busyTakes puts those behind all others that have as many requests in flight as they may.
const busyTakes = 1e9
