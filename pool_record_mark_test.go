package reauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// capped gives two pools over one store a login whose account is exhausted for five days, as the
// first of them has found out, and a key that serves instead.
func capped(t *testing.T, f func(t *testing.T, a, b *rig, until time.Time, store reauth.Store)) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 2, store, func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			access, _ := a.login(t, "me")
			a.key(t, "spare", "key-spare")
			b.look(t)
			until := time.Now().Add(5 * 24 * time.Hour).Truncate(time.Second).UTC()
			a.fake.Exhaust(until, access)
			status, _ := a.mustPost(t)
			require.Equal(t, 200, status)
			synctest.Wait()
			require.Equal(t, reauth.Aside, a.status(t, "me").State)
			f(t, a, b, until, store)
		})
	})
}

// assertCapped checks that a credential is put aside until then.
func assertCapped(t testing.TB, until time.Time, s reauth.CredentialStatus) {
	t.Helper()
	assert.Equal(t, reauth.Aside, s.State)
	assert.WithinDuration(t, until, s.AsideUntil, time.Second)
}

// A limit of an account is about the login. An exchange does not end it.
func TestLimitOutlivesAnExchange(t *testing.T) {
	capped(t, func(t *testing.T, a, b *rig, until time.Time, store reauth.Store) {
		b.look(t)
		assertCapped(t, until, b.status(t, "me"))
		for _, r := range []*rig{a, b} {
			exchanges := r.fake.Exchanges()
			require.NoError(t, r.pool.Refresh(t.Context(), "xai", "me"))
			require.Equal(t, exchanges+1, r.fake.Exchanges())
			a.look(t)
			b.look(t)
			assertCapped(t, until, a.status(t, "me"))
			assertCapped(t, until, b.status(t, "me"))
		}
		pool, err := reauth.OpenPool(t.Context(), store)
		require.NoError(t, err)
		assertCapped(t, until, newRigOn(t, 0, pool).status(t, "me"))
		require.NoError(t, pool.Close())
	})
}

// The store went back to before a mark was written. The pool writes the mark again.
func TestMarkIsWrittenForward(t *testing.T) {
	capped(t, func(t *testing.T, a, b *rig, until time.Time, store reauth.Store) {
		a.look(t)
		older := reauth.Record(t, store, "xai-oauth", "me")
		mark := older.Marks["login"]
		require.NotZero(t, mark)
		older.Marks = nil
		overwrite(t, store, older)
		a.look(t)
		assertCapped(t, until, a.status(t, "me"))
		assert.Equal(t, mark.Until, reauth.Record(t, store, "xai-oauth", "me").Marks["login"].Until)
		b.look(t)
		assertCapped(t, until, b.status(t, "me"))
	})
}

// failingRefresher fails as a token endpoint does that is away.
func failingRefresher(context.Context, reauth.Credential) (reauth.Credential, error) {
	return reauth.Credential{}, &reauth.RefreshError{Status: 503, Code: "unavailable"}
}

// The exchange of a pool fails. The pool has not seen what others have marked since it looked last,
// and its failure says nothing about that.
func TestFailedExchangeTouchesNoMark(t *testing.T) {
	t.Run("a mark stays", func(t *testing.T) {
		capped(t, func(t *testing.T, a, b *rig, until time.Time, store reauth.Store) {
			before := reauth.Record(t, store, "xai-oauth", "me")
			require.NotZero(t, before.Marks["login"])
			b.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(failingRefresher) })
			require.Error(t, b.pool.Refresh(t.Context(), "xai", "me"))
			synctest.Wait()
			got := reauth.Record(t, store, "xai-oauth", "me")
			assert.Equal(t, before.Marks, got.Marks)
			assert.Empty(t, got.Spending)
			b.look(t)
			a.look(t)
			assertCapped(t, until, b.status(t, "me"))
			assertCapped(t, until, a.status(t, "me"))
		})
	})
	t.Run("a Reset stays", func(t *testing.T) {
		capped(t, func(t *testing.T, a, b *rig, until time.Time, store reauth.Store) {
			b.look(t)
			assertCapped(t, until, b.status(t, "me"))
			b.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(failingRefresher) })
			require.NoError(t, a.pool.Reset(t.Context(), "xai", "me"))
			require.Error(t, b.pool.Refresh(t.Context(), "xai", "me"))
			synctest.Wait()
			assert.Zero(t, reauth.Record(t, store, "xai-oauth", "me").Marks["login"].Until)
			a.fake.Restore()
			b.look(t)
			a.look(t)
			assert.Equal(t, reauth.Good, a.status(t, "me").State)
			assert.Equal(t, reauth.Good, b.status(t, "me").State)
		})
	})
}

// Two pools mark one credential, and the second has not seen what the first has written. Its mark
// loses, and it adopts the one that stands.
func TestMarkOfAStaleViewLoses(t *testing.T) {
	capped(t, func(t *testing.T, a, b *rig, until time.Time, store reauth.Store) {
		before := reauth.Record(t, store, "xai-oauth", "me").Marks["login"]
		time.Sleep(time.Second) // b's mark is the later one
		limited := reauth.Verdict{Kind: reauth.Exhausted, Reason: "rate-limit"}
		c := reauth.Record(t, store, "xai-oauth", "me").Credential
		require.NoError(t, b.pool.Report(t.Context(), "xai", "me", c.AccessToken, limited)) // for a minute
		synctest.Wait()
		assert.Equal(t, before, reauth.Record(t, store, "xai-oauth", "me").Marks["login"])
		for range 3 {
			b.look(t)
			a.look(t)
			assert.Equal(t, before, reauth.Record(t, store, "xai-oauth", "me").Marks["login"])
			assertCapped(t, until, a.status(t, "me"))
			assertCapped(t, until, b.status(t, "me"))
		}
	})
}

