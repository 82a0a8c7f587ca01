package privatefile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListsMount(t *testing.T) {
	const table = "22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda rw\n" +
		`36 22 98:0 /auth.json /data/my\040file\134.json rw - ext4 /dev/vda rw` + "\n" +
		"37 22 98:0 /auth.json /data/auth.json rw - ext4 /dev/vda rw\n38 broken"
	for path, want := range map[string]bool{
		"/data/auth.json": true, `/data/my file\.json`: true, "/data": false, "/data/auth": false, "/auth.json": false,
	} {
		assert.Equal(t, want, listsMount([]byte(table), path), path)
	}
}

// A container's engine can mount a file alone. A new file cannot take its name then.
func TestFileMountedAlone(t *testing.T) {
	dir := t.TempDir()
	from, path := filepath.Join(dir, "from"), filepath.Join(dir, "auth.json")
	for _, p := range []string{from, path} {
		require.NoError(t, os.WriteFile(p, nil, 0o600))
	}
	assert.False(t, isMountPoint(path))
	if err := syscall.Mount(from, path, "", syscall.MS_BIND, ""); err != nil {
		require.ErrorIs(t, err, syscall.EPERM, "a user may not mount; TestListsMount reads a table")
		return
	}
	defer func() { require.NoError(t, syscall.Unmount(path, 0)) }()
	assert.True(t, isMountPoint(path))
	assert.False(t, isMountPoint(from))
	wrong := CheckPlace(path)
	require.Len(t, wrong, 1)
	require.ErrorContains(t, wrong[0], "mount its folder instead")
}
