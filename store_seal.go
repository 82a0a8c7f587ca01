package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
)

// sealedStore seals what a store keeps: see NewSealedStore.
type sealedStore struct {
	store Store
	sealer

	mu      sync.Mutex // guards what follows
	version string     // of the last look for a mark
	peppers map[credentialKey][]byte
}

var _ Store = (*sealedStore)(nil)

// NewSealedStore returns a store over s that keeps tokens and all metadata encrypted: AES-256 in
// Galois/Counter Mode (NIST SP 800-38D) with a random nonce, bound to the store's identity, to provider
// and ID, and to what stays legible. Only provider and ID, Login, Removed, Generation and LastRefresh
// do, so that a program without the key keeps the order of records, and stand-ins for tokens, by which s
// can tell whether two are the same.
//
// key has 32 random bytes; it seals what is written, and opens. old keys only open: a record is sealed
// anew when it is written. Records that are in the clear are read as they are, and sealed when they are
// written next. A nil key seals nothing, which is the way back. A record whose key is missing, or that was
// moved here from elsewhere, is a *RecordError of Snapshot.Broken whose error names the key's id; for
// a missing key it matches ErrSealed. It is never overwritten.
//
// Programs that share s must all use NewSealedStore: to one that does not, a sealed record is broken.
// What a store held before, and copies of it, stay in the clear. The store may be used by several
// goroutines, if s may. It has a method NewIdentity as FileStore has, which seals the records for the
// other identity; s must have one. An error says which key has another length.
func NewSealedStore(s Store, key []byte, old ...[]byte) (Store, error) {
	if s == nil {
		return nil, errors.New("reauth: sealed store: the store is nil")
	}
	sealed := &sealedStore{
		store: s, sealer: sealer{plain: key == nil}, peppers: make(map[credentialKey][]byte),
	}
	if key != nil {
		old = append([][]byte{key}, old...)
	}
	for i, k := range old {
		made, err := newSealingKey(k)
		if err != nil {
			return nil, fmt.Errorf("reauth: sealed store: key %d of %d: %w", i+1, len(old), err)
		}
		sealed.keys = append(sealed.keys, made)
	}
	return sealed, nil
}

// SealingKeyID names a key without telling it: the id that stands in sealed records, and in errors.
func SealingKeyID(key []byte) string {
	k, err := newSealingKey(key)
	if err != nil {
		return ""
	}
	return k.id
}

// String names the store and the key that seals.
func (s *sealedStore) String() string {
	if s.plain {
		return fmt.Sprintf("reauth.SealedStore(%v, unsealing)", s.store)
	}
	return fmt.Sprintf("reauth.SealedStore(%v, key %s)", s.store, s.keys[0].id)
}

// Format prints String under any verb and flag.
func (s *sealedStore) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *sealedStore) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Load implements Store.
func (s *sealedStore) Load(ctx context.Context, version string) (Snapshot, error) {
	snap, err := s.store.Load(ctx, version)
	if err != nil {
		return Snapshot{}, err
	}
	opened := s.openAll(snap.Identity, snap.Entries)
	s.mu.Lock()
	defer s.mu.Unlock()
	readable := opened.entries[:0]
	for i, err := range opened.errs {
		c := &snap.Entries[i].Credential
		if err != nil {
			snap.Broken = append(snap.Broken, &RecordError{c.Provider, c.ID, err})
			continue
		}
		s.know(c, opened.peppers[i])
		readable = append(readable, opened.entries[i])
	}
	snap.Entries = readable
	return snap, nil
}

// openedRecords are what open returned for each record.
type openedRecords struct {
	entries []Entry
	peppers [][]byte
	errs    []error
}

// openedAtOnce is how many records a goroutine opens at least, so that it is worth its start.
const openedAtOnce = 32

// openAll opens records, on as many processors as are of use.
func (s *sealer) openAll(identity string, sealed []Entry) openedRecords {
	n := len(sealed)
	opened := openedRecords{make([]Entry, n), make([][]byte, n), make([]error, n)}
	workers := max(1, min(runtime.GOMAXPROCS(0), n/openedAtOnce))
	part := func(w int) {
		var buffers openBuffers
		for i := n * w / workers; i < n*(w+1)/workers; i++ {
			opened.entries[i], opened.peppers[i], opened.errs[i] = s.openWith(&buffers, identity, sealed[i])
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { part(w) })
	}
	part(0) // here, because most looks find one record changed
	wg.Wait()
	return opened
}

// know remembers the pepper of a record, for marks; nil: the record is in the clear. s.mu is held.
func (s *sealedStore) know(c *Credential, pepper []byte) {
	key := canonicalKey(c.Provider, c.ID)
	if pepper == nil {
		delete(s.peppers, key)
		return
	}
	s.peppers[key] = pepper
}

