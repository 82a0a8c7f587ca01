package reauth_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The clock of the host that exchanged is two hours ahead of the token endpoint's, so each new token
// has expired on arrival. It is trusted until it is refused, by each program that starts later too.
func TestTokenExpiredOnArrivalCausesNoExchangePerStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fake := reauthtest.New(reauthtest.XAI)
		access, refresh := fake.Login()
		store.Put(t, reauth.Credential{
			Provider: "xai-oauth", ID: "me", AccessToken: access, RefreshToken: refresh, Expiry: time.Now().Add(-time.Hour),
		}, time.Time{})
		for range 10 {
			fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
				r := rigs[0]
				r.fake, r.transport.Base = fake, fake.Transport()
				r.refreshAt(t, fake)
				p, ok := r.pool.ProviderFor(mustURL(t, r.url))
				require.True(t, ok)
				ahead := func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
					got, err := p.Refresher.Refresh(ctx, c)
					got.Expiry = time.Now().Add(-2*time.Hour + time.Hour)
					return got, err
				}
				r.register(t, func(p *reauth.Provider) { p.Refresher = reauth.RefresherFunc(ahead) })
				for range 5 {
					status, _ := r.mustPost(t)
					require.Equal(t, 200, status)
					time.Sleep(time.Second)
				}
			})
			time.Sleep(time.Minute)
		}
		assert.Equal(t, 1, fake.Exchanges(), "only the one of the token that had really expired")
	})
}

// The store hangs while the pool holds keys, which nobody can renew. A refused request looks there
// for another key and waits a quarter of a second at most, and one look serves all.
func TestSlowStoreDelaysNoRequestForLong(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		ids := []string{"a", "b", "c"}
		for _, id := range ids {
			r.key(t, id, "key-"+id)
		}
		r.look(t)
		for range 3 {
			time.Sleep(time.Minute)
			p.change(func(p *oddPlace) { p.slow, p.loads = time.Hour, 0 })
			r.fake.Expire("key-a", "key-b", "key-c")
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					begin := time.Now()
					ctx := reauth.WithCredential(t.Context(), "xai", ids[i%len(ids)])
					status, _, err := r.post(ctx)
					assert.NoError(t, err)
					assert.Equal(t, 400, status)
					assert.LessOrEqual(t, time.Since(begin), 250*time.Millisecond)
				})
			}
			all.Wait()
			// The other one is that of each second, in the background.
			assert.LessOrEqual(t, p.now().loads, 2, "one look serves all")
			p.change(func(p *oddPlace) { p.slow = 0 })
			time.Sleep(time.Minute)
		}
	})
}

// One record cannot be read. It hides no other, it is not removed, and it is told once.
func TestBrokenRecordHidesNoOther(t *testing.T) {
	atPlace(t, 2, func(t *testing.T, p *oddPlace, rigs []*rig) {
		a, b := rigs[0], rigs[1]
		a.key(t, "breaks", "key-breaks")
		a.key(t, "other", "key-other")
		a.look(t)
		b.look(t)
		p.change(func(p *oddPlace) { p.broken = "breaks" })
		a.key(t, "added later", "key-later")
		for range 3 {
			a.look(t)
			b.look(t)
		}
		for _, r := range rigs {
			for _, id := range []string{"breaks", "other", "added later"} {
				assert.True(t, r.has(id), id)
			}
			told := r.told("record")
			require.Len(t, told, 1)
			var broken *reauth.RecordError
			require.ErrorAs(t, told[0], &broken)
			assert.Equal(t, "breaks", broken.ID)
			e := r.events.all(reauth.StoreFailed)[0]
			assert.Equal(t, "xai-oauth/breaks", e.Provider+"/"+e.ID)
		}
		assert.NotZero(t, reauth.Record(t, p.now().store, "xai-oauth", "breaks"), "nobody writes over it")
	})
}

