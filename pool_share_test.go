package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// watchedStore is a store that records the operations on it. A test can make operations fail, or a
// load slow.
type watchedStore struct {
	reauth.Store
	mu      sync.Mutex
	ops     []string
	loads   int
	slow    time.Duration    // how long a load takes
	failing map[string]error // by operation: load, claim, mark, persist, delete
}

// note records an operation. It returns the error with which the operation is to fail.
func (s *watchedStore) note(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, op)
	return s.failing[op]
}

// fail makes an operation fail with err from now on. With nil it works again.
func (s *watchedStore) fail(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing == nil {
		s.failing = make(map[string]error)
	}
	s.failing[op] = err
}

// take returns the operations since the last call.
func (s *watchedStore) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ops := s.ops
	s.ops = nil
	return ops
}

func (s *watchedStore) Load(ctx context.Context, version string) ([]reauth.Entry, string, error) {
	s.mu.Lock()
	s.loads++
	err, slow := s.failing["load"], s.slow
	s.mu.Unlock()
	time.Sleep(slow)
	if err != nil {
		return nil, "", err
	}
	return s.Store.Load(ctx, version)
}

// Update notes "claim", "read", "persist" and "release", in this order. When persist is to fail, it
// returns ErrNotStored with the credential, as a full disk makes a durable store do.
func (s *watchedStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Credential, bool) (reauth.Credential, error),
) (reauth.Credential, error) {
	if err := s.note("claim"); err != nil {
		return reauth.Credential{}, err
	}
	var unsaved reauth.Credential
	lost := errors.New("lost")
	c, err := s.Store.Update(ctx, provider, id, func(c reauth.Credential, found bool) (reauth.Credential, error) {
		_ = s.note("read")
		got, err := fn(c, found)
		if err != nil {
			return got, err
		}
		if err := s.note("persist"); err != nil {
			unsaved = got
			return reauth.Credential{}, lost
		}
		return got, nil
	})
	_ = s.note("release")
	if errors.Is(err, lost) {
		return unsaved, fmt.Errorf("%w: disk full", reauth.ErrNotStored)
	}
	return c, err
}

func (s *watchedStore) Mark(ctx context.Context, provider, id string, st reauth.Standing) error {
	op := "mark"
	if st.Spending != "" {
		op = "mark spending"
	}
	if err := s.note(op); err != nil {
		return err
	}
	return s.Store.Mark(ctx, provider, id, st)
}

// bubbleOver is bubble with a pool over a watchedStore.
func bubbleOver(t *testing.T, f func(t *testing.T, r *rig, store *watchedStore)) {
	synctest.Test(t, func(t *testing.T) {
		store := &watchedStore{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) { f(t, rigs[0], store) })
	})
}

// fleet runs f with n rigs, whose pools share one store and whose transports share one fake
// provider. It closes the pools afterwards.
func fleet(t *testing.T, n int, store reauth.Store, f func(t *testing.T, rigs []*rig)) {
	t.Helper()
	fake := reauthtest.New(reauthtest.XAI)
	rigs := make([]*rig, n)
	for i := range rigs {
		pool, err := reauth.OpenPool(context.Background(), store)
		require.NoError(t, err)
		rigs[i] = newRigOn(t, reauthtest.XAI, pool)
		rigs[i].fake, rigs[i].transport.Base = fake, fake.Transport()
		rigs[i].refreshAt(t, fake)
	}
	f(t, rigs)
	for _, r := range rigs {
		require.NoError(t, r.pool.Close())
	}
}

// The order in which a renewal uses the store. The refresh token is marked as being spent before
// the exchange, and the new pair is stored before the claim is released.
func TestOrderOfARenewal(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, refresh := r.login(t, "me")
		synctest.Wait()
		store.take()
		r.fake.Expire(old)
		fakes, _ := r.pool.ProviderFor(mustURL(t, r.url))
		noted := func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
			_ = store.note("exchange")
			entries, _, err := store.Store.Load(ctx, "")
			require.NoError(t, err)
			spending := entries[0].Standing.Spending
			assert.Equal(t, reauth.Digest(refresh), spending, "other processes can see which token is being spent")
			return fakes.Refresher.Refresh(ctx, c)
		}
		r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(noted) })
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		synctest.Wait()
		want := []string{"claim", "read", "mark spending", "exchange", "persist", "release", "mark"}
		assert.Equal(t, want, store.take())
		entries, _, err := store.Load(context.Background(), "")
		require.NoError(t, err)
		assert.Empty(t, entries[0].Standing.Spending)
		assert.Equal(t, reauth.Digest(entries[0].Credential.AccessToken), entries[0].Standing.Of)
		assert.WithinDuration(t, time.Now(), entries[0].Standing.LastRefresh, time.Second)
	})
}

