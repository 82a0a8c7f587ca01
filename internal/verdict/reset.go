package verdict

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxReset bounds how far ahead a reset may lie: the longest real period of a provider is a month.
const MaxReset = 35 * 24 * time.Hour

// reset returns when the limit that the response speaks of ends, or zero. The most precise
// statement wins: an instant or a length that the body names, the provider's own headers,
// Retry-After, a sentence, a header that must be guessed among several, and last the name of a
// period, which counts as its length. reason is that of the rule that decided.
func (e *evidence) reset(now time.Time, reason string) time.Time {
	c := newResetClock(now, e.header.Get("Date"))
	c.daily = e.namesDailyQuota()
	for _, find := range [...]func(*evidence, resetClock) time.Time{
		resetInBody, resetOfWindow, resetInHeader, resetInText, resetInHeaders,
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
var bodyResets = [...]struct {
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
	if len(e.fields) == 0 {
		return time.Time{}
	}
	for i := range bodyResets {
		b := &bodyResets[i]
		if b.key == "retrydelay" && c.daily {
			continue
		}
		v, ok := e.field(b.key)
		if !ok {
			continue
		}
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
	if at := c.value(e.headerOrField(anthropicReset), time.Second); !at.IsZero() {
		return at
	}
	for i := range anthropicWindows {
		w := &anthropicWindows[i]
		if e.headerOrField(w.status) == "rejected" {
			add(c.value(e.headerOrField(w.reset), time.Second))
		}
	}
	return latest
}

const anthropicReset = "Anthropic-Ratelimit-Unified-Reset"

// anthropicWindows are the headers of Anthropic's windows, the claim by which another header names the
// one that decided, and for which models it counts.
var anthropicWindows = [...]struct {
	status, reset, claim string
	scope                scope
}{
	{"Anthropic-Ratelimit-Unified-5h-Status", "Anthropic-Ratelimit-Unified-5h-Reset", "five_hour", scope{}},
	{"Anthropic-Ratelimit-Unified-7d-Status", "Anthropic-Ratelimit-Unified-7d-Reset", "seven_day", scope{}},
	{
		"Anthropic-Ratelimit-Unified-7d_opus-Status", "Anthropic-Ratelimit-Unified-7d_opus-Reset",
		"seven_day_opus",
		scope{model: true, family: "opus"},
	},
	{
		"Anthropic-Ratelimit-Unified-7d_sonnet-Status", "Anthropic-Ratelimit-Unified-7d_sonnet-Reset",
		"seven_day_sonnet",
		scope{model: true, family: "sonnet"},
	},
	{ // of Fable, and of what is drawn on the same allowance
		"Anthropic-Ratelimit-Unified-7d_oi-Status", "Anthropic-Ratelimit-Unified-7d_oi-Reset",
		"seven_day_overage_included",
		scope{model: true},
	},
}

// codexInBody are the windows of Codex that an event inside a stream tells in its body.
var codexInBody = [...]string{"X-Codex-Primary", "X-Codex-Secondary"}

const usedPercent = "-Used-Percent"

// windowKeys returns the keys of the members that repeat a header of a window.
func windowKeys() []string {
	names := []string{anthropicReset, anthropicClaim, codexActive}
	for _, w := range anthropicWindows {
		names = append(names, w.status, w.reset)
	}
	for _, w := range codexInBody {
		names = append(names, w+usedPercent, w+"-Reset-At", w+"-Reset-After-Seconds")
	}
	for i, name := range names {
		names[i] = foldKey(name)
	}
	return names
}

// codexWindows returns the name of each of Codex's windows that is used up: X-Codex-Primary,
// X-Codex-Other-Secondary, ….
func (e *evidence) codexWindows() (names []string) {
	full := func(v string) bool {
		used, err := strconv.ParseFloat(v, 64)
		return err == nil && used >= 100
	}
	for name, values := range e.header {
		if len(name) <= len(usedPercent) || !strings.EqualFold(name[len(name)-len(usedPercent):], usedPercent) {
			continue
		}
		w := strings.TrimSuffix(http.CanonicalHeaderKey(name), usedPercent)
		if strings.HasPrefix(w, "X-Codex-") && len(values) > 0 && full(values[0]) {
			names = append(names, w)
		}
	}
	for _, w := range codexInBody {
		if v := e.fieldOfHeader(w + usedPercent); v != "" && full(v) {
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
	return e.fieldOfHeader(name)
}

// fieldOfHeader returns the value of the member with the header's name.
func (e *evidence) fieldOfHeader(name string) string {
	if len(e.fields) == 0 {
		return ""
	}
	var buf [maxKey]byte
	v, _ := e.field(string(appendFolded(buf[:0], name)))
	return v
}

// resetInHeader reads the headers that tell nothing but when to come back.
func resetInHeader(e *evidence, c resetClock) time.Time {
	if t := c.value(e.header.Get("Retry-After-Ms"), time.Millisecond); !t.IsZero() && !t.Equal(c.from) {
		return t
	}
	if t := c.value(e.header.Get("Retry-After"), time.Second); !t.IsZero() && !t.Equal(c.from) {
		return t
	}
	if t := rateLimitField(e.header.Get("Ratelimit")); t != "" {
		return c.value(t, time.Second)
	}
	return time.Time{}
}

// rateLimitField returns the seconds of the first item without remainder in the structured field of
// draft-ietf-httpapi-ratelimit-headers: "policy";r=0;t=55.
func rateLimitField(field string) string {
	for item := range strings.SplitSeq(field, ",") {
		seconds, empty := "", false
		for parameter := range strings.SplitSeq(item, ";") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); name {
			case "r":
				empty = value == "0"
			case "t":
				seconds = value
			}
		}
		if empty && isNumber(seconds) {
			return seconds
		}
	}
	return ""
}

// resetInHeaders chooses among a family of headers, such as X-RateLimit-Reset-Requests-Day beside
// X-RateLimit-Reset-Tokens-Minute: the one whose remainder is zero, else the one whose period the
// message names, else the one that ends first. A sentence is more precise than that.
func resetInHeaders(e *evidence, c resetClock) time.Time {
	var empty, named, first time.Time
	for name, values := range e.header {
		if len(name) < len("RateLimit-Reset") || len(values) == 0 {
			continue
		}
		low := strings.ToLower(name)
		if !strings.Contains(low, "ratelimit") || !strings.Contains(low, "reset") {
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
		for _, period := range [...]string{"second", "minute", "hour", "day", "month"} {
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
