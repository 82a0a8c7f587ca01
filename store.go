package reauth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Standing is what the holders of a credential tell each other about it, apart from its tokens. The
// zero value is good standing.
type Standing struct {
	AsideUntil  time.Time // not preferred until then
	Retired     bool      // not used until it has new tokens, is Reset or is accepted after all
	Reason      string
	LastRefresh time.Time // of the tokens
	At          time.Time // when this was written; the newest At wins
	Of          string    // digest of the access token the mark is about; void for any other token
	Spending    string    // digest of the refresh token now being exchanged
}

// Entry is a credential and its standing, as a Store keeps them.
type Entry struct {
	Credential Credential
	Standing   Standing
}

// LogValue is what slog shows: the credential without its secrets.
func (e Entry) LogValue() slog.Value { return e.Credential.LogValue() }

// ErrNotStored is matched by the error of an Update whose function succeeded while its result could
// not be stored.
var ErrNotStored = errors.New("reauth: not stored")

// Store keeps credentials for the pools of one process, one host or a fleet. It must make sure that
// a refresh token is spent once: of all the pools that share the store, one at a time is inside
// Update for a credential.
//
// Its methods may be called from several goroutines. The pool has normalized the providers and IDs
// that it passes.
type Store interface {
	// Load returns all entries and their version, or no entries when version is still current (""
	// always loads). Pools call it often, so Load must be cheap when nothing has changed.
	Load(ctx context.Context, version string) (entries []Entry, current string, err error)
	// Update claims the credential, reads it, calls fn at most once, stores fn's result and
	// releases the claim. ctx bounds the wait for the claim and nothing after it. found is false
	// when the credential is not there. fn may take as long as a token exchange; it may call Mark,
	// and no other method. When fn fails, Update returns fn's error as it is and stores nothing.
	// When fn succeeded and storing failed, Update returns fn's credential and an error matching
	// ErrNotStored.
	Update(ctx context.Context, provider, id string,
		fn func(c Credential, found bool) (Credential, error)) (Credential, error)
	// Mark writes a standing at once: it never waits for Update and never touches a token. Of two
	// marks the one with the newer At stays. A mark of a credential that is not there is dropped.
	Mark(ctx context.Context, provider, id string, s Standing) error
	// Delete removes a credential, after any Update of it that is under way; ctx bounds that wait.
	// Deleting a credential that is not there is no error.
	Delete(ctx context.Context, provider, id string) error
}

const (
	storeTimeout   = 10 * time.Second // for reading, and for marking
	persistTimeout = 10 * time.Second // for writing tokens
)

type credentialKey struct{ provider, id string }

// memStore is the Store of NewPool. It lasts as long as the process.
type memStore struct {
	mu      sync.Mutex
	version int
	added   int // how many entries were ever added; it orders them
	entries map[credentialKey]*memEntry
}

type memEntry struct {
	Entry
	order   int
	present bool          // false: the credential was deleted, or is only claimed so far
	claim   chan struct{} // of size one: a lock whose wait a context can end
}

func newMemStore() *memStore {
	return &memStore{entries: make(map[credentialKey]*memEntry)}
}

var _ Store = (*memStore)(nil)

// Load implements Store.
func (s *memStore) Load(_ context.Context, version string) ([]Entry, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := strconv.Itoa(s.version)
	if version == current {
		return nil, current, nil
	}
	list := make([]*memEntry, 0, len(s.entries))
	for _, e := range s.entries {
		if e.present {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *memEntry) int { return cmp.Compare(a.order, b.order) })
	entries := make([]Entry, 0, len(list))
	for _, e := range list {
		entries = append(entries, Entry{Credential: e.Credential.clone(), Standing: e.Standing})
	}
	return entries, current, nil
}

// Update implements Store.
func (s *memStore) Update(
	ctx context.Context, provider, id string, fn func(Credential, bool) (Credential, error),
) (Credential, error) {
	e := s.entry(credentialKey{provider, id})
	if err := e.lock(ctx); err != nil {
		return Credential{}, err
	}
	defer e.unlock()
	old, found := s.read(e)
	got, err := fn(old, found)
	if err != nil {
		return Credential{}, err
	}
	return got, s.write(e, got, found)
}

// read returns a copy of e's credential.
func (s *memStore) read(e *memEntry) (c Credential, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.Credential.clone(), e.present
}

// write stores c in e, unless a credential that was found there has been deleted meanwhile.
func (s *memStore) write(e *memEntry, c Credential, found bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found && !e.present {
		return ErrNotStored
	}
	if !e.present {
		e.present, e.order, e.Standing = true, s.added, Standing{}
		s.added++
	}
	e.Credential = c.clone()
	s.version++
	return nil
}

// lock waits for the claim as long as ctx allows.
func (e *memEntry) lock(ctx context.Context) error {
	select {
	case e.claim <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *memEntry) unlock() { <-e.claim }

// entry returns the entry of key, and makes it if need be: a credential is claimed before it is
// there.
func (s *memStore) entry(key credentialKey) *memEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	if !ok {
		e = &memEntry{claim: make(chan struct{}, 1)}
		s.entries[key] = e
	}
	return e
}

// Mark implements Store.
func (s *memStore) Mark(_ context.Context, provider, id string, standing Standing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[credentialKey{provider, id}]
	if e != nil && e.present && !standing.At.Before(e.Standing.At) {
		e.Standing = standing
		s.version++
	}
	return nil
}

// Delete implements Store.
func (s *memStore) Delete(ctx context.Context, provider, id string) error {
	e := s.entry(credentialKey{provider, id})
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.present { // the entry stays, because others may wait for its claim
		e.present, e.Credential, e.Standing = false, Credential{}, Standing{}
		s.version++
	}
	return nil
}
