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
	"github.com/reauth-go/reauth/reauthtest"
)

// tokens returns the tokens that the fake has seen, in order.
func (r *rig) tokens() (list []string) {
	for _, q := range r.fake.Requests() {
		list = append(list, q.Token)
	}
	return list
}

// strategy sets the strategy of the rig's provider.
func (r *rig) strategy(t testing.TB, s reauth.Strategy) {
	t.Helper()
	r.register(t, func(p *reauth.Provider) { p.Strategy = s })
}

// strategies are all of them.
func strategies() (list []reauth.Strategy) {
	for s := reauth.FillFirst; s.String() != "unknown"; s++ {
		list = append(list, s)
	}
	return list
}

func TestFillFirstKeepsToTheFirst(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	for _, id := range []string{"b", "a", "c"} {
		r.key(t, id, "key-"+id)
	}
	for range 3 {
		r.mustPost(t)
	}
	assert.Equal(t, []string{"key-b", "key-b", "key-b"}, r.tokens(), "the one that was added first serves")
}

func TestPriorityGoesFirst(t *testing.T) {
	for _, s := range strategies() {
		r := newRig(t, reauthtest.XAI)
		r.strategy(t, s)
		r.key(t, "spare", "key-spare")
		r.fake.AddKey("key-best")
		r.add(t, reauth.Credential{ID: "best", AccessToken: "key-best", Priority: -1})
		for range 5 {
			r.mustPost(t)
		}
		assert.Equal(t, []string{"key-best", "key-best", "key-best", "key-best", "key-best"}, r.tokens(), s.String())
		r.fake.Exhaust(noReset, "key-best")
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "the next priority serves while the best is put aside")
	}
}

func TestPriorityCanChange(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.key(t, "b", "key-b")
	r.add(t, reauth.Credential{ID: "b", AccessToken: "key-b", Priority: -1})
	r.mustPost(t)
	assert.Equal(t, []string{"key-b"}, r.tokens())
}

func TestRoundRobinTakesTurns(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.strategy(t, reauth.RoundRobin)
	for _, id := range []string{"a", "b", "c"} {
		r.key(t, id, "key-"+id)
	}
	for range 6 {
		r.mustPost(t)
	}
	assert.Equal(t, []string{"key-a", "key-b", "key-c", "key-a", "key-b", "key-c"}, r.tokens())
}

func TestRandomUsesAll(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.strategy(t, reauth.Random)
	for _, id := range []string{"a", "b", "c"} {
		r.key(t, id, "key-"+id)
	}
	for range 100 {
		r.mustPost(t)
	}
	seen := make(map[string]int)
	for _, k := range r.tokens() {
		seen[k]++
	}
	assert.Len(t, seen, 3)
}

func TestLeastInFlightSpreadsWhatIsWaiting(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.LeastInFlight)
		for _, id := range []string{"a", "b", "c"} {
			r.key(t, id, "key-"+id)
		}
		r.fake.APILatency = time.Second
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() { _, _, _ = r.post(context.Background()) })
			synctest.Wait()
		}
		for _, id := range []string{"a", "b", "c"} {
			assert.Equal(t, 3, r.status(t, id).InFlight, id)
		}
		wg.Wait()
		assert.Zero(t, r.status(t, "a").InFlight)
	})
}

func TestNoRequestFailsWhileAnotherCredentialIsUntried(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	for i := range 20 {
		r.key(t, fmt.Sprint(i), fmt.Sprintf("key-%02d", i))
		if i < 19 {
			r.fake.Exhaust(noReset, fmt.Sprintf("key-%02d", i))
		}
	}
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Len(t, r.fake.Requests(), 20)
}

func TestMaxAttempts(t *testing.T) {
	for _, c := range []struct{ max, sends, status int }{
		{0, 5, 200}, {1, 1, 403}, {2, 2, 403}, {4, 4, 403}, {5, 5, 200},
	} {
		r := newRig(t, reauthtest.XAI)
		r.transport.MaxAttempts = c.max
		for i := range 5 {
			r.key(t, fmt.Sprint(i), fmt.Sprintf("key-%d", i))
			if i < 4 {
				r.fake.Exhaust(noReset, fmt.Sprintf("key-%d", i))
			}
		}
		status, _ := r.mustPost(t)
		assert.Equal(t, c.status, status, "MaxAttempts %d", c.max)
		assert.Len(t, r.fake.Requests(), c.sends, "MaxAttempts %d", c.max)
	}
}

