package reauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// These tests hold pools to the contract of the stored record: here, what they write forward. Marks
// stand in pool_record_mark_test.go, the place of a store in pool_record_place_test.go, and a store
// that is in trouble in pool_record_trouble_test.go.

// look makes the pool look at its store, and write there what the store lacks.
func (r *rig) look(t testing.TB) {
	t.Helper()
	time.Sleep(2 * time.Second)
	r.mustPost(t)
	synctest.Wait()
}

// rotate has all access tokens expire, and the pool obtain new ones by an exchange.
func (r *rig) rotate(t testing.TB) {
	t.Helper()
	exchanges := r.fake.Exchanges()
	r.fake.Expire()
	status, _ := r.mustPost(t)
	synctest.Wait()
	require.Equal(t, 200, status)
	require.Equal(t, exchanges+1, r.fake.Exchanges())
}

// rotations is rotate, n times.
func rotations(n int) func(testing.TB, *rig) {
	return func(t testing.TB, r *rig) {
		for range n {
			r.rotate(t)
		}
	}
}

// told returns the errors of the StoreFailed events with that reason.
func (r *rig) told(reason string) (list []error) {
	for _, e := range r.events.all(reauth.StoreFailed) {
		if e.Reason == reason {
			list = append(list, e.Err)
		}
	}
	return list
}

// has reports whether the pool has a credential of that ID.
func (r *rig) has(id string) bool {
	for _, s := range r.pool.Status() {
		if s.ID == id {
			return true
		}
	}
	return false
}

// overwrite makes e the record of the credential "me", whatever stands there.
func overwrite(t testing.TB, store reauth.Store, e reauth.Entry) {
	t.Helper()
	store.(interface {
		PutBack(t testing.TB, provider, id string, e reauth.Entry)
	}).PutBack(t, "xai-oauth", "me", e)
}

// assertTokens checks that a record has the tokens and the place in the order that another one has.
func assertTokens(t testing.TB, want, got reauth.Entry) {
	t.Helper()
	assert.Equal(t, want.Credential.AccessToken, got.Credential.AccessToken)
	assert.Equal(t, want.Credential.RefreshToken, got.Credential.RefreshToken)
	assert.Equal(t, want.Generation, got.Generation)
	assert.WithinDuration(t, want.Login, got.Login, 0)
	assert.Equal(t, want.Removed, got.Removed)
	assert.WithinDuration(t, want.LastRefresh, got.LastRefresh, 0)
	if len(want.Spent) > 30 { // the list is full: what is written over is the newest there
		want.Spent = want.Spent[2:]
	}
	assert.Subset(t, got.Spent, want.Spent)
}

// olderRecords are what happens to a credential after its record was copied.
var olderRecords = map[string]func(testing.TB, *rig){
	"5 rotations old":                     rotations(5),
	"20 rotations old":                    rotations(20),
	"older than the list of spent tokens": rotations(40),
	"from before a new login": func(t testing.TB, r *rig) {
		r.rotate(t)
		r.login(t, "me")
		r.rotate(t)
	},
	"from before a removal and a new login": func(t testing.TB, r *rig) {
		require.NoError(t, r.pool.Remove(context.Background(), "xai", "me"))
		r.login(t, "me")
	},
}

// putBack makes a rig whose record was copied before each of those things, and put back after it.
// With the name "absent" the record is none: the copy is from before the credential was added.
func putBack(t *testing.T, f func(t *testing.T, r *rig, newest reauth.Entry, store reauth.Store)) {
	cases := map[string]func(testing.TB, *rig){"absent": rotations(3)}
	for name, since := range olderRecords {
		cases[name] = since
	}
	for name, since := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := reauth.NewMemStore()
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					r.login(t, "me")
					r.rotate(t)
					older := store.Record(t, "xai-oauth", "me")
					since(t, r)
					r.look(t)
					if name == "absent" {
						older = reauth.Entry{}
					}
					newest := store.Record(t, "xai-oauth", "me")
					store.PutBack(t, "xai-oauth", "me", older)
					f(t, r, newest, store)
				})
			})
		})
	}
}

// An older record is put back under a live process, as with a backup. The process writes what it
// holds, when it looks at the store.
func TestOlderRecordIsWrittenForward(t *testing.T) {
	putBack(t, func(t *testing.T, r *rig, newest reauth.Entry, store reauth.Store) {
		exchanges := r.fake.Exchanges()
		r.look(t)
		assertTokens(t, newest, reauth.Record(t, store, "xai-oauth", "me"))
		assert.Equal(t, exchanges, r.fake.Exchanges())
		fleet(t, 1, store, func(t *testing.T, next []*rig) { // a process that starts later
			next[0].fake, next[0].transport.Base = r.fake, r.fake.Transport()
			next[0].refreshAt(t, r.fake)
			next[0].rotate(t)
		})
		r.look(t) // it adopts what that one has obtained
		r.rotate(t)
		assert.Zero(t, r.fake.Reuses())
	})
}

