package reauthtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// loadPromises are those about Load and the Snapshot that it returns.
func loadPromises() []storePromise {
	const changed = "Load returns the records that changed since version, which an earlier Load of the same store " +
		"returned, and the version that they make."
	const unknown = `"", and a version that the store does not remember, ask for everything.`
	const order = "Entries [are] in the order in which they were added; removals are entries too."
	return []storePromise{
		{name: "empty_place_has_a_version_and_no_records", text: changed, check: checkEmptyPlace},
		{name: "load_returns_what_changed_since_a_version", text: changed, check: checkChanges},
		{name: "unknown_version_asks_for_everything", text: unknown, check: checkUnknownVersion},
		{
			name: "version_does_not_come_back",
			text: "A version must not come back after the store was put back to an older state: it has a random part " +
				"at each write.",
			check: checkVersionsDiffer,
		},
		{
			name: "deltas_leave_nothing_out_while_others_write",
			text: "Delta says that Entries holds only what has changed since the version that was asked for. The rest is " +
				"as it was.",
			check: checkDeltasUnderWriters,
		},
		{name: "records_are_in_the_order_in_which_they_were_added", text: order, check: checkOrder},
		{name: "removals_are_entries_too", text: order, check: checkRemovalsListed},
		{
			name: "identity_is_made_with_the_store",
			text: "Identity is random, and made with the store: a store that was deleted and made anew has another. " +
				"Empty: the store has none yet.",
			check: checkIdentity,
		},
		{
			name:  "store_that_is_opened_later_has_everything",
			text:  "Store keeps credentials for the pools of one process, one host or a fleet.",
			check: checkOpenedLater,
		},
	}
}

func checkEmptyPlace(c *storeCheck) {
	for _, st := range c.both() {
		snap := c.load(st, "")
		if len(snap.Entries) > 0 {
			c.failf("the place is not empty: it has the records %s", namesOf(snap.Entries))
		}
		if snap = c.load(st, snap.Version); len(snap.Entries) > 0 {
			c.failf("Load returns the records %s of an empty place", namesOf(snap.Entries))
		}
	}
}

// recordChange is a way in which a record changes.
type recordChange struct {
	what   string
	change func(st reauth.Store)
}

// recordChanges returns the ways in which a record changes, in an order in which they can follow
// each other.
func (c *storeCheck) recordChanges() []recordChange {
	return []recordChange{
		{"a record is new", func(st reauth.Store) { c.put(st, entry(1)) }},
		{"a record has new tokens", func(st reauth.Store) { c.put(st, entry(2)) }},
		{"a record has a mark", func(st reauth.Store) {
			c.mark(st, "login", loginMarkOf(entry(2), "first"), time.Time{})
		}},
		{"a record is removed", func(st reauth.Store) { c.put(st, removal(storeID, firstLogin().Add(time.Hour))) }},
	}
}

func checkChanges(c *storeCheck) {
	c.put(c.a, entryOf("other", 1))
	seen := c.load(c.b, "")
	for _, w := range c.recordChanges() {
		snap := c.load(c.b, seen.Version)
		if len(snap.Entries) > 0 || !snap.Delta || snap.Version != seen.Version {
			c.failf("before %s, nothing has changed: Load returns the records %s, Delta %v, version %q for %q",
				w.what, namesOf(snap.Entries), snap.Delta, snap.Version, seen.Version)
		}
		w.change(c.a)
		snap = c.load(c.b, seen.Version)
		if snap.Version == seen.Version {
			c.failf("%s: the version is still %q", w.what, seen.Version)
		}
		if !snap.Delta {
			c.failf("%s: Load returns no delta", w.what)
		}
		if len(snap.Entries) != 1 || snap.Entries[0].Credential.ID != storeID {
			c.fatalf("%s: Load returns the records %s, not the one that changed", w.what, namesOf(snap.Entries))
		}
		c.same(w.what, snap.Entries[0], c.load(c.b, "").Entries[1])
		seen = snap
	}
}

