package reauth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/reauth-go/reauth/internal/privatefile"
)

// FileStore is a Store in one JSON file, which the processes of one host share. The operating
// system's locks keep them apart: one lock per credential, held over a whole exchange, and one for
// the file, held while it is rewritten. The kernel releases them when a process dies.
//
// The file holds tokens in the clear. It is made with mode 0600, and a file that others can read or
// write is refused. It is replaced as a whole, synced to disk first, so that a reader finds the old
// content or the new. The store keeps members that this version does not know, and never writes a
// file that it cannot read.
//
// The locks are files beside it, "<name>.lock" and "<name>.locks/". They hold nothing and stay; do
// not remove them while a process uses the store. A symbolic link is followed once, to the file it
// names. The file must be on a file system of this host, because the locks of network file systems
// cannot be relied upon; use SQLStore there.
//
// Its methods may be called from several goroutines, and several FileStores of one path may be used
// side by side.
type FileStore struct {
	path string
	err  error // why path cannot be made absolute

	mu   sync.Mutex
	real string               // path with symbolic links resolved; empty: not resolved yet; guarded by mu
	seen privatefile.Snapshot // the file as it was read last; guarded by mu
}

// NewFileStore returns a store in the file at path. Nothing is read or created before it is used:
// OpenPool tells whether the file can be read, and the first credential added creates it, and its
// folder with mode 0700.
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
	file, err := s.read()
	if err != nil {
		return nil, "", s.fail(err)
	}
	if version == file.Digest {
		return nil, file.Digest, nil
	}
	doc, err := parseDocument(file.Content)
	if err != nil {
		return nil, "", s.fail(err)
	}
	entries := make([]Entry, 0, len(doc.entries))
	for _, e := range doc.entries {
		entries = append(entries, e.Entry)
	}
	return entries, file.Digest, nil
}

// Update holds the credential's lock while fn runs, and reads the file only when it has that lock.
func (s *FileStore) Update(
	ctx context.Context, provider, id string, fn func(Credential, bool) (Credential, error),
) (Credential, error) {
	unlock, err := s.claim(ctx, provider, id)
	if err != nil {
		return Credential{}, s.fail(err)
	}
	defer unlock()
	doc, err := s.document()
	if err != nil {
		return Credential{}, s.fail(err)
	}
	var old Credential
	entry := doc.find(provider, id)
	if entry != nil {
		old = entry.Credential
	}
	got, err := fn(old.clone(), entry != nil)
	if err != nil {
		return Credential{}, err
	}
	got.Provider, got.ID = provider, id
	if err := s.persist(ctx, old, entry != nil, got); err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, s.fail(err))
	}
	return got, nil
}

// persist writes got in the place of old, unless the file holds other tokens there by now.
func (s *FileStore) persist(ctx context.Context, old Credential, found bool, got Credential) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	return s.change(ctx, func(doc *fileDocument) (bool, error) {
		now := doc.find(got.Provider, got.ID)
		switch {
		case found && now == nil:
			return false, errors.New("the credential was removed meanwhile")
		case !found && now != nil, now != nil && !sameTokens(now.Credential, old):
			return false, errors.New("somebody else has written other tokens meanwhile")
		}
		doc.put(got)
		return true, nil
	})
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
	return s.fail(s.change(ctx, func(doc *fileDocument) (bool, error) {
		return doc.remove(provider, id), nil
	}))
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
	return privatefile.Lock(ctx, filepath.Join(real+".locks", digest(provider+"\x00"+id)+".lock"))
}

// change rewrites the file under its lock if f, which may change the document, returns true.
func (s *FileStore) change(ctx context.Context, f func(*fileDocument) (changed bool, err error)) error {
	real, err := s.resolve()
	if err != nil {
		return err
	}
	unlock, err := privatefile.Lock(ctx, real+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	doc, err := s.document()
	if err != nil {
		return err
	}
	if changed, err := f(doc); err != nil || !changed {
		return err
	}
	b, err := doc.encode()
	if err != nil {
		return err
	}
	return privatefile.Replace(real, b)
}

// document returns the file's content as it is now.
func (s *FileStore) document() (*fileDocument, error) {
	file, err := s.read()
	if err != nil {
		return nil, err
	}
	return parseDocument(file.Content)
}

// read returns the file as it is now. It looks into the file only when the file has changed, or may
// have.
func (s *FileStore) read() (privatefile.Snapshot, error) {
	real, err := s.resolve()
	if err != nil {
		return privatefile.Snapshot{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := privatefile.Read(real, s.seen)
	if err != nil {
		return privatefile.Snapshot{}, err
	}
	s.seen = file
	return file, nil
}

// resolve returns the path of the file itself. It follows symbolic links once: a link that changes
// later changes nothing.
func (s *FileStore) resolve() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.real != "" {
		return s.real, s.err
	}
	real, err := privatefile.FollowLinks(s.path)
	if err != nil {
		return "", err
	}
	s.real = real
	return real, nil
}
