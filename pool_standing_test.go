package reauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// refuseAll makes the API give every request the same answer. header lists names and values.
func (r *rig) refuseAll(status int, body string, header ...string) {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	r.fake.Refuse = func(*http.Request, string) *reauthtest.Answer {
		return &reauthtest.Answer{Status: status, Header: h, Body: body}
	}
}

func TestPutAsideForHowLong(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		header     []string
		want       time.Duration
	}{
		{
			name:   "rate limit",
			body:   `{"error":{"code":"rate_limit_exceeded","message":"Rate limit reached"}}`,
			status: 429,
			want:   time.Minute,
		},
		{
			name:   "usage limit",
			body:   `{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached"}}`,
			status: 429,
			want:   15 * time.Minute,
		},
		{"billing", `{"error":{"code":"billing_not_active"}}`, 429, nil, time.Hour},
		{"payment required", ``, 402, nil, time.Hour},
		{"retry after", `{}`, 429, []string{"Retry-After", "42"}, 42 * time.Second},
		{"a named period", `{"error":{"message":"Key limit exceeded (daily limit)"}}`, 403, nil, 24 * time.Hour},
		{
			name:   "an absurd reset",
			body:   `{"error":{"type":"usage_limit_reached","resets_in_seconds":99999999}}`,
			status: 429,
			want:   35 * 24 * time.Hour,
		},
		{
			name:   "a negative reset",
			body:   `{"error":{"type":"usage_limit_reached","resets_in_seconds":-5}}`,
			status: 429,
			want:   15 * time.Minute,
		},
		{
			name:   "a reset gone by",
			body:   `{"error":{"type":"usage_limit_reached","resets_at":"1999-01-01T00:00:00Z"}}`,
			status: 429,
			want:   time.Minute,
		},
		{"a rejected key", `{"error":{"code":"invalid_api_key"}}`, 401, nil, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				r.key(t, "a", "key-a")
				r.refuseAll(c.status, c.body, c.header...)
				status, body := r.mustPost(t)
				assert.Equal(t, c.status, status)
				assert.Equal(t, c.body, body)
				s := r.status(t, "a")
				require.Equal(t, reauth.Aside, s.State)
				assert.Equal(t, c.want, time.Until(s.AsideUntil))
				aside := r.events.all(reauth.PutAside)
				require.Len(t, aside, 1)
				assert.WithinDuration(t, s.AsideUntil, aside[0].Until, 0)
			})
		})
	}
}

func TestRejectedKeyIsPutAsideDoubling(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.fake.Expire("key-a")
		for _, rest := range []time.Duration{30, 60, 120, 240, 300, 300} {
			r.mustPost(t)
			s := r.status(t, "a")
			require.Equal(t, rest*time.Second, time.Until(s.AsideUntil))
			r.mustPost(t) // a refusal while the key is put aside does not double the rest
			time.Sleep(time.Until(r.status(t, "a").AsideUntil))
		}
		r.fake.Restore("key-a")
		r.mustPost(t)
		r.fake.Expire("key-a")
		r.mustPost(t)
		assert.Equal(t, 30*time.Second, time.Until(r.status(t, "a").AsideUntil), "a success ends the doubling")
	})
}

func TestBurstOfRefusalsCountsOnce(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.fake.Expire("key-a")
		r.fake.APILatency = time.Millisecond
		r.atOnce(t, 50)
		assert.Equal(t, 30*time.Second, time.Until(r.status(t, "a").AsideUntil))
		assert.Len(t, r.events.all(reauth.PutAside), 1)
	})
}

func TestSoleExhaustedCredentialIsStillUsed(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.fake.Exhaust(time.Now().Add(15*24*time.Hour), "key-a")
		status, _ := r.mustPost(t)
		require.Equal(t, 429, status)
		require.InDelta(t, 15*24*time.Hour, time.Until(r.status(t, "a").AsideUntil), float64(time.Second))
		r.fake.Restore("key-a") // the provider lifts the limit early
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status, "the next request is sent with the only credential")
		assert.Equal(t, reauth.Good, r.status(t, "a").State)
	})
}

