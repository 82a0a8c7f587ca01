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
	if t, err := http.ParseTime(s); err == nil {
		return t.Add(c.skew)
	}
	if t := parseStamp(s, time.UTC); !t.IsZero() {
		return t.Add(c.skew)
	}
	if d, rest := parseLength(s); d >= 0 && strings.TrimSpace(rest) == "" {
		return c.after(d.Seconds())
	}
	return time.Time{}
}

// stampLayouts are RFC 3339 and its relaxations.
var stampLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700",
	"2006-01-02 15:04:05 MST", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04 MST", "2006-01-02 15:04",
}

// parseStamp reads a date with a time. One that names no zone is in zone. The result is zero if s
// is none.
func parseStamp(s string, zone *time.Location) time.Time {
	s = strings.Replace(s, " AT ", " ", 1)
	for _, layout := range stampLayouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

// parseSpan adds up the days, hours, minutes and seconds of a match of spokenSpan.
func parseSpan(m []string) (seconds float64) {
	for i, unit := range []float64{86400, 3600, 60, 1} {
		n, _ := strconv.Atoi(m[i+1]) // no days: zero
		seconds += float64(n) * unit
	}
	return seconds
}

// parseLength reads a length at the beginning of s: 408ms, 24.3525s, 1h5m25.152s, 2hr 38min, 3
// days, 1 hour and 5 minutes. It returns -1 when there is none.
func parseLength(s string) (d time.Duration, rest string) {
	d = -1
	for rest = s; ; {
		part := strings.TrimLeft(rest, " ,")
		if d >= 0 {
			part = strings.TrimPrefix(part, "and ")
		}
		n := strings.IndexFunc(part, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return d, rest
		}
		number, err := strconv.ParseFloat(strings.TrimRight(part[:n], "."), 64)
		word := strings.TrimLeft(part[n:], " ")
		w := strings.IndexFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
		if w < 0 {
			w = len(word)
		}
		unit, ok := lengthUnits[strings.ToLower(word[:w])]
		if err != nil || !ok {
			return d, rest
		}
		d = max(d, 0) + time.Duration(min(number*float64(unit), float64(10*MaxReset)))
		rest = word[w:]
		if d > 10*MaxReset {
			return 10 * MaxReset, rest
		}
	}
}

var lengthUnits = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}
