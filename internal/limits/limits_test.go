package limits_test

import (
	"bufio"
	"fmt"
	"math"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/limits"
	"github.com/reauth-go/reauth/internal/vendors"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Each recording tells the limits that its notes name, and no other: read as its provider's row says,
// and as of a provider that has no row, for which no window is documented.
func TestRecordedLimits(t *testing.T) {
	told := make(map[vendors.LimitDialect]int)
	for _, f := range fixturetest.LimitAnswers(t, "../../fixtures") {
		t.Run(f.Name, func(t *testing.T) {
			row, now := vendors.Of(f.Provider), receivedAt(t, f)
			require.NotEmpty(t, row.Limits.Dialect, "the row names no dialect")
			told[row.Limits.Dialect]++
			want := wanted(t, f, now)
			got := limits.Read(f.Resp.Header, row.Limits, now)
			for i := range got {
				assert.Equal(t, row.Limits.Buckets && counts(got[i]), got[i].Size > 0, "the size of a bucket, and of nothing else")
				got[i].Size = 0
			}
			assertLimits(t, want, got)
			for i := range want {
				if counts(want[i]) {
					want[i].Window = 0
				}
			}
			assertLimits(t, want, limits.Read(f.Resp.Header, vendors.Limits{}, now))
		})
	}
	for row := range vendors.All() {
		assert.True(t, row.Limits.Dialect == "" || told[row.Limits.Dialect] > 0, "no recording of %s", row.Limits.Dialect)
	}
}

// counts reports whether a limit is of requests or tokens, of which the provider counts what is left.
func counts(l limits.Limit) bool {
	return strings.HasSuffix(l.Name, "requests") || strings.HasSuffix(l.Name, "tokens")
}

// receivedAt is when the answer came.
func receivedAt(t *testing.T, f *fixturetest.Fixture) time.Time {
	t.Helper()
	note := f.Notes.Get("Fixture-Received")
	if note == "" {
		return noon
	}
	at, err := time.Parse(time.RFC3339, note)
	require.NoError(t, err)
	return at
}

// wanted reads the notes Fixture-Limit: a name, and then left, window and reset as "key=value". The
// reset counts from when the answer came.
func wanted(t *testing.T, f *fixturetest.Fixture, now time.Time) (list []limits.Limit) {
	t.Helper()
	for _, note := range f.Notes["Fixture-Limit"] {
		words := strings.Fields(note)
		l := limits.Limit{Name: words[0]}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			var err error
			var d time.Duration
			switch key {
			case "left":
				l.Left, err = strconv.ParseFloat(value, 64)
			case "window":
				l.Window, err = time.ParseDuration(value)
			case "reset":
				d, err = time.ParseDuration(value)
				l.Reset = now.Add(d)
			default:
				err = fmt.Errorf("unknown word %s", word)
			}
			require.NoError(t, err)
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b limits.Limit) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func assertLimits(t *testing.T, want, got []limits.Limit) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for i, w := range want {
		assert.InDelta(t, w.Left, got[i].Left, 1e-6, w.Name)
		got[i].Left = w.Left
		assert.WithinDuration(t, w.Reset, got[i].Reset, time.Millisecond, w.Name)
		got[i].Reset = w.Reset
		assert.Equal(t, w, got[i])
	}
}

// Without headers of limits there are none.
func TestNoLimits(t *testing.T) {
	assert.Nil(t, limits.Read(nil, vendors.Limits{}, noon))
	assert.Empty(t, limits.Read(http.Header{"Retry-After": {"3"}, "X-Ratelimit-Remaining": nil}, vendors.Limits{}, noon))
}

// Headers that another dialect has are not read, where the dialect is known.
func TestOnlyTheProvidersDialectIsRead(t *testing.T) {
	h := header(t, "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 1\nX-Codex-Primary-Used-Percent: 50\nX-Codex-Primary-Window-Minutes: 300")
	assert.Len(t, limits.Read(h, vendors.Limits{}, noon), 2)
	got := limits.Read(h, vendors.Limits{Dialect: vendors.LimitsCodex}, noon)
	assert.Equal(t, []limits.Limit{{Name: "5h", Left: 0.5, Window: 5 * time.Hour}}, got)
}

// A header that makes no sense costs its limit, and no other.
func TestNonsenseIsLeftOut(t *testing.T) {
	const good = "Anthropic-Ratelimit-Unified-5h-Utilization: 0.25\n"
	for _, bad := range []string{
		"Anthropic-Ratelimit-Unified-7d-Utilization: NaN",
		"Anthropic-Ratelimit-Unified-7d-Utilization: -0.1",
		"Anthropic-Ratelimit-Unified-7d-Utilization: Inf",
		"Anthropic-Ratelimit-Unified-7d-Utilization: 42", // of 1: who sends percent means something else
		"Anthropic-Ratelimit-Unified-7d-Utilization: much",
		"Anthropic-Ratelimit-Unified-7d-Utilization: 0.5\nAnthropic-Ratelimit-Unified-7d-Reset: soon",
		"Anthropic-Ratelimit-Unified-7d-Utilization: 0.5\nAnthropic-Ratelimit-Unified-7d-Reset: 9999999999",
		"Anthropic-Ratelimit-Unified-7d-Utilization: 0.5\nAnthropic-Ratelimit-Unified-7d-Reset: -1",
		"Anthropic-Ratelimit-Unified-0d-Utilization: 0.5",
		"Anthropic-Ratelimit-Unified--Utilization: 0.5",
		"Anthropic-Ratelimit-Unified-99999d-Utilization: 0.5",
		"Anthropic-Ratelimit-Unified-Overage-Utilization: 0.5",
		"Anthropic-Ratelimit-Unified-7d-Status: allowed",
		"Anthropic-Ratelimit-Unified-7d_" + strings.Repeat("x", 80) + "-Utilization: 0.5",
		"Anthropic-Ratelimit-Tokens-Remaining: 5",
		"Anthropic-Ratelimit-Tokens-Remaining: 5\nAnthropic-Ratelimit-Tokens-Limit: 0",
		"Anthropic-Ratelimit-Tokens-Remaining: 5\nAnthropic-Ratelimit-Tokens-Limit: 1e300",
		"Anthropic-Ratelimit-Tokens-Remaining: 5\nAnthropic-Ratelimit-Tokens-Limit: 10\nAnthropic-Ratelimit-Tokens-Reset: 2026-13-01",
		"X-Codex-Primary-Used-Percent: 30",
		"X-Codex-Primary-Used-Percent: 30\nX-Codex-Primary-Window-Minutes: 1e12",
		"X-Codex-Primary-Used-Percent: 4e9\nX-Codex-Primary-Window-Minutes: 300",
		"X-Codex-Used-Percent: 30\nX-Codex-Window-Minutes: 300",
		"X-Ratelimit-Remaining-Tokens: 5\nX-Ratelimit-Limit-Tokens: 10\nX-Ratelimit-Reset-Tokens: 99999h",
		"X-Ratelimit-Remaining-Tokens: 5\nX-Ratelimit-Limit-Tokens: 10\nX-Ratelimit-Reset-Tokens: xd",
		"X-Ratelimit-Remaining-T!kens: 5\nX-Ratelimit-Limit-T!kens: 10",
		"X-Ratelimit-Remainingtokens: 5\nX-Ratelimit-Limittokens: 10",
	} {
		got := limits.Read(header(t, good+bad), vendors.Limits{}, noon)
		assert.Equal(t, []limits.Limit{{Name: "5h", Left: 0.75, Window: 5 * time.Hour}}, got, bad)
	}
}

// Where the limits that count are buckets, their size is told. A subscription's windows are none.
func TestSizeOfBuckets(t *testing.T) {
	h := header(t, "Anthropic-Ratelimit-Tokens-Remaining: 5\nAnthropic-Ratelimit-Tokens-Limit: 10\n"+
		"Anthropic-Ratelimit-Unified-5h-Utilization: 0.75\nX-Ratelimit-Remaining: 1\nX-Ratelimit-Limit: 4")
	got := limits.Read(h, vendors.Limits{Buckets: true}, noon)
	assert.Equal(t, []limits.Limit{
		{Name: "5h", Left: 0.25, Window: 5 * time.Hour},
		{Name: "requests", Left: 0.25, Size: 4},
		{Name: "tokens", Left: 0.5, Size: 10},
	}, got)
	for _, l := range limits.Read(h, vendors.Limits{}, noon) {
		assert.Zero(t, l.Size)
	}
}

// A reset is a length, a date, or an instant, by the provider's clock.
func TestReset(t *testing.T) {
	at := noon.Add(90 * time.Minute)
	for value, want := range map[string]time.Time{
		"": {}, "5400": at, "5400.0": at, "1h30m0s": at, "1h30m": at, "90m": at,
		fmt.Sprint(at.Unix()): at, fmt.Sprint(at.UnixMilli()): at, at.Format(time.RFC3339): at,
		"2d": noon.Add(48 * time.Hour), "1d2h": noon.Add(26 * time.Hour),
	} {
		h := header(t, "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 4\nX-Ratelimit-Reset: "+value)
		got := limits.Read(h, vendors.Limits{}, noon)
		assert.Equal(t, []limits.Limit{{Name: "requests", Left: 0.4, Reset: want}}, zoned(got), value)
	}
	for _, past := range []string{"0", "0s", fmt.Sprint(noon.Add(-time.Minute).Unix()), "2020-01-01T00:00:00Z"} {
		h := header(t, "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 4\nX-Ratelimit-Reset: "+past)
		assert.Equal(t, []limits.Limit{{Name: "requests", Left: 1}}, limits.Read(h, vendors.Limits{}, noon), past)
	}
	h := header(t, "X-Ratelimit-Limit: 10\nX-Ratelimit-Remaining: 4\nX-Ratelimit-Reset: "+fmt.Sprint(at.Unix()))
	for off, want := range map[time.Duration]time.Time{
		10 * time.Minute: at.Add(10 * time.Minute), -10 * time.Minute: at.Add(-10 * time.Minute),
		time.Second: at, 72 * time.Hour: at,
	} {
		h.Set("Date", noon.Add(-off).Format(http.TimeFormat))
		got := limits.Read(h, vendors.Limits{}, noon)
		assert.Equal(t, []limits.Limit{{Name: "requests", Left: 0.4, Reset: want}}, zoned(got), "their clock is behind by %v", off)
	}
}

// zoned returns the limits with their resets in UTC.
func zoned(list []limits.Limit) []limits.Limit {
	for i := range list {
		if !list[i].Reset.IsZero() {
			list[i].Reset = list[i].Reset.UTC()
		}
	}
	return list
}

// Of two limits with one name the tighter one counts, and there are not more than sixteen.
func TestManyLimits(t *testing.T) {
	two := header(t, "X-Codex-Primary-Used-Percent: 30\nX-Codex-Primary-Window-Minutes: 300\n"+
		"X-Codex-Secondary-Used-Percent: 60\nX-Codex-Secondary-Window-Minutes: 300")
	assert.Equal(t, []limits.Limit{{Name: "5h", Left: 0.4, Window: 5 * time.Hour}}, limits.Read(two, vendors.Limits{}, noon))
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "X-Ratelimit-Limit-A%02d: 10\nX-Ratelimit-Remaining-A%02d: 1\n", i, i)
	}
	got := limits.Read(header(t, many.String()), vendors.Limits{}, noon)
	require.Len(t, got, 16)
	assert.Equal(t, "a15", got[15].Name)
}

