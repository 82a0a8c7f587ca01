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

func (s *watchedStore) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	s.mu.Lock()
	s.loads++
	err, slow := s.failing["load"], s.slow
	s.mu.Unlock()
	time.Sleep(slow)
	if err != nil {
		return reauth.Snapshot{}, err
	}
	return s.Store.Load(ctx, version)
}

// Update notes "claim", "read", "mark spending", "persist" and "release", in this order. When persist
// is to fail, it returns ErrNotStored with the entry, as a full disk makes a durable store do.
func (s *watchedStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	if err := s.note("claim"); err != nil {
		return reauth.Entry{}, err
	}
	var unsaved reauth.Entry
	var cause error
	lost := errors.New("lost")
	e, err := s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		_ = s.note("read")
		h.Spend = s.noteSpending(h.Spend)
		got, err := fn(h)
		if err != nil {
			return got, err
		}
		if err := s.note("persist"); err != nil {
			unsaved, cause = got, err
			return reauth.Entry{}, lost
		}
		return got, nil
	})
	_ = s.note("release")
	if errors.Is(err, lost) {
		return unsaved, fmt.Errorf("%w: disk full: %w", reauth.ErrNotStored, cause)
	}
	return e, err
}

// noteSpending is a Holding's Spend that is noted.
func (s *watchedStore) noteSpending(
	spend func(context.Context, reauth.Spending) error,
) func(context.Context, reauth.Spending) error {
	return func(ctx context.Context, sp reauth.Spending) error {
		op := "mark spending"
		if sp.Of == "" {
			op = "spent nothing"
		}
		if err := s.note(op); err != nil {
			return err
		}
		return spend(ctx, sp)
	}
}

func (s *watchedStore) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	if err := s.note("mark"); err != nil {
		return err
	}
	return s.Store.Mark(ctx, provider, id, key, m, seen)
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
			spending := reauth.Record(t, store.Store, "xai-oauth", "me").Spending
			assert.Equal(t, reauth.Digest(refresh), spending.Of, "other processes can see which token is being spent")
			return fakes.Refresher.Refresh(ctx, c)
		}
		r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(noted) })
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		synctest.Wait()
		want := []string{"claim", "read", "mark spending", "exchange", "persist", "release"}
		assert.Equal(t, want, store.take())
		e := reauth.Record(t, store, "xai-oauth", "me")
		assert.Empty(t, e.Spending)
		assert.EqualValues(t, 2, e.Generation)
		assert.Contains(t, e.Spent, reauth.Digest(refresh))
		assert.WithinDuration(t, time.Now(), e.LastRefresh, time.Second)
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
			store.Bury(t, "xai-oauth", "me")
			r.fake.Expire(old)
			status, _ := r.mustPost(t)
			assert.Equal(t, 403, status)
			assert.Zero(t, r.fake.TokenRequests())
			assert.True(t, store.Record(t, "xai-oauth", "me").Removed)
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
			for _, id := range []string{"a", "b"} {
				assert.Empty(t, store.Record(t, "xai-oauth", id).Marks)
			}
		})
	})
}

// A mark is written over the one that its writer has seen, whatever the clocks say.
func TestMarksFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			now, of := time.Now(), reauth.Digest("key-a")
			look := func() reauth.CredentialStatus {
				time.Sleep(2 * time.Second)
				r.mustPost(t)
				synctest.Wait()
				return r.status(t, "a")
			}
			r.fake.Exhaust(noReset, "key-a") // a success would lift a mark
			first := reauth.Mark{Until: reauth.Forever, At: now.Add(time.Hour), Reason: "test", Of: of}
			store.PutMark(t, "xai-oauth", "a", "token", first)
			assert.EqualValues(t, reauth.Retired, look().State)
			late := reauth.Mark{Until: now.Add(time.Minute), At: now.Add(2 * time.Hour), Of: of}
			require.ErrorIs(t, store.Mark(t.Context(), "xai-oauth", "a", "token", late, time.Time{}), reauth.ErrMarked)
			s := look()
			assert.EqualValues(t, reauth.Retired, s.State, "its writer had not seen the one that stands")
			assert.Equal(t, "test", s.Reason)
		})
	})
}

// A mark in the store is about the tokens, or the login, that Of names. About others it says nothing.
func TestStandingAboutOtherTokensIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &voidMarks{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			assert.Equal(t, reauth.Good, rigs[0].status(t, "a").State)
		})
	})
}

// voidMarks is a store that has a credential with marks about other tokens and another login.
type voidMarks struct{ reauth.Store }

func (voidMarks) Load(context.Context, string) (reauth.Snapshot, error) {
	retired := reauth.Mark{Until: reauth.Forever, At: time.Now(), Reason: "test"}
	ofToken, ofLogin := retired, retired
	ofToken.Of = reauth.Digest("an older key")
	ofLogin.Of = reauth.LoginOf(time.Now().Add(-time.Hour))
	return reauth.Snapshot{Version: "1", Entries: []reauth.Entry{{
		Credential: reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-a"}, Login: time.Now(),
		Marks: map[string]reauth.Mark{"token": ofToken, "login": ofLogin},
	}}}, nil
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
			r.mustPost(t)
			synctest.Wait() // the pool has just looked at the store, and does not look again by itself
			r.fake.AddKey("key-new")
			r.fake.Expire("key-old")
			replaced := reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: "key-new"}
			store.Put(t, replaced, time.Time{})
			status, _ := r.mustPost(t)
			assert.Equal(t, 200, status, "another process has replaced the key")
			assert.Equal(t, []string{"key-old", "key-old", "key-new"}, r.tokens())
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
				go store.Put(t, rotated, time.Now()) // it waits for the claim
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
		store.Put(t, reauth.Credential{Provider: "mine", ID: "a", AccessToken: "key-a"}, time.Time{})
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
