package reauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The SQL stores are tested too: in integration/, which has the databases.

func TestStoreInMemoryKeepsItsWord(t *testing.T) {
	places := make(map[string]reauth.Store)
	reauthtest.TestStore(t, func(_ *testing.T, place string) reauth.Store {
		if places[place] == nil {
			places[place] = reauth.NewMemStore()
		}
		return places[place]
	})
}

func TestFileStoreKeepsItsWord(t *testing.T) {
	t.Parallel() // it waits in real time
	folder := t.TempDir()
	path := func(place string) string { return filepath.Join(folder, place+".json") }
	open := func(_ *testing.T, place string) reauth.Store { return reauth.NewFileStore(path(place)) }
	reauthtest.TestStore(t, open, slices.DeleteFunc(reauthtest.StorePromises(), func(name string) bool {
		return name == "oldest_of_more_than_1000_removals_go" // TestFileStoreForgetsTheOldestRemovals is faster
	})...)
	reauthtest.TestStoreMembers(t, open, func(t *testing.T, place, provider, id string, change func(map[string]any)) {
		b, err := os.ReadFile(path(place))
		require.NoError(t, err)
		var file map[string]any
		require.NoError(t, json.Unmarshal(b, &file))
		for _, element := range file["credentials"].([]any) {
			members := element.(map[string]any)
			if members["provider"] == provider && members["id"] == id {
				change(members)
			}
		}
		b, err = json.Marshal(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path(place), b, 0o600))
	})
}

// A renewal needs the store's claim and its Spending mark. Without either the pool does not
// exchange.
func TestNoClaimNoExchange(t *testing.T) {
	for _, op := range []string{"claim", "mark spending"} {
		bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
			old, refresh := r.login(t, "me")
			store.fail(op, errors.New("the store is down"))
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status, "the token in memory serves while it is accepted")
			r.fake.Expire(old)
			status, body := r.mustPost(t)
			assert.Equal(t, 403, status)
			assert.Contains(t, body, "bad-credentials", "then the caller gets the refusal")
			assert.Zero(t, r.fake.TokenRequests())
			require.NotEmpty(t, r.events.all(reauth.StoreFailed))
			assert.True(t, r.fake.Current(refresh))

			store.fail(op, nil)
			time.Sleep(2 * time.Minute)
			status, _ = r.mustPost(t)
			assert.Equal(t, 200, status, "the pool recovers when the store does")
		})
	}
}

func TestPairThatCannotBeStoredServesFromMemoryAndIsSavedLater(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, refresh := r.login(t, "me")
		r.fake.Expire(old)
		store.fail("persist", errors.New("disk full"))
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		failed := r.events.all(reauth.StoreFailed)
		require.NotEmpty(t, failed)
		assert.Equal(t, "persist", failed[0].Reason)

		r.fake.Expire() // once more, before the pool could save the pair
		status, _ = r.mustPost(t)
		require.Equal(t, 200, status)
		assert.Equal(t, 2, r.fake.Exchanges())
		assert.Zero(t, r.fake.Reuses(), "the pool did not take the stored pair for the newer one")

		time.Sleep(10 * time.Second)
		store.fail("persist", nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		stored := reauth.Record(t, store, "xai-oauth", "me").Credential
		assert.True(t, r.fake.Current(stored.RefreshToken), "the store has the newest pair")
		assert.True(t, r.fake.Alive(refresh))
	})
}

func TestCloseWaitsUntilAnUnsavedPairIsStored(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		store.fail("persist", errors.New("disk full"))
		r.mustPost(t)
		time.AfterFunc(5*time.Second, func() { store.fail("persist", nil) })
		require.NoError(t, r.pool.Close())
		assert.True(t, r.fake.Current(reauth.Record(t, store, "xai-oauth", "me").Credential.RefreshToken))
	})
}

func TestCloseGivesUpOnAStoreThatStaysDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &watchedStore{Store: reauth.NewMemStore()}
		pool, err := reauth.OpenPool(context.Background(), store)
		require.NoError(t, err)
		r := newRigOn(t, reauthtest.XAI, pool)
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		store.fail("persist", errors.New("disk full"))
		r.mustPost(t)
		require.ErrorContains(t, pool.Close(), "tokens may be lost")
	})
}

func TestStoreThatCannotBeReadAtStart(t *testing.T) {
	store := &watchedStore{Store: reauth.NewMemStore()}
	store.fail("load", errors.New("permission denied"))
	_, err := reauth.OpenPool(context.Background(), store)
	require.ErrorContains(t, err, "reauth: open pool: permission denied")
}

func TestStoreThatCannotBeReadLater(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.key(t, "a", "key-a")
		store.fail("load", errors.New("gone"))
		time.Sleep(2 * time.Second)
		status, _ := r.mustPost(t)
		synctest.Wait()
		assert.Equal(t, 200, status, "the key in memory serves")
		assert.NotEmpty(t, r.events.all(reauth.StoreFailed))
		r.fake.Expire("key-a")
		status, _ = r.mustPost(t)
		assert.Equal(t, 400, status, "the provider's own refusal")
	})
}

// Somebody puts a pair back that the pool has spent already, from a backup say. The pool keeps its
// newer pair.
func TestOldPairPutBackIntoTheStoreIsNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			old, refresh := r.login(t, "me")
			backup := store.Record(t, "xai-oauth", "me")
			require.Equal(t, refresh, backup.Credential.RefreshToken)
			r.fake.Expire(old)
			r.mustPost(t)
			store.PutBack(t, "xai-oauth", "me", backup)
			time.Sleep(2 * time.Second)
			r.mustPost(t)
			synctest.Wait()
			r.fake.Expire()
			status, _ := r.mustPost(t)
			assert.Equal(t, 200, status)
			assert.Zero(t, r.fake.Reuses())
			stored := store.Record(t, "xai-oauth", "me").Credential
			assert.True(t, r.fake.Current(stored.RefreshToken), "the pool has written its pair forward")
		})
	})
}
