package stress_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/storetest"
)

// key names a credential in a store.
type key struct{ provider, id string }

// pacedStore is a reauth.Store in memory. It takes its time, and fails where a test wants that. Its
// zero value does neither.
type pacedStore struct {
	pause func(ctx context.Context, place string) // if nil, no operation takes time

	mu      sync.Mutex
	version int
	keys    []key          // of entries
	entries []reauth.Entry // in the order in which they were added
	claims  map[key]chan struct{}
	failing map[string]error // by operation: load, claim, persist, mark, delete
}

// fail makes an operation fail with err until fail is called with nil.
func (s *pacedStore) fail(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing == nil {
		s.failing = make(map[string]error)
	}
	s.failing[op] = err
}

func (s *pacedStore) failure(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing[op]
}

func (s *pacedStore) takeTime(ctx context.Context, place string) {
	if s.pause != nil {
		s.pause(ctx, place)
	}
}

// all returns the entries and their version, whether or not the store fails.
func (s *pacedStore) all() (list []reauth.Entry, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = slices.Clone(s.entries)
	for i := range list {
		list[i].Credential = clone(list[i].Credential)
	}
	return list, strconv.Itoa(s.version)
}

func clone(c reauth.Credential) reauth.Credential {
	c.Hosts, c.Metadata = slices.Clone(c.Hosts), maps.Clone(c.Metadata)
	return c
}

// claim waits until nobody is inside an Update of k. It returns the function that ends the claim.
func (s *pacedStore) claim(ctx context.Context, k key) (release func(), err error) {
	s.mu.Lock()
	if s.claims == nil {
		s.claims = make(map[key]chan struct{})
	}
	claim := s.claims[k]
	if claim == nil {
		claim = make(chan struct{}, 1)
		s.claims[k] = claim
	}
	s.mu.Unlock()
	select {
	case claim <- struct{}{}:
		return func() { <-claim }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Load implements reauth.Store.
func (s *pacedStore) Load(ctx context.Context, version string) ([]reauth.Entry, string, error) {
	defer s.takeTime(ctx, "load") // so the entries are old when they arrive
	if err := s.failure("load"); err != nil {
		return nil, "", err
	}
	entries, current := s.all()
	if version == current {
		return nil, current, nil
	}
	return entries, current, nil
}

// Update implements reauth.Store.
func (s *pacedStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Credential, bool) (reauth.Credential, error),
) (reauth.Credential, error) {
	s.takeTime(ctx, "claim")
	defer s.takeTime(context.Background(), "release") // the claim is free by then, and others may be faster
	if err := s.failure("claim"); err != nil {
		return reauth.Credential{}, err
	}
	k := key{provider, id}
	release, err := s.claim(ctx, k)
	if err != nil {
		return reauth.Credential{}, err
	}
	defer release()
	var c reauth.Credential
	s.mu.Lock()
	i := slices.Index(s.keys, k)
	if i >= 0 {
		c = clone(s.entries[i].Credential)
	}
	s.mu.Unlock()
	c, err = fn(c, i >= 0)
	s.takeTime(context.Background(), "persist")
	if err != nil {
		return reauth.Credential{}, err
	}
	if err := s.failure("persist"); err != nil {
		return c, fmt.Errorf("%w: %w", reauth.ErrNotStored, err)
	}
	s.put(k, c)
	return c, nil
}

// put stores a credential. The caller has the claim, which keeps Delete away.
func (s *pacedStore) put(k key, c reauth.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	if i := slices.Index(s.keys, k); i >= 0 {
		s.entries[i].Credential = clone(c)
		return
	}
	s.keys, s.entries = append(s.keys, k), append(s.entries, reauth.Entry{Credential: clone(c)})
}

// Mark implements reauth.Store.
func (s *pacedStore) Mark(_ context.Context, provider, id string, st reauth.Standing) error {
	if err := s.failure("mark"); err != nil && st.Spending == "" {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.keys, key{provider, id}); i >= 0 && !st.At.Before(s.entries[i].Standing.At) {
		s.entries[i].Standing = st
		s.version++
	}
	return nil
}

// Delete implements reauth.Store.
func (s *pacedStore) Delete(ctx context.Context, provider, id string) error {
	s.takeTime(ctx, "delete")
	if err := s.failure("delete"); err != nil {
		return err
	}
	k := key{provider, id}
	release, err := s.claim(ctx, k)
	if err != nil {
		return err
	}
	defer release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.keys, k); i >= 0 {
		s.keys, s.entries = slices.Delete(s.keys, i, i+1), slices.Delete(s.entries, i, i+1)
		s.version++
	}
	return nil
}

// The choreographies prove nothing if their store breaks a promise of reauth.Store.
func TestPacedStoreKeepsItsWord(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		store := new(pacedStore)
		return storetest.Backend{Open: func(testing.TB) reauth.Store { return store }}
	})
}
