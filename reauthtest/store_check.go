package reauthtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
)

// storeCheck is the check of one promise. It has two stores in one place.
type storeCheck struct {
	*check
	stores *storeSuite
	place  string
	a, b   reauth.Store
	calls  chan func() // for the goroutine of the test
}

func newStoreCheck(s *storeSuite) *storeCheck {
	return &storeCheck{
		check:  newCheck(&suite{patience: s.patience}, new(record), ""),
		stores: s,
		place:  newPlace(),
		calls:  make(chan func()),
	}
}

// newPlace returns a name that no place has.
func newPlace() string { return "place" + strings.ToLower(rand.Text()) }

// opened returns a store in a place.
func (c *storeCheck) opened(place string) reauth.Store {
	c.step("opening a store")
	var st reauth.Store
	c.inTest(func() { st = c.stores.open(place) })
	if st == nil {
		c.fatalf("open returned nil")
	}
	c.step("using the store")
	return st
}

// inTest runs f in the goroutine of the test and waits for it.
func (c *storeCheck) inTest(f func()) {
	done := make(chan struct{})
	call := func() {
		defer close(done)
		f()
	}
	select {
	case c.calls <- call:
	case <-c.ctx.Done():
		c.skip()
	}
	select {
	case <-done:
	case <-c.ctx.Done():
		c.skip()
	}
}

// both returns the two stores of the place.
func (c *storeCheck) both() []reauth.Store { return []reauth.Store{c.a, c.b} }

// apart reports whether a and b are two stores. In memory they may be one.
func (c *storeCheck) apart() bool {
	v, w := reflect.ValueOf(c.a), reflect.ValueOf(c.b)
	return !v.Comparable() || !w.Comparable() || c.a != c.b
}

const (
	storeProvider = "xai-oauth"
	storeID       = "me"

	// glance is how long a check waits for what must not happen.
	glance = 100 * time.Millisecond
)

// firstLogin is when the person of these tests logged in. Stores keep nanoseconds: a mark is bound
// to a login by its exact time.
func firstLogin() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 600_700_801, time.UTC) }

// entryOf returns the record of a credential after so many exchanges.
func entryOf(id string, generation int64) reauth.Entry {
	return reauth.Entry{
		Credential: reauth.Credential{
			Provider: storeProvider, ID: id,
			AccessToken:  fmt.Sprintf("at-%s-%d", id, generation),
			RefreshToken: fmt.Sprintf("rt-%s-%d", id, generation),
		},
		Login: firstLogin(), Generation: generation,
		LastRefresh: firstLogin().Add(time.Duration(generation) * time.Hour),
	}
}

// entry returns the record that most checks use, after so many exchanges.
func entry(generation int64) reauth.Entry { return entryOf(storeID, generation) }

// removal returns the record of a credential that was removed at an instant.
func removal(id string, at time.Time) reauth.Entry {
	return reauth.Entry{
		Credential: reauth.Credential{Provider: storeProvider, ID: id},
		Login:      at, Removed: true, Generation: 1, Spent: []string{digestOf("rt-left-behind")},
	}
}

// digestOf is how a record names a token.
func digestOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

// markOf returns a mark about a token or a login.
func markOf(of, reason string) reauth.Mark {
	return reauth.Mark{Until: firstLogin().AddDate(10, 0, 0), At: firstLogin(), Reason: reason, Of: of}
}

// tokenMarkOf returns a mark about the access token of a record.
func tokenMarkOf(e reauth.Entry, reason string) reauth.Mark {
	return markOf(digestOf(e.Credential.AccessToken), reason)
}

// loginMarkOf returns a mark about the login of a record.
func loginMarkOf(e reauth.Entry, reason string) reauth.Mark {
	return markOf(e.Login.UTC().Format(time.RFC3339Nano), reason)
}

// store makes an Update of e's credential whose function returns e.
func (c *storeCheck) store(st reauth.Store, e reauth.Entry) (reauth.Entry, error) {
	return st.Update(c.ctx, e.Credential.Provider, e.Credential.ID,
		func(reauth.Holding) (reauth.Entry, error) { return e, nil })
}

// put stores e, which is no older than the record that is there.
func (c *storeCheck) put(st reauth.Store, e reauth.Entry) {
	if _, err := c.store(st, e); err != nil {
		c.fatalf("Update fails: %v", err)
	}
}

// during stores e, and calls f in the middle of the Update.
func (c *storeCheck) during(st reauth.Store, e reauth.Entry, f func(h reauth.Holding)) {
	_, err := st.Update(c.ctx, e.Credential.Provider, e.Credential.ID, func(h reauth.Holding) (reauth.Entry, error) {
		f(h)
		return e, nil
	})
	if err != nil {
		c.fatalf("Update fails: %v", err)
	}
}

var errOfFn = errors.New("the function's own error")

// failing makes an Update whose function calls f and fails.
func (c *storeCheck) failing(st reauth.Store, id string, f func(h reauth.Holding)) {
	_, err := st.Update(c.ctx, storeProvider, id, func(h reauth.Holding) (reauth.Entry, error) {
		f(h)
		return h.Entry, errOfFn
	})
	if !errors.Is(err, errOfFn) {
		c.failf("Update returns %v, its function had failed with %v", err, errOfFn)
	}
}

// held returns what the function of an Update is given.
func (c *storeCheck) held(st reauth.Store, id string) (held reauth.Holding) {
	c.failing(st, id, func(h reauth.Holding) { held = h })
	return held
}

