package reauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// FileStore is a Store in one JSON file, shared by the processes of one host under the operating system's locks: one lock
// per credential, held over a whole exchange, and a short one for the file. The kernel releases them when a process dies.
//
// The file holds tokens in the clear and is made with mode 0600; one that others can read is refused. It is replaced as a
// whole, synced to disk first, so that a reader finds the old content or the new. Members that this version does not know
// are kept, and a file that cannot be read is never written. The locks are files beside it, "<name>.lock" and
// "<name>.locks/"; they hold nothing, stay, and must not be removed while a process uses the store. A symbolic link is
// followed once, to the file it names. The file must be on a file system of this host: the locks of network file systems
// cannot be relied upon, which is what SQLStore is for.
//
// Its methods may be called from several goroutines, and several FileStores of one path may be used side by side.
type FileStore struct {
	path string
	err  error // path cannot be made absolute

	mu   sync.Mutex // guards what follows
	real string     // path with symbolic links resolved; empty: not yet
	seen fileSeen
}

// fileSeen is the content of the file when it was last looked at.
type fileSeen struct {
	info    os.FileInfo // nil: there was no file
	settled bool        // the file was old enough then that a later change shows in its stamp
	digest  string
	content []byte
}

const (
	persistTimeout = 10 * time.Second      // waiting for the file's lock, and writing
	lockPoll       = 10 * time.Millisecond // flock(2) cannot wait with a deadline
	settledAfter   = 2 * time.Second       // the coarsest stamps of file systems in use
	maxFile        = 64 << 20
	noFile         = "none"
)

// NewFileStore returns a store in the file at path. Nothing is read or created before it is used: OpenPool tells whether
// the file can be read, and the first credential added creates it, and its folder with mode 0700.
func NewFileStore(path string) *FileStore {
	s := &FileStore{path: path}
	if path == "" {
		s.err = errors.New("no path was given")
		return s
	}
	s.path, s.err = filepath.Abs(path)
	return s
}

var _ Store = (*FileStore)(nil)

// Load returns all credentials. While the file is as it was, it costs one stat(2).
func (s *FileStore) Load(_ context.Context, version string) ([]Entry, string, error) {
	content, current, err := s.read()
	if err != nil {
		return nil, "", s.fail(err)
	}
	if version == current {
		return nil, current, nil
	}
	doc, err := parseDocument(content)
	if err != nil {
		return nil, "", s.fail(err)
	}
	entries := make([]Entry, 0, len(doc.entries))
	for _, e := range doc.entries {
		entries = append(entries, e.Entry)
	}
	return entries, current, nil
}

// Update holds the credential's lock while fn runs. Whoever gets it re-reads the file first.
func (s *FileStore) Update(ctx context.Context, provider, id string, fn func(Credential, bool) (Credential, error)) (Credential, error) {
	unlock, err := s.claim(ctx, provider, id)
	if err != nil {
		return Credential{}, s.fail(err)
	}
	defer unlock()
	doc, err := s.document()
	if err != nil {
		return Credential{}, s.fail(err)
	}
	var was Credential
	before := doc.find(provider, id)
	if before != nil {
		was = before.Credential
	}
	got, err := fn(was.clone(), before != nil)
	if err != nil {
		return Credential{}, err
	}
	got.Provider, got.ID = provider, id
	persist, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	err = s.change(persist, func(doc *fileDocument) (bool, error) {
		now := doc.find(provider, id)
		switch {
		case before != nil && now == nil:
			return false, errors.New("the credential was removed meanwhile")
		case before == nil && now != nil, now != nil && !sameTokens(now.Credential, was):
			return false, errors.New("somebody else has written other tokens meanwhile")
		}
		doc.put(got)
		return true, nil
	})
	if err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, s.fail(err))
	}
	return got, nil
}

// Mark writes a standing. It waits for the file's lock only.
func (s *FileStore) Mark(ctx context.Context, provider, id string, standing Standing) error {
	return s.fail(s.change(ctx, func(doc *fileDocument) (bool, error) {
		e := doc.find(provider, id)
		if e == nil || standing.At.Before(e.Standing.At) {
			return false, nil
		}
		e.Standing = standing
		return true, nil
	}))
}

// Delete removes a credential, after an exchange of it that is under way.
func (s *FileStore) Delete(ctx context.Context, provider, id string) error {
	unlock, err := s.claim(ctx, provider, id)
	if err != nil {
		return s.fail(err)
	}
	defer unlock()
	return s.fail(s.change(ctx, func(doc *fileDocument) (bool, error) { return doc.remove(provider, id), nil }))
}

// fail names the store in an error.
func (s *FileStore) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reauth: file store %s: %w", s.path, err)
}

