package privatefile_test

import (
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	_, err := privatefile.Read(path, seed)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.False(t, privatefile.IsUnchanged(path, privatefile.Seen{}))

	sums := make(map[uint64]bool)
	for _, content := range []string{"", "content", "contenT"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		file, err := privatefile.Read(path, seed)
		require.NoError(t, err)
		assert.NotNil(t, file.Content, "a file is there")
		assert.Equal(t, content, string(file.Content))
		assert.Equal(t, maphash.String(seed, content), file.Sum)
		require.NoError(t, file.Unfit)
		sums[file.Sum] = true
	}
	assert.Len(t, sums, 3)
}

// A young file may change within one tick of the file system's clock, so its stamp is not trusted.
func TestOnlyTheStampOfAnOldFileIsTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	rewrite := func(content string, age time.Duration, stamp time.Time) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chtimes(path, stamp.Add(-age), stamp.Add(-age)))
	}
	now := time.Now().Truncate(time.Second)
	for name, test := range map[string]struct {
		age  time.Duration
		next string
		want bool
	}{
		"young, same size": {-time.Hour, "bbbb", false}, // however long this takes
		"old, same size":   {time.Hour, "bbbb", true},   // nobody writes with a stamp of an hour ago
		"old, other size":  {time.Hour, "bbbbb", false},
	} {
		rewrite("aaaa", test.age, now)
		first, err := privatefile.Read(path, seed)
		require.NoError(t, err, name)
		rewrite(test.next, test.age, now)
		assert.Equal(t, test.want, privatefile.IsUnchanged(path, first.Seen), name)
	}
	require.NoError(t, os.Remove(path))
	rewrite("aaaa", time.Hour, now)
	first, err := privatefile.Read(path, seed)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	assert.False(t, privatefile.IsUnchanged(path, first.Seen))
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge")
	require.NoError(t, os.WriteFile(huge, nil, 0o600))
	require.NoError(t, os.Truncate(huge, privatefile.MaxSize+1))
	for path, want := range map[string]string{
		dir:  "no regular file but a folder",
		huge: "larger than 64 MiB; it may be another program's file",
	} {
		_, err := privatefile.Read(path, seed)
		require.ErrorContains(t, err, want)
	}
	if onWindows {
		return // there a file has the permissions of its folder
	}
	path := filepath.Join(dir, "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 10)), 0o600))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	seen, err := privatefile.Read(path, seed)
	require.NoError(t, err)
	assert.True(t, privatefile.IsUnchanged(path, seen.Seen))
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		assert.False(t, privatefile.IsUnchanged(path, seen.Seen))
		file, err := privatefile.Read(path, seed)
		require.NoError(t, err)
		require.ErrorContains(t, file.Unfit, "others can read or write it")
		require.ErrorContains(t, file.Unfit, `chmod 600 "`+path+`"`, "the way out")
	}
}

func TestReadForeign(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "token"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(file, []byte("content"), 0o644)) // others may read it
	stamp := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(file, stamp, stamp))
	require.NoError(t, os.Symlink(file, link))
	for _, path := range []string{file, link} {
		content, changed, err := privatefile.ReadForeign(path, 7)
		require.NoError(t, err)
		assert.Equal(t, "content", string(content))
		assert.True(t, stamp.Equal(changed))
	}
	for path, want := range map[string]string{
		dir: "no regular file but a folder", file: "larger than 0 KiB",
	} {
		_, _, err := privatefile.ReadForeign(path, 6)
		require.ErrorContains(t, err, want)
	}
	_, _, err := privatefile.ReadForeign(filepath.Join(dir, "gone"), 6)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
