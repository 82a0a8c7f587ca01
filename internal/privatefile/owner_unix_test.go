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
	held, err := privatefile.Lock(t.Context(), lock)
	require.NoError(t, err)
	held.Unlock()
	require.NoError(t, replace(path, ""))
	note := filepath.Join(filepath.Dir(lock), "note")
	require.NoError(t, privatefile.WriteNote(note, nil, true))
	for _, p := range []string{path, lock, note, filepath.Dir(lock)} {
		assert.EqualValues(t, nobody, ownerOf(p), p)
	}
	require.NoError(t, os.Chown(path, other, other))
	require.NoError(t, replace(path, "content"))
	assert.EqualValues(t, other, ownerOf(path), "a file that was there keeps its owner")
}

// Others may put a folder of theirs where the locks will be, and links into it.
func TestFolderOfLocksOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	locks := filepath.Join(dir, "auth.json.locks")
	require.NoError(t, privatefile.CheckLockFolder(locks), "it is not there yet")
	require.NoError(t, os.Mkdir(locks, 0o700))
	require.NoError(t, privatefile.CheckLockFolder(locks))
	if os.Geteuid() != 0 {
		require.ErrorContains(t, privatefile.CheckLockFolder("/"), "belongs to another user (uid 0")
		return
	}
	require.NoError(t, os.Chown(locks, 65534, 65534))
	require.ErrorContains(t, privatefile.CheckLockFolder(locks), "belongs to another user (uid 65534")
	require.NoError(t, os.Chown(dir, 65534, 65534))
	require.NoError(t, privatefile.CheckLockFolder(locks), "root works on a user's store")
}

// A file that root makes in a folder in which others may write stays root's.
func TestFilesOfRootInASharedFolderStayRoots(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 65534, 65534))
	require.NoError(t, os.Chmod(dir, 0o1777))
	path := filepath.Join(dir, "auth.json")
	require.NoError(t, replace(path, "key"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Zero(t, info.Sys().(*syscall.Stat_t).Uid)
}