// Without MaxAttempts, a request is sent at most 32 times.
func TestDefaultAttemptsAreBounded(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	for i := range 50 {
		key := fmt.Sprintf("key-%02d", i)
		r.key(t, fmt.Sprint(i), key)
		r.fake.Exhaust(noReset, key)
	}
	status, _ := r.mustPost(t)
	assert.Equal(t, 403, status)
	assert.Len(t, r.fake.Requests(), 32)
}

// With one attempt the caller gets the refusal. The refresh runs in the background.
func TestOneAttemptStillRefreshesForTheNextRequest(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.transport.MaxAttempts = 1
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status)
		synctest.Wait()
		assert.Equal(t, 1, r.fake.Exchanges())
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

func TestPinnedRequestIsRefreshedAndNeverSwitched(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "other", "key-other")
	old, _ := r.login(t, "me")
	ctx := reauth.WithCredential(context.Background(), "xai", "me") // an alias will do
	r.fake.Expire(old)
	status, _, err := r.post(ctx)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.NotContains(t, r.tokens(), "key-other")

	now, _ := r.pool.Token(ctx, r.provider)
	r.fake.Exhaust(noReset, now.AccessToken)
	status, _, err = r.post(ctx)
	require.NoError(t, err)
	assert.Equal(t, 403, status)
	assert.NotContains(t, r.tokens(), "key-other")
	status, _, err = r.post(ctx)
	require.NoError(t, err)
	assert.Equal(t, 403, status, "a pin holds although the credential is put aside")
	assert.NotContains(t, r.tokens(), "key-other")
}

// The base gets the very request of the caller if the pin names no credential of this provider, or
// the context asks for none.
func TestPinToNobodySendsTheRequestAsTheCallerMadeIt(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.key(t, "gone", "key-gone")
	require.NoError(t, r.pool.Remove(context.Background(), r.provider, "gone"))
	for name, ctx := range map[string]context.Context{
		"unknown":        reauth.WithCredential(context.Background(), r.provider, "nobody"),
		"removed":        reauth.WithCredential(context.Background(), r.provider, "gone"),
		"empty":          reauth.WithCredential(context.Background(), r.provider, ""),
		"other provider": reauth.WithCredential(context.Background(), "anthropic", "a"),
		"without":        reauth.WithoutCredential(reauth.WithCredential(context.Background(), r.provider, "a")),
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader("{}"))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer mine")
		r.transport.Base = roundTripFunc(func(sent *http.Request) (*http.Response, error) {
			assert.Same(t, req, sent, name)
			return answer(sent, 401, "no"), nil
		})
		resp, err := r.transport.RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, 401, resp.StatusCode)
	}
}

