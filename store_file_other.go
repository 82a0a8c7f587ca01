//go:build !unix

package reauth

import (
	"os"
	"time"
)

// checkPrivate has nothing to look at: on Windows a file has the permissions of its folder, and a user's own is private.
func checkPrivate(string, os.FileInfo) error { return nil }

func keepOwner(string, os.FileInfo) error { return nil }

// replaceFile makes tmp the file at path. Windows refuses that while somebody has the old file open, which readers do for
// a moment.
func replaceFile(tmp, path, _ string) error {
	var err error
	for range 100 {
		if err = os.Rename(tmp, path); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
