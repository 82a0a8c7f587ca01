package reauth

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxReset bounds what a provider may say: the longest real period is a month.
const maxReset = 35 * 24 * time.Hour

// reset returns when the limit the response speaks of ends, or zero. The most precise statement wins: a named instant or
// length in the body, the provider's own headers, Retry-After, a sentence, and last a named period, which counts as its
// length. reason is that of the rule that decided.
func (e *evidence) reset(now time.Time, reason string) time.Time {
	c := newResetClock(now, e.header.Get("Date"))
	c.daily = e.perDay()
	for _, find := range []func(*evidence, resetClock) time.Time{resetInBody, resetOfWindow, resetInHeader, resetInText} {
		if t := find(e, c); !t.IsZero() {
			return c.capped(t)
		}
	}
	if d := e.namedPeriod(reason); d > 0 {
		return c.capped(c.from.Add(d))
	}
	return time.Time{}
}

// resetClock turns what was said into an instant.
type resetClock struct {
	now   time.Time
	from  time.Time     // where a length begins
	skew  time.Duration // what the provider's clock is behind ours
	daily bool          // Google: a day's quota, whose short retry delays mean nothing
}

// newResetClock compares the clocks by the Date header. A sane one is near our time: lengths count from it. One that is
// hours off is a clock that is off: lengths count from now, and instants are moved. Farther off it is a recorded answer.
func newResetClock(now time.Time, date string) resetClock {
	c := resetClock{now: now, from: now}
	d, err := http.ParseTime(date)
	if err != nil {
		return c
	}
	switch off := now.Sub(d); {
	case off < 0 && off >= -5*time.Minute:
		c.from = d
	case off >= 0 && off <= 5*time.Minute: // the header tells the second only: counted from its beginning, a short rest is over too early
		c.from = d.Add(min(off, time.Second))
	case off.Abs() <= 24*time.Hour:
		c.skew = off
	}
	return c
}

func (c resetClock) capped(t time.Time) time.Time {
	if limit := c.now.Add(maxReset); t.After(limit) {
		return limit
	}
	return t
}

// after returns the instant seconds from the answer. Negative, absurd and not-a-number are no statement.
func (c resetClock) after(seconds float64) time.Time {
	if !(seconds >= 0) || math.IsInf(seconds, 0) {
		return time.Time{}
	}
	return c.from.Add(time.Duration(min(seconds, 10*maxReset.Seconds()) * float64(time.Second)))
}

// value reads a number, a date or a duration. A number may be an instant in seconds or milliseconds, or a length in units.
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

// Members of a body that name an instant or a length, in the order in which they are believed.
var bodyResets = []struct {
	key  string
	unit time.Duration
}{
	{"resetsat", time.Second},
	{"resetat", time.Second},
	{"xratelimitreset", time.Second},
	{"resetsinseconds", time.Second},
	{"resetseconds", time.Second},
	{"resetafterseconds", time.Second},
	{"retrydelay", time.Second},
	{"quotaresetdelay", time.Second},
	{"quotaresettimestamp", time.Second}, // Google's
	{"retryafterms", time.Millisecond},
	{"retryafterseconds", time.Second},
	{"retryafter", time.Second},
	{"resettime", time.Second},
	{"nextresettime", time.Second},
	{"resetsin", time.Second},
	{"resetin", time.Second},
}

func resetInBody(e *evidence, c resetClock) time.Time {
	for _, b := range bodyResets {
		if b.key == "retrydelay" && c.daily {
			continue
		}
		v, _ := e.field(b.key)
		if t := c.value(v, b.unit); !t.IsZero() && (!t.Equal(c.from) || !strings.HasPrefix(b.key, "retry")) {
			return t // a retry after 0 says that waiting is no use, not that the limit is over
		}
	}
	return time.Time{}
}

// resetOfWindow reads the headers of providers with several windows: only a window that is used up counts, and of two
// such the later one.
func resetOfWindow(e *evidence, c resetClock) time.Time {
	var latest time.Time
	add := func(t time.Time) {
		if t.After(latest) {
			latest = t
		}
	}
	for _, window := range e.codexWindows() {
		at := c.value(e.either(window+"-Reset-At"), time.Second)
		if at.IsZero() {
			at = c.value(e.either(window+"-Reset-After-Seconds"), time.Second)
		}
		add(at)
	}
	if at := c.value(e.either("Anthropic-Ratelimit-Unified-Reset"), time.Second); !at.IsZero() {
		return at
	}
	for _, w := range []string{"5h", "7d", "7d_opus", "7d_sonnet"} {
		if e.either("Anthropic-Ratelimit-Unified-"+w+"-Status") == "rejected" {
			add(c.value(e.either("Anthropic-Ratelimit-Unified-"+w+"-Reset"), time.Second))
		}
	}
	return latest
}

