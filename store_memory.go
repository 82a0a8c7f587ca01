package reauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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
	users   int           // Updates that are inside, or wait
	claim   chan struct{} // of size one: a lock whose wait a context can end
}

func newMemStore() *memStore {
	return &memStore{identity: rand.Text(), nonce: rand.Text(), records: make(map[credentialKey]*memRecord)}
}

var _ Store = (*memStore)(nil)

// String says nothing of the content.
func (s *memStore) String() string { return "reauth.MemoryStore" }

// Format prints String under any verb and flag.
func (s *memStore) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *memStore) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Load implements Store.
func (s *memStore) Load(_ context.Context, version string) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.parseVersion(version)
	snap := Snapshot{Delta: known, Identity: s.identity, Version: s.nonce + "-" + strconv.FormatInt(s.version, 10)}
	if known && since == s.version {
		return snap, nil
	}
	var list []*memRecord
	for _, r := range s.records {
		if r.present && r.version > since {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *memRecord) int { return cmp.Compare(a.order, b.order) })
	for _, r := range list {
		snap.Entries = append(snap.Entries, r.entry.clone())
	}
	return snap, nil
}

// parseVersion returns the number of a version that this store has given. s.mu is held.
func (s *memStore) parseVersion(version string) (since int64, known bool) {
	nonce, number, _ := strings.Cut(version, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || nonce != s.nonce || n < 0 || n > s.version {
		return 0, false
	}
	return n, true
}

// Update implements Store.
func (s *memStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	key := canonicalKey(provider, id)
	r := s.enter(key)
	defer s.leave(key, r)
	if err := r.lock(ctx); err != nil {
		return Entry{}, err
	}
	defer r.unlock()
	got, err := s.call(r, fn)
	if err != nil {
		return Entry{}, err
	}
	got.Credential.Provider, got.Credential.ID = key.provider, key.id
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(r, got)
}

// call calls fn with a Holding whose Spend works as long as fn runs, and until it panics.
func (s *memStore) call(r *memRecord, fn func(Holding) (Entry, error)) (Entry, error) {
	over := false // guarded by s.mu
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
	}()
	h := s.holding(r)
	h.Spend = func(_ context.Context, sp Spending) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case over:
			return errors.New("reauth: spend: the claim was given back when the Update's function returned")
		case !r.present:
			return errors.New("reauth: spend: the credential is not in the store; store it first")
		}
		r.entry.Spending = sp
		s.changed(r)
		return nil
	}
	return fn(h)
}

// holding returns what Update passes to its function.
func (s *memStore) holding(r *memRecord) Holding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Holding{Entry: r.entry.clone(), Found: r.present, Identity: s.identity, Now: time.Now()}
}

// write stores got in r, unless got must not be stored. s.mu is held.
func (s *memStore) write(r *memRecord, got Entry) (Entry, error) {
	var stands *Entry
	if r.present {
		stands = &r.entry
	}
	got, err := got.StoredOver(stands)
	if err != nil {
		return got, err
	}
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
	var oldest credentialKey
	n := 0
	for key, r := range s.records {
		if !r.present || !r.entry.Removed {
			continue
		}
		if n++; n == 1 || r.entry.Login.Before(s.records[oldest].entry.Login) {
			oldest = key
		}
	}
	if n <= maxTombstones {
		return
	}
	r := s.records[oldest]
	r.present, r.entry = false, Entry{}
	if r.users == 0 { // else the last of them takes it out
		delete(s.records, oldest)
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

// enter returns the record of key for an Update, and makes it if need be: a credential is claimed
// before it is there.
func (s *memStore) enter(key credentialKey) *memRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[key]
	if !ok {
		r = &memRecord{claim: make(chan struct{}, 1)}
		s.records[key] = r
	}
	r.users++
	return r
}

// leave ends an Update. The last one takes a record out that is not there.
func (s *memStore) leave(key credentialKey, r *memRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.users--; r.users == 0 && !r.present {
		delete(s.records, key)
	}
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
	marked, err := r.entry.marked(key, m, seen)
	switch {
	case errors.Is(err, errVoidMark):
		return nil
	case err != nil:
		return err
	}
	r.entry = marked
	s.changed(r)
	return nil
}
