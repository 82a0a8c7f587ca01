package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// oddPlace is a store to which happens what happens to files and databases: another store comes in its
// place, it goes missing, it is slow, a record in it breaks, it loses its newest records.
type oddPlace struct {
	mu      sync.Mutex
	store   reauth.Store
	missing error         // the store was there and is gone
	slow    time.Duration // how long Load takes; its caller's context ends it
	loads   int
	broken  string // ID of a record that cannot be read
	// newest is set when the store knows that it has had this record of the ID "me".
	newest *reauth.Entry
	// overtaken is called in an Update whose function has succeeded, before its result is stored.
	overtaken func()
	unstored  error // what storing fails with
}

// change changes the place.
func (p *oddPlace) change(f func(*oddPlace)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// now returns the place as it is now, without its lock.
func (p *oddPlace) now() (now oddPlace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return oddPlace{ // with a lock of its own
		store: p.store, missing: p.missing, slow: p.slow, broken: p.broken, newest: p.newest,
		overtaken: p.overtaken, unstored: p.unstored, loads: p.loads,
	}
}

// Load implements reauth.Store.
func (p *oddPlace) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > 0 { // else nobody waits for it
		p.change(func(p *oddPlace) { p.loads++ })
	}
	now := p.now()
	timer := time.NewTimer(now.slow)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return reauth.Snapshot{}, context.Cause(ctx)
	}
	if now.missing != nil {
		return reauth.Snapshot{}, now.missing
	}
	inner, broken, _ := strings.Cut(version, "/")
	if broken != now.broken { // who breaks or mends a record changes the store
		inner = ""
	}
	snap, err := now.store.Load(ctx, inner)
	snap.Version += "/" + now.broken
	isBroken := func(e reauth.Entry) bool { return e.Credential.ID == now.broken }
	if slices.ContainsFunc(snap.Entries, isBroken) {
		snap.Entries = slices.DeleteFunc(snap.Entries, isBroken)
		snap.Broken = []error{&reauth.RecordError{Provider: "xai-oauth", ID: now.broken, Err: errors.New("it breaks off")}}
	}
	return snap, err
}

// Update implements reauth.Store.
func (p *oddPlace) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	now := p.now()
	at := now.store
	if now.missing != nil {
		at = reauth.NewMemStore()
	}
	unstored := false
	var got reauth.Entry
	stored, err := at.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		h.Missing = now.missing
		if n := now.newest; n != nil && h.Found && h.Entry.Generation < n.Generation && id == "me" {
			h.Behind = &reauth.Entry{Login: n.Login, Generation: n.Generation, Removed: n.Removed}
		}
		e, err := fn(h)
		if err != nil {
			return e, err
		}
		if now.overtaken != nil {
			p.change(func(p *oddPlace) { p.overtaken = nil })
			now.overtaken()
		}
		unstored, got = now.unstored != nil || now.overtaken != nil, e
		if unstored {
			return e, errors.New("unstored")
		}
		return e, nil
	})
	switch {
	case unstored:
		return got, fmt.Errorf("%w: %w", reauth.ErrNotStored, errors.Join(now.unstored, errors.New("unstored")))
	case err == nil && now.missing != nil:
		p.change(func(p *oddPlace) { p.store, p.missing = at, nil })
	}
	return stored, err
}

// Mark implements reauth.Store.
func (p *oddPlace) Mark(ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time) error {
	now := p.now()
	if now.missing != nil {
		return now.missing
	}
	return now.store.Mark(ctx, provider, id, key, m, seen)
}

// atPlace is fleet with pools over a place with a store in memory.
func atPlace(t *testing.T, n int, f func(t *testing.T, p *oddPlace, rigs []*rig)) {
	synctest.Test(t, func(t *testing.T) {
		p := &oddPlace{store: reauth.NewMemStore()}
		fleet(t, n, p, func(t *testing.T, rigs []*rig) { f(t, p, rigs) })
	})
}

// loginElsewhere puts a new login into a store, as another process does, and returns its record.
func loginElsewhere(t *testing.T, store reauth.Store, fake *reauthtest.Provider, id string) reauth.Entry {
	t.Helper()
	access, refresh := fake.Login()
	e, err := store.Update(t.Context(), "xai-oauth", id, func(h reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{Login: h.Now.UTC().Round(0), Generation: 1 + h.Entry.Generation, Credential: reauth.Credential{
			Provider: "xai-oauth", ID: id, AccessToken: access, RefreshToken: refresh,
		}}, nil
	})
	require.NoError(t, err)
	return e
}

