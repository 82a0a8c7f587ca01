//go:build unix

package privatefile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// A command that root runs must not lock the owner of the folder out of what it makes there.
func TestFilesOfRootBelongToTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	const nobody, other = 65534, 65533
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, nobody, nobody))
	path, lock := filepath.Join(dir, "auth.json"), filepath.Join(dir, "locks", "lock")
	ownerOf := func(path string) uint32 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Uid
	}
	unlock, err := privatefile.Lock(t.Context(), lock)
	require.NoError(t, err)
	unlock()
	require.NoError(t, privatefile.Replace(path, nil))
	for _, p := range []string{path, lock, filepath.Dir(lock)} {
		assert.EqualValues(t, nobody, ownerOf(p), p)
	}
	require.NoError(t, os.Chown(path, other, other))
	require.NoError(t, privatefile.Replace(path, []byte("content")))
	assert.EqualValues(t, other, ownerOf(path), "a file that was there keeps its owner")
}
