//go:build !unix

package privatefile

import (
	"io/fs"
	"os"
	"time"
)

// checkPrivate has nothing to check. On Windows a file has the permissions of its folder, and a
// user's own folder is private.
func checkPrivate(string, fs.FileInfo) error { return nil }

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
