package verdict

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// noon is the clock of these tests: in a bubble epochs would lie in the future.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// beijing is the time zone of a provider that states reset times without a zone.
var beijing = time.FixedZone("UTC+8", 8*60*60)

func resetOf(zone *time.Location, header http.Header, body string, reason string) time.Time {
	return readEvidence(Provider{Zone: zone}, 429, header, []byte(body)).reset(noon, reason)
}

func TestResetForms(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		zone   *time.Location
		header http.Header
		body   string
		want   time.Duration // from noon; -1: none
	}{
		{"retry-after seconds", nil, http.Header{"Retry-After": {"42"}}, ``, 42 * time.Second},
		{"retry-after fraction", nil, http.Header{"Retry-After": {"1.5"}}, ``, 1500 * time.Millisecond},
		{"retry-after date", nil, http.Header{"Retry-After": {noon.Add(time.Hour).Format(http.TimeFormat)}}, ``, time.Hour},
		{"retry-after-ms", nil, http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"9"}}, ``, 250 * time.Millisecond},
		{"retry-after negative", nil, http.Header{"Retry-After": {"-3"}}, ``, -1},
		{"retry-after nan", nil, http.Header{"Retry-After": {"NaN"}}, ``, -1},
		{"retry-after inf", nil, http.Header{"Retry-After": {"+Inf"}}, ``, -1},
		{"retry-after zero", nil, http.Header{"Retry-After": {"0"}}, ``, -1},
		{"retry-after absurd", nil, http.Header{"Retry-After": {"1e300"}}, ``, -1},
		{"retry-after a year", nil, http.Header{"Retry-After": {"31536000"}}, ``, 35 * day},
		{"retry-after words", nil, http.Header{"Retry-After": {"soon"}}, ``, -1},
		{"structured field", nil, http.Header{"Ratelimit": {`"api";r=0;t=55`}}, ``, 55 * time.Second},
		{"structured field not used up", nil, http.Header{"Ratelimit": {`"api";r=3;t=55`}}, ``, -1},
		{"resets_at seconds", nil, nil, fmt.Sprintf(`{"error":{"resets_at":%d}}`, noon.Add(time.Hour).Unix()), time.Hour},
		{"resets_at string", nil, nil, fmt.Sprintf(`{"error":{"resets_at":"%d"}}`, noon.Add(time.Hour).Unix()), time.Hour},
		{"resets_at ISO", nil, nil, `{"error":{"metadata":{"resets_at":"2026-11-23T13:00:00.000Z"}}}`, time.Hour},
		{"resets_at null", nil, nil, `{"error":{"resets_at":null}}`, -1},
		{"resets_in_seconds", nil, nil, `{"error":{"resets_in_seconds":77}}`, 77 * time.Second},
		{"reset_seconds", nil, nil, `{"error":{"reset_seconds":120}}`, 2 * time.Minute},
		{"epoch ms in the body", nil, nil, fmt.Sprintf(`{"error":{"metadata":{"headers":{"X-RateLimit-Reset":"%d"}}}}`, noon.Add(time.Hour).UnixMilli()), time.Hour},
		{"epoch ms in a header", nil, http.Header{"X-Ratelimit-Reset": {fmt.Sprint(noon.Add(time.Hour).UnixMilli())}}, ``, time.Hour},
		{"a small x-ratelimit-reset is a length", nil, http.Header{"X-Ratelimit-Reset": {"7"}}, ``, 7 * time.Second},
		{"the dimension that is used up", nil, http.Header{"X-Ratelimit-Reset-Requests": {"2m59.56s"}, "X-Ratelimit-Reset-Tokens": {"610ms"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Remaining-Tokens": {"12"}}, ``, 179560 * time.Millisecond},
		{"the dimension that is named", nil, http.Header{"X-Ratelimit-Reset-Requests-Day": {"33011.38"}, "X-Ratelimit-Reset-Tokens-Minute": {"11.5"}}, `{"message":"Requests per day limit exceeded"}`, 33011380 * time.Millisecond},
		{"google's retry delay", nil, nil, `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}`, 37 * time.Second},
		{"google's retry delay of a day's quota", nil, nil, `{"error":{"message":"Please retry in 37s.","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"37s"}]}}`, day},
		{"anthropic's window", nil, http.Header{"Anthropic-Ratelimit-Unified-Reset": {fmt.Sprint(noon.Add(5 * time.Hour).Unix())}, "Retry-After": {"9"}}, ``, 5 * time.Hour},
		{"anthropic's rejected window", nil, http.Header{
			"Anthropic-Ratelimit-Unified-5h-Status": {"allowed"}, "Anthropic-Ratelimit-Unified-5h-Reset": {fmt.Sprint(noon.Add(time.Hour).Unix())},
			"Anthropic-Ratelimit-Unified-7d-Status": {"rejected"}, "Anthropic-Ratelimit-Unified-7d-Reset": {fmt.Sprint(noon.Add(48 * time.Hour).Unix())},
		}, ``, 48 * time.Hour},
		{"codex's window at 100 %", nil, http.Header{
			"X-Codex-Primary-Used-Percent": {"100"}, "X-Codex-Primary-Reset-At": {""}, "X-Codex-Primary-Reset-After-Seconds": {"60"},
			"X-Codex-Secondary-Used-Percent": {"80"}, "X-Codex-Secondary-Reset-At": {fmt.Sprint(noon.Add(72 * time.Hour).Unix())},
		}, ``, time.Minute},
		{"both of codex's windows", nil, http.Header{
			"X-Codex-Primary-Used-Percent": {"100"}, "X-Codex-Primary-Reset-After-Seconds": {"60"},
			"X-Codex-Secondary-Used-Percent": {"100.0"}, "X-Codex-Secondary-Reset-After-Seconds": {"3600"},
		}, ``, time.Hour},
		{"prose ms", nil, nil, `{"message":"Please try again in 408ms."}`, 408 * time.Millisecond},
		{"prose fraction", nil, nil, `{"message":"Please try again in 24.3525s. Visit"}`, 24352500 * time.Microsecond},
		{"prose Go duration", nil, nil, `{"message":"Please try again in 1h5m25.152s."}`, time.Hour + 5*time.Minute + 25152*time.Millisecond},
		{"prose long Go duration", nil, nil, `{"message":"Your quota will reset after 8h44m7s."}`, 8*time.Hour + 44*time.Minute + 7*time.Second},
		{"prose units", nil, nil, `{"message":"Resets in 2hr 38min"}`, 2*time.Hour + 38*time.Minute},
		{"prose days", nil, nil, `{"message":"Resets in 3 days."}`, 3 * day},
		{"prose hours", nil, nil, `{"message":"Please try again in 58 hours."}`, 58 * time.Hour},
		{"prose and", nil, nil, `{"message":"try again in 1 hour and 5 minutes"}`, 65 * time.Minute},
		{"prose wait", nil, nil, `{"message":"Rate limited: wait 6 seconds"}`, 6 * time.Second},
		{"prose time span", nil, nil, `{"message":"Quota will be replenished in 5.03:23:11."}`, 5*day + 3*time.Hour + 23*time.Minute + 11*time.Second},
		{"prose stamp UTC+8", beijing, nil, `{"message":"Your limit will reset at 2026-11-23 21:00:00"}`, time.Hour},
		{"prose stamp UTC+8 in Chinese", beijing, nil, `{"message":"您的限额将在 2026-11-23 21:00:00 重置。"}`, time.Hour},
		{"prose stamp elsewhere", nil, nil, `{"message":"Your limit will reset at 2026-11-23 13:00:00"}`, time.Hour},
		{"prose stamp with zone", nil, nil, `{"message":"resets at 2026-11-23T13:00:00Z."}`, time.Hour},
		{"prose stamp with offset", beijing, nil, `{"message":"reset at 2026-11-23T14:00:00+01:00"}`, time.Hour},
		{"prose date at", nil, nil, `{"message":"You will regain access on 2026-12-01 at 00:00 UTC."}`, 7*day + 12*time.Hour},
		{"prose epoch", nil, nil, fmt.Sprintf(`{"message":"usage limit reached|%d"}`, noon.Add(time.Hour).Unix()), time.Hour},
		{"named: hourly", nil, nil, `{"message":"you've reached your hourly usage limit"}`, time.Hour},
		{"named: daily", nil, nil, `{"message":"Key limit exceeded (daily limit)"}`, day},
		{"named: weekly in a code", nil, nil, `{"error":{"message":"limit exceeded"},"metadata":{"limitName":"weekly"}}`, 7 * day},
		{"named: monthly", nil, nil, `{"message":"Key limit exceeded (monthly limit)"}`, 30 * day},
		{"named: per minute", nil, nil, `{"message":"Requests per minute limit exceeded"}`, time.Minute},
		{"named: rolling window", nil, nil, `{"message":"Usage resets over a rolling 24-hour window"}`, day},
		{"named: 5 hours", nil, nil, `{"message":"5-hour usage limit reached"}`, 5 * time.Hour},
		{"named: week's quota", nil, nil, `{"message":"week allocated quota exceeded"}`, 7 * day},
		{"nothing", nil, nil, `{"message":"Too many requests"}`, -1},
		{"amounts are no lengths", nil, nil, `{"message":"Limit 40000, Used 39485, Requested 787."}`, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.header == nil {
				c.header = http.Header{}
			}
			got := resetOf(c.zone, c.header, c.body, "usage-limit")
			if c.want < 0 {
				assert.Zero(t, got)
				return
			}
			assert.WithinDuration(t, noon.Add(c.want), got, time.Millisecond)
		})
	}
}

