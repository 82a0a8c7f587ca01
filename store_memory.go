package reauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memStore is the Store of NewPool. It lasts as long as the process.
type memStore struct {
	mu       sync.Mutex
	identity string
	nonce    string // the random part of versions: an int that only grows is enough behind it
	version  int64
	added    int // how many records were ever made; it orders them
	records  map[credentialKey]*memRecord
}

type memRecord struct {
	entry   Entry
	order   int
	version int64         // of the store when the record changed last
	present bool          // false: the record is only claimed so far
	claim   chan struct{} // of size one: a lock whose wait a context can end
}

func newMemStore() *memStore {
	return &memStore{identity: rand.Text(), nonce: rand.Text(), records: make(map[credentialKey]*memRecord)}
}

var _ Store = (*memStore)(nil)

// Load implements Store.
func (s *memStore) Load(_ context.Context, version string) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.parseVersion(version)
	var list []*memRecord
	for _, r := range s.records {
		if r.present && r.version > since {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *memRecord) int { return cmp.Compare(a.order, b.order) })
	snap := Snapshot{Delta: known, Identity: s.identity, Version: s.nonce + "-" + strconv.FormatInt(s.version, 10)}
	for _, r := range list {
		snap.Entries = append(snap.Entries, r.entry.clone())
	}
	return snap, nil
}

// parseVersion returns the number of a version that this store has given.
func (s *memStore) parseVersion(version string) (since int64, known bool) {
	nonce, number, _ := strings.Cut(version, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || nonce != s.nonce {
		return 0, false
	}
	return n, true
}

// Update implements Store.
func (s *memStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	key := canonicalKey(provider, id)
	r := s.record(key)
	if err := r.lock(ctx); err != nil {
		return Entry{}, err
	}
	defer r.unlock()
	h := s.holding(r)
	over := false // guarded by mu
	h.Spend = func(_ context.Context, sp Spending) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if over {
			return errors.New("reauth: the claim was given back")
		}
		r.entry.Spending = sp
		return nil
	}
	got, err := fn(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	over = true
	if err != nil {
		return Entry{}, err
	}
	got.Credential.Provider, got.Credential.ID = key.provider, key.id
	return s.write(r, got)
}

// holding returns what Update passes to its function.
func (s *memStore) holding(r *memRecord) Holding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Holding{Entry: r.entry.clone(), Found: r.present, Identity: s.identity, Now: time.Now()}
}

// write stores got in r. s.mu is held.
func (s *memStore) write(r *memRecord, got Entry) (Entry, error) {
	if err := got.check(); err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	got = got.clone()
	got.Marks, got.Spending = r.entry.Marks, Spending{}
	got.Marks = got.boundMarks()
	if !r.present {
		r.present, r.order = true, s.added
		s.added++
	}
	r.entry = got
	s.changed(r)
	if got.Removed {
		s.forget()
	}
	return got.clone(), nil
}

// changed gives r a version of its own. s.mu is held.
func (s *memStore) changed(r *memRecord) {
	s.version++
	r.version = s.version
}

// forget drops the oldest tombstone when there are too many. s.mu is held.
func (s *memStore) forget() {
	var oldest *memRecord
	n := 0
	for _, r := range s.records {
		if !r.present || !r.entry.Removed {
			continue
		}
		if n++; oldest == nil || r.entry.Login.Before(oldest.entry.Login) {
			oldest = r
		}
	}
	if n > maxTombstones {
		oldest.present, oldest.entry = false, Entry{} // others may wait for its claim
	}
}

// lock waits for the claim as long as ctx allows.
func (r *memRecord) lock(ctx context.Context) error {
	select {
	case r.claim <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *memRecord) unlock() { <-r.claim }

// record returns the record of key, and makes it if need be: a credential is claimed before it is
// there.
func (s *memStore) record(key credentialKey) *memRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok {
		r = &memRecord{claim: make(chan struct{}, 1)}
		s.records[key] = r
	}
	return r
}

// Mark implements Store.
func (s *memStore) Mark(_ context.Context, provider, id, key string, m Mark, seen time.Time) error {
	if err := checkMark(key, m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[canonicalKey(provider, id)]
	if r == nil || !r.present {
		return nil
	}
	switch err := r.entry.mayMark(key, m.Of, seen); {
	case errors.Is(err, errVoidMark):
		return nil
	case err != nil:
		return err
	}
	r.entry.Marks = r.entry.withMark(key, m)
	s.changed(r)
	return nil
}
