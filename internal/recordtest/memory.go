package recordtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Memory is a place in memory. It keeps every promise of reauth.Store. Whether it knows that it was
// put back, and whether it loads what has changed only, differs from seed to seed.
func Memory() Kind {
	return Kind{Make: func(_ testing.TB, seed uint64) Place {
		return &memoryPlace{
			knowsBehind: seed%2 == 0, deltas: seed/2%2 == 0, memoryContent: newContent(),
			newest: make(map[memoryNote]reauth.Entry), claims: make(map[memoryKey]*memoryClaim),
		}
	}}
}

type memoryKey struct{ provider, id string }

// memoryNote names a credential of one of the stores that were in the place.
type memoryNote struct {
	identity string
	key      memoryKey
}

// memoryContent is what a backup has.
type memoryContent struct {
	identity string
	keys     []memoryKey // in the order in which they were added
	records  map[memoryKey]reauth.Entry
}

func newContent() *memoryContent {
	return &memoryContent{identity: rand.Text(), records: make(map[memoryKey]reauth.Entry)}
}

// String describes the content for people.
func (c *memoryContent) String() string { return fmt.Sprintf("store %.4s", c.identity) }

func (c *memoryContent) clone() *memoryContent {
	n := &memoryContent{c.identity, slices.Clone(c.keys), make(map[memoryKey]reauth.Entry)}
	for key, e := range c.records {
		n.records[key] = cloneEntry(e)
	}
	return n
}

// memoryPlace is a store in memory, and the claims beside it.
type memoryPlace struct {
	knowsBehind bool
	deltas      bool

	mu             sync.Mutex // guards what follows
	*memoryContent            // nil: the place is away
	away           *memoryContent
	version        string
	changes        []memoryChange // since the content was put in place
	newest         map[memoryNote]reauth.Entry
	claims         map[memoryKey]*memoryClaim
}

// memoryChange is the change of a record that made a version.
type memoryChange struct {
	version string
	key     memoryKey
}

// memoryResult is a result that could not be stored.
type memoryResult struct {
	entry    reauth.Entry
	identity string
}

// Open implements Place.
func (s *memoryPlace) Open(testing.TB) Handle { return &memoryHandle{place: s} }

// Snapshot implements Place.
func (s *memoryPlace) Snapshot() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memoryContent == nil {
		return nil
	}
	return s.clone()
}

// PutBack implements Place.
func (s *memoryPlace) PutBack(snapshot any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(snapshot.(*memoryContent).clone())
}

// put puts other content in place. s.mu is held.
func (s *memoryPlace) put(c *memoryContent) {
	s.memoryContent, s.changes, s.version = c, nil, rand.Text()
}

// Hide implements Place.
func (s *memoryPlace) Hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = s.memoryContent
	s.put(nil)
}

// Show implements Place.
func (s *memoryPlace) Show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		s.put(s.away)
		s.away = nil
	}
}

// Delete implements Place.
func (s *memoryPlace) Delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(nil)
}

// changed makes a new version. s.mu is held.
func (s *memoryPlace) changed(key memoryKey) {
	s.version = rand.Text()
	s.changes = append(s.changes, memoryChange{s.version, key})
}

// since returns the keys that have changed since a version, if the place remembers it. s.mu is held.
func (s *memoryPlace) since(version string) (changed map[memoryKey]bool, known bool) {
	changed = make(map[memoryKey]bool)
	if version == s.version && version != "" {
		return changed, true
	}
	for _, c := range slices.Backward(s.changes) {
		if c.version == version {
			return changed, s.deltas
		}
		changed[c.key] = true
	}
	return nil, false
}

// note remembers the newest record of a credential. s.mu is held.
func (s *memoryPlace) note(key memoryKey, e reauth.Entry) {
	at := memoryNote{s.identity, key}
	if old, ok := s.newest[at]; !ok || isAhead(&e, &old) {
		s.newest[at] = e
	}
}

// isAhead compares what a place notes of a record.
func isAhead(a, b *reauth.Entry) bool {
	if c := a.Login.Compare(b.Login); c != 0 {
		return c > 0
	}
	return a.Generation > b.Generation
}

// memoryHandle is how one process uses the place.
type memoryHandle struct {
	place *memoryPlace
	fails bool // guarded by place.mu, and so is what follows
	dead  bool
}

var (
	errMissing   = errors.New("the place was there and is gone; put it back")
	errDiskFull  = errors.New("no space left")
	errOvertaken = errors.New("another record stands there by now")
)

// FailSaves implements Handle.
func (h *memoryHandle) FailSaves(fail bool) {
	h.place.mu.Lock()
	defer h.place.mu.Unlock()
	h.fails = fail
}

// Kill implements Handle.
func (h *memoryHandle) Kill() {
	s := h.place
	s.mu.Lock()
	defer s.mu.Unlock()
	h.dead = true
	for key, c := range s.claims {
		if c.by == h {
			s.free(key, c)
		}
	}
}

