package reauth_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// A request switches to a credential in good standing. It does not exchange that credential's
// token, which is far from its expiry.
func TestSwitchingCausesNoExchangeOfATokenThatIsNotDue(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		a, art := r.login(t, "a")
		r.login(t, "b")
		r.fake.Expire(a)
		r.fake.Revoke(art)
		status, _ := r.mustPost(t)
		synctest.Wait()
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.Exchanges(), "b's token was good and far from its expiry")
	})
}

// The pool could not save a newer pair. Adding the older pair again must not lose the newer one.
func TestAddingAgainKeepsAPairThatIsNotSavedYet(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		access, refresh := r.login(t, "me")
		r.fake.Expire(access)
		store.fail("persist", errors.New("disk full"))
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status, "the pool serves the newer pair from memory")
		older := reauth.Credential{Provider: r.provider, ID: "me", AccessToken: access, RefreshToken: refresh}
		_, _ = r.pool.Add(context.Background(), older) // it may fail like the store
		store.fail("persist", nil)
		_, err := r.pool.Add(context.Background(), older)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		r.fake.Expire()
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.Reuses())
		assert.True(t, r.fake.Alive(refresh))
	})
}

// One pool removes a credential while another pool exchanges its refresh token. The exchange does
// not write the credential into the store again.
func TestExchangeElsewhereDoesNotBringBackARemovedCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 2, store, func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			a.fake.TokenLatency = time.Second
			old, _ := a.login(t, "me")
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			a.fake.Expire(old)
			done := make(chan struct{})
			go func() { defer close(done); a.mustPost(t) }()
			time.Sleep(500 * time.Millisecond)
			require.NoError(t, b.pool.Remove(context.Background(), "xai", "me"))
			<-done
			synctest.Wait()
			assert.True(t, store.Record(t, "xai-oauth", "me").Removed)
		})
	})
}

// A caller can repeat a Remove that failed.
func TestRemoveThatFailedCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &watchedStore{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			rigs[0].login(t, "me")
			store.fail("persist", errors.New("down"))
			require.Error(t, rigs[0].pool.Remove(context.Background(), "xai", "me"))
			store.fail("persist", nil)
			assert.NoError(t, rigs[0].pool.Remove(context.Background(), "xai", "me"))
			assert.True(t, reauth.Record(t, store, "xai-oauth", "me").Removed, "the second Remove reaches the store")
		})
	})
}

// While Remove waits for an exchange, the pool reads the store, where the credential still is. It
// must not take the credential in again.
func TestRemovedCredentialIsNotTakenInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.fake.TokenLatency = 5 * time.Second
			r.login(t, "me")
			r.key(t, "other", "key-other")
			go func() { _ = r.pool.Refresh(context.Background(), "xai", "me") }()
			time.Sleep(time.Second)
			done := make(chan struct{})
			go func() { defer close(done); assert.NoError(t, r.pool.Remove(context.Background(), "xai", "me")) }()
			time.Sleep(time.Second)
			r.mustPost(t) // the pool reads the store
			<-done
			synctest.Wait()
			before := len(r.tokens())
			for _, s := range r.pool.Status() {
				assert.NotEqual(t, "me", s.ID)
			}
			r.mustPost(t)
			after := r.tokens()[before:]
			assert.Equal(t, []string{"key-other"}, after, "the removed credential serves after Remove has returned")
		})
	})
}

// An observer of Refreshed may call Remove. Remove does not wait for the renewal, which waits for
// the observer.
func TestObserverMayCallThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, 0, reauth.NewPool())
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		var calls atomic.Int64
		r.pool.Observe = func(ctx context.Context, e reauth.Event) {
			if e.Type == reauth.Refreshed && calls.Add(1) == 1 {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				// It must not wait for the renewal, which waits for this observer.
				assert.NoError(t, r.pool.Remove(ctx, "xai", "me"))
			}
		}
		begin := time.Now()
		r.mustPost(t)
		assert.Less(t, time.Since(begin), time.Second)
		require.NoError(t, r.pool.Close())
	})
}

