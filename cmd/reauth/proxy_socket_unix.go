//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// maxSocketPath is how many bytes the path of a socket may have: the kernel's structure has room
// for them and a zero.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// checkSocketPath returns why no socket can be at a path.
func checkSocketPath(path string) error {
	switch {
	case path == "":
		return errors.New("unix: wants a path, as in unix:/run/user/1000/reauth.sock")
	case strings.HasPrefix(path, "@"):
		return errors.New("a socket without a file has no mode that keeps others out; name a path")
	case len(path) > maxSocketPath:
		return fmt.Errorf("the path of a socket may have %d bytes, and this one has %d: %s; take a shorter one",
			maxSocketPath, len(path), path)
	}
	return nil
}

// socketLocks is how long to wait for another process that makes a socket in the same folder.
const socketLocks = 5 * time.Second

// listenSocket opens a socket that only its owner may use. What a dead process has left at the path
// is replaced. The folder is locked meanwhile, so that of two processes which find the same dead
// socket one does not remove the other's new one.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	lock := flock.New(filepath.Dir(path), flock.SetFlag(os.O_RDONLY))
	waiting, stop := context.WithTimeout(ctx, socketLocks)
	defer stop()
	if ok, err := lock.TryLockContext(waiting, 10*time.Millisecond); !ok {
		return nil, fmt.Errorf("socket %s: the folder could not be locked: %w", path, err)
	}
	defer func() { _ = lock.Close() }() // the lock ends with the file
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	ln, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, causeOf(err))
	}
	made, err := os.Lstat(path)
	if err != nil {
		_ = ln.Close() // it has accepted nothing yet
		return nil, fmt.Errorf("socket %s: %w", path, causeOf(err))
	}
	return &socket{UnixListener: ln, path: path, made: made}, nil
}

// clearSocket removes what a dead process has left at the path.
func clearSocket(ctx context.Context, path string) error {
	at, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket %s: %w", path, causeOf(err))
	case at.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("socket %s: there is something else at this path; choose another one with --listen", path)
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("socket %s is in use, perhaps by another reauth proxy; stop that, "+
			"or choose another path with --listen", path)
	// Nobody listens: the process that made it has ended without removing it.
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("socket %s is there, and it cannot be told whether somebody uses it: %w", path, causeOf(err))
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket %s is a dead process's, and cannot be removed: %w", path, causeOf(err))
	}
	return nil
}

// masking guards the mask of the process.
var masking sync.Mutex //nolint:gochecknoglobals // the mask is the process's

// listenPrivately binds a socket under a mask that lets it have no mode but 0600, so that there is
// no moment in which others may connect. It is called before anything else of the process makes
// files.
func listenPrivately(path string) (*net.UnixListener, error) {
	masking.Lock()
	defer masking.Unlock()
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	return ln, nil
}

// socket is a listener that removes its socket when it is closed, unless another one is at the path
// by then.
type socket struct {
	*net.UnixListener
	path string
	made os.FileInfo
	once sync.Once
}

// Close implements net.Listener. The socket goes first: a process that comes now finds none.
func (s *socket) Close() error {
	s.once.Do(func() {
		if at, err := os.Lstat(s.path); err == nil && os.SameFile(at, s.made) {
			_ = os.Remove(s.path) // what is left is found dead by the next process
		}
	})
	return s.UnixListener.Close()
}

// causeOf returns the cause of an error whose own text repeats the path.
func causeOf(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
