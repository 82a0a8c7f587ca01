package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// deaf is a refresher that ignores the end of its context. It exchanges at once, and returns what
// that brought when release is closed.
type deaf struct {
	reauth.Refresher
	release chan struct{}
	calls   int
}

func (d *deaf) Refresh(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
	d.calls++
	got, err := d.Refresher.Refresh(ctx, c)
	<-d.release
	return got, err
}

// deafen makes the rig's refresher deaf.
func (r *rig) deafen(t testing.TB) *deaf {
	t.Helper()
	p, ok := r.pool.ProviderFor(mustURL(t, r.url))
	require.True(t, ok)
	d := &deaf{Refresher: p.Refresher, release: make(chan struct{})}
	r.register(t, func(p *reauth.Provider) { p.Refresher = d })
	return d
}

// wantHangs requires that err says that the refresher hangs.
func wantHangs(t testing.TB, err error) {
	t.Helper()
	re := refreshError(t, err)
	assert.Equal(t, "refresher_hangs", re.Code)
	assert.False(t, re.Permanent)
	assert.Equal(t, "xai-oauth", re.Provider)
	require.ErrorContains(t, err, "*reauth_test.deaf")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A refresher ignores the end of its context. Those who wait leave at the deadline, and learn which
// refresher it is. It is not called again while it goes on.
func TestRefresherThatIgnoresItsContext(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		d := r.deafen(t)
		begin := time.Now()
		assert.Equal(t, map[int]int{403: 10}, r.atOnce(t, 10))
		assert.InDelta(t, 30, time.Since(begin).Seconds(), 1)
		require.Len(t, r.events.all(reauth.Refreshing), 1)
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		wantHangs(t, failed[0].Err)
		assert.Equal(t, "refresh:refresher_hangs", failed[0].Reason)

		for _, later := range []time.Duration{0, time.Minute, time.Hour} {
			time.Sleep(later)
			begin = time.Now()
			status, _ := r.mustPost(t)
			assert.Equal(t, 403, status)
			wantHangs(t, r.pool.Refresh(t.Context(), r.provider, "me"))
			require.NoError(t, r.pool.Reset(t.Context(), r.provider, "me"))
			assert.Zero(t, time.Since(begin), "nobody waits any more")
		}
		gaveUp := r.events.all(reauth.GaveUp)
		wantHangs(t, gaveUp[len(gaveUp)-1].Err)
		assert.Equal(t, 1, d.calls)
		require.Len(t, r.events.all(reauth.RefreshFailed), 1, "it is told once")

		close(d.release)
		synctest.Wait()
		assert.Len(t, r.events.all(reauth.Refreshed), 1)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "the pair that came an hour late serves")
		r.fake.Expire()
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, 2, d.calls, "from now on it is called again")
		assert.Zero(t, r.fake.Reuses())
	})
}

// twoStores are two views of one store, as two processes have them: of memory, and of a file.
var twoStores = map[string]func(t *testing.T) (a, b reauth.Store){
	"memory": func(*testing.T) (a, b reauth.Store) {
		s := reauth.NewMemStore()
		return s, s
	},
	"file": func(t *testing.T) (a, b reauth.Store) {
		path := newFile(t)
		return reauth.NewFileStore(path), reauth.NewFileStore(path)
	},
}

// The pair that such a refresher brings replaces one that is spent. It is saved, whenever it comes:
// before the claim is given back, afterwards, and when the store fails at first.
func TestLatePairIsSaved(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // from the call
		down  bool          // the store cannot save it at first
	}{
		"while the claim is kept": {35 * time.Second, false}, "later": {2 * time.Minute, false},
		"later, the disk is full": {2 * time.Minute, true},
	} {
		for kind, open := range twoStores {
			onFakeClock(t, name+", "+kind, func(t *testing.T) {
				mine, theirs := open(t)
				store := &watchedStore{Store: mine}
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					old, refresh := r.login(t, "me")
					r.fake.Expire(old)
					d := r.deafen(t)
					r.mustPost(t)
					time.Sleep(c.after - 31*time.Second)
					if c.down {
						store.fail("persist", errors.New("disk full"))
					}
					close(d.release)
					synctest.Wait()
					status, _ := r.mustPost(t)
					assert.Equal(t, 200, status)
					store.fail("persist", nil)
					time.Sleep(2 * time.Second)
					e := reauth.Record(t, theirs, "xai-oauth", "me")
					assert.True(t, r.fake.Current(e.Credential.RefreshToken))
					assert.Contains(t, e.Spent, reauth.Digest(refresh))
					assert.EqualValues(t, 2, e.Generation)
					assert.Empty(t, e.Spending)
				})
			})
		}
	}
}