// Load implements reauth.Store.
func (h *memoryHandle) Load(_ context.Context, version string) (reauth.Snapshot, error) {
	s := h.place
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memoryContent == nil {
		return reauth.Snapshot{}, errMissing
	}
	changed, known := s.since(version)
	snap := reauth.Snapshot{Delta: known, Identity: s.identity, Version: s.version}
	for _, key := range s.keys {
		if !known || changed[key] {
			snap.Entries = append(snap.Entries, cloneEntry(s.records[key]))
		}
	}
	return snap, nil
}

// Update implements reauth.Store.
func (h *memoryHandle) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	s, key := h.place, memoryKey{vendors.Canonical(provider), id}
	c, err := s.claim(ctx, h, key)
	if err != nil {
		return reauth.Entry{}, err
	}
	defer s.leave(key, c)
	if err := s.storeKept(key, c); err != nil {
		return reauth.Entry{}, fmt.Errorf("the result of the last exchange is still not stored: %w", err)
	}
	holding := s.holding(key)
	spending := &memorySpending{of: h, key: key, identity: holding.Identity}
	holding.Spend = spending.note
	got, err := fn(holding)
	s.mu.Lock()
	defer s.mu.Unlock()
	spending.over = true
	if err != nil {
		return reauth.Entry{}, err
	}
	got = cloneEntry(got)
	got.Credential.Provider, got.Credential.ID = key.provider, key.id
	stored, err := s.persist(h, key, holding.Identity, holding.Missing != nil, got)
	switch {
	case err == nil:
		c.kept = nil
		return stored, nil
	case spending.spent && !errors.Is(err, errOvertaken):
		c.kept = &memoryResult{cloneEntry(got), holding.Identity}
	}
	return got, fmt.Errorf("%w: %w", reauth.ErrNotStored, err)
}

// storeKept stores the result that is kept with a claim.
func (s *memoryPlace) storeKept(key memoryKey, c *memoryClaim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.kept == nil {
		return nil
	}
	_, err := s.persist(c.by, key, c.kept.identity, false, c.kept.entry)
	switch {
	case err == nil, errors.Is(err, errOvertaken):
		c.kept = nil
	case !errors.Is(err, errMissing):
		return err
	}
	return nil
}

// holding returns what Update passes to its function, but for Spend.
func (s *memoryPlace) holding(key memoryKey) reauth.Holding {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := reauth.Holding{Now: time.Now()}
	if s.memoryContent == nil {
		h.Missing = errMissing
		return h
	}
	h.Identity = s.identity
	h.Entry, h.Found = s.records[key]
	h.Entry = cloneEntry(h.Entry)
	if newest, ok := s.newest[memoryNote{s.identity, key}]; ok && s.knowsBehind && isAhead(&newest, &h.Entry) {
		h.Behind = &reauth.Entry{Login: newest.Login, Generation: newest.Generation, Removed: newest.Removed}
	}
	return h
}

// persist stores a record in the store of that identity, or makes the place anew with it. s.mu is
// held.
func (s *memoryPlace) persist(
	h *memoryHandle, key memoryKey, identity string, anew bool, got reauth.Entry,
) (reauth.Entry, error) {
	there := s.memoryContent != nil
	switch {
	case h.dead:
		return got, errDead
	case h.fails:
		return got, errDiskFull
	case !there && !anew:
		return got, errMissing
	case anew && there, !anew && identity != s.identity:
		return got, errOvertaken
	case anew:
		s.put(newContent())
	}
	now, found := s.records[key]
	if found && compare(&got, &now) < 0 {
		return got, errOvertaken
	}
	if !found {
		s.keys = append(s.keys, key)
	}
	got = cloneEntry(got)
	got.Spending, got.Marks = reauth.Spending{}, maps.Clone(now.Marks)
	maps.DeleteFunc(got.Marks, func(_ string, m reauth.Mark) bool { return !binds(&got, m.Of) })
	s.records[key] = got
	s.note(key, got)
	s.changed(key)
	return cloneEntry(got), nil
}

// Mark implements reauth.Store.
func (h *memoryHandle) Mark(_ context.Context, provider, id, key string, m reauth.Mark, seen time.Time) error {
	s, at := h.place, memoryKey{vendors.Canonical(provider), id}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case h.dead:
		return errDead
	case s.memoryContent == nil:
		return errMissing
	}
	e, ok := s.records[at]
	if !ok || !binds(&e, m.Of) {
		return nil
	}
	if stands, ok := e.Marks[key]; ok && binds(&e, stands.Of) && !stands.At.Equal(seen) {
		return reauth.ErrMarked
	}
	e = cloneEntry(e)
	if e.Marks == nil {
		e.Marks = make(map[string]reauth.Mark)
	}
	e.Marks[key] = m
	s.records[at] = e
	s.changed(at)
	return nil
}

func cloneEntry(e reauth.Entry) reauth.Entry {
	e.Credential.Hosts, e.Credential.Metadata = slices.Clone(e.Credential.Hosts), maps.Clone(e.Credential.Metadata)
	e.Spent, e.Marks = slices.Clone(e.Spent), maps.Clone(e.Marks)
	return e
}