// claim takes the lock of a credential.
func (s *FileStore) claim(ctx context.Context, provider, id string) (unlock func(), err error) {
	real, err := s.resolve()
	if err != nil {
		return nil, err
	}
	return lockFile(ctx, filepath.Join(real+".locks", digest(provider+"\x00"+id)+".lock"))
}

// lockFile locks a file and makes it, and its folder, if need be.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// A lock of its own for each call: it excludes other goroutines as it does other processes.
	l := flock.New(path, flock.SetPermissions(0o600))
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
	return func() { _ = l.Unlock() }, nil // closing it cannot fail in a way that keeps the lock
}

// ownAsFolder gives path to the owner of the folder it is in.
func ownAsFolder(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	return keepOwner(path, info)
}

// change rewrites the file under its lock, if f wants that.
func (s *FileStore) change(ctx context.Context, f func(*fileDocument) (bool, error)) error {
	real, err := s.resolve()
	if err != nil {
		return err
	}
	unlock, err := lockFile(ctx, real+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	doc, err := s.document()
	if err != nil {
		return err
	}
	if wanted, err := f(doc); err != nil || !wanted {
		return err
	}
	b, err := doc.encode()
	if err != nil {
		return err
	}
	return writeFile(real, b)
}

// document returns the file's content as it is now.
func (s *FileStore) document() (*fileDocument, error) {
	content, _, err := s.read()
	if err != nil {
		return nil, err
	}
	return parseDocument(content)
}

// read returns the file's content, nil if there is no file, and its digest. It looks into the file only when its stamp has
// changed, or is so young that a change might not show in it.
func (s *FileStore) read() (content []byte, digest string, err error) {
	real, err := s.resolve()
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.seen = fileSeen{digest: noFile}
		return nil, noFile, nil
	case err != nil:
		return nil, "", err
	case s.seen.settled && os.SameFile(s.seen.info, info) && s.seen.info.Size() == info.Size() && s.seen.info.ModTime().Equal(info.ModTime()) && s.seen.info.Mode() == info.Mode():
		return s.seen.content, s.seen.digest, nil
	}
	seen, err := readFile(real)
	if err != nil {
		return nil, "", err
	}
	s.seen = seen
	return seen.content, seen.digest, nil
}

// readFile reads the file and what identifies it, through one descriptor: the name may go to another file meanwhile.
func readFile(path string) (seen fileSeen, err error) {
	f, err := os.Open(path)
	if err != nil {
		return seen, err
	}
	defer f.Close()
	if seen.info, err = f.Stat(); err != nil {
		return seen, err
	}
	switch {
	case !seen.info.Mode().IsRegular():
		return seen, errors.New("it is no regular file")
	case seen.info.Size() > maxFile:
		return seen, fmt.Errorf("it is larger than %d MiB; it may be another program's file", maxFile>>20)
	}
	if err := checkPrivate(path, seen.info); err != nil {
		return seen, err
	}
	if seen.content, err = io.ReadAll(f); err != nil {
		return seen, err
	}
	if seen.content == nil {
		seen.content = []byte{}
	}
	sum := sha256.Sum256(seen.content)
	seen.digest = hex.EncodeToString(sum[:])
	seen.settled = time.Since(seen.info.ModTime()) > settledAfter
	return seen, nil
}

// resolve returns the path of the file itself, and remembers it: a link that is changed later changes nothing.
func (s *FileStore) resolve() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.real != "" {
		return s.real, s.err
	}
	real, err := followLinks(s.path)
	if err == nil {
		s.real = real
	}
	return real, err
}

// followLinks is filepath.EvalSymlinks for a file, or a folder, that may not be there yet.
func followLinks(path string) (string, error) {
	for range 40 { // as many as Linux follows
		target, err := os.Readlink(path)
		if err != nil {
			break // no link
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

// writeFile replaces the file at path, or makes it. Its lock is held: what lies around of earlier writers is of the dead.
func writeFile(path string, content []byte) (err error) {
	dir, base := filepath.Split(path)
	prefix := "." + base + "."
	removeLeftovers(dir, prefix)
	tmp, err := os.CreateTemp(dir, prefix+"*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	owner := ownAsFolder(tmp.Name())
	if old, err := os.Stat(path); err == nil {
		owner = keepOwner(tmp.Name(), old)
	}
	if owner != nil {
		return owner
	}
	if _, err = tmp.Write(content); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return replaceFile(tmp.Name(), path, dir)
}

// removeLeftovers removes the temporary files of writers that were killed: they hold tokens.
func removeLeftovers(dir, prefix string) {
	entries, _ := os.ReadDir(dir) // what cannot be listed is left
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".tmp") {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}
