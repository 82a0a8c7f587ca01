package reauth_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// bubble runs f inside a synctest bubble, whose clock is fake, with a rig of its own. The rig's
// pool is closed inside the bubble too.
func bubble(t *testing.T, d reauthtest.Dialect, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, reauth.NewPool())
		f(t, r)
		require.NoError(t, r.pool.Close())
	})
}

// atOnce sends n requests at once and returns how many answers had each status.
func (r *rig) atOnce(t testing.TB, n int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	got := make(map[int]int)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			status, _, err := r.post(context.Background())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	wg.Wait()
	return got
}

// spread delays the answers of a base. Each answer takes the next of the delays, in turn.
func spread(base http.RoundTripper, delays ...time.Duration) http.RoundTripper {
	var n atomic.Int64
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		d := delays[int(n.Add(1)-1)%len(delays)]
		resp, err := base.RoundTrip(req)
		time.Sleep(d)
		return resp, err
	})
}

func TestStormOnADeadTokenCausesOneExchange(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		// Refusals arrive before the exchange, in the middle of it, and long after it.
		r.transport.Base = spread(r.fake.Transport(), 0, time.Millisecond, 100*time.Millisecond,
			199*time.Millisecond, time.Second, 10*time.Second)
		assert.Equal(t, map[int]int{200: 1000}, r.atOnce(t, 1000))
		assert.Equal(t, 1, r.fake.Exchanges())
		assert.Zero(t, r.fake.Reuses())
	})
}

func TestLateRefusalsOfAReplacedTokenCauseNoExchange(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		release := make(chan struct{})
		var refused sync.WaitGroup
		refused.Add(10)
		var late atomic.Int64
		base := r.fake.Transport()
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(req)
			if late.Add(1) <= 10 { // these refusals arrive long after the refresh
				refused.Done()
				<-release
			}
			return resp, err
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				status, _, err := r.post(context.Background())
				assert.NoError(t, err)
				assert.Equal(t, 200, status)
			})
		}
		refused.Wait()
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.Equal(t, 1, r.fake.Exchanges())
		close(release)
		wg.Wait()
		assert.Equal(t, 1, r.fake.Exchanges(), "ten refusals of a token that had been replaced")
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		assert.Empty(t, r.events.all(reauth.PutAside))
	})
}

// The request that started the exchange is cancelled. It returns at once. The exchange goes on for
// the others that wait for it.
func TestCancelledLeaderReturnsAtOnceAndTheExchangeGoesOn(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		begin := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := r.post(ctx)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, 10*time.Millisecond, time.Since(begin))
		})
		synctest.Wait() // the leader waits for its exchange
		for range 5 {
			wg.Go(func() {
				status, _, err := r.post(context.Background())
				assert.NoError(t, err)
				assert.Equal(t, 200, status)
				assert.Equal(t, 200*time.Millisecond, time.Since(begin))
			})
		}
		time.Sleep(10 * time.Millisecond)
		cancel()
		wg.Wait()
		assert.Equal(t, 1, r.fake.Exchanges())
	})
}

func TestExchangeCompletesWhenEverybodyHasLeft(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		old, refresh := r.login(t, "me")
		r.fake.Expire(old)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, _, err := r.post(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		assert.Equal(t, 1, r.fake.Exchanges())
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, 1, r.fake.Exchanges(), "the pool has kept the rotated pair")
		assert.True(t, r.fake.Alive(refresh))
	})
}

func TestWaiterKeepsItsOwnDeadline(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			status, _, err := r.post(context.Background())
			assert.NoError(t, err)
			assert.Equal(t, 200, status)
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader("{}"))
		require.NoError(t, err)
		_, err = r.transport.RoundTrip(req)
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var timeout interface{ Timeout() bool }
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		wg.Wait()
	})
}

func TestWaiterHonoursRequestCancel(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		cancel := make(chan struct{})
		req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("{}"))
		require.NoError(t, err)
		setCancel(req, cancel)
		begin := time.Now()
		time.AfterFunc(50*time.Millisecond, func() { close(cancel) })
		_, err = r.transport.RoundTrip(req)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
		time.Sleep(time.Second)
		assert.Equal(t, 1, r.fake.Exchanges())
	})
}

// current returns the tokens that the pool hands out now.
func (r *rig) current(t testing.TB) (access, refresh string) {
	t.Helper()
	c, err := r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	return c.AccessToken, c.RefreshToken
}

func TestRefresherThatPanicsOrEndsItsGoroutine(t *testing.T) {
	for name, bad := range map[string]func(){
		"panic":   func() { panic("token rt-SECRET") },
		"runtime": func() { _ = make([]int, 1)[index(7)] },
		"Goexit":  runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				old, _ := r.login(t, "me")
				r.fake.Expire(old)
				breaks := func(context.Context, reauth.Credential) (reauth.Credential, error) {
					bad()
					return reauth.Credential{}, nil
				}
				r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(breaks) })
				assert.Equal(t, map[int]int{403: 10}, r.atOnce(t, 10))
				failed := r.events.all(reauth.RefreshFailed)
				require.Len(t, failed, 1)
				assert.NotContains(t, failed[0].Err.Error(), "SECRET")

				r.refreshAt(t, r.fake) // with a refresher that works
				time.Sleep(time.Minute)
				status, _ := r.mustPost(t)
				assert.Equal(t, 200, status)
			})
		})
	}
}

