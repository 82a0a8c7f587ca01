package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// known makes a rig with MostHeadroom whose credentials have told what is left of them: by ID, the
// headers of an answer. Each has sent one request.
func known(t *testing.T, r *rig, headers map[string][]string) *telling {
	t.Helper()
	r.strategy(t, reauth.MostHeadroom)
	l := r.tell()
	for id, told := range headers {
		r.key(t, id, "key-"+id)
		l.of("key-"+id, told...)
		_, _, err := r.post(reauth.WithCredential(context.Background(), r.provider, id))
		require.NoError(t, err)
	}
	return l
}

// chosen returns the IDs that n requests in a row would get.
func (r *rig) chosen(t testing.TB, n int) (ids []string) {
	t.Helper()
	for range n {
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		ids = append(ids, c.ID)
	}
	return ids
}

func TestMostHeadroom(t *testing.T) {
	both := func(five, week int) []string {
		return []string{
			"X-Codex-Primary-Window-Minutes", "10080", "X-Codex-Primary-Used-Percent", fmt.Sprint(week),
			"X-Codex-Primary-Reset-After-Seconds", "86400",
			"X-Codex-Secondary-Window-Minutes", "300", "X-Codex-Secondary-Used-Percent", fmt.Sprint(five),
			"X-Codex-Secondary-Reset-After-Seconds", "3600",
		}
	}
	opus := append(codex(300, 30, time.Hour), "X-Codex-Spark-Primary-Window-Minutes", "300",
		"X-Codex-Spark-Primary-Used-Percent", "100", "X-Codex-Spark-Primary-Reset-After-Seconds", "3600")
	for name, c := range map[string]struct {
		told  map[string][]string
		after time.Duration
		want  string
	}{
		"the most left":               {map[string][]string{"a": codex(300, 70, 4*time.Hour), "b": codex(300, 20, 4*time.Hour), "c": codex(300, 50, 4*time.Hour)}, 0, "b"},
		"of the tightest window":      {map[string][]string{"a": both(5, 95), "b": both(60, 10), "c": both(90, 0)}, 0, "b"},
		"on pace, the soonest":        {map[string][]string{"a": codex(300, 20, 3*time.Hour), "b": codex(300, 60, time.Hour), "c": codex(300, 22, 2*time.Hour)}, 0, "b"},
		"on pace is 70 %":             {map[string][]string{"a": codex(300, 20, 3*time.Hour), "b": codex(300, 64, 150*time.Minute)}, 0, "b"},
		"less is behind":              {map[string][]string{"a": codex(300, 20, 3*time.Hour), "b": codex(300, 70, 150*time.Minute)}, 0, "a"},
		"of those behind, the least":  {map[string][]string{"a": codex(300, 70, 4*time.Hour), "b": codex(300, 75, 2*time.Hour)}, 0, "b"},
		"of a week as well":           {map[string][]string{"a": codex(10080, 80, 48*time.Hour), "b": codex(300, 30, 4*time.Hour)}, 0, "b"},
		"a short window has none":     {map[string][]string{"a": codex(30, 70, 5*time.Minute), "b": codex(30, 20, 25*time.Minute)}, 0, "b"},
		"nor one without end":         {map[string][]string{"a": codex(300, 30, time.Hour)[:4], "b": codex(300, 20, time.Hour)[:4]}, 0, "b"},
		"the unknown waits":           {map[string][]string{"a": codex(300, 20, time.Hour), "b": nil}, 0, "a"},
		"but is on pace":              {map[string][]string{"a": codex(300, 50, 4*time.Hour), "b": nil}, 0, "b"},
		"a window that passed waits":  {map[string][]string{"a": codex(300, 99, time.Hour), "b": codex(300, 20, 3*time.Hour)}, 61 * time.Minute, "b"},
		"and is on pace":              {map[string][]string{"a": codex(300, 99, time.Hour), "b": codex(300, 60, 5*time.Hour)}, 61 * time.Minute, "a"},
		"news older than its window":  {map[string][]string{"a": codex(300, 99, time.Hour)[:4], "b": codex(10080, 70, 100*time.Hour)}, 5 * time.Hour, "a"},
		"and not before":              {map[string][]string{"a": codex(300, 99, time.Hour)[:4], "b": codex(10080, 70, 100*time.Hour)}, 4 * time.Hour, "b"},
		"a model's limit is its own":  {map[string][]string{"a": opus, "b": codex(300, 90, time.Hour)}, 0, "a"},
		"overdrawn is nothing left":   {map[string][]string{"a": codex(300, 130, time.Hour), "b": codex(300, 100, 3*time.Hour)}, 0, "a"},
		"little is more than nothing": {map[string][]string{"a": codex(300, 100, time.Hour), "b": codex(300, 97, 3*time.Hour)}, 0, "b"},
		"half is not as much":         {map[string][]string{"a": codex(300, 99, time.Hour), "b": codex(300, 97, 3*time.Hour)}, 0, "b"},
		"little is no pace":           {map[string][]string{"a": codex(300, 97, time.Minute), "b": codex(300, 90, 3*time.Hour)}, 0, "b"},
		"full with a known end first": {map[string][]string{"a": codex(300, 0, time.Hour), "b": nil}, 0, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				known(t, r, c.told)
				time.Sleep(c.after)
				assert.Equal(t, []string{c.want, c.want, c.want}, r.chosen(t, 3))
			})
		})
	}
}