func TestAnotherPoolsTokensAreAdoptedWithoutAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet(t, 2, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			old, _ := a.login(t, "me")
			require.Empty(t, b.pool.Status())
			time.Sleep(2 * time.Second)
			b.mustPost(t) // b reads the store when it is asked to serve
			synctest.Wait()
			require.Len(t, b.pool.Status(), 1, "a credential that another pool added appears")
			b.mustPost(t)

			a.fake.Expire(old)
			status, _ := a.mustPost(t)
			require.Equal(t, 200, status)
			require.Equal(t, 1, a.fake.Exchanges())
			status, _ = b.mustPost(t)
			assert.Equal(t, 200, status)
			assert.Equal(t, 1, a.fake.Exchanges(), "b has found a's tokens in the store")
			require.Len(t, b.events.all(reauth.Adopted), 1)
			assert.Zero(t, a.fake.Reuses())
		})
	})
}

func TestPoolsThatShareAStoreSpendATokenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet(t, 8, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
			rigs[0].fake.TokenLatency = 50 * time.Millisecond
			rigs[0].login(t, "me")
			time.Sleep(2 * time.Second)
			for _, r := range rigs {
				r.mustPost(t)
				synctest.Wait()
			}
			for round := range 10 {
				rigs[0].fake.Expire()
				var wg sync.WaitGroup
				for _, r := range rigs {
					for range 10 {
						wg.Go(func() {
							status, _, err := r.post(context.Background())
							assert.NoError(t, err)
							assert.Equal(t, 200, status)
						})
					}
				}
				wg.Wait()
				require.Equal(t, round+1, rigs[0].fake.Exchanges())
			}
			assert.Zero(t, rigs[0].fake.Reuses())
		})
	})
}

func TestRemovedElsewhereDisappears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet(t, 2, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			a.login(t, "me")
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			require.Len(t, b.pool.Status(), 1)
			require.NoError(t, a.pool.Remove(context.Background(), "xai", "me"))
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			assert.Empty(t, b.pool.Status())
		})
	})
}

func TestRefreshDoesNotBringBackWhatWasRemovedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			old, _ := r.login(t, "me")
			require.NoError(t, store.Delete(context.Background(), "xai-oauth", "me"))
			r.fake.Expire(old)
			status, _ := r.mustPost(t)
			assert.Equal(t, 403, status)
			assert.Zero(t, r.fake.TokenRequests())
			entries, _, err := store.Load(context.Background(), "")
			require.NoError(t, err)
			assert.Empty(t, entries)
			assert.Empty(t, r.pool.Status())
		})
	})
}

func TestStandingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet(t, 2, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			a.key(t, "first", "key-first")
			a.key(t, "second", "key-second")
			a.fake.Exhaust(noReset, "key-first")
			a.mustPost(t)
			synctest.Wait()
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			assert.Equal(t, reauth.Aside, b.status(t, "first").State)
			assert.WithinDuration(t, a.status(t, "first").AsideUntil, b.status(t, "first").AsideUntil, 0)
			before := len(b.tokens())
			b.mustPost(t)
			assert.Equal(t, []string{"key-second"}, b.tokens()[before:])

			a.fake.Restore("key-first")
			require.NoError(t, b.pool.Reset(context.Background(), "xai", "first"))
			time.Sleep(2 * time.Second)
			a.mustPost(t)
			synctest.Wait()
			assert.Equal(t, reauth.Good, a.status(t, "first").State, "pools share that a mark was lifted, too")
		})
	})
}