func TestWhatIsUnpaidDoesNotComeBackWithTheMonth(t *testing.T) {
	const body = `{"message":"You have reached your monthly spending limit"}`
	assert.Zero(t, resetOf(nil, http.Header{}, body, "billing"))
	assert.Equal(t, noon.Add(30*24*time.Hour), resetOf(nil, http.Header{}, body, "usage-limit"))
}

func TestResetAndTheServersClock(t *testing.T) {
	date := func(d time.Duration) http.Header {
		return http.Header{"Date": {noon.Add(d).Format(http.TimeFormat)}, "Retry-After": {"60"}}
	}
	assert.Equal(t, noon.Add(51*time.Second), resetOf(nil, date(-10*time.Second), "", "rate").UTC(), "a length counts from the end of a sane Date's second")
	assert.Equal(t, noon.Add(70*time.Second), resetOf(nil, date(10*time.Second), "", "rate").UTC())
	assert.Equal(t, noon.Add(time.Minute), resetOf(nil, date(2*time.Hour), "", "rate").UTC(), "not from one that is off")
	assert.Equal(t, noon.Add(time.Minute), resetOf(nil, date(-2*time.Hour), "", "rate").UTC())

	behind := http.Header{"Date": {noon.Add(-2 * time.Hour).Format(http.TimeFormat)}, "Retry-After": {noon.Add(-2*time.Hour + time.Minute).Format(http.TimeFormat)}}
	assert.Equal(t, noon.Add(time.Minute), resetOf(nil, behind, "", "rate").UTC(), "an instant of a clock that is off is moved")
}

