package verdict

import (
	"cmp"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MaxReset bounds how far ahead a reset may lie: the longest real period of a provider is a month.
const MaxReset = 35 * 24 * time.Hour

// reset returns when the limit that the response speaks of ends, or zero. The most precise
// statement wins: an instant or a length that the body names, the provider's own headers,
// Retry-After, a sentence, and last the name of a period, which counts as its length. reason is
// that of the rule that decided.
func (e *evidence) reset(now time.Time, reason string) time.Time {
	c := newResetClock(now, e.header.Get("Date"))
	c.daily = e.namesDailyQuota()
	for _, find := range []func(*evidence, resetClock) time.Time{
		resetInBody, resetOfWindow, resetInHeader, resetInText,
	} {
		if t := find(e, c); !t.IsZero() {
			return c.capped(t)
		}
	}
	if d := e.namedPeriod(reason); d > 0 {
		return c.capped(c.from.Add(d))
	}
	return time.Time{}
}

// namesDailyQuota reports whether Google names a day's quota.
func (e *evidence) namesDailyQuota() bool {
	for _, c := range e.codes {
		if strings.Contains(c, "perday") {
			return true
		}
	}
	return false
}

// bodyResets are the members of a body that name an instant or a length, the most credible first.
// Keys are folded.
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
		t := c.value(v, b.unit)
		if strings.HasPrefix(b.key, "retry") && t.Equal(c.from) {
			continue // a retry after 0 says that waiting is no use, not that the limit is over
		}
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// resetOfWindow reads the headers of providers that have several windows, each with a limit of its
// own. Only a window that is used up counts, and of two such the later one.
func resetOfWindow(e *evidence, c resetClock) time.Time {
	var latest time.Time
	add := func(t time.Time) {
		if t.After(latest) {
			latest = t
		}
	}
	for _, window := range e.codexWindows() {
		at := c.value(e.headerOrField(window+"-Reset-At"), time.Second)
		if at.IsZero() {
			at = c.value(e.headerOrField(window+"-Reset-After-Seconds"), time.Second)
		}
		add(at)
	}
	if at := c.value(e.headerOrField("Anthropic-Ratelimit-Unified-Reset"), time.Second); !at.IsZero() {
		return at
	}
	for _, w := range []string{"5h", "7d", "7d_opus", "7d_sonnet"} {
		if e.headerOrField("Anthropic-Ratelimit-Unified-"+w+"-Status") == "rejected" {
			add(c.value(e.headerOrField("Anthropic-Ratelimit-Unified-"+w+"-Reset"), time.Second))
		}
	}
	return latest
}

// windowHeaders are the headers of windows that an event inside a stream repeats in its body.
var windowHeaders = [...]string{
	"X-Codex-Primary-Used-Percent", "X-Codex-Primary-Reset-At", "X-Codex-Primary-Reset-After-Seconds",
	"X-Codex-Secondary-Used-Percent", "X-Codex-Secondary-Reset-At", "X-Codex-Secondary-Reset-After-Seconds",
	"Anthropic-Ratelimit-Unified-Reset",
	"Anthropic-Ratelimit-Unified-5h-Status", "Anthropic-Ratelimit-Unified-5h-Reset",
	"Anthropic-Ratelimit-Unified-7d-Status", "Anthropic-Ratelimit-Unified-7d-Reset",
	"Anthropic-Ratelimit-Unified-7d_opus-Status", "Anthropic-Ratelimit-Unified-7d_opus-Reset",
	"Anthropic-Ratelimit-Unified-7d_sonnet-Status", "Anthropic-Ratelimit-Unified-7d_sonnet-Reset",
}

// codexWindows returns the name of each of Codex's windows that is used up: X-Codex-Primary,
// X-Codex-Other-Secondary, ….
func (e *evidence) codexWindows() (names []string) {
	const percent = "-Used-Percent"
	full := func(v string) bool {
		used, err := strconv.ParseFloat(v, 64)
		return err == nil && used >= 100
	}
	for name, values := range e.header {
		w, ok := strings.CutSuffix(http.CanonicalHeaderKey(name), percent)
		if ok && strings.HasPrefix(w, "X-Codex-") && len(values) > 0 && full(values[0]) {
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

// headerOrField returns a header's value, or that of the member with the header's name: an event
// inside a stream repeats headers in its body.
func (e *evidence) headerOrField(name string) string {
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
	if m := rateLimitField.FindStringSubmatch(e.header.Get("RateLimit")); m != nil {
		return c.value(m[1], time.Second)
	}
	// A sentence is more precise than a family of headers of which one must be guessed.
	if t := resetInText(e, c); !t.IsZero() {
		return t
	}
	return e.rateLimitHeader(c)
}

// rateLimitField finds an item without remainder in the structured field of
// draft-ietf-httpapi-ratelimit-headers: "policy";r=0;t=55.
var rateLimitField = regexp.MustCompile(`;\s*r=0\b.*;\s*t=(\d+)`)

// rateLimitHeader chooses among a family of headers, such as X-RateLimit-Reset-Requests-Day beside
// X-RateLimit-Reset-Tokens-Minute: the one whose remainder is zero, else the one whose period the
// message names, else the one that ends first.
func (e *evidence) rateLimitHeader(c resetClock) time.Time {
	var empty, named, first time.Time
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
	return cmp.Or(empty, named, first)
}

// earlier returns the earlier of two instants; a zero old counts as none.
func earlier(old, t time.Time) time.Time {
	if old.IsZero() || t.Before(old) {
		return t
	}
	return old
}

// A word that announces the end of a limit, then at most 28 characters that are no digit, then the
// length or the stamp.
var (
	spokenLength = regexp.MustCompile(
		`(?:again|retry|reset|wait|renew|refresh|recover|unlock|available|quotaresetdelay)[^\d\n]{0,28}?` +
			`(\d[\d.]*\s*[a-z]+)`)
	spokenStamp = regexp.MustCompile(
		`(?:again|retry|reset|until|after|available|refresh|renew|regain|recover|将在)[^\d\n]{0,28}?` +
			`(\d{4}-\d\d-\d\d(?:[t ]| at )\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?: ?(?:z|utc|gmt|[+-]\d\d:?\d\d))?)`)
	spokenSpan = regexp.MustCompile( // .NET's TimeSpan: 3.01:02:03 is 3 days, 1 hour, 2 minutes and 3 seconds
		`(?:retry|reset|replenished|available)[^\d\n]{0,28}?(?:(\d{1,2})\.)?(\d\d):(\d\d):(\d\d)\b`)
	spokenEpoch = regexp.MustCompile(`\|(\d{10})\b`) // "usage limit reached|1746388800"
)

func resetInText(e *evidence, c resetClock) time.Time {
	if m := spokenStamp.FindStringSubmatch(e.text); m != nil {
		if t := parseStamp(strings.ToUpper(m[1]), cmp.Or(e.provider.Zone, time.UTC)); !t.IsZero() {
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

var (
	// spokenWindow finds "24-hour window", "week allocated quota", "limit reached for the past 5
	// hours".
	spokenWindow = regexp.MustCompile(
		`(\d+)[ -]?(hour|hr|h|day|week)s?\b(?:[a-z ,-]{0,12})\b(?:window|limit|quota|period)` +
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

// namedPeriod returns the length of the shortest period that a limit is named after, or 0. A
// billing reason has none: what is unpaid comes back with the money, not with the month.
func (e *evidence) namedPeriod(reason string) time.Duration {
	if strings.Contains(reason, "billing") {
		return 0
	}
	if m := spokenWindow.FindStringSubmatch(e.text); m != nil {
		return min(max(windowLength(m[1]+m[5], m[2]+m[4]+m[6]), 0), MaxReset)
	}
	words := e.text + " " + strings.Join(e.codes, " ")
	for _, p := range namedPeriods {
		if containsPhrase(words, p.words) {
			return p.length
		}
	}
	return 0
}

// windowLength is number units, or one unit if number is "".
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
