package reauth_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// rigOn makes a rig whose pool uses the store. The pool is closed when the test ends.
func rigOn(t testing.TB, s reauth.Store) *rig {
	t.Helper()
	pool, err := reauth.OpenPool(context.Background(), s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return newRigOn(t, reauthtest.XAI, pool)
}

// Somebody deletes the file while a refresh token is being exchanged. Nothing brings the file back
// but Add. Until then nothing is taken for removed: the tokens in memory serve.
func TestFileStoreWhoseFileIsDeleted(t *testing.T) {
	t.Parallel() // it waits in real time
	path := newFile(t)
	s := reauth.NewFileStore(path)
	r := rigOn(t, s)
	_, refresh := r.login(t, "me")
	refreshed, removed := make(chan struct{}), make(chan struct{})
	inner, err := reauth.BuiltinRefresher("xai-oauth", reauth.OAuth2Config{
		TokenURL: "https://auth.example.com" + reauthtest.TokenPath, HTTPClient: r.fakeClient(),
	})
	require.NoError(t, err)
	r.register(t, func(p *reauth.Provider) {
		p.Refresher = reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
			<-removed
			return inner.Refresh(ctx, c)
		})
	})
	go func() {
		defer close(refreshed)
		_ = r.pool.Refresh(context.Background(), "xai", "me") // whether it succeeds does not matter here
	}()
	spends := func() bool {
		notes, err := filepath.Glob(filepath.Join(path+".locks", "*.note"))
		return err == nil && len(notes) == 1 && strings.Contains(readString(t, notes[0]), "spending")
	}
	require.Eventually(t, spends, time.Minute, time.Millisecond)
	require.NoError(t, os.Remove(path))
	close(removed)
	<-refreshed
	assert.False(t, r.fake.Current(refresh), "the exchange was on its way when the file was deleted")
	assert.NoFileExists(t, path, "the refresh does not bring the file back")
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status, "the new pair serves from memory")
	require.Len(t, r.pool.Status(), 1)
	access, refresh := r.fake.Login()
	r.add(t, reauth.Credential{ID: "me", AccessToken: access, RefreshToken: refresh})
	assert.Len(t, load(t, s), 1, "Add makes it anew")
}

// Somebody breaks the file while a pool uses it. The tokens in memory serve on, and the pool
// exchanges none. After the file is mended the pool recovers.
func TestFileStoreWhoseFileIsBrokenMeanwhile(t *testing.T) {
	path := newFile(t)
	r := rigOn(t, reauth.NewFileStore(path))
	old, _ := r.login(t, "me")
	// Add may mark a new login in the background. That write must not undo the test's.
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
	good := readString(t, path)
	require.NoError(t, os.WriteFile(path, []byte(good[:len(good)/2]), 0o600))
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	r.fake.Expire(old)
	status, body := r.mustPost(t)
	assert.Equal(t, 403, status)
	assert.Contains(t, body, "bad-credentials")
	assert.Zero(t, r.fake.TokenRequests())
	assert.NotEmpty(t, r.events.all(reauth.StoreFailed))
	assert.Equal(t, good[:len(good)/2], readString(t, path))

	require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
	served := func() bool {
		status, _ := r.mustPost(t)
		return status == 200
	}
	require.Eventually(t, served, 20*time.Second, 100*time.Millisecond)
	assert.Equal(t, 1, r.fake.Exchanges())
}

func TestTwoPoolsOverOneFileStore(t *testing.T) {
	s := reauth.NewFileStore(newFile(t))
	a := rigOn(t, s)
	a.login(t, "me")
	b := rigOn(t, s)
	b.fake, b.transport.Base = a.fake, a.fake.Transport()
	b.refreshAt(t, a.fake)
	for range 5 {
		a.fake.Expire()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := []*rig{a, b}[i%2]
				status, _ := r.mustPost(t)
				assert.Equal(t, 200, status)
			})
		}
		wg.Wait()
	}
	assert.Equal(t, 5, a.fake.Exchanges())
	assert.Zero(t, a.fake.Reuses())
}