// A credential whose reset is days ahead is tried once an hour. The provider may lift the limit
// early.
func TestHourlyProbing(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Exhaust(time.Now().Add(10*24*time.Hour), "key-a")
		begin := time.Now()
		for time.Since(begin) < 5*time.Hour {
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status, "a probe costs nobody an answer")
			time.Sleep(time.Minute)
		}
		probes := 0
		for _, k := range r.tokens() {
			if k == "key-a" {
				probes++
			}
		}
		assert.Equal(t, 5, probes, "the first refusal and one probe an hour")
		r.fake.Restore("key-a")
		time.Sleep(time.Hour)
		r.mustPost(t)
		assert.Equal(t, reauth.Good, r.status(t, "a").State, "a probe has found the quota back")
		r.mustPost(t)
		seen := r.tokens()
		assert.Equal(t, "key-a", seen[len(seen)-1])
	})
}

func TestProbeIsOneRequestNotAStorm(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Exhaust(time.Now().Add(10*24*time.Hour), "key-a")
		r.mustPost(t)
		time.Sleep(61 * time.Minute)
		before := len(r.tokens())
		assert.Equal(t, map[int]int{200: 100}, r.atOnce(t, 100))
		probes := 0
		for _, k := range r.tokens()[before:] {
			if k == "key-a" {
				probes++
			}
		}
		assert.Equal(t, 1, probes)
	})
}

func TestPutAsideEndsByItself(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Exhaust(time.Now().Add(30*time.Second), "key-a")
		r.mustPost(t)
		time.Sleep(31 * time.Second)
		r.mustPost(t)
		assert.Equal(t, []string{"key-a", "key-b", "key-a"}, r.tokens())
	})
}

// A suspect request is one that all credentials are refused for, with the same reason.
func TestSuspectRequestMarksNobodyForLong(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		for _, id := range []string{"a", "b", "c"} {
			r.key(t, id, "key-"+id)
		}
		r.refuseAll(429, `{"error":{"code":"rate_limit_exceeded","message":"Request rejected"}}`)
		r.mustPost(t)
		for _, id := range []string{"a", "b", "c"} {
			s := r.status(t, id)
			assert.Equal(t, reauth.Aside, s.State)
			// All credentials were refused for the same reason: the request may be at fault.
			assert.LessOrEqual(t, time.Until(s.AsideUntil), 10*time.Second)
		}
		r.fake.Refuse = nil
		time.Sleep(11 * time.Second)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, reauth.Good, r.status(t, "a").State)
	})
}

func TestSuspectRequestRetiresNobody(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Block("key-a", "key-b")
		r.mustPost(t)
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
		assert.Equal(t, reauth.Aside, r.status(t, "b").State)
	})
}

func TestRequestIsNotSuspectWhen(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(r *rig)
		want    time.Duration // how long the pool puts "a" aside
	}{
		"another credential served": {func(r *rig) { r.fake.Exhaust(noReset, "key-a", "key-b") }, time.Hour},
		"a reset was given": {
			prepare: func(r *rig) { r.fake.Exhaust(time.Now().Add(time.Hour), "key-a", "key-b", "key-c") },
			want:    time.Hour,
		},
		"the reasons differ": {
			prepare: func(r *rig) { r.fake.Exhaust(noReset, "key-a", "key-b"); r.fake.Expire("key-c") },
			want:    time.Hour,
		},
		"there was but one to blame": {func(r *rig) { r.fake.Exhaust(noReset, "key-a") }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				for _, id := range []string{"a", "b", "c"} {
					r.key(t, id, "key-"+id)
				}
				c.prepare(r)
				r.mustPost(t)
				assert.InDelta(t, c.want, time.Until(r.status(t, "a").AsideUntil), float64(time.Second))
			})
		})
	}
}

func TestMarksAreBoundToTheTokensTheyAreAbout(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		ctx := context.Background()
		v := reauth.Verdict{Kind: reauth.Dead, Reason: "test"}
		require.NoError(t, r.pool.Report(ctx, r.provider, "me", "some other token", v))
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		require.NoError(t, r.pool.Report(ctx, r.provider, "me", old, v))
		assert.EqualValues(t, reauth.Retired, r.status(t, "me").State)
		require.NoError(t, r.pool.Refresh(ctx, r.provider, "me"))
		assert.Equal(t, reauth.Good, r.status(t, "me").State, "the mark was about the old token only")
	})
}

