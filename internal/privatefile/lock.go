package privatefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const lockPoll = 10 * time.Millisecond // flock(2) cannot wait with a deadline

// Held is a lock that this process holds. The kernel releases it when the process dies.
type Held struct{ lock *flock.Flock }

// Lock waits for the lock of the file at path, and makes the file and its folder if need be. The
// lock excludes other calls in this process and in others. It returns only with the lock of the
// file that has that path then: a file that another process removed excludes nobody.
func Lock(ctx context.Context, path string) (*Held, error) {
	if err := MakeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	for {
		l := flock.New(path, flock.SetPermissions(0o600)) // a lock of its own excludes other goroutines too
		if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("waiting for the lock: %w", context.Cause(ctx))
			}
			return nil, err
		}
		held := &Held{l}
		if held.Lost() != nil {
			held.Unlock()
			continue
		}
		if err := ownAsFolder(path); err != nil {
			held.Unlock()
			return nil, err
		}
		return held, nil
	}
}

// TryLock takes the lock of a file that is there if nobody holds it. Else it returns nil.
func TryLock(path string) *Held {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	if ok, err := l.TryLock(); err != nil || !ok {
		return nil
	}
	held := &Held{l}
	if held.Lost() != nil {
		held.Unlock()
		return nil
	}
	return held
}

// Lost returns an error when the file of the lock is not the one at its path any more. Then the
// lock excludes nobody.
func (h *Held) Lost() error {
	mine, err := h.lock.Stat()
	if err != nil {
		return err
	}
	at, err := os.Stat(h.lock.Path())
	if err != nil {
		return err
	}
	if !os.SameFile(mine, at) {
		return errors.New("somebody has removed the file of the lock")
	}
	return nil
}

// Unlock releases the lock. Its file stays.
func (h *Held) Unlock() { _ = h.lock.Unlock() } // an error cannot keep the lock: the file is closed

// Remove removes the file of the lock, and releases the lock. Who waits for it notices.
func (h *Held) Remove() { removeLocked(h.lock.Path(), h.Unlock) }

// MakeFolder makes a folder that only its owner may enter, if need be.
func MakeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return ownAsFolder(dir)
}

// ownAsFolder gives path to the owner of the folder it is in, if nobody else may write there.
func ownAsFolder(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if writableByOthers(info) {
		return nil
	}
	return keepOwner(path, info)
}
