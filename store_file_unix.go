//go:build unix

package reauth

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// checkPrivate refuses a file that others can read or write.
func checkPrivate(path string, info os.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("others can read or write it (mode %04o), and it holds tokens; run: chmod 600 %q", perm, path)
	}
	return nil
}

// keepOwner gives a file that an administrator's process made to the owner of another: a command run as root must not lock
// the user out of his own store.
func keepOwner(path string, as os.FileInfo) error {
	st, ok := as.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil
	}
	return os.Lchown(path, int(st.Uid), int(st.Gid))
}

// replaceFile makes tmp the file at path, for readers at once and also after a loss of power.
func replaceFile(tmp, path, dir string) error {
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some file systems have no such thing
	}
	return errors.Join(err, d.Close())
}
