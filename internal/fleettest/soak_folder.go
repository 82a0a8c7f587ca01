//go:build unix

package fleettest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// SoakFolder makes a folder for the store of a Soak, which the test may enter and change. Root does
// not heed the modes of files, so that for root the workers are another user's; account tells whose,
// and Own gives files to that user.
func SoakFolder(t testing.TB) (root string, account *Account) {
	t.Helper()
	root, err := os.MkdirTemp("", "soak")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(root)) })
	root, err = filepath.EvalSymlinks(root)
	require.NoError(t, err)
	if os.Getuid() != 0 {
		return root, nil
	}
	const nobody = 65534
	account = &Account{UID: nobody, GID: nobody, Binary: filepath.Join(root, "worker")}
	self, err := os.Executable()
	require.NoError(t, err)
	binary, err := os.ReadFile(self)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(account.Binary, binary, 0o755))
	require.NoError(t, os.Chmod(root, 0o755))
	return root, account
}

// Own gives files to the user. Without an account they stay as they are.
func (a *Account) Own(paths ...string) (err error) {
	if a == nil {
		return nil
	}
	for _, path := range paths {
		err = errors.Join(err, os.Lchown(path, a.UID, a.GID))
	}
	return err
}

// ReadOnly takes the right to write from those files and folders that are there, until its end.
func ReadOnly(paths ...string) (end func() error, err error) {
	modes := make(map[string]fs.FileMode)
	end = func() (err error) {
		for path, mode := range modes {
			if wrong := os.Chmod(path, mode); wrong != nil && !errors.Is(wrong, fs.ErrNotExist) {
				err = errors.Join(err, wrong)
			}
		}
		return err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			modes[path] = info.Mode()
			err = os.Chmod(path, info.Mode()&0o500)
		}
		if err != nil {
			return nil, errors.Join(err, end())
		}
	}
	return end, nil
}
