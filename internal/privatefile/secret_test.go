package privatefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	got, err := privatefile.ReadSecret(path, 10)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	_, err = privatefile.ReadSecret(path, 9)
	require.EqualError(t, err, "it has 10 bytes; at most 9 are read")
	_, err = privatefile.ReadSecret(filepath.Join(dir, "none"), 10)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = privatefile.ReadSecret(dir, 10)
	require.ErrorContains(t, err, "a folder")
	if onWindows {
		return // there a file has the permissions of its folder, and a link needs a privilege
	}
	require.NoError(t, os.Symlink("key", filepath.Join(dir, "link")))
	got, err = privatefile.ReadSecret(filepath.Join(dir, "link"), 10)
	require.NoError(t, err, "Kubernetes mounts links")
	assert.Equal(t, "0123456789", string(got))
	require.NoError(t, os.Chmod(path, 0o400))
	_, err = privatefile.ReadSecret(path, 10)
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o440, 0o604, 0o620} {
		require.NoError(t, os.Chmod(path, mode))
		_, err = privatefile.ReadSecret(path, 10)
		require.ErrorContains(t, err, "others can read or write it")
		require.ErrorContains(t, err, "chmod 600")
	}
}
