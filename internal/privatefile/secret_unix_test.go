//go:build unix

package privatefile

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// systemd shows the access of a service to its credential as a bit for the group, and Kubernetes gives
// a secret to a group of the pod. Both belong to root.
func TestWhoMayReadASecret(t *testing.T) {
	const root, me = 0, 1000
	for _, c := range []struct {
		owner, reader int
		perm          fs.FileMode
		good          bool
	}{
		{me, me, 0o400, true},
		{me, me, 0o600, true},
		{me, me, 0o440, false},
		{me, me, 0o444, false},
		{root, me, 0o400, true},
		{root, me, 0o440, true},
		{root, me, 0o640, true},
		{root, me, 0o444, false},
		{root, me, 0o660, false},
		{root, root, 0o400, true},
		{root, root, 0o440, false},
	} {
		err := checkSecretMode(c.owner, c.reader, "/key", c.perm)
		assert.Equal(t, c.good, err == nil, "%+v: %v", c, err)
	}
}

func TestSecretOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chown(path, 65534, 65534))
	_, err := ReadSecret(path, 10)
	require.ErrorContains(t, err, "belongs to another user")
	require.NoError(t, os.Chown(dir, 65534, 65534))
	_, err = ReadSecret(path, 10)
	require.NoError(t, err, "root works on a user's files")
}