// index hides a constant from the compiler, which would refuse to index beyond the end.
func index(i int) int { return i }

// A refresher that returns the tokens that it got has refreshed nothing.
func TestSameAccessTokenAgainIsAFailedRefresh(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, refresh := r.login(t, "me")
		r.fake.Expire(old)
		calls := 0
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				calls++
				return c, nil
			})
		})
		for range 3 {
			status, _ := r.mustPost(t)
			assert.Equal(t, 403, status)
		}
		assert.Equal(t, 1, calls)
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		assert.Equal(t, "refresh:same_token", failed[0].Reason)
		_, now := r.current(t)
		assert.Equal(t, refresh, now)
	})
}

func TestRotatedRefreshTokenOfAFailedRefreshIsKept(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		var given []string
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				given = append(given, c.RefreshToken)
				rotated := reauth.Credential{RefreshToken: c.RefreshToken + "+"}
				return rotated, &reauth.RefreshError{Code: "no_access_token"}
			})
		})
		r.mustPost(t)
		time.Sleep(time.Minute)
		r.mustPost(t)
		require.Len(t, given, 2)
		assert.Equal(t, given[0]+"+", given[1], "the provider accepts only the rotated refresh token")
	})
}

func TestRefreshIsSharedByItsCallers(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 200 * time.Millisecond
		r.login(t, "me")
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { assert.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me")) })
		}
		wg.Wait()
		assert.Equal(t, 1, r.fake.Exchanges())
		require.NoError(t, r.pool.Refresh(context.Background(), "xai", "me"), "an alias will do")
		assert.Equal(t, 2, r.fake.Exchanges(), "a later call renews the tokens of its time")
	})
}

func TestRefreshErrors(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.login(t, "me")
		r.key(t, "key", "key-1")
		require.ErrorIs(t, r.pool.Refresh(context.Background(), r.provider, "key"), reauth.ErrNotRefreshable)
		require.ErrorContains(t, r.pool.Refresh(context.Background(), r.provider, "nobody"), `no credential "nobody"`)

		r.fake.TokenLatency = time.Second
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, r.pool.Refresh(ctx, r.provider, "me"), context.DeadlineExceeded)
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, r.fake.Exchanges(), "the exchange went on")

		r.fake.Revoke(refresh)
		var re *reauth.RefreshError
		require.ErrorAs(t, r.pool.Refresh(context.Background(), r.provider, "me"), &re)
		assert.True(t, re.Permanent)
		asked := r.fake.TokenRequests()
		require.Error(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.Equal(t, asked, r.fake.TokenRequests(), "a dead grant is not sent again, not even on demand")
		require.NoError(t, r.pool.Reset(context.Background(), r.provider, "me"))
		require.Error(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.Equal(t, asked+1, r.fake.TokenRequests(), "after Reset it asks again")
	})
}

func TestClosedPoolRefreshesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, reauthtest.XAI, reauth.NewPool())
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		require.NoError(t, r.pool.Close())
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status, "sent, and refused")
		assert.Zero(t, r.fake.TokenRequests())
		require.NoError(t, r.pool.Close(), "closing twice is no error")
	})
}

func TestCloseWaitsForARunningExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, reauthtest.XAI, reauth.NewPool())
		r.fake.TokenLatency = 20 * time.Second
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = r.post(ctx)
		}()
		synctest.Wait()
		cancel()
		<-done
		begin := time.Now()
		require.NoError(t, r.pool.Close())
		assert.Equal(t, 20*time.Second, time.Since(begin))
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "the pool uses the pair that the exchange brought during Close")
	})
}

func TestCloseGivesUpOnAnExchangeThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, reauthtest.XAI, reauth.NewPool())
		release := make(chan struct{})
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				<-release // it ignores its context
				return reauth.Credential{}, errors.New("too late")
			})
		})
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		go func() { _, _, _ = r.post(context.Background()) }()
		synctest.Wait()
		begin := time.Now()
		require.ErrorContains(t, r.pool.Close(), "45 s")
		assert.Equal(t, 45*time.Second, time.Since(begin))
		close(release)
	})
}

// A refresher that never answers is stopped after 30 s.
func TestExchangeHasADeadlineOfItsOwn(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		var left time.Duration
		silent := func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			<-ctx.Done()
			return reauth.Credential{}, ctx.Err()
		}
		r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(silent) })
		begin := time.Now()
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status)
		assert.Equal(t, 30*time.Second, left)
		assert.Equal(t, 30*time.Second, time.Since(begin))
	})
}

// While a renewal reads the store, the user calls Refresh. Refresh must exchange the tokens, and
// not take the end of that reading for its own success.
func TestForcedRefreshGoesOnAfterALookIntoTheStore(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.RefuseNew = true
		// The API refuses the token of the exchange too. From now on a rejection only reads the
		// store.
		r.mustPost(t)
		store.slow = 5 * time.Second
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.mustPost(t)
		}()
		time.Sleep(2 * time.Second) // that request has been refused, and reads the store now
		r.fake.RefuseNew = false
		require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.Equal(t, 2, r.fake.Exchanges())
		<-done
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}