// The claim on a credential is not held for ever. It is given back 10 s after the deadline. What
// another process gets then serves here too, while the refresher is not called again.
func TestClaimOfARefresherThatHangsIsGivenBack(t *testing.T) {
	for kind, open := range twoStores {
		onFakeClock(t, kind, func(t *testing.T) {
			mine, theirs := open(t)
			fleet(t, 1, mine, func(t *testing.T, rigs []*rig) {
				a := rigs[0]
				old, refresh := a.login(t, "me")
				a.fake.Reusable = true // else the second exchange would end the login
				b := a.neighbour(t, theirs)
				a.fake.Expire(old)
				d := a.deafen(t)
				go func() { _, _, _ = a.post(context.Background()) }()
				time.Sleep(time.Second)
				begin := time.Now()
				require.NoError(t, b.pool.Refresh(t.Context(), b.provider, "me"))
				assert.InDelta(t, 39, time.Since(begin).Seconds(), 2)
				assert.Equal(t, 2, a.fake.Exchanges())

				for range 2 {
					status, _ := a.mustPost(t)
					assert.Equal(t, 200, status)
				}
				assert.Equal(t, 1, d.calls)
				close(d.release)
				time.Sleep(2 * time.Second)
				for _, r := range []*rig{a, b} {
					status, _ := r.mustPost(t)
					assert.Equal(t, 200, status)
				}
				assert.Equal(t, refresh, reauth.Record(t, theirs, "xai-oauth", "me").Credential.RefreshToken)
				require.NoError(t, b.pool.Close())
			})
		})
	}
}

// neighbour makes a rig for the same provider, with a pool of its own over that store.
func (r *rig) neighbour(t *testing.T, s reauth.Store) *rig {
	t.Helper()
	pool, err := reauth.OpenPool(context.Background(), s)
	require.NoError(t, err)
	n := newRigOn(t, reauthtest.XAI, pool)
	n.fake, n.transport.Base = r.fake, r.fake.Transport()
	n.refreshAt(t, r.fake)
	return n
}

// The store says that the token of a refresher that hangs is being spent, as long as nobody knows
// better: also after the claim was given back.
func TestTokenOfARefresherThatHangsStaysMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			old, refresh := r.login(t, "me")
			r.fake.Expire(old)
			d := r.deafen(t)
			r.mustPost(t)
			for range 3 {
				assert.Equal(t, reauth.Digest(refresh), store.Record(t, "xai-oauth", "me").Spending.Of)
				time.Sleep(15 * time.Second)
			}
			close(d.release)
			synctest.Wait()
			assert.Empty(t, store.Record(t, "xai-oauth", "me").Spending)
		})
	})
}

// A refresher that returns late with an error has brought nothing. It may be called again.
func TestLateErrorEndsTheWait(t *testing.T) {
	for name, after := range map[string]time.Duration{"with the claim": time.Second, "without": time.Minute} {
		onFakeClock(t, name, func(t *testing.T) {
			fleet(t, 1, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
				r := rigs[0]
				old, refresh := r.login(t, "me")
				r.fake.Expire(old)
				d := r.deafen(t)
				d.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
					return reauth.Credential{}, errors.New("it was of no use: " + refresh)
				})
				r.mustPost(t)
				time.Sleep(after)
				close(d.release)
				synctest.Wait()
				failed := r.events.all(reauth.RefreshFailed)
				require.Len(t, failed, 2)
				require.ErrorContains(t, failed[1].Err, "it was of no use")
				assert.NotContains(t, failed[1].Err.Error(), refresh)
				r.refreshAt(t, r.fake)
				time.Sleep(2 * time.Second)
				status, _ := r.mustPost(t)
				assert.Equal(t, 200, status)
			})
		})
	}
}

// A credential is removed, or a person logs in anew, while its refresher hangs. What the refresher
// brings late undoes neither.
func TestLatePairUndoesNothing(t *testing.T) {
	for name, then := range map[string]func(t *testing.T, r *rig) (access string){
		"removed": func(t *testing.T, r *rig) string {
			require.NoError(t, r.pool.Remove(t.Context(), r.provider, "me"))
			return ""
		},
		"a new login": func(t *testing.T, r *rig) string {
			access, _ := r.login(t, "me")
			return access
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			store := reauth.NewMemStore()
			fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
				r := rigs[0]
				old, _ := r.login(t, "me")
				r.fake.Expire(old)
				d := r.deafen(t)
				r.mustPost(t)
				access := then(t, r)
				close(d.release)
				time.Sleep(time.Minute)
				e := store.Record(t, "xai-oauth", "me")
				assert.Equal(t, access == "", e.Removed)
				assert.Equal(t, access, e.Credential.AccessToken)
			})
		})
	}
}