// codexWindows returns the name of each of Codex's windows that is used up: X-Codex-Primary, X-Codex-Other-Secondary, ….
func (e *evidence) codexWindows() (names []string) {
	const percent = "-Used-Percent"
	full := func(v string) bool {
		used, err := strconv.ParseFloat(v, 64)
		return err == nil && used >= 100
	}
	for name, values := range e.header {
		if w, ok := strings.CutSuffix(http.CanonicalHeaderKey(name), percent); ok && strings.HasPrefix(w, "X-Codex-") && len(values) > 0 && full(values[0]) {
			names = append(names, w)
		}
	}
	for _, w := range []string{"X-Codex-Primary", "X-Codex-Secondary"} {
		if v, ok := e.field(foldKey(w + percent)); ok && full(v) {
			names = append(names, w)
		}
	}
	return names
}

// either returns a header's value, or that of a body that repeats the header, as events inside a stream do.
func (e *evidence) either(name string) string {
	if v := e.header.Get(name); v != "" {
		return v
	}
	v, _ := e.field(foldKey(name))
	return v
}

func resetInHeader(e *evidence, c resetClock) time.Time {
	if t := c.value(e.header.Get("Retry-After-Ms"), time.Millisecond); !t.IsZero() && !t.Equal(c.from) {
		return t
	}
	if t := c.value(e.header.Get("Retry-After"), time.Second); !t.IsZero() && !t.Equal(c.from) {
		return t
	}
	// The structured field of draft-ietf-httpapi-ratelimit-headers: "policy";r=0;t=55.
	if m := rateLimitField.FindStringSubmatch(e.header.Get("RateLimit")); m != nil {
		return c.value(m[1], time.Second)
	}
	if t := resetInText(e, c); !t.IsZero() { // more precise than a set of headers of which one must be guessed
		return t
	}
	return e.rateLimitHeader(c)
}

// rateLimitHeader chooses among a family of headers, X-RateLimit-Reset-Requests-Day beside X-RateLimit-Reset-Tokens-Minute:
// the one whose remainder is zero, else the one whose period the message names, else the one that ends first.
func (e *evidence) rateLimitHeader(c resetClock) time.Time {
	var empty, named, first time.Time
	earlier := func(old, t time.Time) time.Time {
		if old.IsZero() || t.Before(old) {
			return t
		}
		return old
	}
	for name, values := range e.header {
		low := strings.ToLower(name)
		if !strings.Contains(low, "ratelimit") || !strings.Contains(low, "reset") || len(values) == 0 {
			continue
		}
		t := c.value(values[0], time.Second)
		if t.IsZero() {
			continue
		}
		first = earlier(first, t)
		if e.header.Get(strings.Replace(low, "reset", "remaining", 1)) == "0" && t.After(empty) {
			empty = t
		}
		for _, period := range []string{"second", "minute", "hour", "day", "month"} {
			if strings.HasSuffix(low, period) && strings.Contains(e.text, "per "+period) {
				named = earlier(named, t)
			}
		}
	}
	for _, t := range []time.Time{empty, named, first} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

var (
	rateLimitField = regexp.MustCompile(`;\s*r=0\b.*;\s*t=(\d+)`)
	// A word that announces the end of a limit, then at most 28 characters that are no digit, then the length.
	spokenLength = regexp.MustCompile(`(?:again|retry|reset|wait|renew|refresh|recover|unlock|available|quotaresetdelay)[^\d\n]{0,28}?(\d[\d.]*\s*[a-z]+)`)
	spokenStamp  = regexp.MustCompile(`(?:again|retry|reset|until|after|available|refresh|renew|regain|recover|将在)[^\d\n]{0,28}?(\d{4}-\d\d-\d\d(?:[t ]| at )\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?: ?(?:z|utc|gmt|[+-]\d\d:?\d\d))?)`)
	spokenSpan   = regexp.MustCompile(`(?:retry|reset|replenished|available)[^\d\n]{0,28}?(?:(\d{1,2})\.)?(\d\d):(\d\d):(\d\d)\b`) // .NET's TimeSpan
	spokenEpoch  = regexp.MustCompile(`\|(\d{10})\b`)                                                                              // "usage limit reached|1746388800"
)

func resetInText(e *evidence, c resetClock) time.Time {
	if m := spokenStamp.FindStringSubmatch(e.text); m != nil {
		zone := time.UTC
		if e.provider == "zai" { // Beijing time, without saying so
			zone = time.FixedZone("UTC+8", 8*60*60)
		}
		if t := parseStamp(strings.ToUpper(m[1]), zone); !t.IsZero() {
			return t
		}
	}
	if m := spokenEpoch.FindStringSubmatch(e.text); m != nil {
		return c.value(m[1], time.Second)
	}
	if c.daily {
		return time.Time{}
	}
	if m := spokenSpan.FindStringSubmatch(e.text); m != nil {
		return c.after(parseSpan(m))
	}
	if m := spokenLength.FindStringSubmatchIndex(e.text); m != nil {
		if d, _ := parseLength(e.text[m[2]:]); d > 0 {
			return c.after(d.Seconds())
		}
	}
	return time.Time{}
}

// parseSpan reads the days, hours, minutes and seconds of a match of spokenSpan.
func parseSpan(m []string) (seconds float64) {
	for i, unit := range []float64{86400, 3600, 60, 1} {
		n, _ := strconv.Atoi(m[i+1]) // no days: zero
		seconds += float64(n) * unit
	}
	return seconds
}

// parseStamp reads RFC 3339 and its relaxations; without a zone the stamp is in zone.
func parseStamp(s string, zone *time.Location) time.Time {
	s = strings.Replace(s, " AT ", " ", 1)
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05 MST",
		"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04 MST", "2006-01-02 15:04",
	} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t
		}
	}
	return time.Time{}
}

