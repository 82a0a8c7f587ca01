package reauth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/testrig/clock"
)

// A reset in the future counts as it is. Without one the reason decides. A reset in the past counts
// as a rate limit at most.
func TestExhaustedUntil(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		v    Verdict
		want time.Duration
	}{
		{Verdict{Reason: "rate-limit"}, time.Minute},
		{Verdict{Reason: "usage-limit"}, 15 * time.Minute},
		{Verdict{Reason: "status:402:billing"}, time.Hour},
		{Verdict{Reason: "a caller's own"}, 15 * time.Minute},
		{Verdict{Reason: "billing", Reset: now.Add(time.Second)}, time.Second},
		{Verdict{Reason: "billing", Reset: now.Add(-time.Hour)}, time.Minute},
	} {
		assert.Equal(t, now.Add(c.want), exhaustedUntil(c.v, now), "%+v", c.v)
	}
}

// While a laptop sleeps only the clock of the wall goes on. Somebody may set that one back, and then
// only the monotonic one tells. What is to end after an hour ends by either.
func TestWhatEndsByTheClockEndsByBoth(t *testing.T) {
	now := time.Now()
	end, stamp := now.Add(time.Hour), now.Round(0)
	expiring := newTokens(Entry{Credential: Credential{AccessToken: "a", RefreshToken: "r", Expiry: end}}, fromExchange, now)
	failing := restraint{failed: rest{of: expiring, err: errUnproven, until: end}}
	futile := restraint{futile: rest{of: expiring, until: end}}
	expiring.accepted.Store(true)
	g := new(group)
	var look storeView
	look.checked.Store(now.UnixNano())
	for name, waits := range map[string]func(now time.Time) bool{
		"mark of this process":  newMark(end, false, "rejected", now, "").holds,
		"mark until an instant": newMark(stamp.Add(time.Hour), false, "usage-limit", now, "").holds,
		"mark of a store":       readMark(Mark{Until: stamp.Add(time.Hour), At: stamp.Add(-time.Minute)}, now).holds,
		"mark of a clock ahead": readMark(Mark{Until: stamp.Add(3 * time.Hour), At: stamp.Add(2 * time.Hour)}, now).holds,
		"snapshot of a group":   func(now time.Time) bool { return g.valid(&candidates{wake: end}, now) },
		"access token":          func(now time.Time) bool { return !expiring.expired(now) },
		"failed renewal": func(now time.Time) bool {
			return failing.resting(expiring, false, byRefreshToken, demand{why: expired}, now) != nil
		},
		"renewal for one request": func(now time.Time) bool {
			return !futile.mayExchange(expiring, byRefreshToken, demand{why: rejected}, now)
		},
		"probe of a long mark": func(later time.Time) bool {
			k := newMark(now.Add(24*time.Hour), false, "usage-limit", now, "")
			due := k.probe.Load()
			new(candidates).addMarked(new(member), k, later)
			return k.probe.Load() == due
		},
		"look at the store": func(now time.Time) bool { return look.seenLately(now.Add(-time.Hour + checkEvery)) },
	} {
		t.Run(name, func(t *testing.T) {
			assert.True(t, waits(now.Add(time.Hour-time.Second)))
			assert.False(t, waits(clock.Asleep(now, 2*time.Hour)), "it slept")
			assert.False(t, waits(clock.Asleep(now.Add(time.Hour+time.Second), -2*time.Hour)), "the clock was set back")
		})
	}
}
