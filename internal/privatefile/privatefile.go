// Package privatefile reads, locks and replaces a file that only its owner may read.
//
// A file is replaced as a whole, so that a reader finds the old content or the new. Processes that
// change a file agree on a lock file beside it, and hold its lock over reading and replacing.
package privatefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// FollowLinks is filepath.EvalSymlinks for a file, or a folder, that need not exist yet.
func FollowLinks(path string) (string, error) {
	for range 40 { // as many links as Linux follows
		target, err := os.Readlink(path)
		if err != nil {
			break // path is no link
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return filepath.Clean(path), nil
	case err != nil:
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

const lockPoll = 10 * time.Millisecond // flock(2) cannot wait with a deadline

// Lock waits for the lock of the file at path, and makes the file and its folder if need be. The
// lock excludes other calls in this process and in others; the kernel releases it when the process
// dies.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := flock.New(path, flock.SetPermissions(0o600)) // a lock of its own excludes other goroutines too
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("waiting for the lock: %w", context.Cause(ctx))
		}
		return nil, err
	}
	if err := errors.Join(ownAsFolder(dir), ownAsFolder(path)); err != nil {
		_ = l.Unlock()
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil // an error of Unlock cannot keep the lock: the file is closed
}

// ownAsFolder gives path to the owner of the folder it is in.
func ownAsFolder(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	return keepOwner(path, info)
}

// Replace makes content the content of the file at path, and makes the file, with mode 0600, if
// need be. It syncs the content to disk before the file has its name. The file keeps its owner.
//
// The caller holds a lock that excludes other calls of Replace: temporary files beside the file are
// taken for those of writers that died, and are removed.
func Replace(path string, content []byte) error {
	dir, base := filepath.Split(path)
	prefix := "." + base + "."
	removeLeftovers(dir, prefix)
	tmp, err := os.CreateTemp(dir, prefix+"*.tmp") // with mode 0600
	if err != nil {
		return err
	}
	err = fill(tmp, path, content)
	if err == nil {
		err = rename(tmp.Name(), path, dir)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // err says more
	}
	return err
}

// fill gives tmp the owner of the file at path, writes its content, and closes it.
func fill(tmp *os.File, path string, content []byte) error {
	owner := ownAsFolder(tmp.Name())
	if old, err := os.Stat(path); err == nil {
		owner = keepOwner(tmp.Name(), old)
	}
	if owner != nil {
		return errors.Join(owner, tmp.Close())
	}
	if _, err := tmp.Write(content); err != nil {
		return errors.Join(err, tmp.Close())
	}
	return errors.Join(tmp.Sync(), tmp.Close())
}

// removeLeftovers removes the temporary files of writers that were killed, because they hold
// tokens.
func removeLeftovers(dir, prefix string) {
	entries, _ := os.ReadDir(dir) // Replace will tell what is wrong with a folder that cannot be read
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".tmp") {
			_ = os.Remove(filepath.Join(dir, name)) // a file that stays is removed next time
		}
	}
}
