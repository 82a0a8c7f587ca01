package privatefile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

func TestLockExcludesOthersInThisProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "lock")
	var inside, entries atomic.Int32 // the kernel's lock is unknown to the race detector
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			held, err := privatefile.Lock(t.Context(), path)
			if !assert.NoError(t, err) {
				return
			}
			defer held.Unlock()
			assert.EqualValues(t, 1, inside.Add(1))
			entries.Add(1)
			runtime.Gosched()
			inside.Add(-1)
		})
	}
	all.Wait()
	assert.EqualValues(t, 8, entries.Load())
}

func TestLockWaitsAsLongAsItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := privatefile.Lock(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("long enough"))
	defer cancel()
	_, err = privatefile.Lock(ctx, path)
	require.EqualError(t, err, "waiting for the lock: long enough")
	held.Unlock()
	held, err = privatefile.Lock(t.Context(), path)
	require.NoError(t, err)
	held.Unlock()
}

// Another process sweeps lock files. Whoever waits for one then locks the new one.
func TestLockWhoseFileIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := privatefile.Lock(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, first.Lost())
	waited := make(chan *privatefile.Held)
	go func() {
		held, err := privatefile.Lock(t.Context(), path)
		assert.NoError(t, err)
		waited <- held
	}()
	assert.Nil(t, privatefile.TryLock(path), "it is held")
	first.Remove()
	second := <-waited
	require.NoError(t, second.Lost())
	assert.Nil(t, privatefile.TryLock(path), "it is held")
	second.Unlock()
	third := privatefile.TryLock(path)
	require.NotNil(t, third)
	if !onWindows { // an open file cannot be removed there
		require.NoError(t, os.Remove(path))
		require.Error(t, third.Lost())
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.ErrorContains(t, third.Lost(), "somebody has removed the file of the lock")
	}
	third.Unlock()
	require.NoError(t, os.Remove(path))
	assert.Nil(t, privatefile.TryLock(path), "it makes no file")
	assert.NoFileExists(t, path)
}