// Another store comes in the place of the one before: somebody deleted the file and logged in anew.
// Its records are compared by the one order, but for generations. What it lacks serves from memory.
func TestAnotherStoreInThePlace(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		other := reauth.NewMemStore()
		loginElsewhere(t, other, r.fake, "newer here")
		loginElsewhere(t, other, r.fake, "rotated often")
		time.Sleep(time.Hour)
		for _, id := range []string{"newer here", "newer there", "rotated often", "only here"} {
			r.login(t, id)
		}
		for range 10 {
			require.NoError(t, r.pool.Refresh(t.Context(), "xai", "rotated often"))
		}
		r.look(t)
		first := p.now().store
		held := make(map[string]reauth.Entry)
		for _, id := range []string{"newer here", "newer there", "rotated often", "only here"} {
			held[id] = reauth.Record(t, first, "xai-oauth", id)
		}
		time.Sleep(time.Hour)
		newer := loginElsewhere(t, other, r.fake, "newer there")
		newerThanRotated := loginElsewhere(t, other, r.fake, "rotated often") // of generation 2
		p.change(func(p *oddPlace) { p.store = other })
		r.look(t)
		r.look(t)
		r.look(t)

		assertTokens(t, newer, reauth.Record(t, other, "xai-oauth", "newer there"))
		assertTokens(t, newerThanRotated, reauth.Record(t, other, "xai-oauth", "rotated often"))
		got := reauth.Record(t, other, "xai-oauth", "newer here")
		assert.Equal(t, held["newer here"].Credential.RefreshToken, got.Credential.RefreshToken)
		assert.Equal(t, held["newer here"].Login, got.Login)
		assert.Zero(t, reauth.Record(t, other, "xai-oauth", "only here"))
		told := r.told("other-store")
		require.Len(t, told, 1)
		require.ErrorContains(t, told[0], "the store is another one than before, and lacks 1 of the pool's credentials")

		for id, want := range map[string]string{
			"newer there":   newer.Credential.AccessToken,
			"rotated often": newerThanRotated.Credential.AccessToken,
			"newer here":    held["newer here"].Credential.AccessToken,
			"only here":     held["only here"].Credential.AccessToken,
		} {
			c, err := r.pool.Token(reauth.WithCredential(t.Context(), "xai", id), "xai")
			require.NoError(t, err)
			assert.Equal(t, want, c.AccessToken, id)
		}
		asked := r.fake.TokenRequests()
		require.Error(t, r.pool.Refresh(t.Context(), "xai", "only here"), "no claim of its own store can be had")
		assert.Equal(t, asked, r.fake.TokenRequests())
		assert.Zero(t, reauth.Record(t, other, "xai-oauth", "only here"))

		p.change(func(p *oddPlace) { p.store = first })
		r.look(t)
		require.NoError(t, r.pool.Refresh(t.Context(), "xai", "only here"), "its own store is back")
		for _, id := range []string{"newer here", "newer there", "rotated often", "only here"} {
			require.NoError(t, r.pool.Refresh(t.Context(), "xai", id))
			assert.True(t, r.fake.Current(reauth.Record(t, first, "xai-oauth", id).Credential.RefreshToken), id)
		}
		assert.Zero(t, r.fake.Reuses())
		assert.Len(t, r.told("other-store"), 1)
	})
}

// A pair could not be saved before another store came in the place. It returns to its own store.
func TestUnsavedPairReturnsToItsStore(t *testing.T) {
	for _, has := range []bool{false, true} {
		t.Run(fmt.Sprintf("the other store has a newer login: %v", has), func(t *testing.T) {
			atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
				r := rigs[0]
				first, other := p.now().store, reauth.NewMemStore()
				r.login(t, "me")
				spent := reauth.Record(t, first, "xai-oauth", "me").Credential.RefreshToken
				p.change(func(p *oddPlace) { p.unstored = errors.New("disk full") })
				r.rotate(t)
				unsaved := r.status(t, "me").Fingerprint
				if has {
					time.Sleep(time.Minute)
					loginElsewhere(t, other, r.fake, "me")
				}
				p.change(func(p *oddPlace) { p.store, p.unstored = other, nil })
				r.look(t)
				r.look(t)
				if has {
					assert.NotEqual(t, unsaved, r.status(t, "me").Fingerprint)
				} else {
					assert.Equal(t, unsaved, r.status(t, "me").Fingerprint)
					assert.Zero(t, reauth.Record(t, other, "xai-oauth", "me"))
				}
				p.change(func(p *oddPlace) { p.store = first })
				r.look(t)
				r.look(t)
				got := reauth.Record(t, first, "xai-oauth", "me")
				assert.True(t, r.fake.Current(got.Credential.RefreshToken), "no spent token is left in the store")
				assert.Contains(t, got.Spent, reauth.Digest(spent))
				r.rotate(t)
				assert.Zero(t, r.fake.Reuses())
				assert.True(t, r.fake.Current(reauth.Record(t, first, "xai-oauth", "me").Credential.RefreshToken))
			})
		})
	}
}

