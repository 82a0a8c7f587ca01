package reauth_test

import (
	"context"
	"testing"
	"time"

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
