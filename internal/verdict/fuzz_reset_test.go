package verdict

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzReset(f *testing.F) {
	date := time.Date(2000, 1, 1, 0, 4, 0, 0, time.UTC).Format(http.TimeFormat) // a bubble begins at midnight
	for _, s := range []string{
		"", "0", "-0", "1", "-1", "1.5", "60", "-60s", "NaN", "nan", "Inf", "+Inf", "-Inf", "infinity", "1e308", "1e400", "-1e18", "0x1p-2", "1_000",
		"1e9", "1746388800", "1746388800000", "9999999999999999", "1e15", "1e12", "4102444800", "99999999999",
		"408ms", "24.3525s", "1h5m25.152s", "8h44m7s", "2hr 38min", "3 days", "58 hours", "1 hour and 5 minutes", "1.2.3s", "9e9 weeks", "99999999999999999999 days", "5 fortnights",
		"2026-05-25 19:22:49", "2026-05-25T19:22:49Z", "2026-05-25t19:22:49.123+08:00", "0000-01-01 00:00:00", "9999-12-31 23:59:59", "Mon, 25 May 2026 19:22:49 GMT", "Monday, 25-May-26 19:22:49 GMT", "Mon May 25 19:22:49 2026",
		"try again in 20s", "please retry after 2026-05-25 at 19:22", "limit reached|1746388800", "reset in 3.01:02:03", "available 99:99:99", "2 week quota", "5 hour window", "limit reached for the past 3 day", "weekly limit", "per-day",
		"quota will reset after 8h44m7s.", "retry in NaN seconds", "重试 将在 2026-05-25 19:22:49 重置",
	} {
		for where := range len(placesOfResets) + len(bodyResets) {
			f.Add(s, date, int64(time.Second), where)
		}
		f.Add(s, "", int64(time.Millisecond), 0)
	}
	f.Fuzz(func(t *testing.T, s, date string, unit int64, where int) {
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			latest := now.Add(MaxReset)
			c := newResetClock(now, date)
			at := c.value(s, time.Duration(min(max(unit, 1), int64(time.Hour))))
			require.False(t, c.capped(at).After(latest), "%q: %s", s, at)
			if n, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && (math.IsNaN(n) || math.IsInf(n, 0) || n < -1e-9 || n > 1e15) {
				require.Zero(t, at, "%q names no time", s)
			}
			if d, rest := parseLength(s); d != -1 {
				require.GreaterOrEqual(t, d, time.Duration(0))
				require.LessOrEqual(t, d, 11*MaxReset)
				require.True(t, strings.HasSuffix(s, rest))
				require.Less(t, len(rest), len(s))
			}
			parseStamp(s, time.UTC)
			e := saying(s, date, where)
			for _, reason := range []string{"usage-limit", "billing"} {
				at := e.reset(now, reason)
				require.False(t, at.After(latest), "%q in %+v: %s", s, e, at)
				require.Equal(t, at, e.reset(now, reason), "the same twice")
			}
		})
	})
}

// placesOfResets are headers that say when a limit ends; "" is the body as plain text.
var placesOfResets = []string{
	"", "Retry-After", "Retry-After-Ms", "RateLimit", "X-Ratelimit-Reset", "X-Ratelimit-Reset-Requests-Day", "Anthropic-Ratelimit-Unified-Reset",
	"X-Codex-Primary-Reset-At", "X-Codex-Primary-Reset-After-Seconds",
}

// saying returns an answer that says s in one of the places where a provider may say when a limit
// ends.
func saying(s, date string, where int) *evidence {
	h := http.Header{"Date": {date}, "X-Codex-Primary-Used-Percent": {"100"}, "X-Ratelimit-Remaining": {"0"}}
	p := []Provider{{Name: "openai-codex"}, {Name: "zai", Zone: beijing}, {Name: "gemini"}}[len(s)%3]
	where = int(uint(where) % uint(len(placesOfResets)+len(bodyResets)))
	switch {
	case where == 0:
		return readEvidence(p, 429, h, []byte(s))
	case where < len(placesOfResets):
		h.Set(placesOfResets[where], s)
		return readEvidence(p, 429, h, nil)
	}
	e := readEvidence(p, 429, h, nil)
	e.addField(bodyResets[where-len(placesOfResets)].key, s)
	return e
}