// A store that is missing is not empty: nothing is removed, and nothing exchanged.
func TestMissingStoreRemovesNothing(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		access, refresh := r.login(t, "me")
		r.look(t)
		p.change(func(p *oddPlace) { p.missing = errors.New("the file is gone") })
		for range 3 {
			r.look(t)
		}
		assert.True(t, r.has("me"))
		require.NotEmpty(t, r.told("load"))
		require.ErrorContains(t, r.told("load")[0], "the file is gone")
		r.fake.Expire(access)
		status, _ := r.mustPost(t)
		assert.Equal(t, 403, status)
		require.ErrorContains(t, r.pool.Refresh(t.Context(), "xai", "me"), "the file is gone")
		assert.Zero(t, r.fake.TokenRequests())
		require.ErrorContains(t, r.pool.Remove(t.Context(), "xai", "me"), "the file is gone")
		require.Error(t, r.pool.Reset(t.Context(), "xai", "me"))
		assert.True(t, r.has("me"))
		require.ErrorContains(t, p.now().missing, "the file is gone", "none of these makes a new store")

		p.change(func(p *oddPlace) { p.missing = nil })
		time.Sleep(time.Minute)
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.True(t, r.fake.Current(reauth.Record(t, p, "xai-oauth", "me").Credential.RefreshToken))
		assert.True(t, r.fake.Alive(refresh))
		assert.Zero(t, r.fake.Reuses())
		assert.Empty(t, r.told("other-store"))
	})
}

// Only Add makes a new store in the place of one that is missing. What the pool had before is not
// written there.
func TestAddMakesAMissingStoreAnew(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		r.login(t, "before")
		r.look(t)
		first := p.now().store
		p.change(func(p *oddPlace) { p.missing = errors.New("the file is gone") })
		r.look(t)
		r.login(t, "after")
		assert.NoError(t, p.now().missing)
		r.look(t)
		r.look(t)
		assert.NotZero(t, reauth.Record(t, p, "xai-oauth", "after"))
		assert.Zero(t, reauth.Record(t, p, "xai-oauth", "before"))
		assert.Len(t, r.told("other-store"), 1)
		assert.True(t, r.has("before"))
		r.login(t, "before") // the way out that the event names
		r.look(t)
		assert.NotZero(t, reauth.Record(t, p, "xai-oauth", "before"))
		require.NoError(t, r.pool.Refresh(t.Context(), "xai", "before"))

		p.change(func(p *oddPlace) { p.store = first })
		r.look(t)
		assert.NotZero(t, reauth.Record(t, p, "xai-oauth", "before"))
		require.NoError(t, r.pool.Refresh(t.Context(), "xai", "before"))
		assert.Zero(t, r.fake.Reuses())
	})
}

// Another store came in the place of the one that has the credential. Removing the credential ends
// its service here, makes no record there, and reaches its own store when that is back.
func TestRemoveOfWhatOnlyAnotherStoreHas(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		r.login(t, "only there")
		r.key(t, "other", "key-other")
		r.look(t)
		own, other := p.now().store, reauth.NewMemStore()
		loginElsewhere(t, other, r.fake, "here")
		p.change(func(p *oddPlace) { p.store = other })
		r.look(t)
		require.True(t, r.has("only there"))
		require.NoError(t, r.pool.Remove(t.Context(), "xai", "only there"))
		assert.False(t, r.has("only there"))
		r.look(t)
		assert.Zero(t, reauth.Record(t, other, "xai-oauth", "only there"))

		p.change(func(p *oddPlace) { p.store = own })
		r.look(t)
		r.look(t)
		assert.False(t, r.has("only there"))
		assert.True(t, reauth.Record(t, own, "xai-oauth", "only there").Removed)
	})
}