// Of 16 requests one goes to a credential of which nothing is known, so that its answer tells it.
func TestMostHeadroomLearns(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		known(t, r, map[string][]string{"a": codex(300, 20, time.Hour), "b": nil, "c": nil})
		seen := make(map[string]int)
		for _, id := range r.chosen(t, 64) {
			seen[id]++
		}
		assert.Equal(t, 60, seen["a"])
		assert.Equal(t, 4, seen["b"]+seen["c"])
	})
}

// Credentials of which as little is known take turns.
func TestMostHeadroomOfTheUnknownTakesTurns(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	known(t, r, map[string][]string{"a": nil, "b": nil, "c": nil})
	got := r.chosen(t, 6)
	assert.ElementsMatch(t, []string{"a", "b", "c"}, got[:3])
	assert.Equal(t, got[:3], got[3:])
}

// A burst is spread before an answer tells what it took: the credential with ten points more gets ten
// requests more.
func TestMostHeadroomSpreadsABurst(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		known(t, r, map[string][]string{
			"a": codex(300, 20, time.Hour), "b": codex(300, 30, time.Hour), "c": codex(300, 90, time.Hour),
		})
		r.fake.APILatency = time.Second
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _, _ = r.post(context.Background()) })
			synctest.Wait()
		}
		a, b := r.status(t, "a").InFlight, r.status(t, "b").InFlight
		assert.Equal(t, 50, a+b)
		assert.InDelta(t, 10, a-b, 6)
		assert.Zero(t, r.status(t, "c").InFlight, "it is far behind")
		wg.Wait()
	})
}

// Of credentials that have nothing left, the ones with the fewest requests in flight are asked, though
// another one's window ends sooner.
func TestMostHeadroomSpreadsWhatIsRefused(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		known(t, r, map[string][]string{
			"a": codex(300, 100, time.Hour), "b": codex(300, 100, 2*time.Hour), "c": codex(300, 100, 3*time.Hour),
		})
		assert.Equal(t, map[string]int{"a": 2, "b": 2, "c": 2}, r.inFlight(t, 6, context.Background()))
	})
}

// A refusal by a bucket in which much was left is one by that bucket where requests take much.
func TestMostHeadroomOfSmallBuckets(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.strategy(t, reauth.MostHeadroom)
		l := r.taught(t, map[string]map[string][]string{
			"a": {"m": bucket("55", "10h")}, "b": {"m": bucket("50", "10h")}, "c": {"m": bucket("70", "18s")},
		})
		time.Sleep(2 * time.Second)
		l.of("key-c", bucket("60", "24s")...)
		r.fake.Exhaust(time.Now().Add(9*time.Second), "key-c")
		before := len(r.fake.Requests())
		_, status := r.ask(t, "m")
		assert.NotEqual(t, http.StatusOK, status)
		assert.Len(t, r.fake.Requests()[before:], 1, "a request that found 60 % too little is not for 55 %")
	})
}

// In a pool of more than 64 credentials, a choice looks at some of them, and at the next ones while those
// have nothing left. All that have something are found in turn.
func TestMostHeadroomOfALargePool(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		told := make(map[string][]string)
		for i := range 200 {
			told[fmt.Sprint("spent-", i)] = codex(300, 100, time.Hour)
		}
		for i := range 3 {
			told[fmt.Sprint("fresh-", i)] = codex(300, 1, time.Hour)
		}
		known(t, r, told)
		seen := make(map[string]int)
		for _, id := range r.chosen(t, 2000) {
			seen[id]++
		}
		assert.Len(t, seen, 3)
		for i := range 3 {
			assert.Contains(t, seen, fmt.Sprint("fresh-", i))
		}
	})
}

// inFlight sends n requests, one after the other, none of which gets its answer, and returns how many
// wait with each credential.
func (r *rig) inFlight(t testing.TB, n int, ctx context.Context) map[string]int {
	t.Helper()
	return r.waiting(t, n, func() { _, _, _ = r.post(ctx) })
}

// inFlightOf is inFlight for requests for a model.
func (r *rig) inFlightOf(t testing.TB, model string, n int) map[string]int {
	t.Helper()
	return r.waiting(t, n, func() { _, _ = r.ask(t, model) })
}

// waiting does that n times, and returns how many requests wait with each credential then.
func (r *rig) waiting(t testing.TB, n int, send func()) map[string]int {
	t.Helper()
	r.fake.APILatency = time.Hour
	for range n {
		go send()
		synctest.Wait()
	}
	got := make(map[string]int)
	for _, s := range r.pool.Status() {
		got[s.ID] = s.InFlight
	}
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	return got
}

