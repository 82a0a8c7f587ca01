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

// Standing is what holders of a credential tell each other about it, apart from its tokens. The zero value is good standing.
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

// ErrNotStored is matched by the error of an Update whose function succeeded while its result could not be stored.
var ErrNotStored = errors.New("reauth: not stored")

// Store keeps credentials for the pools of one process, one host or a fleet. What it must make sure of is that a refresh
// token is spent once: of all pools that share it, one at a time is inside Update for a credential.
//
// Its methods may be called from several goroutines. Providers and IDs are as the pool has normalized them.
type Store interface {
	// Load returns all entries and their version, or no entries when version is still current ("" always loads).
	// Unchanged is cheap.
	Load(ctx context.Context, version string) (entries []Entry, current string, err error)
	// Update claims the credential (ctx bounds this wait and nothing after), reads it, calls fn at most once, stores its
	// result and releases. found is false when it is not there. fn may take as long as a token exchange, may call Mark,
	// and calls no other method. fn's error is returned as it is and nothing is stored. When fn succeeded and storing
	// failed, Update returns fn's credential and an error matching ErrNotStored.
	Update(ctx context.Context, provider, id string, fn func(c Credential, found bool) (Credential, error)) (Credential, error)
	// Mark writes a standing at once: it never waits for Update and never touches a token. Of two marks the one with
	// the newer At stays. A mark of a credential that is not there is dropped.
	Mark(ctx context.Context, provider, id string, s Standing) error
	// Delete removes a credential, after an Update of it that is under way; ctx bounds that wait. To delete what is not
	// there is no error.
	Delete(ctx context.Context, provider, id string) error
}

// memStore is the Store of NewPool: as durable as the process.
type memStore struct {
	mu      sync.Mutex
	version int
	added   int // entries ever added; their order
	entries map[credentialKey]*memEntry
}

type memEntry struct {
	Entry
	order   int
	present bool          // false: only claimed, or deleted
	claim   chan struct{} // of size one: a lock that respects a context
}

type credentialKey struct{ provider, id string }

func newMemStore() *memStore {
	return &memStore{entries: make(map[credentialKey]*memEntry)}
}

var _ Store = (*memStore)(nil)

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

func (s *memStore) Update(ctx context.Context, provider, id string, fn func(Credential, bool) (Credential, error)) (Credential, error) {
	e := s.entry(credentialKey{provider, id})
	if err := e.lock(ctx); err != nil {
		return Credential{}, err
	}
	defer e.unlock()
	s.mu.Lock()
	c, found := e.Credential.clone(), e.present
	s.mu.Unlock()
	c, err := fn(c, found)
	if err != nil {
		return Credential{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found && !e.present { // deleted meanwhile: it does not come back
		return c, ErrNotStored
	}
	if !e.present {
		e.present, e.order, e.Standing = true, s.added, Standing{}
		s.added++
	}
	e.Credential = c.clone()
	s.version++
	return c, nil
}

func (e *memEntry) lock(ctx context.Context) error {
	select {
	case e.claim <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *memEntry) unlock() { <-e.claim }

// entry returns the entry of key, made if need be: a claim comes before the credential.
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

func (s *memStore) Mark(_ context.Context, provider, id string, standing Standing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[credentialKey{provider, id}]; e != nil && e.present && !standing.At.Before(e.Standing.At) {
		e.Standing = standing
		s.version++
	}
	return nil
}

func (s *memStore) Delete(ctx context.Context, provider, id string) error {
	e := s.entry(credentialKey{provider, id})
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.present {
		e.present, e.Credential, e.Standing = false, Credential{}, Standing{} // the claim stays: somebody may hold it
		s.version++
	}
	return nil
}
