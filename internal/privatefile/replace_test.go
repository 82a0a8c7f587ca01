package privatefile_test

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

const onWindows = runtime.GOOS == "windows"

var seed = maphash.MakeSeed()

// replace makes content the content of a file, in pieces of a byte.
func replace(path, content string) error {
	var pieces [][]byte
	for _, b := range []byte(content) {
		pieces = append(pieces, []byte{b})
	}
	_, err := privatefile.Replace(path, seed, pieces...)
	return err
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	others := []string{".auth.json.123.txt", ".auth.json.bak", "auth.json.123.tmp", ".other.json.123.tmp"}
	for _, name := range append(others, ".auth.json.123.tmp") { // the last by a writer that was killed
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte("tokens"), 0o600))
	}
	for _, content := range []string{"old", "new", ""} {
		require.NoError(t, replace(path, content))
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
	require.Error(t, replace(path, "content"), "a folder is not replaced")
	assert.Equal(t, []string{"folder"}, namesIn(t, dir))
	require.Error(t, replace(filepath.Join(dir, "no", "file"), ""), "it makes no folder")
}

func namesIn(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestReplaceTellsWhatItWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	long := strings.Repeat("x", 200<<10)
	seen, err := privatefile.Replace(path, seed, []byte("a"), []byte(long), nil, []byte("b"))
	require.NoError(t, err)
	file, err := privatefile.Read(path, seed)
	require.NoError(t, err)
	assert.Equal(t, "a"+long+"b", string(file.Content))
	assert.Equal(t, file.Sum, seen.Sum)
	part, ok := privatefile.ReadPart(path, seen, len(long), 2)
	assert.True(t, ok)
	assert.Equal(t, "xb", string(part))
	_, ok = privatefile.ReadPart(path, seen, len(long), 3)
	assert.False(t, ok, "beyond the end")
	require.NoError(t, replace(path, "other"))
	_, ok = privatefile.ReadPart(path, seen, 0, 1)
	assert.False(t, ok, "another file")
	_, ok = privatefile.ReadPart(path, privatefile.Seen{}, 0, 1)
	assert.False(t, ok, "not seen yet")
}