// The error names a function by its name and place, and a built-in refresher by its endpoint. It
// holds no secret of either.
func TestRefresherThatHangsIsNamed(t *testing.T) {
	hold := make(chan struct{})
	hangs := roundTripFunc(func(*http.Request) (*http.Response, error) {
		<-hold
		return nil, errors.New("too late")
	})
	cfg := reauth.OAuth2Config{
		TokenURL: exampleTokenURL + "?key=key-EXAMPLE", ClientID: "app", ClientSecret: "cs-EXAMPLE",
		HTTPClient: &http.Client{Transport: hangs},
	}
	f := func(context.Context, reauth.Credential) (reauth.Credential, error) {
		<-hold
		return reauth.Credential{}, errors.New("too late")
	}
	for name, r := range map[string]reauth.Refresher{
		"TestRefresherThatHangsIsNamed.func2 (pool_run_test.go:": reauth.RefresherFunc(f),
		"token endpoint " + exampleTokenURL + ", client app":     reauth.OAuth2Refresher(cfg),
	} {
		synctest.Test(t, func(t *testing.T) {
			hold = make(chan struct{})
			pool := loginPool(t, r, exampleLogin())
			err := pool.Refresh(context.Background(), "example", "me")
			require.ErrorContains(t, err, name)
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				assert.NotContains(t, fmt.Sprintf(verb, err), "-EXAMPLE")
			}
			close(hold)
		})
	}
}

// An exchange is told when it begins, before its end is told, with the reason.
func TestRefreshingIsToldFirst(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, _ *watchedStore) {
		r.fake.TokenLatency = 5 * time.Second
		access, _ := r.login(t, "me")
		r.fake.Expire(access)
		begin := time.Now()
		r.mustPost(t)
		require.NoError(t, r.pool.Refresh(t.Context(), r.provider, "me"))
		list := r.events.all(reauth.Refreshing, reauth.Refreshed)
		require.Len(t, list, 4)
		for i, want := range []struct {
			reauth.EventType
			reason string
			at     time.Duration
		}{{reauth.Refreshing, "rejected", 0}, {reauth.Refreshed, "", 5}, {reauth.Refreshing, "forced", 5}, {reauth.Refreshed, "", 10}} {
			assert.Equal(t, want.EventType, list[i].Type)
			assert.Equal(t, want.reason, list[i].Reason)
			assert.Equal(t, want.at*time.Second, list[i].Time.Sub(begin))
			assert.Equal(t, "me", list[i].ID)
		}
		r.key(t, "key", "key-1")
		require.Error(t, r.pool.Refresh(t.Context(), r.provider, "key"))
		assert.Len(t, r.events.all(reauth.Refreshing), 2, "nothing begins for a key")
	})
}

// An observer that learns of the beginning may call the pool: remove the credential, which waits for
// the claim, and wait for the exchange itself.
func TestObserverOfRefreshingMayCallThePool(t *testing.T) {
	for name, call := range map[string]func(context.Context, *reauth.Pool) error{
		"Remove":  func(ctx context.Context, p *reauth.Pool) error { return p.Remove(ctx, "xai", "me") },
		"Refresh": func(ctx context.Context, p *reauth.Pool) error { return p.Refresh(ctx, "xai", "me") },
	} {
		onFakeClock(t, name, func(t *testing.T) {
			fleet(t, 1, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
				r := rigs[0]
				r.fake.TokenLatency = time.Second
				old, _ := r.login(t, "me")
				r.fake.Expire(old)
				calls := make(chan error, 1)
				r.pool.Observe = func(ctx context.Context, e reauth.Event) {
					if e.Type == reauth.Refreshing {
						calls <- call(ctx, r.pool)
					}
				}
				begin := time.Now()
				status, _ := r.mustPost(t)
				assert.Equal(t, 200, status)
				require.NoError(t, <-calls)
				assert.LessOrEqual(t, time.Since(begin), 3*time.Second)
			})
		})
	}
}

// An observer ends its goroutine when it is told that a late pair could not be saved. The credential is
// renewed again afterwards.
func TestLatePairIsLandedWhateverEndsItsGoroutine(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		d := r.deafen(t)
		observe := r.pool.Observe
		r.pool.Observe = func(ctx context.Context, e reauth.Event) {
			observe(ctx, e)
			if e.Type == reauth.StoreFailed {
				runtime.Goexit()
			}
		}
		r.mustPost(t)
		time.Sleep(time.Minute)
		store.fail("persist", errors.New("the disk is full"))
		close(d.release)
		synctest.Wait()
		require.NotEmpty(t, r.events.all(reauth.StoreFailed))
		store.fail("persist", nil)
		time.Sleep(2 * time.Second)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		r.fake.Expire(c.AccessToken)
		status, _ = r.mustPost(t)
		require.Equal(t, 200, status)
		require.Equal(t, 2, d.calls)
	})
}
