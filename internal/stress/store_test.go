package stress_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// key names a credential in a store.
type key struct{ provider, id string }

func keyOf(provider, id string) key { return key{vendors.Canonical(provider), id} }

// record is what a pacedStore keeps of a credential.
type record struct {
	key     key
	entry   reauth.Entry
	version int // of the store when the record changed last
}

// pacedStore is a reauth.Store in memory. It takes its time, and fails where a test wants that. Its
// zero value does neither.
type pacedStore struct {
	pause func(ctx context.Context, place string) // if nil, no operation takes time

	mu      sync.Mutex
	nonce   string // the identity, and the random part of versions: this store is never put back
	version int
	records []*record // in the order in which they were added
	claims  map[key]chan struct{}
	failing map[string]error // by operation: load, claim, spend, persist, mark
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

// identity returns the random name of the store. s.mu is held.
func (s *pacedStore) identity() string {
	if s.nonce == "" {
		s.nonce = rand.Text()
	}
	return s.nonce
}

// changes returns the records that changed since version, whether or not the store fails.
func (s *pacedStore) changes(version string) reauth.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	nonce, number, _ := strings.Cut(version, "-")
	since, err := strconv.Atoi(number)
	known := err == nil && nonce == s.identity() && since <= s.version
	snap := reauth.Snapshot{
		Delta: known, Identity: s.identity(), Version: fmt.Sprintf("%s-%d", s.identity(), s.version),
	}
	for _, r := range s.records {
		if !known || r.version > since {
			snap.Entries = append(snap.Entries, clone(r.entry))
		}
	}
	return snap
}

// find returns the record of k; nil if there is none. s.mu is held.
func (s *pacedStore) find(k key) *record {
	if i := slices.IndexFunc(s.records, func(r *record) bool { return r.key == k }); i >= 0 {
		return s.records[i]
	}
	return nil
}

// changed gives r a version of its own. s.mu is held.
func (s *pacedStore) changed(r *record) {
	s.version++
	r.version = s.version
}

func clone(e reauth.Entry) reauth.Entry {
	c := &e.Credential
	c.Hosts, c.Metadata = slices.Clone(c.Hosts), maps.Clone(c.Metadata)
	e.Spent, e.Marks = slices.Clone(e.Spent), maps.Clone(e.Marks)
	return e
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
func (s *pacedStore) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	defer s.takeTime(ctx, "load") // so the entries are old when they arrive
	if err := s.failure("load"); err != nil {
		return reauth.Snapshot{}, err
	}
	return s.changes(version), nil
}

// Update implements reauth.Store. A claim that a failure to store is to keep ends all the same: all
// pools have one store, whose next Update enters with it.
func (s *pacedStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	s.takeTime(ctx, "claim")
	defer s.takeTime(context.Background(), "release") // the claim is free by then, and others may be faster
	if err := s.failure("claim"); err != nil {
		return reauth.Entry{}, err
	}
	k := keyOf(provider, id)
	release, err := s.claim(ctx, k)
	if err != nil {
		return reauth.Entry{}, err
	}
	defer release()
	got, err := s.call(k, fn)
	s.takeTime(context.Background(), "persist")
	if err != nil {
		return reauth.Entry{}, err
	}
	got.Credential.Provider, got.Credential.ID = k.provider, k.id
	if err := cmp.Or(s.failure("persist"), check(&got)); err != nil {
		return got, fmt.Errorf("%w: %w", reauth.ErrNotStored, err)
	}
	return s.put(k, got)
}

// call calls fn with the record of k. The claim is held.
func (s *pacedStore) call(k key, fn func(reauth.Holding) (reauth.Entry, error)) (reauth.Entry, error) {
	s.mu.Lock()
	h := reauth.Holding{Identity: s.identity(), Now: time.Now()}
	if r := s.find(k); r != nil {
		h.Entry, h.Found = clone(r.entry), true
	}
	s.mu.Unlock()
	over := false // guarded by s.mu
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
	}()
	h.Spend = func(_ context.Context, sp reauth.Spending) error {
		if err := s.failure("spend"); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		r := s.find(k)
		if over || r == nil {
			return errors.New("there is no claim, or no record")
		}
		r.entry.Spending = sp
		s.changed(r)
		return nil
	}
	return fn(h)
}

// put stores a record. The claim is held, so nobody else has stored one meanwhile.
func (s *pacedStore) put(k key, got reauth.Entry) (reauth.Entry, error) {
	got = clone(got)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(k)
	switch {
	case r == nil:
		r = &record{key: k}
		s.records = append(s.records, r)
	case isOlder(&got, &r.entry):
		return got, fmt.Errorf("%w: there is a newer record", reauth.ErrNotStored)
	}
	got.Spending, got.Marks = reauth.Spending{}, r.entry.Marks
	got.Marks = boundMarks(&got)
	r.entry = got
	s.changed(r)
	s.forget()
	return clone(got), nil
}

// forget drops the oldest removal when there are too many. s.mu is held.
func (s *pacedStore) forget() {
	var removals []*record
	for _, r := range s.records {
		if r.entry.Removed {
			removals = append(removals, r)
		}
	}
	if len(removals) <= mostRemovals {
		return
	}
	oldest := slices.MinFunc(removals, func(a, b *record) int { return a.entry.Login.Compare(b.entry.Login) })
	s.records = slices.DeleteFunc(s.records, func(r *record) bool { return r == oldest })
}

// Mark implements reauth.Store.
func (s *pacedStore) Mark(_ context.Context, provider, id, key string, m reauth.Mark, seen time.Time) error {
	if err := cmp.Or(s.failure("mark"), checkMark(key, m)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(keyOf(provider, id))
	if r == nil || !binds(&r.entry, m.Of) {
		return nil
	}
	marks := boundMarks(&r.entry)
	if stands, ok := marks[key]; ok && !stands.At.Equal(seen) {
		return reauth.ErrMarked
	}
	if marks == nil {
		marks = make(map[string]reauth.Mark)
	}
	marks[key] = m
	r.entry.Marks = evict(marks, key)
	s.changed(r)
	return nil
}

// The choreographies prove nothing if their store breaks a promise of reauth.Store.
func TestPacedStoreKeepsItsWord(t *testing.T) {
	places := make(map[string]*pacedStore)
	reauthtest.TestStore(t, func(_ *testing.T, place string) reauth.Store {
		if places[place] == nil {
			places[place] = new(pacedStore)
		}
		return places[place]
	})
}
