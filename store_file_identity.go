package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
)

// NewIdentity gives the store another identity, and returns it. A copy of a file has the identity of
// its original; processes that have seen the original take a copy with another identity for another
// store (see Snapshot.Identity). Records and marks stay. The tokens in them stay those of the
// original: only a new login gives the copy a refresh token that the original does not spend.
//
// The result of an exchange that is under way, or that could not be stored, is for the identity
// before; it is not stored any more. So call it before the copy is used. Sealed records are bound to
// the identity: it refuses to leave them behind, and the NewIdentity of the sealed store seals them anew.
//
// It waits for the file's lock, as long as ctx allows. A file that is missing is an error. One of
// version 1 has no identity yet; it is upgraded.
func (s *FileStore) NewIdentity(ctx context.Context) (string, error) {
	identity, err := s.newIdentity(ctx)
	return identity, s.fail(err)
}

var errNoFile = errors.New("there is no file; the first credential that is added makes one, with an identity of its own")

func (s *FileStore) newIdentity(ctx context.Context) (string, error) {
	if err := s.vetThere(errNoFile); err != nil {
		return "", err
	}
	place, held, err := lockFile(ctx, s.path)
	if err != nil {
		return "", err
	}
	defer held.Unlock()
	p, err := s.planIdentity()
	if err != nil {
		return "", err
	}
	return p.identity, s.replace(place, p)
}

// planIdentity makes the next content of the file, which differs in its identity.
func (s *FileStore) planIdentity() (*fileSplice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, _, err := s.look(true)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errMissing) {
		err = errNoFile
	}
	if err != nil {
		return nil, err
	}
	if err := checkUnbound(s.index.changedSince(-1, content, nil)); err != nil { // since before the first
		return nil, err
	}
	p := s.index.newHead(content, rand.Text())
	p.base = s.index.counter
	return p, nil
}
