package reauth

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recorded calls f with each fixture.
func recorded(f *testing.F, use func(provider string, status int, header http.Header, body []byte)) {
	f.Helper()
	seen := 0
	err := filepath.WalkDir("fixtures", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		name, _, _ := strings.Cut(filepath.Base(path), "-"+strconv.Itoa(resp.StatusCode)+"-")
		use(name, resp.StatusCode, resp.Header, body)
		seen++
		return err
	})
	require.NoError(f, err)
	require.Greater(f, seen, 300, "fixtures are missing")
}

// asText writes a header as a fuzzer can change it, and asHeader reads it.
func asText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b) // of memory
	return b.String()
}

func asHeader(s string) http.Header {
	h := make(http.Header)
	for line := range strings.Lines(s) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			h[http.CanonicalHeaderKey(name)] = append(h[http.CanonicalHeaderKey(name)], strings.TrimSpace(value))
		}
	}
	return h
}

func FuzzClassify(f *testing.F) {
	recorded(f, func(provider string, status int, header http.Header, body []byte) {
		f.Add(provider, status, asText(header), body, len(body)%8 == 0)
	})
	f.Add("unheard-of", 429, "Retry-After: -1\nX-Ratelimit-Reset: NaN\n", []byte{0x1f, 0x8b, 8}, true)
	f.Fuzz(func(t *testing.T, provider string, status int, head string, body []byte, long bool) {
		if long { // the end of what is looked at falls in the middle of it
			body = append(bytes.Repeat([]byte(" "), max(maxPeek-len(body)/2, 0)), body...)
		}
		synctest.Test(t, func(t *testing.T) { // time stands still: a reset is the same twice
			resp := &http.Response{StatusCode: status, Header: asHeader(head)}
			header, given := resp.Header.Clone(), bytes.Clone(body)
			v := Classify(provider, resp, body)
			require.Equal(t, v, Classify(provider, resp, body), "the same answer twice")
			if len(body) > maxPeek {
				require.Equal(t, v, Classify(provider, resp, body[:maxPeek]), "what lies beyond 64 KiB does not count")
			}
			require.Equal(t, header, resp.Header, "nothing is changed")
			require.True(t, bytes.Equal(given, body))
			checkVerdict(t, status, body, v)
		})
	})
}

// checkVerdict holds for the verdict on any answer.
func checkVerdict(t *testing.T, status int, body []byte, v Verdict) {
	require.LessOrEqual(t, v.Kind, Forbidden)
	if v.Kind != Pass {
		require.NotEmpty(t, v.Reason)
	}
	if v.Reason != "" { // nothing of the answer gets into a log
		require.True(t, slices.ContainsFunc(allRules(), func(r *rule) bool { return r.reason == v.Reason && r.kind == v.Kind }), v.Reason)
	}
	if v.Kind != Exhausted {
		require.Zero(t, v.Reset)
	}
	require.False(t, v.Reset.After(time.Now().Add(maxReset)), "a reset in %s", time.Until(v.Reset))
	structured := bytes.ContainsRune(body, '{') || bytes.HasPrefix(body, []byte{0x1f, 0x8b})
	switch {
	case status < 200, status >= 300 && status < 400, status >= 500 && status < 600, status < 300 && !structured:
		require.Equal(t, Pass, v.Kind, "%d: %s", status, v.Reason)
	}
}

var errBroken = errors.New("the connection broke")

// pieces is a body that comes in pieces: piece i has sizes[i] bytes, over and over. A size of 0 is a read that yields
// nothing, one of 255 makes the reader wait a second first. At its end, or at cut, comes err; with the last bytes if joined.
type pieces struct {
	rest   []byte
	sizes  []byte
	err    error
	joined bool

	reads, closes int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, p.err
	}
	n := len(b)
	if len(p.sizes) > 0 {
		size := int(p.sizes[p.reads%len(p.sizes)])
		if p.reads++; size == 255 {
			time.Sleep(time.Second)
		}
		if p.reads < 100 || size > 0 { // a reader may not yield nothing for ever
			n = min(n, size*size)
		}
	}
	n = copy(b[:n], p.rest)
	if p.rest = p.rest[n:]; p.joined && len(p.rest) == 0 {
		return n, p.err
	}
	return n, nil
}