// parseLength reads a length at the beginning of s: 408ms, 24.3525s, 1h5m25.152s, 2hr 38min, 3 days, 1 hour and 5 minutes.
// It returns -1 when there is none.
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
		d = max(d, 0) + time.Duration(min(number*float64(unit), float64(10*maxReset)))
		rest = word[w:]
		if d > 10*maxReset {
			return 10 * maxReset, rest
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

// perDay reports whether Google names a day's quota: its retry delay then only spaces the requests.
func (e *evidence) perDay() bool {
	for _, c := range e.codes {
		if strings.Contains(c, "perday") {
			return true
		}
	}
	return false
}

var (
	// "24-hour window", "week allocated quota", "limit reached for the past 5 hours".
	spokenWindow = regexp.MustCompile(`(\d+)[ -]?(hour|hr|h|day|week)s?\b(?:[a-z ,-]{0,12})\b(?:window|limit|quota|period)` +
		`|()\b(hour|day|week|month) (?:allocated )?quota` +
		`|limit (?:reached |exceeded )?for (?:the )?(?:past |last )?(\d+) ?(hour|day|week)`)
	namedPeriods = []struct {
		length time.Duration
		words  []string
	}{
		{time.Second, []string{"per second", "persecond"}},
		{time.Minute, []string{"per minute", "per min ", "perminute"}},
		{time.Hour, []string{"hourly", "per hour", "perhour"}},
		{24 * time.Hour, []string{"daily", "per day", "per-day", "perday"}},
		{7 * 24 * time.Hour, []string{"weekly", "per week", "perweek"}},
		{30 * 24 * time.Hour, []string{"monthly", "per month", "permonth"}},
	}
)

// namedPeriod returns the length of the shortest period a limit is named after. What is unpaid comes back with the money,
// not with the month: a billing reason has none.
func (e *evidence) namedPeriod(reason string) time.Duration {
	if strings.Contains(reason, "billing") {
		return 0
	}
	if m := spokenWindow.FindStringSubmatch(e.text); m != nil {
		return min(max(windowLength(m[1]+m[5], m[2]+m[4]+m[6]), 0), maxReset)
	}
	words := e.text + " " + strings.Join(e.codes, " ")
	for _, p := range namedPeriods {
		if says(words, p.words) {
			return p.length
		}
	}
	return 0
}

// windowLength is number units, or one unit.
func windowLength(number, unit string) time.Duration {
	if number == "" {
		number = "1"
	}
	if unit == "month" {
		number, unit = "30", "day"
	}
	d, _ := parseLength(number + unit)
	return d
}