// A request was sent before the credential was put aside and succeeds afterwards. Its success says
// nothing about the time after the mark.
func TestSuccessOfARequestSentBeforeTheMarkLiftsNothing(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		release := make(chan struct{})
		base := r.fake.Transport()
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(req)
			if req.Header.Get("X-Slow") != "" {
				<-release
			}
			return resp, err
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("{}"))
			assert.NoError(t, err)
			req.Header.Set("X-Slow", "1")
			status, _, err := r.do(req)
			assert.NoError(t, err)
			assert.Equal(t, 200, status)
		})
		synctest.Wait()
		time.Sleep(time.Second)
		r.fake.Exhaust(time.Now().Add(time.Hour), "key-a")
		r.mustPost(t)
		close(release)
		wg.Wait()
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
	})
}

func TestResetLiftsMarks(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Block("key-a")
		r.mustPost(t)
		require.EqualValues(t, reauth.Retired, r.status(t, "a").State)
		require.NoError(t, r.pool.Reset(context.Background(), "codex", "a"))
		assert.Equal(t, reauth.Good, r.status(t, "a").State)
		r.fake.Restore("key-a")
		before := len(r.tokens())
		r.mustPost(t)
		assert.Equal(t, []string{"key-a"}, r.tokens()[before:])
		require.ErrorContains(t, r.pool.Reset(context.Background(), "codex", "nobody"), `no credential "nobody"`)
	})
}

// MarkFinal adds X-Should-Retry to refusals that no quick retry can help.
func TestMarkFinal(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		header     []string
		final      bool
	}{
		{"dead", `{"error":{"code":"account_deactivated"}}`, 401, nil, true},
		{"forbidden", `{"error":{"code":"missing_scope"}}`, 401, nil, true},
		{"rejected", `{"error":{"code":"invalid_api_key"}}`, 401, nil, true},
		{"exhausted without a reset", `{"error":{"code":"insufficient_quota"}}`, 429, nil, true},
		{"exhausted for an hour", `{}`, 429, []string{"Retry-After", "3600"}, true},
		{"exhausted for seconds", `{}`, 429, []string{"Retry-After", "5"}, false},
		{"bad request", `{"error":{"message":"no such parameter"}}`, 400, nil, false},
		{"server error", ``, 500, nil, false},
	} {
		for _, on := range []bool{true, false} {
			r := newRig(t, reauthtest.OpenAI)
			r.transport.MarkFinal = on
			r.key(t, "a", "key-a")
			r.refuseAll(c.status, c.body, c.header...)
			req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("{}"))
			require.NoError(t, err)
			resp, err := r.client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			want := ""
			if on && c.final {
				want = "false"
			}
			assert.Equal(t, want, resp.Header.Get("X-Should-Retry"), c.name)
		}
	}
}

// slowMarks is a store that takes a second to write a mark. It keeps the marks in order.
type slowMarks struct {
	reauth.Store
	written []reauth.Mark
}

func (s *slowMarks) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	time.Sleep(time.Second)
	// Without a lock: the race detector fails the test if the pool writes two marks at a time.
	s.written = append(s.written, m)
	return s.Store.Mark(ctx, provider, id, key, m, seen)
}

// A storm of refusals makes as many marks. The pool writes one mark at a time to the store, and
// then the newest of those made meanwhile.
func TestStormOfRefusalsIsNoneForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowMarks{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			store.written = nil
			r.fake.Exhaust(noReset, "key-a")
			for range 200 {
				r.mustPost(t)
				time.Sleep(time.Millisecond) // each request is sent after the mark before, and so makes a new one
			}
			last := r.status(t, "a")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Len(t, store.written, 2, "the first mark, and the newest of those made while it was written")
			assert.WithinDuration(t, last.AsideUntil, store.written[1].Until, 0)
		})
	})
}

// Writing the Spending mark failed, so there was no exchange. Later marks must not say that the
// refresh token is being spent.
func TestMarkThatFailedLeavesNothingBehind(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.login(t, "me")
		synctest.Wait()
		store.fail("mark spending", errors.New("disk full"))
		require.Error(t, r.pool.Refresh(t.Context(), "xai", "me"))
		require.Zero(t, r.fake.TokenRequests())
		require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
		assert.Empty(t, reauth.Record(t, store, "xai-oauth", "me").Spending)
	})
}
