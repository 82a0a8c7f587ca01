package reauthtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/reauth-go/reauth"
)

// borderPromises are those about names, and about what a store shares with its caller.
func borderPromises() []storePromise {
	return []storePromise{
		{name: "alias_means_the_provider", text: "An alias of a provider means the provider.", check: checkAlias},
		{
			name: "records_of_similar_names_are_kept_apart", text: "Provider and ID stay those of the call.",
			check: checkSimilarNames,
		},
		{
			name: "nothing_is_shared_with_the_caller",
			text: "Nothing that a caller passes or gets is shared with the store.", check: checkNothingShared,
		},
	}
}

// memberPromises are those about a store that keeps a JSON object for each record.
func memberPromises() []storePromise {
	return []storePromise{
		{
			name:  "unknown_members_stay",
			text:  "Members that a newer version, or a person, has added to the JSON object of a record stay.",
			check: checkUnknownMembers,
		},
		{
			name: "broken_record_hides_no_other",
			text: "Broken tells which records cannot be read, each as a *RecordError. A broken record hides no other, and " +
				"is not removed.",
			check: checkBrokenRecord,
		},
	}
}

// checkAlias uses an alias of xai-oauth, and the name in capitals, in every method.
func checkAlias(c *storeCheck) {
	for i, alias := range []string{"xai", "XAI-OAuth"} {
		e := entry(int64(2*i + 1))
		got, err := c.a.Update(c.ctx, alias, storeID, func(reauth.Holding) (reauth.Entry, error) {
			aliased := e
			aliased.Credential.Provider = alias
			return aliased, nil
		})
		if err != nil {
			c.failf("Update fails for the provider %q: %v", alias, err)
		}
		got.Marks = nil
		c.same("what Update returns for the provider "+alias, got, e)
		m := tokenMarkOf(e, alias)
		if err := c.b.Mark(c.ctx, alias, storeID, "token", m, time.Time{}); err != nil {
			c.failf("Mark fails for the provider %q: %v", alias, err)
		}
		want := withMarks(e, map[string]reauth.Mark{"token": m})
		c.expect("after an Update and a Mark of the provider "+alias, c.b, want)
		c.during(c.a, entry(int64(2*i+2)), func(h reauth.Holding) {
			c.same("in an Update of xai-oauth, after one of "+alias, h.Entry, want)
			c.mayNotEnterAs(alias)
		})
	}
}

// mayNotEnterAs makes an Update of the claimed credential under an alias.
func (c *storeCheck) mayNotEnterAs(alias string) {
	ctx, stop := context.WithTimeout(c.ctx, glance)
	defer stop()
	_, err := c.b.Update(ctx, alias, storeID, func(h reauth.Holding) (reauth.Entry, error) {
		c.failf("two callers are inside Update for one credential, one under its alias %s", alias)
		return h.Entry, errOfFn
	})
	if err == nil {
		c.failf("Update under the alias %s succeeds during another one", alias)
	}
}

func checkSimilarNames(c *storeCheck) {
	var want []reauth.Entry
	for i, names := range [][2]string{
		{storeProvider, "a"},
		{"anthropic", "a"},
		{storeProvider, "A"},
		{storeProvider, "a "},
		{storeProvider, " a"},
		{storeProvider, `x'; DROP TABLE "y" -- ../../z`},
		{storeProvider, "x"},
		{storeProvider, "ü/ü%_?$1"},
		{storeProvider, "\u00e9"},
		{storeProvider, "e\u0301"}, // looks the same
		{storeProvider, "."},
		{storeProvider, ".."},
		{storeProvider, "%"},
		{storeProvider, "_"},
		{"acme", "x/y"},
		{"acme/x", "y"},
		{"acme", "x:y"},
		{"acme:x", "y"},
		{"acme", "null"},
		{"acme", "0"},
		{"acme", "00"},
	} {
		e := entry(1)
		e.Credential.Provider, e.Credential.ID = names[0], names[1]
		e.Credential.AccessToken = fmt.Sprint(i)
		c.put(c.a, e)
		want = append(want, e)
	}
	c.expect("after records of similar names", c.b, want...)
	for i := range want {
		e := &want[i]
		m := loginMarkOf(*e, e.Credential.AccessToken)
		if err := c.b.Mark(c.ctx, e.Credential.Provider, e.Credential.ID, "login", m, time.Time{}); err != nil {
			c.failf("Mark fails for %s: %v", e.Credential, err)
		}
		e.Marks = map[string]reauth.Mark{"login": m}
	}
	c.expect("after a mark of each", c.a, want...)
}