// A Date header has whole seconds: counted from it, a rest of one second would be over before the
// server's is.
func TestShortResetIsNotOverBeforeTheServers(t *testing.T) {
	h := http.Header{"Date": {noon.Format(http.TimeFormat)}, "Retry-After": {"1"}}
	for ms, want := range map[time.Duration]time.Duration{0: 1000, 900: 1900, 1500: 2000} {
		got := readEvidence(Provider{}, 429, h, nil).reset(noon.Add(ms*time.Millisecond), "rate").UTC()
		assert.Equal(t, noon.Add(want*time.Millisecond), got)
	}
}

func TestParseLength(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": -1, "x": -1, "5": -1, "5 apples": -1, ".": -1, "1.5h": 90 * time.Minute, "1h 5 apples": time.Hour, "2 weeks": 14 * 24 * time.Hour,
		"0s": 0, "99999999999d": 10 * MaxReset, "1..5s": -1,
	} {
		got, _ := parseLength(in)
		assert.Equal(t, want, got, in)
	}
}

func TestResetClockTakesNoNonsense(t *testing.T) {
	c := resetClock{now: noon, from: noon}
	for _, s := range []string{"", "NaN", "-1", "Inf", "1e400", "-1e400", "0x10p5000", "two", "99999999999999999999999"} {
		assert.Zero(t, c.value(s, time.Second), s)
	}
	assert.Zero(t, c.after(math.NaN()))
	assert.Zero(t, c.after(math.Inf(1)))
}

func TestNoResetLiesBeyondTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		h := http.Header{"Date": {now.Add(4 * time.Minute).UTC().Format(http.TimeFormat)}}
		at := readEvidence(Provider{}, 429, h, []byte("9 week quota")).reset(now, "usage-limit")
		assert.Equal(t, now.Add(MaxReset), at)
	})
}
