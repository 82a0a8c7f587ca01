package reauth

import (
	"context"
	"errors"
	"fmt"
)

// identified is a store that can be given another identity.
type identified interface {
	Store
	NewIdentity(ctx context.Context) (string, error)
}

var (
	_ identified = (*FileStore)(nil)
	_ identified = (*SQLStore)(nil)
	_ identified = (*sealedStore)(nil)
)

// NewIdentity gives the inner store another identity, and seals its records for that one. Nothing is
// changed unless every sealed record opens.
//
// Until the end of it, records are bound to no identity. So they open wherever it breaks off, and it can
// be called again. When it returns an identity with an error, the store has that one, and each record
// that was not bound to it is bound by its next write.
func (s *sealedStore) NewIdentity(ctx context.Context) (string, error) {
	store, ok := s.store.(identified)
	if !ok {
		return "", fmt.Errorf("reauth: sealed store: %v has no method to give it another identity", s.store)
	}
	formerly, keys, err := s.sealedKeys(ctx)
	if err != nil {
		return "", err
	}
	if err := s.rewriteAll(ctx, keys, sealedUpdate{s: s, loose: true}); err != nil {
		return "", fmt.Errorf("reauth: sealed store: the identity stays: %w", err)
	}
	identity, err := store.NewIdentity(ctx)
	if err != nil {
		return identity, err
	}
	if err := s.rewriteAll(ctx, keys, sealedUpdate{s: s, formerly: formerly}); err != nil {
		return identity, fmt.Errorf("reauth: sealed store: the identity is %s, and not every record is bound to it yet; "+
			"each is when it is written next: %w", identity, err)
	}
	return identity, nil
}

// sealedKeys returns the identity of the inner store, and which records in it are sealed. All of them
// open, or else there is an error.
func (s *sealedStore) sealedKeys(ctx context.Context) (identity string, keys []credentialKey, err error) {
	snap, err := s.store.Load(ctx, "")
	if err != nil {
		return "", nil, err
	}
	var broken []error
	for _, e := range snap.Entries {
		if sealedWith(&e.Credential) == "" {
			continue
		}
		if _, _, err := s.open(snap.Identity, e); err != nil {
			broken = append(broken, &RecordError{e.Credential.Provider, e.Credential.ID, err})
		}
		keys = append(keys, canonicalKey(e.Credential.Provider, e.Credential.ID))
	}
	if len(broken) > 0 {
		return "", nil, fmt.Errorf("reauth: sealed store: the identity stays, as %d of %d sealed records do not open: %w",
			len(broken), len(keys), errors.Join(broken...))
	}
	return snap.Identity, keys, nil
}

// rewriteAll seals the records anew, each as u says.
func (s *sealedStore) rewriteAll(ctx context.Context, keys []credentialKey, u sealedUpdate) error {
	var failed []error
	for _, key := range keys {
		one := u
		one.key = key
		if err := s.rewrite(ctx, &one); err != nil {
			failed = append(failed, &RecordError{key.provider, key.id, err})
		}
	}
	return errors.Join(failed...)
}