// checkNothingShared changes all that it has passed to the store or got from it.
func checkNothingShared(c *storeCheck) {
	// made makes the record anew, so that no two copies share anything.
	made := func() reauth.Entry {
		e := entry(1)
		e.Credential.Metadata, e.Credential.Hosts = map[string]string{"k": "v"}, []string{"api.x.ai"}
		e.Spent = []string{digestOf("rt-left-behind")}
		return e
	}
	spoil := func(e reauth.Entry) {
		e.Credential.Metadata["k"], e.Credential.Hosts[0], e.Spent[0] = "spoilt", "spoilt", "spoilt"
		if e.Marks != nil {
			e.Marks["login"] = reauth.Mark{Reason: "spoilt"}
		}
	}
	before := c.load(c.a, "").Version
	e := made()
	got, err := c.store(c.a, e)
	if err != nil {
		c.fatalf("Update fails: %v", err)
	}
	spoil(e)
	want := made()
	m := loginMarkOf(want, "capped")
	c.mark(c.a, "login", m, time.Time{})
	want.Marks = map[string]reauth.Mark{"login": m}
	c.expect("after a change to what was passed to Update", c.a, want)

	whole := func(e reauth.Entry) bool { return len(differences(e, want)) == 0 }
	if spoil(got); !whole(c.one(c.a)) {
		c.failf("a change to what Update returned has changed the store")
	}
	if spoil(c.one(c.a)); !whole(c.one(c.a)) {
		c.failf("a change to what Load returned has changed the store")
	}
	for _, e := range c.load(c.a, before).Entries {
		spoil(e)
	}
	if !whole(c.one(c.a)) {
		c.failf("a change to what Load of a version returned has changed the store")
	}
	c.failing(c.a, storeID, func(h reauth.Holding) { spoil(h.Entry) })
	if !whole(c.one(c.a)) {
		c.failf("a change to what fn was given has changed the store")
	}
}

func checkUnknownMembers(c *storeCheck) {
	future := map[string]any{"n": 1.5, "list": []any{"a", nil, true}, "text": "<&> ü"}
	edit := func(change func(map[string]any)) {
		c.inTest(func() { c.stores.edit(c.place, storeProvider, storeID, change) })
	}
	c.put(c.a, entry(1))
	c.put(c.a, entryOf("other", 1))
	edit(func(members map[string]any) { members["from_the_future"] = future })
	m := loginMarkOf(entry(1), "capped")
	for _, w := range []struct {
		what  string
		write func()
	}{
		{"Mark", func() { c.mark(c.a, "login", m, time.Time{}) }},
		{"Spend", func() { c.failing(c.b, storeID, func(h reauth.Holding) { c.spend(h, spendingOf(entry(1))) }) }},
		{"Update", func() { c.put(c.a, entry(2)) }},
		{"Update of another credential", func() { c.put(c.b, entryOf("other", 2)) }},
		{"Update of another process", func() { c.put(c.b, entry(3)) }},
	} {
		w.write()
		edit(func(members map[string]any) {
			if got := members["from_the_future"]; !reflect.DeepEqual(got, any(future)) {
				c.failf("after %s, the member from_the_future is %v, not %v", w.what, got, future)
			}
		})
	}
	c.expect("after all", c.b, withMarks(entry(3), map[string]reauth.Mark{"login": m}), entryOf("other", 2))
}

// checkBrokenRecord makes a record unreadable, and readable again.
func checkBrokenRecord(c *storeCheck) {
	broken, other := entryOf("broken", 1), entryOf("other", 1)
	c.put(c.a, broken)
	c.put(c.a, other)
	edit := func(change func(map[string]any)) {
		c.inTest(func() { c.stores.edit(c.place, storeProvider, "broken", change) })
	}
	kept := make(map[string]any)
	edit(func(members map[string]any) {
		for name, value := range members {
			if value != storeProvider && value != "broken" { // edit must find the record once more
				kept[name], members[name] = value, []any{1.5}
			}
		}
	})
	for _, st := range append(c.both(), c.opened(c.place)) {
		c.expectBroken(st, other)
	}
	other = entryOf("other", 2)
	c.put(c.b, other)
	c.expectBroken(c.a, other)
	edit(func(members map[string]any) {
		maps.Copy(members, kept)
	})
	c.expect("after the record was mended", c.opened(c.place), broken, other)
}

// expectBroken loads a place in which one record is broken.
func (c *storeCheck) expectBroken(st reauth.Store, other reauth.Entry) {
	snap, err := st.Load(c.ctx, "")
	if err != nil {
		c.failf("Load fails because of one broken record: %v", err)
		return
	}
	var broken *reauth.RecordError
	if err := errors.Join(snap.Broken...); !errors.As(err, &broken) {
		c.failf("Load tells of %v, which is no *RecordError", err)
	}
	if len(snap.Entries) != 1 {
		c.failf("beside a broken record, Load returns the records %s", namesOf(snap.Entries))
		return
	}
	c.same("beside a broken record", snap.Entries[0], other)
}
