package verdict

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// resetClock turns a provider's statement about time into an instant of our clock.
type resetClock struct {
	now   time.Time
	from  time.Time     // where a length begins
	skew  time.Duration // how far the provider's clock is behind ours
	daily bool          // Google's quota of a day: its short retry delays only space the requests
}

// newResetClock compares the clocks by the Date header. A Date within 5 minutes of now is sane:
// lengths count from it. One that is off by up to a day belongs to a wrong clock: lengths count
// from now, and instants are moved. A Date farther off belongs to a recorded answer and is ignored.
func newResetClock(now time.Time, date string) resetClock {
	c := resetClock{now: now, from: now}
	if date == "" {
		return c
	}
	d, err := http.ParseTime(date)
	if err != nil {
		return c
	}
	switch off := now.Sub(d); {
	case off < 0 && off >= -5*time.Minute:
		c.from = d
	case off >= 0 && off <= 5*time.Minute:
		// The header has whole seconds. Counted from the beginning of its second, a short rest is
		// over too early.
		c.from = d.Add(min(off, time.Second))
	case off.Abs() <= 24*time.Hour:
		c.skew = off
	}
	return c
}

// capped returns t, or the latest instant that is believed.
func (c resetClock) capped(t time.Time) time.Time {
	if limit := c.now.Add(MaxReset); t.After(limit) {
		return limit
	}
	return t
}

// after returns the instant that lies that many seconds after the answer. A number that is
// negative, infinite or none at all is no statement: the result is zero.
func (c resetClock) after(seconds float64) time.Time {
	if !(seconds >= 0) || math.IsInf(seconds, 0) {
		return time.Time{}
	}
	return c.from.Add(time.Duration(min(seconds, 10*MaxReset.Seconds()) * float64(time.Second)))
}

// value reads a number, a date or a length. A number above 1e9 is an instant in seconds, one above
// 1e12 an instant in milliseconds, and a smaller one is a length in unit. The result is zero for
// anything else.
func (c resetClock) value(s string, unit time.Duration) time.Time {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case n > 1e15:
			return time.Time{}
		case n > 1e12:
			return time.UnixMilli(int64(n)).Add(c.skew)
		case n > 1e9:
			return time.UnixMicro(int64(n * 1e6)).Add(c.skew)
		}
		return c.after(n * unit.Seconds())
	}
	if t := c.instant(s); !t.IsZero() {
		return t.Add(c.skew)
	}
	if d, rest := parseLength(s); d >= 0 && strings.TrimSpace(rest) == "" {
		return c.after(d.Seconds())
	}
	if d, n := parseISO(s); n == len(s) {
		return c.after(d.Seconds())
	}
	return time.Time{}
}

// instant reads a date that is all of s. The result is zero for anything else.
func (c resetClock) instant(s string) time.Time {
	if t := parseStamp(s, time.UTC); !t.IsZero() {
		return t
	}
	if !isLetter(s[0]) && !strings.Contains(s, " ") {
		return time.Time{}
	}
	if t, err := http.ParseTime(s); err == nil {
		return t
	}
	t, n, date := readNamedDate(strings.ToLower(s), time.UTC)
	if n < len(s) || n == 0 {
		return time.Time{}
	}
	if date.year == 0 {
		return nextDate(t, c.now)
	}
	return t
}
