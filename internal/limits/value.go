package limits

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxCount is the largest number that makes sense.
const maxCount = 1e15

// number reads a number from 0 to most.
func number(s string, most float64) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n <= most) { // the comparison is false for NaN
		return 0, false
	}
	return n, true
}

// instant reads a length ("6m0s", or a number of seconds), a date of RFC 3339 or an instant since
// 1970. As in internal/verdict, a number above 1e9 is an instant in seconds, and one above 1e12 an
// instant in milliseconds.
func (r *reader) instant(s string) (time.Time, bool) {
	switch {
	case strings.HasSuffix(s, "s"), strings.HasSuffix(s, "m"), strings.HasSuffix(s, "h"), strings.HasSuffix(s, "d"):
		d, ok := length(s)
		return r.now.Add(d), ok
	case strings.Contains(s, ":"):
		t, err := time.Parse(time.RFC3339, s)
		return r.ours(t), err == nil
	}
	n, ok := number(s, maxCount)
	switch {
	case n > 1e12:
		return r.ours(time.UnixMilli(int64(n))), ok
	case n > 1e9:
		return r.ours(time.Unix(int64(n), 0)), ok
	}
	return r.now.Add(time.Duration(min(n, 2*maxReset.Seconds()) * float64(time.Second))), ok
}

// ours returns the instant of our clock that is t by the provider's, which the header Date shows. A
// Date that is a day away is not of this answer. One that is two seconds away is the same time: it has
// whole seconds, and the answer was under way.
func (r *reader) ours(t time.Time) time.Time {
	date, err := http.ParseTime(r.get("Date"))
	if err != nil {
		return t
	}
	if off := r.now.Sub(date); off.Abs() > 2*time.Second && off.Abs() <= 24*time.Hour {
		return t.Add(off)
	}
	return t
}

// length reads a length of time as Go writes it, with days before it if there are any: "1d6h0m0s".
func length(s string) (time.Duration, bool) {
	var days time.Duration
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, false
		}
		if days = time.Duration(n) * 24 * time.Hour; after == "" {
			return days, true
		}
		s = after
	}
	d, err := time.ParseDuration(s)
	return days + d, err == nil && d >= 0 && d < 2*maxReset
}