// An observer of Adopted may call Refresh, which reads the store. The pool calls the observer after
// it has let go of its lock on the store.
func TestObserverOfAdoptedMayCallThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-old")
			r.key(t, "b", "key-b")
			r.fake.AddKey("key-new")
			var took time.Duration
			r.pool.Observe = func(ctx context.Context, e reauth.Event) {
				if e.Type == reauth.Adopted {
					begin := time.Now()
					_ = r.pool.Refresh(ctx, "xai", "b") // of a static key: looks for another one in the store
					took = time.Since(begin)
				}
			}
			replaced := reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-new"}
			store.Put(t, replaced, time.Time{})
			time.Sleep(2 * time.Second)
			r.mustPost(t)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Less(t, took, time.Second, "the pool keeps its lock on the store while the observer runs")
		})
	})
}

// A renewal has published its new tokens, and its observer has not returned yet. A Refresh that is
// called then must exchange these new tokens. It must not report the success of that renewal.
func TestRefreshAfterPublishingRenewsWhatIsHeldThen(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.login(t, "me")
		slow := make(chan struct{})
		var once atomic.Bool
		r.pool.Observe = func(_ context.Context, e reauth.Event) {
			if e.Type == reauth.Refreshed && !once.Swap(true) {
				<-slow // the new tokens are published already
			}
		}
		go func() { _ = r.pool.Refresh(context.Background(), "xai", "me") }()
		synctest.Wait()
		before, _ := r.current(t)
		time.AfterFunc(time.Second, func() { close(slow) })
		require.NoError(t, r.pool.Refresh(context.Background(), "xai", "me"))
		after, _ := r.current(t)
		assert.NotEqual(t, before, after, "Refresh returned nil and has not renewed the tokens that it found")
	})
}

// Reset writes a mark during an exchange. It keeps Spending, which tells other processes that the
// refresh token is being spent.
func TestMarkDuringAnExchangeKeepsSpending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.fake.TokenLatency = 5 * time.Second
			_, refresh := r.login(t, "me")
			go func() { _ = r.pool.Refresh(context.Background(), "xai", "me") }()
			time.Sleep(time.Second)
			require.NoError(t, r.pool.Reset(context.Background(), "xai", "me"))
			assert.Equal(t, reauth.Digest(refresh), store.Record(t, "xai-oauth", "me").Spending.Of)
			time.Sleep(10 * time.Second)
		})
	})
}

// The pool could not save a pair, and then adopts a newer login from the store. From then on it has
// nothing to save, and takes in again what others write about the credential.
func TestAdoptingEndsUnsaved(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		access, _ := r.login(t, "me")
		r.key(t, "other", "key-other")
		r.fake.Expire(access)
		store.fail("persist", errors.New("disk full"))
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		store.fail("persist", nil)
		// Another program writes a new login into the store.
		na, nr := r.fake.Login()
		replace := func(h reauth.Holding) (reauth.Entry, error) {
			e := h.Entry
			e.Credential.AccessToken, e.Credential.RefreshToken, e.Login = na, nr, h.Now
			return e, nil
		}
		written, err := store.Store.Update(context.Background(), "xai-oauth", "me", replace)
		require.NoError(t, err)
		r.fake.Expire()
		r.fake.Restore(na, "key-other")
		status, _ = r.mustPost(t) // the pool adopts the login
		require.Equal(t, 200, status)
		time.Sleep(5 * time.Second)
		require.NoError(t, store.Store.Mark(context.Background(), "xai-oauth", "me", "login", reauth.Mark{
			At: time.Now(), Until: time.Now().Add(time.Hour), Reason: "elsewhere", Of: reauth.LoginOf(written.Login),
		}, time.Time{}))
		time.Sleep(2 * time.Second)
		other := reauth.WithCredential(context.Background(), r.provider, "other")
		status, _, err = r.post(other) // the pool reads the store
		require.NoError(t, err)
		require.Equal(t, 200, status)
		synctest.Wait()
		assert.Equal(t, reauth.Aside, r.status(t, "me").State, "the pool does not take in the mark of another process")
	})
}

// lateRelease is a store whose Update returns a second after it has released the claim. It does so
// once, after late is set.
type lateRelease struct {
	reauth.Store
	late atomic.Bool
}

func (s *lateRelease) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	e, err := s.Store.Update(ctx, provider, id, fn)
	if s.late.Swap(false) {
		time.Sleep(time.Second)
	}
	return e, err
}

