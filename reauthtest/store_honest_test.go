package reauthtest_test

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
	"time"

	"github.com/reauth-go/reauth"
)

// place is what several stores share: a file or a database, but in memory.
type place struct {
	mu       sync.Mutex
	identity string
	nonce    string
	version  int64
	rows     []*row // in the order in which they were added
	claims   map[[2]string]*claim
	opened   int
}

// row is a record in its place.
type row struct {
	key     [2]string
	entry   reauth.Entry
	version int64
	unknown map[string]any // members of the record's object that the store does not know
	broken  bool
}

// claim is the right to be inside Update.
type claim struct {
	lock chan struct{} // of size one
	kept *store        // keeps the claim while nobody is inside
}

// store is a store in a place. It keeps all promises, or all but those that its defect breaks.
type store struct {
	*place
	number int
	defect string
}

func newPlace() *place {
	return &place{identity: rand.Text(), nonce: rand.Text(), claims: make(map[[2]string]*claim)}
}

// open returns another store in the place.
func (p *place) open(defect string) *store {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	return &store{place: p, number: p.opened, defect: defect}
}

// bad reports whether the store has a defect.
func (s *store) bad(defect string) bool { return s.defect == defect }

func (s *store) Load(_ context.Context, version string) (reauth.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.parse(version)
	snap := reauth.Snapshot{Delta: known, Identity: s.identity, Version: s.versionText()}
	if s.bad("identity of each process") {
		snap.Identity = fmt.Sprint(s.number)
	}
	for _, r := range s.rows {
		switch {
		case r.broken && s.bad("one broken record fails all"):
			return snap, errors.New("a record is broken")
		case r.broken:
			snap.Broken = append(snap.Broken, &reauth.RecordError{Provider: r.key[0], ID: r.key[1], Err: errors.New("no JSON")})
		case r.entry.Removed && s.bad("removals are left out"):
		case known && s.bad("removals are in no delta") && r.entry.Removed:
		case !known || r.version > since:
			snap.Entries = append(snap.Entries, s.copied(r.entry, "shares what Load returns"))
		}
	}
	if s.bad("sorted by name") {
		slices.SortFunc(snap.Entries, func(a, b reauth.Entry) int { return cmp.Compare(a.Credential.ID, b.Credential.ID) })
	}
	return snap, nil
}

func (s *store) versionText() string {
	text := s.nonce + "-" + strconv.FormatInt(s.version, 10)
	switch {
	case s.bad("no version of an empty place") && s.version == 0:
		return ""
	case s.bad("versions only count"):
		return strconv.FormatInt(s.version, 10)
	}
	return text
}

// parse returns the number in a version that the place has given.
func (s *store) parse(version string) (since int64, known bool) {
	nonce := s.nonce + "-"
	switch {
	case s.bad("versions only count"):
		nonce = ""
	case s.bad("no deltas"):
		return 0, false
	}
	number, ok := strings.CutPrefix(version, nonce)
	n, err := strconv.ParseInt(number, 10, 64)
	if s.bad("any version is known") {
		return n, version != ""
	}
	return n, ok && err == nil && n <= s.version
}

// changed gives a row a version of its own.
func (s *store) changed(r *row) {
	s.version++
	r.version = s.version
}

// find returns the row of a key, or nil.
func (s *store) find(key [2]string) *row {
	i := slices.IndexFunc(s.rows, func(r *row) bool { return r.key == key })
	if i < 0 {
		return nil
	}
	return s.rows[i]
}

// key returns the key of a record. The store knows one provider with an alias.
func (s *store) key(provider, id string) [2]string {
	if s.bad("IDs in lower case") {
		id = strings.ToLower(id)
	}
	if s.bad("an alias is another provider") {
		return [2]string{provider, id}
	}
	if provider = strings.ToLower(strings.TrimSpace(provider)); provider == "xai" {
		provider = "xai-oauth"
	}
	return [2]string{provider, id}
}

func (s *store) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	key := s.key(provider, id)
	release, err := s.enter(ctx, key)
	if err != nil {
		return reauth.Entry{}, err
	}
	keep, returned := false, false
	defer func() {
		if returned || !s.bad("keeps the claim after a panic") {
			release(keep)
		}
	}()
	u := &update{store: s, key: key}
	got, err := u.call(fn)
	returned = true
	switch {
	case err != nil && s.bad("wraps the error of fn"):
		return reauth.Entry{}, fmt.Errorf("store: %w", err)
	case err != nil && !s.bad("stores what fn returns with an error"):
		return reauth.Entry{}, err
	case ctx.Err() != nil && s.bad("stores only within the context"):
		return got, fmt.Errorf("%w: %w", reauth.ErrNotStored, ctx.Err())
	}
	stored, werr := u.write(got)
	keep = werr != nil && u.spent && !s.bad("gives the claim back without storing")
	return stored, errors.Join(err, werr)
}