// markedMeanwhile is a store to which another process writes a mark just before a mark of the pool.
type markedMeanwhile struct {
	reauth.Store
	other func()
}

func (s *markedMeanwhile) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	if other := s.other; other != nil {
		s.other = nil
		other()
	}
	return s.Store.Mark(ctx, provider, id, key, m, seen)
}

// Another process writes a mark while Reset lifts those that it knows. Reset lifts that one too.
func TestResetLiftsAMarkWrittenMeanwhile(t *testing.T) {
	for _, key := range []string{"token", "login"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := reauth.NewMemStore()
				store := &markedMeanwhile{Store: mem}
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					r.key(t, "a", "key-a")
					mark := func(key string) {
						at := time.Now().Add(-time.Millisecond) // so it is not that of a mark of the pool
						mem.PutMark(t, "xai-oauth", "a", key, reauth.Mark{
							Until: reauth.Forever, At: at, Reason: "test", Of: reauth.Digest("key-a"),
						})
					}
					mark("login")
					time.Sleep(time.Second)
					store.other = func() { mark(key) }
					time.Sleep(time.Second)
					require.NoError(t, r.pool.Reset(t.Context(), "xai", "a"))
					assert.Equal(t, reauth.Good, r.status(t, "a").State)
					for _, m := range mem.Record(t, "xai-oauth", "a").Marks {
						assert.Zero(t, m.Until)
					}
					r.look(t)
					assert.Equal(t, reauth.Good, r.status(t, "a").State)
				})
			})
		})
	}
}

// lateUpdates returns from one Update after some time, with the record as it was.
type lateUpdates struct {
	reauth.Store
	fails bool          // the next Mark
	late  time.Duration // of the next Update
}

func (s *lateUpdates) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	if s.fails {
		s.fails = false
		return errors.New("disk full")
	}
	return s.Store.Mark(ctx, provider, id, key, m, seen)
}

func (s *lateUpdates) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	e, err := s.Store.Update(ctx, provider, id, fn)
	late := s.late
	s.late = 0
	time.Sleep(late)
	return e, err
}

// The pool learns of a record as it was before a mark that it has seen already. Nothing changes in the
// store after that, so no look finds the mark again by what has changed.
func TestResetAfterAnOldRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := reauth.NewMemStore()
		store := &lateUpdates{Store: mem, fails: true}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			r.fake.Exhaust(time.Now().Add(time.Hour), "key-a")
			r.look(t) // the mark is not stored
			store.late = 6 * time.Second
			r.mustPost(t)
			time.Sleep(2 * time.Second)
			r.mustPost(t) // a look finds that the store lacks it, and the record is being read
			time.Sleep(time.Second)
			require.NoError(t, r.pool.Reset(t.Context(), "xai", "a"))
			r.fake.Restore("key-a")
			time.Sleep(time.Second)
			r.mustPost(t) // a look finds what Reset has written
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Zero(t, store.late)
			require.NoError(t, r.pool.Reset(t.Context(), "xai", "a"))
			assert.Equal(t, reauth.Good, r.status(t, "a").State)
			for _, m := range mem.Record(t, "xai-oauth", "a").Marks {
				assert.Zero(t, m.Until)
			}
		})
	})
}

// leaveSpending notes that another process spends the refresh token of a record, and lets that
// process die.
func leaveSpending(t *testing.T, store reauth.Store, since time.Time, refresh string) {
	t.Helper()
	died := errors.New("died")
	_, err := store.Update(t.Context(), "xai-oauth", "me", func(h reauth.Holding) (reauth.Entry, error) {
		require.NoError(t, h.Spend(t.Context(), reauth.Spending{
			Of: reauth.Digest(refresh), Since: since, Holder: "another.example:4711",
		}))
		return reauth.Entry{}, died
	})
	require.ErrorIs(t, err, died)
}

// A process died in the middle of an exchange, and the provider has rotated the token. The refusal
// that the next process gets says so.
func TestRefusalTellsOfAProcessThatDied(t *testing.T) {
	since := time.Date(1999, 12, 31, 23, 58, 59, 0, time.UTC)
	for name, c := range map[string]struct {
		of      func(refresh string) string
		revoked bool
		says    bool
	}{
		"it was exchanging this token":                {func(refresh string) string { return refresh }, true, true},
		"it was exchanging another token":             {func(string) string { return "another token" }, true, false},
		"it had not sent the token":                   {func(refresh string) string { return refresh }, false, false},
		"it was exchanging another, and this is good": {func(string) string { return "another token" }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := reauth.NewMemStore()
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					_, refresh := r.login(t, "me")
					leaveSpending(t, store, since, c.of(refresh))
					if c.revoked {
						r.fake.Revoke(refresh)
					}
					err := r.pool.Refresh(t.Context(), "xai", "me")
					const says = "a process (another.example:4711) died, or was cut off, while it exchanged this token at " +
						"1999-12-31T23:58:59Z"
					switch {
					case !c.revoked:
						require.NoError(t, err)
					case c.says:
						require.ErrorContains(t, err, says)
						require.ErrorContains(t, err, "invalid_grant")
						var refused *reauth.RefreshError
						require.ErrorAs(t, err, &refused)
						assert.True(t, refused.Permanent)
						failed := r.events.all(reauth.RefreshFailed)
						require.NotEmpty(t, failed)
						require.ErrorContains(t, failed[0].Err, says)
					default:
						require.Error(t, err)
						assert.NotContains(t, err.Error(), "died")
					}
					assert.Empty(t, store.Record(t, "xai-oauth", "me").Spending)
				})
			})
		})
	}
}
