//go:build !unix

package privatefile

import (
	"io/fs"
	"os"
	"time"
)

const openWithoutWaiting = 0 // no open waits

// checkPrivate has nothing to check. On Windows a file has the permissions of its folder, and a
// user's own folder is private.
func checkPrivate(string, fs.FileInfo) error { return nil }

// checkSecret has nothing to check, as checkPrivate.
func checkSecret(string, fs.FileInfo) error { return nil }

// checkTrusted has nothing to check, as checkPrivate.
func checkTrusted(string, fs.FileInfo) error { return nil }

// checkTrustedFolder has nothing to check, as checkPrivate.
func checkTrustedFolder(string, fs.FileInfo, bool) error { return nil }

// CheckLockFolder has nothing to check.
func CheckLockFolder(string) error { return nil }

// writableByOthers is false: permissions are not in the mode.
func writableByOthers(fs.FileInfo) bool { return false }

// sameOwner is true: the owner is not in the information.
func sameOwner(_, _ fs.FileInfo) bool { return true }

// keepOwner has nothing to do: an administrator's file does not lock the user out.
func keepOwner(string, fs.FileInfo) error { return nil }

// rename makes tmp the file at path. Windows refuses that while another process has the old file
// open, as readers do for a moment, so rename tries for a second.
func rename(tmp, path, _ string) error {
	var err error
	for range 100 {
		if err = os.Rename(tmp, path); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// syncFolder has nothing to do: a folder cannot be synced.
func syncFolder(string) error { return nil }

// removeLocked releases the lock first, because an open file cannot be removed. When another
// process has opened it by then, it stays.
func removeLocked(path string, unlock func()) {
	unlock()
	_ = os.Remove(path)
}