// header reads lines of a header, as net/http does.
func header(t testing.TB, lines string) http.Header {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimSpace(lines) + "\r\n\r\n")))
	h, err := r.ReadMIMEHeader()
	require.NoError(t, err)
	return http.Header(h)
}

// Whatever a header says, a limit is one that can be told and compared, and the same again.
func FuzzRead(f *testing.F) {
	for _, a := range fixturetest.LimitAnswers(f, "../../fixtures") {
		var lines strings.Builder
		require.NoError(f, a.Resp.Header.Write(&lines))
		f.Add(lines.String(), noon.Unix())
	}
	f.Add("X-Ratelimit-Limit: NaN\nX-Ratelimit-Remaining: -0\nX-Ratelimit-Reset: 1e400", int64(0))
	f.Add("X-Codex-Primary-Used-Percent: 0x1p-2\nX-Codex-Primary-Window-Minutes: 0.5", int64(math.MaxInt32))
	f.Fuzz(func(t *testing.T, lines string, unix int64) {
		h := make(http.Header)
		for line := range strings.Lines(lines) {
			if name, value, ok := strings.Cut(line, ":"); ok {
				h.Add(strings.TrimSpace(name), value)
			}
		}
		now := time.Unix(unix%math.MaxInt32, 0)
		for _, of := range []vendors.Limits{{}, {Dialect: vendors.LimitsCounted, Requests: time.Minute, Tokens: time.Hour}} {
			list := limits.Read(h, of, now)
			assert.Equal(t, list, limits.Read(h, of, now))
			assert.LessOrEqual(t, len(list), 16)
			for i, l := range list {
				assert.True(t, l.Left >= 0 && l.Left <= 1, "%v", l)
				assert.GreaterOrEqual(t, l.Window, time.Duration(0))
				assert.True(t, l.Reset.IsZero() || l.Reset.After(now) && !l.Reset.After(now.Add(35*24*time.Hour)), "%v", l)
				assert.Regexp(t, `^[a-z0-9_.-]{1,64}$`, l.Name)
				assert.True(t, i == 0 || list[i-1].Name < l.Name)
			}
		}
	})
}
