package privatefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

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

func TestFollowFolder(t *testing.T) {
	if onWindows {
		return // a link needs a privilege there
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	require.NoError(t, os.Symlink("folder", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "folder", "file")))
	for _, path := range []string{filepath.Join(dir, "folder", "file"), filepath.Join(dir, "link", "file")} {
		got, err := privatefile.FollowFolder(path)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, "folder", "file"), got, "the file itself stays a link")
	}
}
