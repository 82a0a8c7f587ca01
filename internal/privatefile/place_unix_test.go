//go:build unix

package privatefile_test

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// Opening a pipe waits for a writer, and a device may do anything.
func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	old, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.Chdir(dir)) // the path of a socket must be short
	l, err := net.Listen("unix", "s")
	require.NoError(t, os.Chdir(old))
	require.NoError(t, err)
	defer l.Close()
	for path, want := range map[string]string{fifo: "a pipe", socket: "a socket", "/dev/null": "a device"} {
		_, err := privatefile.Read(path, seed)
		require.ErrorContains(t, err, "it is no regular file but "+want, path)
	}
}

func TestReadRefusesAnotherUsersFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	unfit := func() error {
		file, err := privatefile.Read(path, seed)
		require.NoError(t, err)
		return file.Unfit
	}
	require.NoError(t, unfit())
	if os.Geteuid() != 0 {
		file, err := privatefile.Read("/etc/passwd", seed)
		require.NoError(t, err)
		require.ErrorContains(t, file.Unfit, "it belongs to another user (uid 0;")
		return
	}
	const nobody, other = 65534, 65533
	require.NoError(t, os.Chown(path, nobody, nobody))
	require.ErrorContains(t, unfit(), "it belongs to another user (uid 65534; this process is uid 0)")
	require.NoError(t, os.Chown(dir, nobody, nobody))
	require.NoError(t, unfit(), "root works on a user's store")
	for _, mode := range []os.FileMode{0o777, 0o1777, 0o770, 0o703} {
		require.NoError(t, syscall.Chmod(dir, uint32(mode.Perm())))
		if mode == 0o1777 {
			require.NoError(t, os.Chmod(dir, os.ModeSticky|0o777))
		}
		require.Error(t, unfit(), "others may write to the folder: %s", mode)
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, os.Chown(path, other, other))
	require.Error(t, unfit(), "the folder is somebody else's")
}

func TestCheckPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.json")
	assert.Empty(t, privatefile.CheckPlace(path))
	assert.Empty(t, privatefile.CheckPlace(filepath.Join(dir, "no", "folder")))
	for mode, want := range map[os.FileMode]string{
		0o777:                 "(mode 0777), so they can replace or remove the file",
		0o770:                 "(mode 0770), so they can replace or remove the file",
		os.ModeSticky | 0o777: "(mode 0777), so they can make files beside it",
	} {
		require.NoError(t, os.Chmod(dir, mode))
		wrong := privatefile.CheckPlace(path)
		require.Len(t, wrong, 1)
		require.ErrorContains(t, wrong[0], want)
		require.ErrorContains(t, wrong[0], `chmod go-w "`+dir+`"`)
	}
	require.NoError(t, os.Chmod(dir, 0o500))
	if os.Geteuid() != 0 { // root can write everywhere
		wrong := privatefile.CheckPlace(path)
		require.Len(t, wrong, 1)
		require.ErrorContains(t, wrong[0], "nothing can be saved in the folder "+dir+": permission denied")
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