// mark writes a mark over one that was written at seen.
func (c *storeCheck) mark(st reauth.Store, key string, m reauth.Mark, seen time.Time) {
	if err := st.Mark(c.ctx, storeProvider, storeID, key, m, seen); err != nil {
		c.failf("Mark %q (%s) fails: %v", key, m.Reason, err)
	}
}

// load returns what has changed since a version. It may be called in any goroutine.
func (c *storeCheck) load(st reauth.Store, version string) reauth.Snapshot {
	snap, err := st.Load(c.ctx, version)
	switch {
	case err != nil:
		c.failf("Load fails: %v", err)
	case snap.Version == "":
		c.failf("Load returns no version")
	case len(snap.Broken) > 0:
		c.failf("Load tells of something broken: %v", errors.Join(snap.Broken...))
	case version == "" && snap.Delta:
		c.failf("Load returns a delta, everything was asked for")
	}
	return snap
}

// expect compares the records of the place with want, which is in their order. Load need not tell
// Spending.
func (c *storeCheck) expect(when string, st reauth.Store, want ...reauth.Entry) {
	got := c.load(st, "").Entries
	if len(got) != len(want) {
		c.failf("%s: Load returns the records %s, not %s", when, namesOf(got), namesOf(want))
		return
	}
	for i, w := range want {
		if got[i].Spending == (reauth.Spending{}) {
			w.Spending = got[i].Spending
		}
		c.same(when, got[i], w)
	}
}

func namesOf(entries []reauth.Entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%s/%s", e.Credential.Provider, e.Credential.ID))
	}
	return fmt.Sprintf("%q", names)
}

// one returns the record of a place that has one.
func (c *storeCheck) one(st reauth.Store) reauth.Entry {
	entries := c.load(st, "").Entries
	if len(entries) != 1 {
		c.fatalf("Load returns the records %s, not one", namesOf(entries))
	}
	return entries[0]
}

// same compares two records, field by field.
func (c *storeCheck) same(when string, got, want reauth.Entry) {
	for _, d := range differences(got, want) {
		c.failf("%s: of %s/%s, %s", when, want.Credential.Provider, want.Credential.ID, d)
	}
}

// differences tells in which fields two records differ. Instants are equal in any time zone, and a
// list without elements is as good as none.
func differences(got, want reauth.Entry) (list []string) {
	differ := func(name string, same bool, got, want any) {
		if !same {
			list = append(list, fmt.Sprintf("%s is %s, not %s", name, shorten(got), shorten(want)))
		}
	}
	a, b := got.Credential, want.Credential
	for _, f := range []struct{ name, got, want string }{
		{"Provider", a.Provider, b.Provider},
		{"ID", a.ID, b.ID},
		{"AccessToken", a.AccessToken, b.AccessToken},
		{"RefreshToken", a.RefreshToken, b.RefreshToken},
		{"AccountID", a.AccountID, b.AccountID},
		{"ClientID", a.ClientID, b.ClientID},
		{"Spending.Of", got.Spending.Of, want.Spending.Of},
		{"Spending.Holder", got.Spending.Holder, want.Spending.Holder},
	} {
		differ(f.name, f.got == f.want, f.got, f.want)
	}
	for _, f := range []struct {
		name      string
		got, want time.Time
	}{
		{"Expiry", a.Expiry, b.Expiry},
		{"Login", got.Login, want.Login},
		{"LastRefresh", got.LastRefresh, want.LastRefresh},
		{"Spending.Since", got.Spending.Since, want.Spending.Since},
	} {
		differ(f.name, f.got.Equal(f.want), f.got, f.want)
	}
	differ("Hosts", slices.Equal(a.Hosts, b.Hosts), a.Hosts, b.Hosts)
	differ("Priority", a.Priority == b.Priority, a.Priority, b.Priority)
	differ("Metadata", maps.Equal(a.Metadata, b.Metadata), a.Metadata, b.Metadata)
	differ("Removed", got.Removed == want.Removed, got.Removed, want.Removed)
	differ("Generation", got.Generation == want.Generation, got.Generation, want.Generation)
	differ("Spent", slices.Equal(got.Spent, want.Spent), got.Spent, want.Spent)
	differ("Marks", maps.EqualFunc(got.Marks, want.Marks, sameMark), got.Marks, want.Marks)
	return list
}

func sameMark(a, b reauth.Mark) bool {
	return a.Until.Equal(b.Until) && a.At.Equal(b.At) && a.Reason == b.Reason && a.Of == b.Of
}

// shorten formats a value for a failure. A token may have 64 KiB.
func shorten(v any) string {
	const most = 300
	text := fmt.Sprintf("%v", v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if len(text) > most {
		text = fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
	}
	return text
}

// pause gives other goroutines time to come in.
func (c *storeCheck) pause(d time.Duration) { c.within(d, nil) }

// returns waits for f, which runs in a goroutine of its own. It fails the check when f waits for
// what the check itself holds.
func (c *storeCheck) returns(what string, f func(ctx context.Context)) {
	done := make(chan struct{})
	ctx, cancel := context.WithTimeout(c.ctx, c.patience/4)
	defer cancel()
	go func() {
		defer close(done)
		f(ctx)
	}()
	if !c.comes(done) {
		c.failf("%s does not return", what)
	}
}
