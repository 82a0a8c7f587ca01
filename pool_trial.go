package reauth

import "time"

// A credential whose mark has ended is tried by one request, while others serve the rest: the provider
// may not have lifted the limit yet, and a burst would be refused as a whole.

// tryTime is how long a try may take before the next request may try the credential.
const tryTime = 10 * time.Second

// isDueBefore reports whether no credential of a better priority is in good standing.
func (c *candidates) isDueBefore(m *member) bool {
	return len(c.good) == 0 || m.place.Load().priority <= c.good[0].place.Load().priority
}

// busyTrial returns a credential that another request is trying, and that fits, for one that no other can
// serve.
func (c *candidates) busyTrial(fits func(*member) bool) *member {
	for _, m := range c.trials {
		if fits(m) {
			return m
		}
	}
	return nil
}

// firstUnmarked returns the first credential that is not put aside: whether it was tried since does not
// matter to a request about what that account owns.
func (c *candidates) firstUnmarked(d *destination, about topic, now time.Time) *member {
	for _, m := range c.all {
		if m.serves(d) && m.marks.Load().standing(about, now) == nil {
			return m
		}
	}
	return nil
}

// beginTry begins a try, if none is under way, and returns what ends it; else 0.
func (m *member) beginTry(now time.Time) (try uint32) {
	until := m.trial.Load()
	if left := time.Unix(int64(until), 0).Sub(now); left > 0 && left <= tryTime { // further ahead: the clock was set back
		return 0
	}
	try = uint32(now.Add(tryTime).Unix()) //nolint:gosec // until the year 2106
	if !m.trial.CompareAndSwap(until, try) {
		return 0
	}
	return try
}

// endTry ends a try, unless another one has begun since; 0: there was none.
func (m *member) endTry(try uint32) {
	if try != 0 {
		m.trial.CompareAndSwap(try, 0)
	}
}
