package privatefile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

const onWindows = runtime.GOOS == "windows"

func TestFollowLinks(t *testing.T) {
	if onWindows {
		return // a link needs a privilege there
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	require.NoError(t, os.Mkdir(at("folder"), 0o700))
	require.NoError(t, os.WriteFile(at("folder", "file"), nil, 0o600))
	for link, target := range map[string]string{
		"relative": filepath.Join("folder", "file"), "absolute": at("folder", "file"), "chain": "relative",
		"dangling": filepath.Join("folder", "later"), "nowhere": filepath.Join("no folder", "later"),
		"linked folder": "folder",
	} {
		require.NoError(t, os.Symlink(target, at(link)))
	}
	for path, want := range map[string]string{
		at("folder", "file"):        at("folder", "file"),
		at("folder", "..", "plain"): at("plain"),
		at("relative"):              at("folder", "file"),
		at("absolute"):              at("folder", "file"),
		at("chain"):                 at("folder", "file"),
		at("dangling"):              at("folder", "later"),
		at("nowhere"):               at("no folder", "later"),
		at("linked folder", "file"): at("folder", "file"),
		at("no", "such", "folder"):  at("no", "such", "folder"),
	} {
		got, err := privatefile.FollowLinks(path)
		require.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
	require.NoError(t, os.Symlink("loop", at("loop")))
	_, err = privatefile.FollowLinks(at("loop", "file"))
	assert.ErrorContains(t, err, "too many links")
}

func TestLockExcludesOthersInThisProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "lock")
	var inside, entries atomic.Int32 // the kernel's lock is unknown to the race detector
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			unlock, err := privatefile.Lock(t.Context(), path)
			if !assert.NoError(t, err) {
				return
			}
			defer unlock()
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
	unlock, err := privatefile.Lock(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("long enough"))
	defer cancel()
	_, err = privatefile.Lock(ctx, path)
	require.EqualError(t, err, "waiting for the lock: long enough")
	unlock()
	unlock, err = privatefile.Lock(t.Context(), path)
	require.NoError(t, err)
	unlock()
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	others := []string{".auth.json.123.txt", ".auth.json.bak", "auth.json.123.tmp", ".other.json.123.tmp"}
	for _, name := range append(others, ".auth.json.123.tmp") { // the last by a writer that was killed
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte("tokens"), 0o600))
	}
	for _, content := range []string{"old", "new", ""} {
		require.NoError(t, privatefile.Replace(path, []byte(content)))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.True(t, onWindows || info.Mode().Perm() == 0o600, "%s", info.Mode())
		assert.ElementsMatch(t, append(others, "auth.json"), namesIn(t, filepath.Dir(path)))
	}
}

func TestReplaceThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o700))
	require.Error(t, privatefile.Replace(path, []byte("content")), "a folder is not replaced")
	assert.Equal(t, []string{"folder"}, namesIn(t, dir))
	require.Error(t, privatefile.Replace(filepath.Join(dir, "no", "file"), nil), "it makes no folder")
}

func namesIn(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	none, err := privatefile.Read(path, privatefile.Snapshot{})
	require.NoError(t, err)
	assert.Nil(t, none.Content)
	assert.Equal(t, privatefile.NoFile, none.Digest)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	empty, err := privatefile.Read(path, none)
	require.NoError(t, err)
	assert.NotNil(t, empty.Content, "a file is there")
	assert.NotEqual(t, none.Digest, empty.Digest)

	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	full, err := privatefile.Read(path, empty)
	require.NoError(t, err)
	assert.Equal(t, "content", string(full.Content))
	assert.NotEqual(t, empty.Digest, full.Digest)

	require.NoError(t, os.Remove(path))
	gone, err := privatefile.Read(path, full)
	require.NoError(t, err)
	assert.Equal(t, none, gone)
}

// A young file may change within one tick of the file system's clock, so its stamp is not trusted.
func TestReadTrustsTheStampOfAnOldFileOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	rewrite := func(content string, age time.Duration, stamp time.Time) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chtimes(path, stamp.Add(-age), stamp.Add(-age)))
	}
	now := time.Now().Truncate(time.Second)
	for name, test := range map[string]struct {
		age  time.Duration
		next string
		want string
	}{
		"young, same size": {0, "bbbb", "bbbb"},
		"old, same size":   {time.Hour, "bbbb", "aaaa"}, // nobody writes with a stamp of an hour ago
		"old, other size":  {time.Hour, "bbbbb", "bbbbb"},
	} {
		rewrite("aaaa", test.age, now)
		first, err := privatefile.Read(path, privatefile.Snapshot{})
		require.NoError(t, err, name)
		rewrite(test.next, test.age, now)
		second, err := privatefile.Read(path, first)
		require.NoError(t, err, name)
		assert.Equal(t, test.want, string(second.Content), name)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge")
	require.NoError(t, os.WriteFile(huge, nil, 0o600))
	require.NoError(t, os.Truncate(huge, 64<<20+1))
	for path, want := range map[string]string{
		dir:  "no regular file",
		huge: "larger than 64 MiB; it may be another program's file",
	} {
		_, err := privatefile.Read(path, privatefile.Snapshot{})
		require.ErrorContains(t, err, want)
	}
	if onWindows {
		return // there a file has the permissions of its folder
	}
	path := filepath.Join(dir, "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 10)), 0o600))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	seen, err := privatefile.Read(path, privatefile.Snapshot{})
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := privatefile.Read(path, seen)
		require.ErrorContains(t, err, "others can read or write it")
		require.ErrorContains(t, err, `chmod 600 "`+path+`"`, "the way out")
	}
}