// enter waits for a claim.
func (s *store) enter(ctx context.Context, key [2]string) (release func(keep bool), err error) {
	if s.bad("no claim") {
		return func(bool) {}, nil
	}
	if s.bad("one claim for all") {
		key = [2]string{}
	}
	s.mu.Lock()
	c := s.claims[key]
	if c == nil {
		c = &claim{lock: make(chan struct{}, 1)}
		s.claims[key] = c
	}
	kept := c.kept == s
	s.mu.Unlock()
	if s.bad("waits without the context") {
		ctx = context.Background()
	}
	if !kept {
		select {
		case c.lock <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func(keep bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.kept = nil; keep {
			c.kept = s
			return
		}
		<-c.lock
	}, nil
}

// update is one Update under its claim.
type update struct {
	*store
	key    [2]string
	held   reauth.Entry
	spent  bool
	over   bool
	others map[*row]reauth.Entry
}

func (u *update) call(fn func(reauth.Holding) (reauth.Entry, error)) (got reauth.Entry, err error) {
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.over = !u.bad("spends after fn")
		r := u.find(u.key)
		switch {
		case r == nil:
		case err != nil && u.bad("forgets a spend when fn fails"):
			r.entry.Spending = reauth.Spending{}
		}
	}()
	return fn(u.holding())
}

func (u *update) holding() reauth.Holding {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := reauth.Holding{Identity: u.identity, Now: time.Now(), Spend: u.spend}
	if u.bad("no clock") {
		h.Now = time.Time{}
	}
	if r := u.find(u.key); r != nil {
		h.Found, h.Entry, u.held = true, u.copied(r.entry, "shares what fn gets"), r.entry
	}
	if u.bad("finds what is not there") {
		h.Found = true
	}
	u.others = make(map[*row]reauth.Entry)
	for _, r := range u.rows {
		u.others[r] = r.entry
	}
	return h
}

func (u *update) spend(_ context.Context, sp reauth.Spending) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.find(u.key)
	switch {
	case u.over:
		return errors.New("fn has returned")
	case r == nil:
		return errors.New("no record")
	case sp == reauth.Spending{} && u.bad("a zero spend is none"):
		return nil
	case u.bad("spend writes the record back"):
		r.entry = u.held
	}
	u.spent = true
	r.entry.Spending = sp
	return nil
}

// write stores a result.
func (u *update) write(got reauth.Entry) (reauth.Entry, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.bad("names are those of the result") {
		got.Credential.Provider, got.Credential.ID = u.key[0], u.key[1]
	}
	if err := u.check(got); err != nil {
		return got, fmt.Errorf("%w: %w", reauth.ErrNotStored, err)
	}
	r := u.find(u.key)
	if r == nil {
		r = &row{key: u.key, entry: reauth.Entry{}}
		u.rows = append(u.rows, r)
	} else if u.compare(got, r.entry) < 0 {
		return got, fmt.Errorf("%w: a newer record is there", reauth.ErrNotStored)
	}
	u.writeOthers(r)
	r.entry = u.result(got, r.entry)
	u.changed(r)
	if u.bad("drops unknown members") {
		r.unknown = nil
	}
	u.forget(r)
	return u.copied(r.entry, "shares what Update returns"), nil
}

// result returns what is stored of a result over what is there.
func (s *store) result(got, stands reauth.Entry) reauth.Entry {
	got = s.copied(got, "shares what fn returns")
	if s.bad("whole seconds") {
		got.Login = got.Login.Truncate(time.Second)
	}
	if s.bad("drops the account") {
		got.Credential.AccountID = ""
	}
	if !s.bad("stores the marks of the result") {
		got.Marks = maps.Clone(stands.Marks)
	}
	got.Spending = reauth.Spending{}
	if s.bad("spending stays") {
		got.Spending = stands.Spending
	}
	maps.DeleteFunc(got.Marks, func(_ string, m reauth.Mark) bool {
		return !binds(got, m.Of) && !s.bad("void marks stay") && !s.bad("void marks stand")
	})
	return got
}

// writeOthers is a defect: it writes the other records back as they were when fn was called.
func (u *update) writeOthers(own *row) {
	if !u.bad("writes all records back") {
		return
	}
	for r, e := range u.others {
		if r != own {
			r.entry = e
		}
	}
}

// forget drops a removal when there are too many.
func (u *update) forget(last *row) {
	if last.entry.Removed && u.bad("deletes what is removed") {
		u.rows = slices.DeleteFunc(u.rows, func(r *row) bool { return r == last })
		return
	}
	var removed []*row
	for _, r := range u.rows {
		if r.entry.Removed {
			removed = append(removed, r)
		}
	}
	if len(removed) <= 1000 || u.bad("keeps all removals") {
		return
	}
	slices.SortFunc(removed, func(a, b *row) int { return a.entry.Login.Compare(b.entry.Login) })
	gone := removed[0]
	if u.bad("forgets the newest removal") {
		gone = removed[len(removed)-1]
	}
	u.rows = slices.DeleteFunc(u.rows, func(r *row) bool { return r == gone })
}

// edit changes the JSON object that the place would have for a record.
func (p *place) edit(provider, id string, change func(map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.rows, func(r *row) bool { return r.key == [2]string{provider, id} })
	r := p.rows[i]
	members := map[string]any{"provider": provider, "id": id, "access_token": r.entry.Credential.AccessToken}
	maps.Copy(members, r.unknown)
	change(members)
	_, ok := members["access_token"].(string)
	r.broken = !ok
	delete(members, "access_token")
	r.unknown = members
	p.version++
	r.version = p.version
}