// MaxInFlight holds with every strategy as long as another credential has room, be it of the next
// priority. When none has, the strategy chooses.
func TestMaxInFlight(t *testing.T) {
	for _, s := range strategies() {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
				r.register(t, func(p *reauth.Provider) { p.Strategy, p.MaxInFlight = s, 2 })
				for _, id := range []string{"a", "b"} {
					r.key(t, id, "key-"+id)
				}
				r.fake.AddKey("key-spare")
				r.add(t, reauth.Credential{ID: "spare", AccessToken: "key-spare", Priority: 1})
				ctx := context.Background()
				assert.Equal(t, map[string]int{"a": 2, "b": 2, "spare": 0}, r.inFlight(t, 4, ctx))
				assert.Equal(t, map[string]int{"a": 2, "b": 2, "spare": 2}, r.inFlight(t, 6, ctx))
				got := r.inFlight(t, 10, ctx)
				assert.Equal(t, 2, got["spare"], "beyond the bound the best priority serves")
				assert.Equal(t, 8, got["a"]+got["b"])
				if s == reauth.FillFirst {
					assert.Equal(t, 6, got["a"])
				}
			})
		})
	}
}

// MaxInFlight holds among credentials that serve some hosts only, and for the next one to be tried.
func TestMaxInFlightOfBoundCredentials(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) {
			p.MaxInFlight, p.Hosts = 1, append(p.Hosts, "other.example.com")
		})
		for id, host := range map[string]string{"a": "chatgpt.com", "b": "chatgpt.com", "elsewhere": "other.example.com"} {
			r.fake.AddKey("key-" + id)
			r.add(t, reauth.Credential{ID: id, AccessToken: "key-" + id, Hosts: []string{host}})
		}
		got := r.inFlight(t, 2, context.Background())
		assert.Equal(t, map[string]int{"a": 1, "b": 1, "elsewhere": 0}, got)
		assert.Zero(t, r.inFlight(t, 5, context.Background())["elsewhere"])
	})
}

// An affinity and a pin go before MaxInFlight: a conversation finds its prompt cache.
func TestAffinityGoesBeforeMaxInFlight(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.register(t, func(p *reauth.Provider) { p.MaxInFlight = 1 })
		for _, id := range []string{"a", "b", "c"} {
			r.key(t, id, "key-"+id)
		}
		ctx := reauth.WithAffinity(context.Background(), "conversation")
		c, err := r.pool.Token(ctx, r.provider)
		require.NoError(t, err)
		assert.Equal(t, 5, r.inFlight(t, 5, ctx)[c.ID])
		assert.Equal(t, 5, r.inFlight(t, 5, reauth.WithCredential(context.Background(), r.provider, "b"))["b"])
	})
}

func TestMaxInFlightBelowZeroIsAnError(t *testing.T) {
	pool := reauth.NewPool()
	defer pool.Close()
	err := pool.Register(reauth.Provider{Name: "own", MaxInFlight: -1})
	require.EqualError(t, err, "reauth: register own: MaxInFlight -1: it is a number of requests, or 0 for no bound")
}

// Two pools with the same credentials make the same choice, in whatever order those were added.
func TestAffinityIsTheSameInEveryPool(t *testing.T) {
	one, other := newRig(t, reauthtest.OpenAI), newRig(t, reauthtest.OpenAI)
	for i := range 50 {
		one.key(t, fmt.Sprint("c", i), fmt.Sprint("key-", i))
		other.key(t, fmt.Sprint("c", 49-i), fmt.Sprint("key-", 49-i))
	}
	for i := range 200 {
		ctx := reauth.WithAffinity(context.Background(), fmt.Sprint("conversation ", i))
		a, err := one.pool.Token(ctx, one.provider)
		require.NoError(t, err)
		b, err := other.pool.Token(ctx, other.provider)
		require.NoError(t, err)
		require.Equal(t, a.ID, b.ID)
	}
}

// While standings change, a conversation gets its home or, while that is put aside, always the same
// other credential.
func TestAffinityWhileStandingsChange(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	for i := range 20 {
		r.key(t, fmt.Sprint("c", i), fmt.Sprint("key-", i))
	}
	ctx := reauth.WithAffinity(context.Background(), "conversation")
	home, err := r.pool.Token(ctx, r.provider)
	require.NoError(t, err)
	spent := reauth.Verdict{Kind: reauth.Exhausted, Reset: time.Now().Add(time.Minute)}
	aside := func() { assert.NoError(t, r.pool.Report(ctx, r.provider, home.ID, home.AccessToken, spent)) }
	aside()
	second, err := r.pool.Token(ctx, r.provider)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				c, err := r.pool.Token(ctx, r.provider)
				if assert.NoError(t, err) {
					assert.Contains(t, []string{home.ID, second.ID}, c.ID)
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			assert.NoError(t, r.pool.Reset(ctx, r.provider, home.ID))
			aside()
		}
	})
	wg.Wait()
}