func checkUnknownVersion(c *storeCheck) {
	elsewhere := c.opened(newPlace())
	for _, id := range []string{"one", "two", "three"} { // the other place has as many
		c.put(c.a, entryOf(id, 1))
		c.put(elsewhere, entryOf(id, 1))
	}
	version := c.load(c.b, "").Version
	for what, asked := range map[string]string{
		"of another place": c.load(elsewhere, "").Version,
		"of no store":      "yesterday",
		"a number":         "1",
		"zero":             "0",
		"longer":           version + "0",
		"not text":         "\x00\xff'",
	} {
		snap := c.load(c.b, asked)
		if snap.Delta || len(snap.Entries) != 3 || snap.Version != version {
			c.failf("the version is %s: Load returns the records %s, Delta %v, version %q; all three are due, version %q",
				what, namesOf(snap.Entries), snap.Delta, snap.Version, version)
		}
	}
}

// checkVersionsDiffer makes the same writes in two places. Versions that only count are equal then.
func checkVersionsDiffer(c *storeCheck) {
	elsewhere := c.opened(newPlace())
	versions := make(map[string]int)
	const writes = 4
	for i := range int64(writes) {
		c.put(c.a, entry(i+1))
		c.put(elsewhere, entry(i+1))
		versions[c.load(c.a, "").Version]++
		versions[c.load(elsewhere, "").Version]++
	}
	if len(versions) != 2*writes {
		c.failf("after the same writes, two places have versions in common: %q", slices.Collect(maps.Keys(versions)))
	}
}

// follower keeps the records that deltas tell of, as a pool does.
type follower struct {
	version string
	records map[string]reauth.Entry
}

// look takes what has changed into the follower's records.
func (f *follower) look(c *storeCheck, st reauth.Store) {
	snap := c.load(st, f.version)
	if !snap.Delta {
		f.records = make(map[string]reauth.Entry)
	}
	for _, e := range snap.Entries {
		f.records[e.Credential.ID] = e
	}
	f.version = snap.Version
}

// compare tells in which records the follower differs from all that the store has. tombstones may
// be forgotten by the store alone.
func (f *follower) compare(c *storeCheck, st reauth.Store) {
	full := c.load(st, "").Entries
	all := make(map[string]bool)
	for _, e := range full {
		all[e.Credential.ID] = true
		got, ok := f.records[e.Credential.ID]
		if !ok {
			c.failf("no delta has told of the record %s", e.Credential.ID)
			continue
		}
		got.Spending, e.Spending = reauth.Spending{}, reauth.Spending{} // a Spend need not be told
		c.same("what the deltas have told", got, e)
	}
	for id, e := range f.records {
		if !all[id] && !e.Removed {
			c.failf("the record %s is not in the store, and no delta has told of its removal", id)
		}
	}
}

// checkDeltasUnderWriters follows a place by deltas while several goroutines write to it.
func checkDeltasUnderWriters(c *storeCheck) {
	const writers, rounds = 4, 10
	var all sync.WaitGroup
	for w := range writers {
		st := c.both()[w%2]
		all.Go(func() {
			for i := range int64(rounds) {
				c.writeSomething(st, fmt.Sprintf("writer-%d", w), i)
			}
		})
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		all.Wait()
	}()
	followers := []*follower{{}, {}}
	for done := false; !done; {
		done = c.within(time.Millisecond, written)
		for i, f := range followers { // after the last write, once more
			f.look(c, c.both()[i])
		}
	}
	for i, f := range followers {
		f.compare(c, c.both()[i])
	}
}

// writeSomething makes each kind of write, to a record of its own and to one that all share.
func (c *storeCheck) writeSomething(st reauth.Store, id string, round int64) {
	own := fmt.Sprintf("%s-%d", id, round%3)
	e := entryOf(own, round)
	if round == 9 {
		e = removal(own, firstLogin().Add(time.Hour))
	}
	if _, err := c.store(st, e); err != nil {
		c.failf("Update fails: %v", err)
	}
	c.failing(st, own, func(h reauth.Holding) { c.spend(h, reauth.Spending{Of: fmt.Sprint(round)}) })
	m := loginMarkOf(e, fmt.Sprint(round))
	if err := st.Mark(c.ctx, storeProvider, own, fmt.Sprint("model:", round), m, time.Time{}); err != nil {
		c.failf("Mark fails: %v", err)
	}
	if err := c.increment(st, "shared"); err != nil {
		c.failf("Update fails: %v", err)
	}
}