// A program starts while a record is broken. Its pool opens, and tells of the record.
func TestBrokenRecordAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &oddPlace{store: reauth.NewMemStore(), broken: "breaks"}
		fleet(t, 1, p.now().store, func(t *testing.T, rigs []*rig) {
			rigs[0].key(t, "breaks", "key-breaks")
			rigs[0].key(t, "other", "key-other")
		})
		fleet(t, 1, p, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.fake.AddKey("key-other")
			assert.True(t, r.has("other"))
			assert.False(t, r.has("breaks"))
			for range 3 {
				r.look(t)
			}
			assert.Len(t, r.told("record"), 1, "Observe is set after OpenPool has read the store")
			p.change(func(p *oddPlace) { p.broken = "" })
			r.look(t)
			assert.True(t, r.has("breaks"), "it was mended")
		})
	})
}

// While a pair could not be stored, somebody logs in anew elsewhere. The new login counts.
func TestUnsavedPairGivesWayToANewLogin(t *testing.T) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		r := rigs[0]
		access, _ := r.login(t, "me")
		r.look(t)
		store := p.now().store
		var newer reauth.Entry
		p.change(func(p *oddPlace) {
			p.overtaken = func() {
				e := reauth.Record(t, store, "xai-oauth", "me")
				e.Credential.AccessToken, e.Credential.RefreshToken = r.fake.Login()
				e.Login, e.Generation = time.Now().Add(time.Second).UTC(), e.Generation+1
				newer = e
				overwrite(t, store, e)
			}
		})
		r.fake.Expire(access)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "the new pair serves from memory")
		require.Len(t, r.told("persist"), 1)
		require.ErrorIs(t, r.told("persist")[0], reauth.ErrNotStored)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assertTokens(t, newer, reauth.Record(t, store, "xai-oauth", "me"))
		c, err := r.pool.Token(t.Context(), "xai")
		require.NoError(t, err)
		assert.Equal(t, newer.Credential.AccessToken, c.AccessToken)
		r.rotate(t)
		assert.Zero(t, r.fake.Reuses())
	})
}

// The store has lost the newest record and knows it. A process that starts then waits with its
// exchange for a live one, which writes the record forward.
func TestExchangeWaitsForALiveHolder(t *testing.T) {
	behind(t, func(t *testing.T, p *oddPlace, holder, next *rig, newest reauth.Entry) {
		asked := next.fake.TokenRequests()
		done := make(chan error)
		go func() { done <- next.pool.Refresh(context.Background(), "xai", "me") }()
		time.Sleep(2 * time.Second)
		holder.look(t)
		require.NoError(t, <-done)
		assert.Equal(t, asked, next.fake.TokenRequests(), "it has adopted the newest pair")
		assertTokens(t, newest, reauth.Record(t, p, "xai-oauth", "me"))
		assert.NotEmpty(t, next.events.all(reauth.Adopted))
		assert.Empty(t, next.told("behind"))
		next.rotate(t)
		assert.Zero(t, next.fake.Reuses())
	})
}

// The store has lost the newest record, and what a process holds is newer than the store and older
// than the record that was lost. Its exchange waits too.
func TestExchangeOfWhatIsNewerThanTheStoreWaitsForALiveHolder(t *testing.T) {
	atPlace(t, 2, func(t *testing.T, p *oddPlace, rigs []*rig) {
		holder, between := rigs[0], rigs[1]
		store := reauth.NewMemStore()
		p.change(func(p *oddPlace) { p.store = store })
		holder.login(t, "me")
		older := store.Record(t, "xai-oauth", "me")
		rotations(1)(t, holder)
		between.look(t)
		rotations(1)(t, holder)
		newest := store.Record(t, "xai-oauth", "me")
		store.PutBack(t, "xai-oauth", "me", older)
		p.change(func(p *oddPlace) { p.newest = &newest })

		done := make(chan error)
		go func() { done <- between.pool.Refresh(context.Background(), "xai", "me") }()
		time.Sleep(2 * time.Second)
		holder.look(t)
		require.NoError(t, <-done)
		assert.Zero(t, holder.fake.Reuses())
		assertTokens(t, newest, reauth.Record(t, p, "xai-oauth", "me"))
		assert.Empty(t, between.told("behind"))
		between.rotate(t)
	})
}

