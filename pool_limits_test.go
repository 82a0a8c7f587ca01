package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// telling is what the answers to each access token say in their headers: names and values in turn. It
// puts itself in front of the fake.
type telling struct {
	mu      sync.Mutex
	headers map[string][]string
}

// tell makes the answers that the rig's fake gives carry headers.
func (r *rig) tell() *telling {
	l := &telling{headers: make(map[string][]string)}
	base := r.fake.Transport()
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		resp, err := base.RoundTrip(req)
		if err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			for i, told := 0, l.headers[token]; i+1 < len(told); i += 2 {
				resp.Header.Set(told[i], told[i+1])
			}
		}
		return resp, err
	})
	return l
}

// of sets what answers to the token say from now on.
func (l *telling) of(token string, headers ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.headers[token] = headers
}

// codex is the headers of an account of Codex with one window: so many minutes, used in percent, which
// ends after d.
func codex(minutes, used int, d time.Duration) []string {
	return []string{
		"X-Codex-Primary-Window-Minutes", fmt.Sprint(minutes), "X-Codex-Primary-Used-Percent", fmt.Sprint(used),
		"X-Codex-Primary-Reset-After-Seconds", fmt.Sprint(int(d.Seconds())),
	}
}

func readLimits(p *reauth.Provider) { p.ReadLimits = true }

// Without ReadLimits nothing is read; with it, the status has what the last answer said, whether it was
// a success or a refusal. What a caller does with the list changes nothing.
func TestLimitsAreReadOnRequest(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		l := r.tell()
		l.of("key-a", codex(300, 40, time.Hour)...)
		r.mustPost(t)
		assert.Nil(t, r.status(t, "a").Limits)
		r.register(t, readLimits)
		assert.Nil(t, r.status(t, "a").Limits)
		r.mustPost(t)
		want := []reauth.Limit{{Name: "5h", Left: 0.6, Window: 5 * time.Hour, Reset: time.Now().Round(0).Add(time.Hour)}}
		assert.Equal(t, want, r.status(t, "a").Limits)
		r.status(t, "a").Limits[0].Left = 0.1
		assert.Equal(t, want, r.status(t, "a").Limits)

		l.of("key-a", codex(300, 100, time.Hour)...)
		r.fake.Exhaust(noReset, "key-a")
		status, _ := r.mustPost(t)
		assert.Equal(t, 429, status)
		assert.Zero(t, r.status(t, "a").Limits[0].Left)

		r.register(t, func(p *reauth.Provider) { p.ReadLimits = false })
		assert.Nil(t, r.status(t, "a").Limits)
	})
}

// A limit stays known when an answer names others only or none, and is full once its window has passed.
// News without window and reset counts for a minute.
func TestLimitsAgeWithTheirWindows(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.register(t, readLimits)
		r.key(t, "a", "key-a")
		l := r.tell()
		left := func() map[string]float64 {
			got := make(map[string]float64)
			for _, limit := range r.status(t, "a").Limits {
				got[limit.Name] = limit.Left
				assert.True(t, limit.Reset.IsZero() || limit.Reset.After(time.Now()), "%v", limit)
			}
			return got
		}
		l.of("key-a", codex(300, 75, time.Hour)...)
		r.mustPost(t)
		l.of("key-a", "X-Codex-Primary-Window-Minutes", "10080", "X-Codex-Primary-Used-Percent", "50")
		r.mustPost(t)
		l.of("key-a")
		r.mustPost(t)
		assert.Equal(t, map[string]float64{"5h": 0.25, "7d": 0.5}, left())
		time.Sleep(time.Hour)
		assert.Equal(t, map[string]float64{"5h": 1, "7d": 0.5}, left())
		time.Sleep(7 * 24 * time.Hour)
		assert.Equal(t, map[string]float64{"5h": 1, "7d": 1}, left())
		l.of("key-a", codex(1440, 10, 0)...)
		r.mustPost(t)
		assert.Equal(t, map[string]float64{"1d": 1}, left(), "what has passed is forgotten at the next news")
	})
}

// An account of which an answer told the minute's rest has all of it a minute later.
func TestLimitWithoutWindowLastsAMinute(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.provider, r.url = "own", "https://llm.corp.example/v1"
		require.NoError(t, r.pool.Register(reauth.Provider{Name: "own", Hosts: []string{"llm.corp.example"}, ReadLimits: true}))
		r.key(t, "a", "key-a")
		r.tell().of("key-a", "X-RateLimit-Limit-Requests", "10", "X-RateLimit-Remaining-Requests", "1")
		r.mustPost(t)
		assert.Equal(t, []reauth.Limit{{Name: "requests", Left: 0.1}}, r.status(t, "a").Limits, "a provider that no row knows")
		time.Sleep(time.Minute)
		assert.Equal(t, []reauth.Limit{{Name: "requests", Left: 1}}, r.status(t, "a").Limits)
	})
}

// New tokens of the same login are the same account's. Another login may be another account's, and what
// an answer to the tokens before it says comes too late.
func TestLimitsAreOfALogin(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		refresher := testrig.RefresherAt(t, r.provider, r.fake.Transport())
		r.register(t, func(p *reauth.Provider) { p.ReadLimits, p.Refresher = true, refresher })
		old, _ := r.login(t, "me")
		l := r.tell()
		l.of(old, codex(300, 40, time.Hour)...)
		r.mustPost(t)
		require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		require.Len(t, r.status(t, "me").Limits, 1, "a refresh changes nothing")

		now, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		l.of(now.AccessToken, codex(10080, 90, time.Hour)...)
		r.fake.APILatency = time.Minute
		var wg sync.WaitGroup
		wg.Go(func() { r.mustPost(t) })
		synctest.Wait()
		time.Sleep(time.Second)
		r.login(t, "me")
		assert.Nil(t, r.status(t, "me").Limits, "a new login")
		wg.Wait()
		assert.Nil(t, r.status(t, "me").Limits, "the answer to the login before")

		l.of(r.now(t), codex(300, 10, time.Hour)...)
		r.mustPost(t)
		require.Len(t, r.status(t, "me").Limits, 1)
		require.NoError(t, r.pool.Remove(context.Background(), r.provider, "me"))
		r.login(t, "me")
		assert.Nil(t, r.status(t, "me").Limits)
	})
}

// now returns the access token of the rig's only credential.
func (r *rig) now(t testing.TB) string {
	t.Helper()
	c, err := r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	return c.AccessToken
}

// Answers are read while others choose, ask for the status and log in.
func TestLimitsAreReadConcurrently(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	r.strategy(t, reauth.MostHeadroom)
	l := r.tell()
	for i := range 4 {
		key := fmt.Sprint("key-", i)
		r.key(t, fmt.Sprint(i), key)
		l.of(key, codex(300, 10*i, time.Hour)...)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 25 {
				_, _, err := r.post(context.Background())
				assert.NoError(t, err)
				if i == 0 {
					_, err := r.pool.Add(context.Background(), reauth.Credential{Provider: r.provider, ID: "0", AccessToken: "key-0"})
					assert.NoError(t, err)
				}
				for _, s := range r.pool.Status() {
					assert.LessOrEqual(t, len(s.Limits), 1)
				}
			}
		})
	}
	wg.Wait()
	assert.NotNil(t, r.status(t, "1").Limits)
}
