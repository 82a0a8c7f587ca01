//go:build unix

package privatefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// world is a folder in a folder, with a file that is trusted.
func world(t *testing.T) (above, dir, path string) {
	t.Helper()
	above, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	dir = filepath.Join(above, "folder")
	path = filepath.Join(dir, "sources.json")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	return above, dir, path
}

func TestReadTrusted(t *testing.T) {
	_, dir, path := world(t)
	content, err := privatefile.ReadTrusted(path, 7)
	require.NoError(t, err)
	assert.Equal(t, "content", string(content))
	t.Chdir(dir)
	_, err = privatefile.ReadTrusted("sources.json", 7)
	require.NoError(t, err, "a relative path is one of the process's folder")
	_, err = privatefile.ReadTrusted(path, 6)
	require.ErrorContains(t, err, "it is larger than")
	_, err = privatefile.ReadTrusted(filepath.Join(dir, "none"), 7)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = privatefile.ReadTrusted(filepath.Join(dir, "no", "folder"), 7)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Whatever lets another user decide what is run is refused, with the way out.
func TestReadTrustedRefusesWhatOthersCanChange(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(above, dir, path string) error
		want  string
	}{
		"file for its group":     {func(_, _, p string) error { return os.Chmod(p, 0o640) }, "(mode 0640); run: chmod 600"},
		"file for all to write":  {func(_, _, p string) error { return os.Chmod(p, 0o606) }, "(mode 0606); run: chmod 600"},
		"folder of a group":      {func(_, d, _ string) error { return os.Chmod(d, 0o770) }, "folder (mode 0770)"},
		"folder like /tmp":       {func(_, d, _ string) error { return os.Chmod(d, 0o777|fs.ModeSticky) }, "folder (mode 0777)"},
		"folder above for all":   {func(a, _, _ string) error { return os.Chmod(a, 0o777) }, "(mode 0777), so they could have anything run"},
		"folder above like /tmp": {func(a, _, _ string) error { return os.Chmod(a, 0o777|fs.ModeSticky) }, ""},
		"link": {func(_, _, p string) error {
			return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p))
		}, "it is a link"},
		"pipe": {func(_, _, p string) error {
			return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600))
		}, "no regular file but a pipe"},
		"folder by a link": {func(_, d, _ string) error {
			return errors.Join(os.Rename(d, d+"2"), os.Symlink(d+"2", d))
		}, ""},
		"folder by a link to one of all": {func(_, d, _ string) error {
			return errors.Join(os.Rename(d, d+"2"), os.Symlink(d+"2", d), os.Chmod(d+"2", 0o777))
		}, "folder2 (mode 0777)"},
	} {
		t.Run(name, func(t *testing.T) {
			above, dir, path := world(t)
			require.NoError(t, c.spoil(above, dir, path))
			_, err := privatefile.ReadTrusted(path, 100)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Root runs nothing that another user has written, also where it uses that user's store.
func TestReadTrustedOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		require.NoError(t, privatefile.CheckTrustedFolder("/"), "root is trusted")
		return // only root can give a file away
	}
	const nobody = 65534
	above, dir, path := world(t)
	require.NoError(t, os.Chown(path, nobody, nobody))
	_, err := privatefile.ReadTrusted(path, 100)
	require.ErrorContains(t, err, "it belongs to another user (uid 65534; this process is uid 0)")
	require.NoError(t, os.Chown(dir, nobody, nobody))
	_, err = privatefile.ReadTrusted(path, 100)
	require.ErrorContains(t, err, "its folder "+dir+" belongs to another user", "Read would take it")
	require.NoError(t, os.Chown(dir, 0, 0))
	require.NoError(t, os.Chown(path, 0, 0))
	require.NoError(t, os.Chown(above, nobody, nobody))
	_, err = privatefile.ReadTrusted(path, 100)
	require.ErrorContains(t, err, "its folder "+strings.TrimSuffix(above, "/")+" belongs to another user")
}

// A file that is replaced while it is read is read all the same: the old one or the new.
func TestReadTrustedWhileItIsReplaced(t *testing.T) {
	_, _, path := world(t)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				assert.NoError(t, replace(path, "content"))
			}
		}
	})
	for range 2000 {
		content, err := privatefile.ReadTrusted(path, 7)
		require.NoError(t, err)
		require.Equal(t, "content", string(content))
	}
	close(stop)
	writer.Wait()
}
