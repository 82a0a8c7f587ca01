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
	// samePace is how far apart two paces may be that count as equal: providers round the shares, and
	// each answer changes them. Of little, half is not as much.
	samePace = 0.05
	// enough is the share of the tightest window with which a member is compared by its pace. With less
	// it comes after one that has twice as much.
	enough = 0.05
	// learnEvery is how often a choice prefers members of which nothing is known, and toLearn puts them
	// before all others.
	learnEvery = 16
	toLearn    = 1
)

// headroom is what is known of how much a member can still serve.
type headroom struct {
	left float64 // of its tightest window, less what the requests in flight may take
	ends int64   // when that window ends, in unix nanoseconds; never: not known
	pace float64 // the least of its windows; see seenLimit.pace. At most that of a full one
}

// headroom returns the member's, for a request about the topic.
func (m *member) headroom(about topic, now time.Time) headroom {
	return m.limits.Load().headroom(about, m.inFlight.Load(), now)
}

const (
	// onPace says when a window is on pace: with half of its time ahead, it has 0.7 times a half left, or
	// more. The next window is begun when no running one is. With a smaller factor that is later, and less
	// is left for a burst; with 1 it is as soon as the others are used faster than their time passes.
	onPace = 0.7
	// paced is the length from which on a window has a pace. What a shorter one loses is back soon.
	paced = time.Hour
)

// pace compares what is left of a window with the time that is left: with 1 or more it is on pace. Of a
// bucket, of a short window, and where the end is not known, it is the share that is left.
func (l *seenLimit) pace(left float64, now time.Time) float64 {
	if l.size > 0 || l.Window < paced || l.Reset.IsZero() || left <= 0 || !l.over.After(now) {
		return left
	}
	return left * float64(l.Window) / (onPace * float64(l.over.Sub(now)))
}

// headroom returns what is known of how much can still be served of requests about the topic, less what
// the requests in flight take. A window that has passed is full and on pace, and so is what nothing is
// known of.
func (n *limitNews) headroom(about topic, inFlight int64, now time.Time) headroom {
	full := 1 - float64(inFlight)*requestTakes
	h := headroom{left: full, pace: full, ends: math.MaxInt64}
	if n == nil {
		return h
	}
	for i := range n.list {
		l := &n.list[i]
		if !l.holdsUp(about) {
			continue
		}
		left, ends := l.leftBeside(inFlight, now), int64(math.MaxInt64)
		if l.over.After(now) {
			ends = l.over.UnixNano()
		}
		if left < h.left || left == h.left && ends < h.ends {
			h.left, h.ends = left, ends
		}
		h.pace = min(h.pace, l.pace(left, now))
	}
	return h
}

// before reports whether of two members with about the same pace the one with h is to be preferred: what
// is left of its window is lost sooner. Among windows that end together the one with more left is.
func (h *headroom) before(o *headroom) bool {
	return h.ends < o.ends || h.ends == o.ends && h.left > o.left
}

// mostHeadroom looks at up to maxLooks members from a moving start, at the next ones where of none of
// these something is left, and returns the index of the best. One that has as many requests in flight as
// it may is chosen only if all are.
func (g *group) mostHeadroom(provider *registered, from []*member, about topic, now time.Time) (best uint64) {
	var looks [maxLooks]headroom
	start, n := g.turn.Add(1), uint64(len(from))
	learns := start%learnEvery == 0
	for past := uint64(0); past < min(n, maxFarLooks); past += maxLooks {
		seen := looks[:min(n-past, maxLooks)]
		for i := range seen {
			m := from[(start+past+uint64(i))%n]
			seen[i] = m.headroom(about, now)
			if learns && m.limits.Load() == nil {
				seen[i].pace += toLearn
			}
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

// bestHeadroom returns the index of the one with the best pace, or of those with about the same, the one
// whose window ends soonest.
func bestHeadroom(seen []headroom) (best uint64) {
	most, pace := math.Inf(-1), math.Inf(-1)
	for i := range seen {
		most = max(most, seen[i].left)
	}
	least := min(nearly(most), enough)
	for i := range seen {
		if seen[i].left >= least {
			pace = max(pace, seen[i].pace)
		}
	}
	slowest := nearly(pace)
	var chosen *headroom
	for i := range seen {
		if h := &seen[i]; h.left >= least && h.pace >= slowest && (chosen == nil || h.before(chosen)) {
			best, chosen = uint64(i), h
		}
	}
	return best
}

// nearly returns the least that counts as much as most.
func nearly(most float64) float64 {
	if most <= 0 {
		return most
	}
	return max(most-samePace, most/2)
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