// increment stores the next generation of a record.
func (c *storeCheck) increment(st reauth.Store, id string) error {
	_, err := st.Update(c.ctx, storeProvider, id, func(h reauth.Holding) (reauth.Entry, error) {
		c.pause(time.Millisecond) // others may come in
		return entryOf(id, h.Entry.Generation+1), nil
	})
	return err
}

func checkOrder(c *storeCheck) {
	var want []reauth.Entry
	for i := range 12 {
		e := entryOf(fmt.Sprint((i*7)%12), 1) // the order of names and of tokens is another
		c.put(c.both()[i%2], e)
		want = append(want, e)
	}
	seen := c.load(c.b, "").Version
	want[1], want[2], want[5] = entryOf("7", 2), removal("2", firstLogin().Add(time.Hour)), entryOf("11", 2)
	for _, i := range []int{5, 1, 2} {
		c.put(c.a, want[i])
	}
	c.expect("after changes in another order", c.b, want...)
	snap := c.load(c.b, seen)
	if got, due := namesOf(snap.Entries), namesOf([]reauth.Entry{want[1], want[2], want[5]}); got != due {
		c.failf("what has changed is in the order %s, it was added in the order %s", got, due)
	}
}

func checkRemovalsListed(c *storeCheck) {
	c.put(c.a, entry(1))
	c.put(c.a, entryOf("other", 1))
	seen := c.load(c.b, "").Version
	gone := removal(storeID, firstLogin().Add(time.Hour))
	c.put(c.a, gone)
	c.expect("after a removal", c.b, gone, entryOf("other", 1))
	snap := c.load(c.b, seen)
	if len(snap.Entries) != 1 || !snap.Entries[0].Removed {
		c.failf("Load returns the records %s as changed, not the one that was removed", namesOf(snap.Entries))
	}
	held := c.held(c.b, storeID)
	if !held.Found || !held.Entry.Removed {
		c.failf("Update finds the removed record: %v, as removed: %v; both are due", held.Found, held.Entry.Removed)
	}
}

func checkIdentity(c *storeCheck) {
	elsewhere := c.opened(newPlace())
	c.put(c.a, entry(1))
	c.put(elsewhere, entry(1))
	identity := c.load(c.a, "").Identity
	if identity == "" {
		c.failf("the store has no identity after its first write")
	}
	if other := c.load(elsewhere, "").Identity; other == identity {
		c.failf("two places have the identity %q", other)
	}
	c.put(c.b, entry(2))
	c.mark(c.b, "login", loginMarkOf(entry(2), "capped"), time.Time{})
	c.put(c.b, removal(storeID, firstLogin().Add(time.Hour)))
	for _, st := range append(c.both(), c.opened(c.place)) {
		if got := c.load(st, "").Identity; got != identity {
			c.failf("the identity was %q, it is %q for another store in the place", identity, got)
		}
		held := c.held(st, "new")
		if held.Identity != identity {
			c.failf("the identity is %q, Update gives its function %q", identity, held.Identity)
		}
		if held.Behind != nil || held.Missing != nil {
			c.failf("nothing is wrong with the place, Update tells Behind %v, Missing %v", held.Behind, held.Missing)
		}
	}
}

func checkOpenedLater(c *storeCheck) {
	c.put(c.a, entry(1))
	c.put(c.b, entryOf("other", 1))
	m := loginMarkOf(entry(1), "capped")
	c.mark(c.a, "login", m, time.Time{})
	want := entry(1)
	want.Marks = map[string]reauth.Mark{"login": m}
	later := c.opened(c.place)
	c.expect("in a store that was opened later", later, want, entryOf("other", 1))
	c.put(later, entry(2))
	want = entry(2)
	want.Marks = map[string]reauth.Mark{"login": m}
	c.expect("in a store that was opened before", c.b, want, entryOf("other", 1))
}
