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

// A request that switches to a credential in good standing must not exchange its token, which is
// far from due.
func TestSwitchingCausesNoExchangeOfATokenThatIsNotDue(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		a, art := r.login(t, "a")
		r.login(t, "b")
		r.fake.Expire(a)
		r.fake.Revoke(art)
		status, _ := r.mustPost(t)
		synctest.Wait()
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.Exchanges(), "b's token was good and far from due")
	})
}

// Add of a stale pair while a newer one could not be saved loses the newer one.
func TestAddingAgainKeepsAPairThatIsNotSavedYet(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		access, refresh := r.login(t, "me")
		r.fake.Expire(access)
		store.fail("persist", errors.New("disk full"))
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status, "served from memory")
		_, err := r.pool.Add(context.Background(), reauth.Credential{Provider: r.provider, ID: "me", AccessToken: access, RefreshToken: refresh})
		_ = err // the store fails or not
		store.fail("persist", nil)
		_, err = r.pool.Add(context.Background(), reauth.Credential{Provider: r.provider, ID: "me", AccessToken: access, RefreshToken: refresh})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		r.fake.Expire()
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Zero(t, r.fake.Reuses())
		assert.True(t, r.fake.Alive(refresh))
	})
}

// Remove while another pool exchanges.
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
			entries, _, err := store.Load(context.Background(), "")
			require.NoError(t, err)
			assert.Empty(t, entries)
		})
	})
}

// slowDelete is a store whose Delete takes time or fails.
type slowDelete struct {
	reauth.Store
	d   time.Duration
	err error
}

func (s *slowDelete) Delete(ctx context.Context, provider, id string) error {
	time.Sleep(s.d)
	if s.err != nil {
		return s.err
	}
	return s.Store.Delete(ctx, provider, id)
}

// Remove that failed can be called again.
func TestRemoveThatFailedCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowDelete{Store: reauth.NewMemStore(), err: errors.New("down")}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			rigs[0].login(t, "me")
			require.Error(t, rigs[0].pool.Remove(context.Background(), "xai", "me"))
			store.err = nil
			assert.NoError(t, rigs[0].pool.Remove(context.Background(), "xai", "me"))
			entries, _, err := store.Load(context.Background(), "")
			require.NoError(t, err)
			assert.Empty(t, entries, "Remove's error cannot be followed by another try")
		})
	})
}

// While Remove waits, the pool looks at the store and takes the credential in again.
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
			r.mustPost(t) // looks at the store
			<-done
			synctest.Wait()
			before := len(r.tokens())
			for _, s := range r.pool.Status() {
				assert.NotEqual(t, "me", s.ID)
			}
			r.mustPost(t)
			assert.Equal(t, []string{"key-other"}, r.tokens()[before:], "the removed credential is used after Remove returned")
		})
	})
}

// An observer that calls the pool.
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
				assert.NoError(t, r.pool.Remove(ctx, "xai", "me"), "it waits for the flight that waits for it")
			}
		}
		begin := time.Now()
		r.mustPost(t)
		assert.Less(t, time.Since(begin), time.Second)
		require.NoError(t, r.pool.Close())
	})
}

// Adopted is told while the store's gate is held.
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
					_ = r.pool.Refresh(ctx, "xai", "b") // a static key: looks whether the store has another
					took = time.Since(begin)
				}
			}
			store.Put(t, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-new"}, reauth.Standing{At: time.Now()})
			time.Sleep(2 * time.Second)
			r.mustPost(t)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Less(t, took, time.Second, "the store's gate is held while the observer runs")
		})
	})
}

// Refresh called between publishing and the end of the flight is told that it succeeded without an
// exchange.
func TestRefreshAfterPublishingRenewsWhatIsHeldThen(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.login(t, "me")
		slow := make(chan struct{})
		var once atomic.Bool
		r.pool.Observe = func(_ context.Context, e reauth.Event) {
			if e.Type == reauth.Refreshed && !once.Swap(true) {
				<-slow // a slow observer; the tokens are published
			}
		}
		go func() { _ = r.pool.Refresh(context.Background(), "xai", "me") }()
		synctest.Wait()
		before, _ := r.current(t)
		time.AfterFunc(time.Second, func() { close(slow) })
		require.NoError(t, r.pool.Refresh(context.Background(), "xai", "me"))
		after, _ := r.current(t)
		assert.NotEqual(t, before, after, "a call that began with these tokens returned nil with these tokens")
	})
}