// No process holds the newest record any more. The exchange goes on after 5 s, and says so.
func TestExchangeGoesOnWithoutALiveHolder(t *testing.T) {
	behind(t, func(t *testing.T, p *oddPlace, holder, next *rig, newest reauth.Entry) {
		require.NoError(t, holder.pool.Close())
		begin := time.Now()
		err := next.pool.Refresh(t.Context(), "xai", "me")
		require.ErrorContains(t, err, "invalid_grant", "the token in the older record is spent")
		assert.InDelta(t, 5, time.Since(begin).Seconds(), 0.6)
		told := next.told("behind")
		require.Len(t, told, 1)
		require.ErrorContains(t, told[0], "the store holds an older record than was saved before")
		assert.Equal(t, 1, next.fake.Reuses())

		next.login(t, "me")
		got := reauth.Record(t, p, "xai-oauth", "me")
		assert.Greater(t, got.Generation, newest.Generation, "the new login is no older than what was lost")
		assert.True(t, got.Login.After(newest.Login))
		begin = time.Now()
		require.NoError(t, next.pool.Refresh(t.Context(), "xai", "me"))
		assert.Zero(t, time.Since(begin))
	})
}

// behind gives two rigs a place whose store has lost what the first of them holds, and knows it. The
// second one has started since.
func behind(t *testing.T, f func(t *testing.T, p *oddPlace, holder, next *rig, newest reauth.Entry)) {
	atPlace(t, 1, func(t *testing.T, p *oddPlace, rigs []*rig) {
		holder := rigs[0]
		store := reauth.NewMemStore()
		p.change(func(p *oddPlace) { p.store = store })
		holder.login(t, "me")
		older := store.Record(t, "xai-oauth", "me")
		rotations(3)(t, holder)
		holder.look(t)
		newest := store.Record(t, "xai-oauth", "me")
		store.PutBack(t, "xai-oauth", "me", older)
		p.change(func(p *oddPlace) { p.newest = &newest })
		fleet(t, 1, p, func(t *testing.T, next []*rig) {
			next[0].fake, next[0].transport.Base = holder.fake, holder.fake.Transport()
			next[0].refreshAt(t, holder.fake)
			f(t, p, holder, next[0], newest)
		})
	})
}

// enteredStore is a store that calls inside in an Update before its function. It keeps what that
// function returns.
type enteredStore struct {
	reauth.Store
	inside   func()
	returned error
}

func (s *enteredStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h reauth.Holding) (e reauth.Entry, err error) {
		if inside := s.inside; inside != nil {
			s.inside = nil
			inside()
			defer func() { s.returned = err }()
		}
		return fn(h)
	})
}

// A renewal waits for its claim, and the pool adopts newer tokens meanwhile. There is nothing to
// write then: an empty record would end the login.
func TestRenewalThatNeedsNoExchangeWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := reauth.NewMemStore()
		store := &enteredStore{Store: mem}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.login(t, "me")
			r.look(t)
			newest := mem.Record(t, "xai-oauth", "me")
			newest.Credential.AccessToken, newest.Credential.RefreshToken = r.fake.Login()
			newest.Generation++
			store.inside = func() {
				mem.PutBack(t, "xai-oauth", "me", newest)
				require.NoError(t, r.pool.Reset(t.Context(), "xai", "me")) // it looks at the store
			}
			require.NoError(t, r.pool.Refresh(t.Context(), "xai", "me"))
			require.Error(t, store.returned)
			assertTokens(t, newest, mem.Record(t, "xai-oauth", "me"))
			assert.Zero(t, r.fake.TokenRequests())
		})
	})
}