// All credentials are refused for the same reason: the request may be at fault. Such a mark stays
// in the pool.
func TestSuspectMarksAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			r.key(t, "b", "key-b")
			r.fake.Exhaust(noReset, "key-a", "key-b")
			r.mustPost(t)
			synctest.Wait()
			entries, _, err := store.Load(context.Background(), "")
			require.NoError(t, err)
			for _, e := range entries {
				assert.Zero(t, e.Standing.AsideUntil)
			}
		})
	})
}

// The mark with the latest At wins, in whatever order the marks reach the store.
func TestNewestAtWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			now := time.Now()
			of := reauth.Digest("key-a")
			mark := func(st reauth.Standing) reauth.CredentialStatus {
				st.Of = of
				require.NoError(t, store.Mark(context.Background(), "xai-oauth", "a", st))
				time.Sleep(2 * time.Second)
				r.mustPost(t)
				synctest.Wait()
				return r.status(t, "a")
			}
			r.fake.Exhaust(noReset, "key-a") // a success would lift a mark
			s := mark(reauth.Standing{At: now.Add(time.Hour), Retired: true, Reason: "test"})
			assert.EqualValues(t, reauth.Retired, s.State)
			s = mark(reauth.Standing{At: now.Add(time.Minute)})
			assert.EqualValues(t, reauth.Retired, s.State, "an older mark changes nothing")
			assert.Equal(t, "test", s.Reason)
		})
	})
}

// A mark in the store is about the tokens that Of names. About other tokens it says nothing.
func TestStandingAboutOtherTokensIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		store.Put(t, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"},
			reauth.Standing{Retired: true, At: time.Now(), Of: reauth.Digest("an older key")})
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			assert.Equal(t, reauth.Good, rigs[0].status(t, "a").State)
		})
	})
}

func TestStoreIsLookedAtOnceASecondAndOnlyWhenAsked(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.key(t, "a", "key-a")
		time.Sleep(time.Hour)
		require.Equal(t, 1, store.loads, "only the load at the start")
		for range 1000 {
			r.mustPost(t)
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		assert.InDelta(t, 11, store.loads, 1)
	})
}

// A key cannot be refreshed. When it is rejected, the pool looks for another one in the store.
func TestRejectedKeyIsLookedUpInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-old")
			r.fake.AddKey("key-new")
			r.fake.Expire("key-old")
			replaced := reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-new"}
			store.Put(t, replaced, reauth.Standing{At: time.Now()})
			status, _ := r.mustPost(t)
			assert.Equal(t, 200, status, "another process has replaced the key")
			assert.Equal(t, []string{"key-old", "key-new"}, r.tokens())
		})
	})
}

// A token endpoint refuses a grant. A program that does not use the store's lock may have rotated
// it. So the pool reads the store once more before it retires the credential.
func TestRefusedGrantIsLookedUpOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			old, refresh := r.login(t, "me")
			r.fake.Expire(old)
			newAccess, newRefresh := r.fake.Login()
			rotated := reauth.Credential{
				Provider: "xai-oauth", ID: "me", AccessToken: newAccess, RefreshToken: newRefresh,
			}
			refused := func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				assert.Equal(t, refresh, c.RefreshToken)
				go store.Put(t, rotated, reauth.Standing{At: time.Now()}) // it waits for the claim
				return reauth.Credential{}, &reauth.RefreshError{Code: "invalid_grant", Permanent: true}
			}
			r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(refused) })
			status, _ := r.mustPost(t)
			for status != 200 { // the other program may write a moment later
				time.Sleep(2 * time.Second)
				synctest.Wait()
				status, _ = r.mustPost(t)
			}
			assert.NotEqualValues(t, reauth.Retired, r.status(t, "me").State)
		})
	})
}

func TestCredentialsOfAProviderRegisteredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		store.Put(t, reauth.Credential{Provider: "mine", ID: "a", AccessToken: "key-a"}, reauth.Standing{})
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			require.Len(t, r.pool.Status(), 1)
			r.fake.AddKey("key-a")
			r.url = "https://api.mine.example/v1/models"
			r.mustPost(t)
			require.Equal(t, "set by the transport", r.tokens()[0])
			require.NoError(t, r.pool.Register(reauth.Provider{Name: "mine", Hosts: []string{"api.mine.example"}}))
			r.mustPost(t)
			assert.Equal(t, "key-a", r.tokens()[1])
		})
	})
}