// A mark written during an exchange takes Spending away.
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
			entries, _, err := store.Load(context.Background(), "")
			require.NoError(t, err)
			assert.Equal(t, reauth.Digest(refresh), entries[0].Standing.Spending)
			time.Sleep(10 * time.Second)
		})
	})
}

// After adopting, a pair that could not be saved must not stay "unsaved".
func TestAdoptingEndsUnsaved(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		access, _ := r.login(t, "me")
		r.key(t, "other", "key-other")
		r.fake.Expire(access)
		store.fail("persist", errors.New("disk full"))
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		store.fail("persist", nil)
		na, nr := r.fake.Login() // a new login, put there by another program
		_, err := store.Store.Update(context.Background(), "xai-oauth", "me", func(c reauth.Credential, _ bool) (reauth.Credential, error) {
			c.AccessToken, c.RefreshToken, c.Metadata = na, nr, nil
			return c, nil
		})
		require.NoError(t, err)
		r.fake.Expire()
		r.fake.Restore(na, "key-other")
		status, _ = r.mustPost(t) // adopts
		require.Equal(t, 200, status)
		time.Sleep(5 * time.Second)
		require.NoError(t, store.Store.Mark(context.Background(), "xai-oauth", "me", reauth.Standing{At: time.Now(), AsideUntil: time.Now().Add(time.Hour), Reason: "elsewhere", Of: reauth.Digest(na)}))
		time.Sleep(2 * time.Second)
		status, _, err = r.post(reauth.WithCredential(context.Background(), r.provider, "other")) // looks at the store
		require.NoError(t, err)
		require.Equal(t, 200, status)
		synctest.Wait()
		assert.Equal(t, reauth.Aside, r.status(t, "me").State, "what others say of it is not heard any more")
	})
}

// lateRelease is a store whose Update returns some time after the claim is free, once.
type lateRelease struct {
	reauth.Store
	late atomic.Bool
}

func (s *lateRelease) Update(ctx context.Context, provider, id string, fn func(reauth.Credential, bool) (reauth.Credential, error)) (reauth.Credential, error) {
	c, err := s.Store.Update(ctx, provider, id, fn)
	if s.late.Swap(false) {
		time.Sleep(time.Second)
	}
	return c, err
}

// Publish comes after unlock: an exchange's pair overwrites the login that was added after it.
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
			access, _ := r.login(t, "me") // Add has returned
			now, _ := r.current(t)
			require.Equal(t, access, now)
			time.Sleep(5 * time.Second)
			now, _ = r.current(t)
			assert.Equal(t, access, now, "the old login is back in use")
		})
	})
}

// A base that panics leaves the request counted as in flight.
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

// An observer that ends its goroutine (a test's require.X in it does) leaves everybody waiting.
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

// With -race. A reading flight explains itself by a field that the member's lock guards.
func TestResetWhileTheStoreIsRead(t *testing.T) {
	pool, err := reauth.OpenPool(context.Background(), reauth.NewMemStore())
	require.NoError(t, err)
	_, err = pool.Add(context.Background(), reauth.Credential{Provider: "xai", ID: "a", AccessToken: "at", RefreshToken: "rt"})
	require.NoError(t, err)
	require.NoError(t, pool.Register(reauth.Provider{Name: "xai", Hosts: []string{"api.x.ai"}, Refresher: reauth.RefresherFunc(
		func(context.Context, reauth.Credential) (reauth.Credential, error) {
			return reauth.Credential{}, reauth.ErrNotRefreshable
		},
	)}))
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

// A refresher's token with a line break in it would make net/http refuse every request: a failure
// that is ours.
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
