package reauth_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// The folder of a file goes away and comes back, as a mount does, while two processes want the same
// credential. Where there is no folder there is no lock: who begins without one must not go on with the
// record that has come back.
func TestFileStoreWhoseFolderComesBack(t *testing.T) {
	t.Parallel() // it waits in real time
	parent := t.TempDir()
	folder, away := filepath.Join(parent, "home"), filepath.Join(parent, "away")
	require.NoError(t, os.Mkdir(folder, 0o700))
	path := filepath.Join(folder, "auth.json")
	first := reauth.NewFileStore(path)
	_, err := first.Update(context.Background(), "groq", "me", func(reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{Credential: reauth.Credential{AccessToken: "k"}}, nil
	})
	require.NoError(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var inside, entered atomic.Int32
	for range 4 {
		s := reauth.NewFileStore(path) // as another process has it
		_, err := s.Load(context.Background(), "")
		require.NoError(t, err)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = s.Update(context.Background(), "groq", "me", func(h reauth.Holding) (reauth.Entry, error) {
					if h.Found {
						assert.LessOrEqual(t, inside.Add(1), int32(1), "two are inside of Update")
						entered.Add(1)
						time.Sleep(200 * time.Microsecond)
						inside.Add(-1)
					}
					return reauth.Entry{}, os.ErrDeadlineExceeded
				})
			}
		})
	}
	began := time.Now()
	for {
		passed := time.Since(began)
		if t.Failed() || passed > time.Minute || passed > 2*time.Second && entered.Load() > 0 {
			break
		}
		require.NoError(t, os.Rename(folder, away))
		time.Sleep(100 * time.Microsecond)
		for os.Rename(away, folder) != nil { // somebody has made a folder for a lock
			_ = os.RemoveAll(folder) // it fails while somebody writes there, and is tried again
		}
		time.Sleep(300 * time.Microsecond)
	}
	close(stop)
	wg.Wait()
	require.Positive(t, entered.Load())
}