func TestCredentialOfOtherHostsIsNotSent(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.fake.AddKey("key-eu")
	r.add(t, reauth.Credential{ID: "eu", AccessToken: "key-eu", Hosts: []string{"eu.api.x.ai"}})
	req, err := http.NewRequest(http.MethodGet, r.url, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer mine")
	_, _, err = r.do(req)
	require.NoError(t, err)
	pinned := req.Clone(reauth.WithCredential(context.Background(), r.provider, "eu"))
	_, _, err = r.do(pinned)
	require.NoError(t, err)
	assert.Equal(t, []string{"mine", "mine"}, r.tokens(), "no credential serves this host")

	r.url = "https://eu.api.x.ai/v1/models"
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Equal(t, "key-eu", r.tokens()[2])
}

func TestSwitchingKeepsToTheHostsOfACredential(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.fake.AddKey("key-eu")
	r.add(t, reauth.Credential{ID: "eu", AccessToken: "key-eu", Hosts: []string{"eu.api.x.ai"}})
	r.key(t, "c", "key-c")
	r.fake.Exhaust(noReset, "key-a")
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Equal(t, []string{"key-a", "key-c"}, r.tokens())
}

func TestAffinityKeepsAConversationOnOneCredential(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.strategy(t, reauth.RoundRobin)
	for i := range 8 {
		r.key(t, fmt.Sprint(i), fmt.Sprintf("key-%d", i))
	}
	home := make(map[string]string)
	used := make(map[string]bool)
	for round := range 3 {
		for i := range 40 {
			key := fmt.Sprintf("conversation %d", i)
			c, err := r.pool.Token(reauth.WithAffinity(context.Background(), key), r.provider)
			require.NoError(t, err)
			if round == 0 {
				home[key] = c.ID
				used[c.ID] = true
			}
			require.Equal(t, home[key], c.ID)
		}
	}
	assert.GreaterOrEqual(t, len(used), 6, "forty keys spread over eight credentials")

	ctx := reauth.WithAffinity(context.Background(), "conversation 7")
	mine := home["conversation 7"]
	r.fake.Exhaust(noReset, "key-"+mine)
	status, _, err := r.post(ctx)
	require.NoError(t, err)
	assert.Equal(t, 200, status, "it moves while its home is put aside")
	second, err := r.pool.Token(ctx, r.provider)
	require.NoError(t, err)
	assert.NotEqual(t, mine, second.ID)
	for key, id := range home {
		if id == mine {
			continue
		}
		c, err := r.pool.Token(reauth.WithAffinity(context.Background(), key), r.provider)
		require.NoError(t, err)
		require.Equal(t, id, c.ID, "no other conversation moves")
	}
	r.fake.Restore("key-" + mine)
	require.NoError(t, r.pool.Reset(context.Background(), r.provider, mine))
	back, err := r.pool.Token(ctx, r.provider)
	require.NoError(t, err)
	assert.Equal(t, mine, back.ID, "it returns to its home")
}

// With no credential in good standing, the request is sent once, with the credential that recovers
// soonest.
func TestWithNobodyInGoodStandingTheOneThatRecoversSoonestIsUsed(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		for id, d := range map[string]time.Duration{"a": 3 * time.Hour, "b": time.Hour, "c": 2 * time.Hour} {
			r.key(t, id, "key-"+id)
			r.fake.Exhaust(time.Now().Add(d), "key-"+id)
		}
		r.mustPost(t)
		n := len(r.tokens())
		require.Equal(t, 3, n)
		status, _ := r.mustPost(t)
		assert.Equal(t, 429, status)
		assert.Equal(t, []string{"key-b"}, r.tokens()[n:], "the one that recovers soonest, and no other")
	})
}

func TestNamesOfStrategies(t *testing.T) {
	for s, want := range map[reauth.Strategy]string{
		reauth.FillFirst: "fill-first", reauth.RoundRobin: "round-robin", reauth.LeastInFlight: "least-in-flight",
		reauth.Random: "random", reauth.MostHeadroom: "most-headroom", 9: "unknown",
	} {
		assert.Equal(t, want, s.String())
	}
}

// The credentials are bound to hosts: the one that recovers soonest of all is good at another host.
func TestOfBoundCredentialsTheOneThatRecoversSoonestIsUsed(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) { p.Hosts = append(p.Hosts, "other.example.com") })
		for id, c := range map[string]struct {
			host string
			rest time.Duration
		}{
			"a":         {"chatgpt.com", 3 * time.Hour},
			"b":         {"chatgpt.com", 2 * time.Hour},
			"elsewhere": {"other.example.com", time.Hour},
		} {
			r.fake.AddKey("key-" + id)
			r.add(t, reauth.Credential{ID: id, AccessToken: "key-" + id, Hosts: []string{c.host}})
			reset := reauth.Verdict{Kind: reauth.Exhausted, Reset: time.Now().Add(c.rest)}
			require.NoError(t, r.pool.Report(context.Background(), r.provider, id, "key-"+id, reset))
		}
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, []string{"key-b"}, r.tokens())
	})
}
