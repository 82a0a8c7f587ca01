//go:build unix

package reauth_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Reading a pipe or a device never waits, and nothing is made beside them.
func TestFileStoreRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	link(t, "/dev/zero", filepath.Join(dir, "device"))
	for path, want := range map[string]string{fifo: "a pipe", filepath.Join(dir, "device"): "a device"} {
		done := make(chan []error)
		go func() { done <- everyMethod(t, reauth.NewFileStore(path)) }()
		select {
		case errs := <-done:
			for _, err := range errs {
				require.ErrorContains(t, err, "it is no regular file but "+want)
			}
		case <-time.After(30 * time.Second):
			require.Fail(t, "it hangs", path)
		}
	}
	assert.ElementsMatch(t, []string{"fifo", "device"}, namesIn(t, dir))
}

// "Is it ours?" comes before any advice: nobody is told to change the mode of another program's file.
func TestFileStoreGivesNoAdviceOnOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"shadow": "root:$6$secret-token:19000:0:99999:7:::\n", "Hermes": hermes,
	} {
		path := filepath.Join(dir, name)
		write(t, path, content)
		require.NoError(t, os.Chmod(path, 0o644))
		for _, err := range everyMethod(t, reauth.NewFileStore(path)) {
			require.ErrorContains(t, err, "it may be another program's file, so choose another path")
			assert.NotContains(t, err.Error(), "chmod")
		}
	}
	assert.ElementsMatch(t, []string{"shadow", "Hermes"}, namesIn(t, dir))
}

// Root must not put a key into a file that another user made in a folder of all.
func TestFileStoreRefusesAnotherUsersFile(t *testing.T) {
	dir := sharedDir(t)
	path := filepath.Join(dir, "auth.json")
	if os.Geteuid() != 0 {
		for _, err := range everyMethod(t, reauth.NewFileStore("/etc/passwd")) {
			require.ErrorContains(t, err, "it may be another program's file", "and no advice")
		}
		return
	}
	put(t, reauth.NewFileStore(path), login("a", "1"))
	before := readString(t, path)
	require.NoError(t, os.Chown(path, nobody, nobody))
	for _, err := range everyMethod(t, reauth.NewFileStore(path)) {
		require.ErrorContains(t, err, "it belongs to another user (uid 65534; this process is uid 0)")
	}
	assert.Equal(t, before, readString(t, path))
	require.NoError(t, os.Chown(path, 0, 0))
	require.NoError(t, os.Chown(path+".locks", nobody, nobody))
	require.ErrorContains(t, free(reauth.NewFileStore(path), "a"), "belongs to another user (uid 65534")
}

// sharedDir returns a folder in which all may make files, as /tmp.
func sharedDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "shared")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, os.ModeSticky|0o777))
	return dir
}

// What is wrong with the place is told once, by the first Load, and the store works all the same.
func TestFileStoreTellsWhatIsWrongWithItsPlace(t *testing.T) {
	dir := sharedDir(t)
	s := reauth.NewFileStore(filepath.Join(dir, "auth.json"))
	for i := range 2 {
		snap, err := s.Load(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, snap.Broken, 1-i)
		if i == 0 {
			require.ErrorContains(t, snap.Broken[0], "others may write to the folder "+dir)
			require.ErrorContains(t, snap.Broken[0], "reauth: file store ")
		}
	}
	put(t, s, login("a", "1"))
	assert.Len(t, load(t, s), 1)
	require.NoError(t, os.Chmod(dir, 0o700))
	snap, err := reauth.NewFileStore(filepath.Join(dir, "auth.json")).Load(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, snap.Broken)
}

// In a folder that only reads, the credentials serve. That nothing can be saved is told at once.
func TestFileStoreInAFolderThatOnlyReads(t *testing.T) {
	dir, err := os.MkdirTemp("", "reauth") // another user cannot enter the parents of t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "auth.json")
	if os.Getenv("REAUTH_TEST_DIR") == "" {
		put(t, reauth.NewFileStore(path), login("a", "1"))
		makeUnwritable(t, path)
	}
	if !inChild(t, dir, asUser(t, dir)) {
		return
	}
	s := reauth.NewFileStore(filepath.Join(os.Getenv("REAUTH_TEST_DIR"), "auth.json"))
	snap, err := s.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, snap.Entries, 1)
	require.Len(t, snap.Broken, 1)
	require.ErrorContains(t, snap.Broken[0], "nothing can be saved in the folder")
	require.ErrorContains(t, free(s, "a"), "permission denied")
}

// makeUnwritable lets the owner of a store, who is nobody when root runs the test, only read it.
func makeUnwritable(t *testing.T, path string) {
	require.NoError(t, os.RemoveAll(path+".locks"))
	require.NoError(t, os.RemoveAll(path+".lock"))
	dir := filepath.Dir(path)
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, nobody, nobody))
		require.NoError(t, os.Chmod(dir, 0o755))
		return
	}
	require.NoError(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
}

// asUser makes the child process that of a user: root can write everywhere.
func asUser(t *testing.T, dir string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		if os.Geteuid() == 0 {
			cmd.Path = copyBinary(t, dir)
			cmd.Dir = dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
	}
}

// When root writes the store, the file and its locks keep the owner of the folder. Otherwise that
// owner could not use the store any more.
func TestFileStoreStaysItsOwnersWhenRootWrites(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir, err := os.MkdirTemp("", "reauth")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	path := filepath.Join(dir, "auth.json")
	s := reauth.NewFileStore(path)
	for _, key := range []string{"key-a", "key-b"} {
		put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: key})
		locks, err := filepath.Glob(path + ".locks/*")
		require.NoError(t, err)
		require.Len(t, locks, 3, "a lock, a note, and the identity")
		for _, p := range append(locks, path, path+".lock", path+".locks") {
			info, err := os.Stat(p)
			require.NoError(t, err)
			assert.EqualValues(t, nobody, info.Sys().(*syscall.Stat_t).Uid, p)
		}
	}
}
