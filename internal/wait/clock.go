package wait

import "time"

// Two clocks measure a span. The monotonic one stands still while a laptop sleeps, and the wall's may
// be set. Whichever says that the span is over is believed: to try too early costs one refusal, to
// wait for the slower clock may cost hours.

// Ahead reports whether t is ahead of now by both clocks, as far as both times have them.
func Ahead(t, now time.Time) bool {
	return now.Before(t) && now.Round(0).Before(t.Round(0))
}

// Since is how long before now t was, by the clock that says longer.
func Since(t, now time.Time) time.Duration {
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// ByBoth returns t, an instant by the wall's clock, with the reading that the monotonic clock of now
// will have then. The zero time stays zero.
func ByBoth(t, now time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return now.Add(t.Round(0).Sub(now.Round(0))) // in the place of now: Time.In drops the reading
}

// HeldUp reports whether this process, or the machine, was suspended in a wait of d that began then: the
// wait took longer than it could. The time that the other side had is then not known, and what it sent
// may be here.
func HeldUp(began time.Time, d time.Duration) bool {
	const late = 250 * time.Millisecond // a busy machine does not wake a goroutine at once
	return Since(began, time.Now()) > d+late
}