// The user adds a new login after an exchange has released the claim and before it publishes its
// pair. The exchange does not overwrite the login.
func TestExchangeDoesNotOverwriteALoginAddedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lateRelease{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.login(t, "me")
			r.fake.TokenLatency = 100 * time.Millisecond
			go func() { _ = r.pool.Refresh(context.Background(), "xai", "me") }()
			synctest.Wait()
			time.Sleep(50 * time.Millisecond)
			go func() { time.Sleep(10 * time.Millisecond); store.late.Store(true) }()
			time.Sleep(100 * time.Millisecond)
			access, _ := r.login(t, "me")
			now, _ := r.current(t)
			require.Equal(t, access, now)
			time.Sleep(5 * time.Second)
			now, _ = r.current(t)
			assert.Equal(t, access, now, "the pool uses the old login again")
		})
	})
}

// When the base panics, the request no longer counts as in flight.
func TestPanickingBaseIsNoLongerInFlight(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.login(t, "me")
		r.transport.Base = roundTripFunc(nil)
		func() {
			defer func() { _ = recover() }()
			_, _, _ = r.post(context.Background())
		}()
		assert.Zero(t, r.status(t, "me").InFlight)
	})
}

// An observer may end its goroutine, as require does in a test. Nobody waits for that goroutine for
// ever.
func TestObserverThatEndsItsGoroutineStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, 0, reauth.NewPool())
		_, refresh := r.login(t, "me")
		r.fake.Revoke(refresh)
		r.pool.Observe = func(_ context.Context, e reauth.Event) {
			if e.Type == reauth.RefreshFailed {
				runtime.Goexit()
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		err := r.pool.Refresh(ctx, "xai", "me")
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, r.pool.Close())
	})
}

// For the race detector: a renewal that only reads the store explains its failure by a field that
// the member's lock guards. Reset writes that field.
func TestResetWhileTheStoreIsRead(t *testing.T) {
	pool, err := reauth.OpenPool(context.Background(), reauth.NewMemStore())
	require.NoError(t, err)
	login := reauth.Credential{Provider: "xai", ID: "a", AccessToken: "at", RefreshToken: "rt"}
	_, err = pool.Add(context.Background(), login)
	require.NoError(t, err)
	notRefreshable := func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{}, reauth.ErrNotRefreshable
	}
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "xai", Hosts: []string{"api.x.ai"}, Refresher: reauth.RefresherFunc(notRefreshable),
	}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				_ = pool.Refresh(context.Background(), "xai", "a")
				_ = pool.Reset(context.Background(), "xai", "a")
			}
		})
	}
	wg.Wait()
	require.NoError(t, pool.Close())
}

// A refresher returns a token with a line break in it. net/http would refuse every request with
// that token. The pool counts the refresh as failed and goes on with the token that it has.
func TestTokenThatCannotBeSentIsAFailedRefresh(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.login(t, "me")
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				return reauth.Credential{AccessToken: "x\r\nEvil: 1"}, nil
			})
		})
		err := r.pool.Refresh(context.Background(), r.provider, "me")
		var re *reauth.RefreshError
		require.ErrorAs(t, err, &re)
		assert.Equal(t, "bad_token", re.Code)
		assert.False(t, re.Permanent)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

// A provider that is registered anew without a Refresher, while an exchange waits for its claim, makes
// that fail, and one with a Refresher lets the next succeed.
func TestExchangeOfAProviderThatLosesItsRefresher(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		held, release := make(chan struct{}), make(chan struct{})
		go func() {
			_, err := store.Store.Update(context.Background(), r.provider, "me", func(reauth.Holding) (reauth.Entry, error) {
				close(held)
				<-release
				return reauth.Entry{}, errors.New("nothing to write")
			})
			assert.Error(t, err)
		}()
		<-held
		got := make(chan map[int]int)
		go func() { got <- r.atOnce(t, 5) }()
		synctest.Wait()
		with, _ := r.pool.ProviderFor(mustURL(t, r.url))
		r.register(t, func(p *reauth.Provider) { p.Refresher = nil })
		close(release)
		require.Equal(t, map[int]int{403: 5}, <-got)
		require.Empty(t, r.events.all(reauth.Panicked))
		require.ErrorContains(t, r.events.all(reauth.GaveUp)[0].Err, "without a Refresher")
		require.NoError(t, r.pool.Register(with))
		time.Sleep(time.Minute)
		require.Equal(t, map[int]int{200: 5}, r.atOnce(t, 5))
	})
}
