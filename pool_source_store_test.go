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

// A stored credential of a source's ID is used when the source has gone, also when nobody has written
// to the store since.
func TestStoredCredentialComesBackAfterASource(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.fake.AddKey("stored")
		r.fake.AddKey("one")
		r.source(t, "vault", gives("one"))
		other := newRigOver(t, r, store.Store)
		other.add(t, reauth.Credential{ID: "vault", AccessToken: "stored"})
		require.NoError(t, other.pool.Close())
		for range 3 {
			r.mustPost(t)
			time.Sleep(1100 * time.Millisecond)
		}
		require.Len(t, r.events.all(reauth.StoreFailed), 1)
		require.NoError(t, r.pool.Remove(context.Background(), r.provider, "vault"))
		r.mustPost(t)
		r.mustPost(t)
		sent := r.fake.Requests()
		require.Equal(t, "stored", sent[len(sent)-1].Token)
		require.Empty(t, r.status(t, "vault").Source)

		_, err := r.pool.AddSource(context.Background(), reauth.Credential{Provider: r.provider, ID: "vault"}, gives("one"))
		require.Error(t, err, "the ID is the store's")
	})
}

// An Add that waits for its claim while AddSource takes the ID writes nothing: not its own key, and
// nothing of the source.
func TestAddMeetsASourceOfItsID(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		ctx := context.Background()
		held, release := make(chan struct{}), make(chan struct{})
		go func() {
			_, err := store.Store.Update(ctx, r.provider, "vault", func(reauth.Holding) (reauth.Entry, error) {
				close(held)
				<-release
				return reauth.Entry{}, errors.New("nothing to write")
			})
			assert.Error(t, err)
		}()
		<-held
		added := make(chan error)
		go func() {
			_, err := r.pool.Add(ctx, reauth.Credential{Provider: r.provider, ID: "vault", AccessToken: "key"})
			added <- err
		}()
		synctest.Wait()
		_, err := r.pool.AddSource(ctx, reauth.Credential{
			Provider: r.provider, ID: "vault", AccessToken: "key", AccountID: "of the source",
		}, gives("one"))
		require.NoError(t, err)
		close(release)
		require.ErrorContains(t, <-added, "AddSource has given that ID to a source")
		snap, err := store.Load(ctx, "")
		require.NoError(t, err)
		require.Empty(t, snap.Entries)
	})
}