// Update implements Store.
func (s *sealedStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	u := &sealedUpdate{s: s, key: canonicalKey(provider, id), fn: fn}
	stored, err := s.store.Update(ctx, provider, id, u.call)
	switch {
	case u.refused != nil:
		return u.made, fmt.Errorf("%w: %w", ErrNotStored, u.refused)
	case errors.Is(err, ErrNotStored):
		return u.made, err
	case err != nil:
		return Entry{}, err
	}
	if u.identity == "" && !s.plain {
		u.bind(ctx)
	}
	opened, pepper, err := s.open(u.identity, stored)
	if err != nil { // it was written by this very call
		return u.made, fmt.Errorf("%w: what was written does not open: %w", ErrNotStored, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.know(&stored.Credential, pepper)
	return opened, nil
}

// sealedUpdate is one Update of a sealed store.
type sealedUpdate struct {
	s   *sealedStore
	key credentialKey
	fn  func(Holding) (Entry, error)

	loose    bool   // the result is bound to no identity
	formerly string // an identity that the store had: what is bound to it opens as well

	identity string // of the store, to which the result is bound
	made     Entry  // the result of fn
	refused  error  // why it must not be written
}

// call is the function of the inner store's Update.
func (u *sealedUpdate) call(h Holding) (Entry, error) {
	stands := h.Entry
	u.identity = h.Identity
	if h.Missing != nil || u.loose {
		u.identity = "" // a store that is made anew has another one
	}
	opened, pepper, err := u.s.open(h.Identity, h.Entry)
	if err != nil && u.formerly != "" {
		opened, pepper, err = u.s.open(u.formerly, h.Entry)
	}
	if err != nil {
		return Entry{}, err // never overwritten
	}
	h.Entry = opened
	if spend := h.Spend; pepper != nil {
		h.Spend = func(ctx context.Context, sp Spending) error {
			sp.Of = standInOf(pepper, sp.Of)
			return spend(ctx, sp)
		}
	}
	made, err := u.fn(h)
	if err != nil {
		return Entry{}, err
	}
	made = made.clone()
	made.Credential.Provider, made.Credential.ID = u.key.provider, u.key.id
	u.made = made
	if pepper == nil {
		pepper = []byte(rand.Text())
	}
	sealed, err := u.s.seal(u.identity, made, pepper)
	if err != nil {
		return u.refuse(err)
	}
	if h.Found {
		return u.ordered(sealed, &stands, &opened)
	}
	return sealed, nil
}

// ordered returns the sealed record so that the inner store finds it newer or older than what stands, as
// the open records are. Which refresh tokens are spent is sealed, so the inner store orders without them.
func (u *sealedUpdate) ordered(sealed Entry, stands, opened *Entry) (Entry, error) {
	if _, err := u.made.storedOver(opened); errors.Is(err, errOvertaken) {
		u.refused = err
		return Entry{Login: stands.Login, Generation: stands.Generation - 1, Credential: Credential{
			Provider: u.key.provider, ID: u.key.id,
		}}, nil
	}
	if !mayReplace(&sealed, stands) {
		sealed.Spent = withSpent(sealed.Spent, digest(stands.Credential.RefreshToken))
	}
	return sealed, nil
}

// refuse notes why the result of fn must not be written, and has the inner store find that out.
func (u *sealedUpdate) refuse(err error) (Entry, error) {
	u.refused = err
	return unwritable(u.made), nil
}

// unwritable returns a record without secrets that no store may write, so that a claim under which a
// refresh token was spent is kept.
func unwritable(e Entry) Entry {
	return Entry{Login: e.Login, Generation: e.Generation, Credential: Credential{
		Provider: e.Credential.Provider, ID: e.Credential.ID, AccountID: strings.Repeat("-", maxText+1),
	}}
}

// bind binds the first record of a store to the identity that the store has got with it. If that
// fails, the next write of the record does it.
func (u *sealedUpdate) bind(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	_ = u.s.rewrite(ctx, &sealedUpdate{s: u.s, key: u.key})
}

// rewrite seals a record anew, as it is. A store without an identity, and one that does not have the
// record any more, is left as it is.
func (s *sealedStore) rewrite(ctx context.Context, u *sealedUpdate) error {
	u.fn = func(h Holding) (Entry, error) {
		if h.Identity == "" || !h.Found {
			return Entry{}, errNothingToRewrite
		}
		return h.Entry, nil
	}
	_, err := s.store.Update(ctx, u.key.provider, u.key.id, u.call)
	switch {
	case u.refused != nil:
		return u.refused
	case errors.Is(err, errNothingToRewrite):
		return nil
	}
	return err
}

var errNothingToRewrite = errors.New("there is no record")

// Mark implements Store. What a mark is about is told to the inner store by its stand-in.
func (s *sealedStore) Mark(ctx context.Context, provider, id, key string, m Mark, seen time.Time) error {
	if isDigest(m.Of) {
		pepper, err := s.pepperOf(ctx, canonicalKey(provider, id))
		if err != nil {
			return err
		}
		m.Of = standInOf(pepper, m.Of)
	}
	return s.store.Mark(ctx, provider, id, key, m, seen)
}

// pepperOf returns the pepper of a record as the store holds it now; nil: it is in the clear.
func (s *sealedStore) pepperOf(ctx context.Context, key credentialKey) ([]byte, error) {
	s.mu.Lock()
	version := s.version
	s.mu.Unlock()
	snap, err := s.Load(ctx, version)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = snap.Version
	return s.peppers[key], nil
}