// The token expires before the process looks at the store in which the older record is. It
// exchanges the newest refresh token, not the stored one.
func TestOlderRecordIsWrittenForwardBeforeAnExchange(t *testing.T) {
	putBack(t, func(t *testing.T, r *rig, newest reauth.Entry, store reauth.Store) {
		r.rotate(t)
		assert.Zero(t, r.fake.Reuses())
		got := reauth.Record(t, store, "xai-oauth", "me")
		assert.True(t, r.fake.Current(got.Credential.RefreshToken), "the store has the newest pair")
		assert.Equal(t, newest.Login, got.Login)
		assert.Greater(t, got.Generation, newest.Generation)
		assert.Contains(t, got.Spent, reauth.Digest(newest.Credential.RefreshToken))
		assert.Subset(t, got.Spent, newest.Spent[max(0, len(newest.Spent)-20):])
	})
}

// What people say of a credential comes from the record that was put back, and its tokens do not.
func TestWritingForwardLeavesThePlaceOfTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.login(t, "me")
			older := store.Record(t, "xai-oauth", "me")
			older.Credential.Priority, older.Credential.Hosts = 7, []string{"api.x.ai"}
			older.Credential.ClientID = "client of the person"
			r.rotate(t)
			newest := store.Record(t, "xai-oauth", "me")
			store.PutBack(t, "xai-oauth", "me", older)
			r.look(t)
			got := store.Record(t, "xai-oauth", "me")
			assertTokens(t, newest, got)
			assert.Equal(t, 7, got.Credential.Priority)
			assert.Equal(t, []string{"api.x.ai"}, got.Credential.Hosts)
			assert.Equal(t, "client of the person", got.Credential.ClientID)
			assert.Equal(t, 7, r.status(t, "me").Priority)
		})
	})
}

// A credential was removed. A copy of the store from before that brings it back to nobody.
func TestRemovalIsWrittenForward(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, r *rig, bury func()){
		"by this pool": func(t *testing.T, r *rig, _ func()) {
			require.NoError(t, r.pool.Remove(context.Background(), "xai", "me"))
		},
		"by another process": func(t *testing.T, r *rig, bury func()) {
			bury()
			r.look(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := reauth.NewMemStore()
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					r.key(t, "other", "key-other")
					r.login(t, "me")
					older := store.Record(t, "xai-oauth", "me")
					r.look(t)
					remove(t, r, func() { store.Bury(t, "xai-oauth", "me") })
					require.False(t, r.has("me"))
					tomb := store.Record(t, "xai-oauth", "me")
					require.True(t, tomb.Removed)
					store.PutBack(t, "xai-oauth", "me", older)
					r.look(t)
					assert.False(t, r.has("me"))
					assertTokens(t, tomb, store.Record(t, "xai-oauth", "me"))
				})
			})
		})
	}
}

// The store went back to before a credential was added. One pool knows that the credential was
// removed since. Another pool, which does not know that yet, must not write its pair there.
func TestRemovalIsWrittenWhereTheRecordIsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 2, store, func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			a.key(t, "other", "key-other")
			a.login(t, "me")
			b.look(t)
			require.NoError(t, a.pool.Remove(t.Context(), "xai", "me"))
			require.True(t, b.has("me"), "b has not looked since")
			store.PutBack(t, "xai-oauth", "me", reauth.Entry{})
			a.look(t)
			require.NoError(t, a.pool.Close())
			b.look(t)
			b.look(t)
			assert.False(t, b.has("me"))
			assert.True(t, store.Record(t, "xai-oauth", "me").Removed, "what was removed does not come back")
		})
	})
}

// A new login follows a removal. The tombstone that is put back over it is older.
func TestLoginIsWrittenForwardOverATombstone(t *testing.T) {
	for _, way := range []string{"when the pool looks", "before an exchange"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := reauth.NewMemStore()
				fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
					r := rigs[0]
					r.login(t, "me")
					require.NoError(t, r.pool.Remove(context.Background(), "xai", "me"))
					tomb := store.Record(t, "xai-oauth", "me")
					r.login(t, "me")
					r.look(t)
					newest := store.Record(t, "xai-oauth", "me")
					store.PutBack(t, "xai-oauth", "me", tomb)
					if way == "before an exchange" {
						r.rotate(t)
						assert.True(t, r.fake.Current(store.Record(t, "xai-oauth", "me").Credential.RefreshToken))
					} else {
						r.look(t)
						assertTokens(t, newest, store.Record(t, "xai-oauth", "me"))
					}
					assert.True(t, r.has("me"))
					assert.Zero(t, r.fake.Reuses())
				})
			})
		})
	}
}