func (p *pieces) Close() error {
	p.closes++
	return nil
}

func FuzzPeek(f *testing.F) {
	for _, size := range []uint{0, 1, 511, 512, 513, maxPeek - 1, maxPeek, maxPeek + 1, 3 * maxPeek} {
		for how := range byte(8) {
			f.Add(size, []byte{1, 0, 255, 3}, []byte{200, 1}, how)
			f.Add(size, []byte{}, []byte{}, how)
			f.Add(size, []byte{255, 255, 255, 16}, []byte{90}, how)
		}
	}
	f.Fuzz(func(t *testing.T, size uint, sizes, takes []byte, how byte) {
		whole := make([]byte, size%(4*maxPeek))
		for i := range whole {
			whole[i] = byte(i ^ i>>8)
		}
		src := &pieces{rest: whole, sizes: sizes[:min(len(sizes), 64)], err: io.EOF, joined: how&1 != 0}
		if how&2 != 0 {
			src.err = errBroken
		}
		synctest.Test(t, func(t *testing.T) {
			resp := &http.Response{StatusCode: 429, Header: http.Header{}, Body: src, ContentLength: -1}
			if how&8 != 0 {
				resp.ContentLength = int64(len(whole))
			}
			begin := time.Now()
			ref := peek(context.Background(), resp)
			require.LessOrEqual(t, time.Since(begin), peekTimeout)
			require.LessOrEqual(t, len(ref.prefix), maxPeek)
			require.True(t, bytes.HasPrefix(whole, ref.prefix))
			if time.Since(begin) < peekTimeout && src.err == io.EOF { // else nothing but the time may end the peek
				require.GreaterOrEqual(t, len(ref.prefix), min(len(whole), maxPeek))
			}
			want, wantErr := whole, src.err
			switch how & 4 {
			case 0:
				ref.release()
			default:
				discarded := ref.rest != nil
				ref.discard(context.Background())
				require.Equal(t, 1, src.closes, "what is given up is closed")
				if want = ref.prefix; discarded {
					wantErr = io.ErrUnexpectedEOF
				}
			}
			got, err := readIn(resp.Body, takes)
			require.True(t, bytes.Equal(want, got), "%d bytes of %d", len(got), len(want))
			require.Equal(t, wantErr, err)
			require.NoError(t, resp.Body.Close())
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 1, src.closes, "the body is closed once")
			time.Sleep(time.Second) // a read under way ends
		})
	})
}

// readIn reads r to its end, in reads of the given sizes, and returns what it ended with.
func readIn(r io.Reader, takes []byte) (all []byte, err error) {
	for i := 0; err == nil; i++ {
		b := make([]byte, 4<<10)
		if len(takes) > 0 {
			b = b[:1+16*int(takes[i%len(takes)])]
		}
		var n int
		n, err = r.Read(b)
		all = append(all, b[:n]...)
	}
	return all, err
}

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
			latest := now.Add(maxReset)
			c := newResetClock(now, date)
			at := c.value(s, time.Duration(min(max(unit, 1), int64(time.Hour))))
			require.False(t, c.capped(at).After(latest), "%q: %s", s, at)
			if n, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && (math.IsNaN(n) || math.IsInf(n, 0) || n < -1e-9 || n > 1e15) {
				require.Zero(t, at, "%q names no time", s)
			}
			if d, rest := parseLength(s); d != -1 {
				require.GreaterOrEqual(t, d, time.Duration(0))
				require.LessOrEqual(t, d, 11*maxReset)
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

// saying returns an answer that says s in one of the places where a provider may say when a limit ends.
func saying(s, date string, where int) *evidence {
	h := http.Header{"Date": {date}, "X-Codex-Primary-Used-Percent": {"100"}, "X-Ratelimit-Remaining": {"0"}}
	provider := []string{"openai-codex", "zai", "gemini"}[len(s)%3]
	where = int(uint(where) % uint(len(placesOfResets)+len(bodyResets)))
	switch {
	case where == 0:
		return readEvidence(provider, 429, h, []byte(s))
	case where < len(placesOfResets):
		h.Set(placesOfResets[where], s)
		return readEvidence(provider, 429, h, nil)
	}
	e := readEvidence(provider, 429, h, nil)
	e.addField(bodyResets[where-len(placesOfResets)].key, s)
	return e
}
