package reauth

import (
	"math"
	"time"
)

const (
	// maxLooks is how many members a choice looks at that compares them. It is exact for pools of that
	// size.
	maxLooks = 64
	// sameHeadroom is how far apart two shares may be that count as equal: providers round them, and
	// each answer changes them.
	sameHeadroom = 0.05
	// requestTakes is the share that a request in flight counts for, until its answer says what it
	// took. It spreads a burst, of which no answer is there yet.
	requestTakes = 0.01
)

// headroom is what is known of how much a member can still serve.
type headroom struct {
	left     float64 // of its tightest window, less what the requests in flight may take
	ends     int64   // when that window ends, in unix nanoseconds; never: not known
	inFlight int64
}

// headroom returns the member's.
func (m *member) headroom(now time.Time) headroom {
	left, reset := m.limits.Load().tightest(now)
	h := headroom{left: left, ends: math.MaxInt64, inFlight: m.inFlight.Load()}
	if !reset.IsZero() {
		h.ends = reset.UnixNano()
	}
	h.left -= float64(h.inFlight) * requestTakes
	return h
}

// before reports whether of two members with about as much left the one with h is to be preferred: what
// is left of its window is lost sooner. Among windows that end together the less busy one is.
func (h headroom) before(o headroom) bool {
	return h.ends < o.ends || h.ends == o.ends && h.inFlight < o.inFlight
}

// mostHeadroom looks at up to maxLooks members from a moving start, and returns the index of the one
// with the most left, or of those with about as much, the one whose window ends soonest. One that has
// as many requests in flight as it may is chosen only if all are.
func (g *group) mostHeadroom(provider *registered, from []*member, now time.Time) (best uint64) {
	var looks [maxLooks]headroom
	start, most := g.turn.Add(1), math.Inf(-1)
	seen := looks[:min(len(from), maxLooks)]
	for i := range seen {
		m := from[(start+uint64(i))%uint64(len(from))]
		seen[i] = m.headroom(now)
		if provider.isBusy(m) {
			seen[i].left -= busyTakes
		}
		most = max(most, seen[i].left)
	}
	var chosen *headroom
	for i := range seen {
		if h := &seen[i]; h.left >= most-sameHeadroom && (chosen == nil || h.before(*chosen)) {
			best, chosen = (start+uint64(i))%uint64(len(from)), h
		}
	}
	return best
}

// busyTakes puts those behind all others that have as many requests in flight as they may.
const busyTakes = 1e9
