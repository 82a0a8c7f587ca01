package reauthtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// boundPromises are those about what a store refuses to write, and what it forgets.
func boundPromises() []storePromise {
	const bounds = "An ID 256 bytes, a token 64 KiB, metadata 64 KiB, valid UTF-8, no control characters: what exceeds " +
		"them is refused before it is written."
	return []storePromise{
		{name: "result_that_is_out_of_bounds_is_refused", text: bounds, check: checkOutOfBounds},
		{name: "name_that_is_out_of_bounds_is_refused", text: bounds, check: checkNamesOutOfBounds},
		{name: "result_within_bounds_is_stored", text: bounds, check: checkWithinBounds},
		{
			name: "oldest_of_more_than_1000_removals_go", text: "1,000 tombstones (the oldest go)", long: true,
			check: checkRemovalsBounded,
		},
	}
}

const kib = 1 << 10

// checkOutOfBounds stores results that must be refused, between two records that stay readable.
func checkOutOfBounds(c *storeCheck) {
	stands, long := entry(1), strings.Repeat("x", 64*kib+1)
	before, behind := entryOf("before", 1), entryOf("behind", 1)
	for _, e := range []reauth.Entry{before, stands, behind} {
		c.put(c.a, e)
	}
	for _, w := range []struct {
		what   string
		change func(*reauth.Credential)
	}{
		{"an access token of more than 64 KiB", func(r *reauth.Credential) { r.AccessToken = long }},
		{"a refresh token of more than 64 KiB", func(r *reauth.Credential) { r.RefreshToken = long }},
		{"an access token with a line break", func(r *reauth.Credential) { r.AccessToken = "a\nb" }},
		{"a refresh token with a NUL", func(r *reauth.Credential) { r.RefreshToken = "a\x00b" }},
		{"a token that is no UTF-8", func(r *reauth.Credential) { r.AccessToken = "a\xffb" }},
		{"an account with a control character", func(r *reauth.Credential) { r.AccountID = "a\x1bb" }},
		{"an account of more than 4 KiB", func(r *reauth.Credential) { r.AccountID = long[:4*kib+1] }},
		{"a client that is no UTF-8", func(r *reauth.Credential) { r.ClientID = "\xc3\x28" }},
		{"a host with a NUL", func(r *reauth.Credential) { r.Hosts = []string{"api.x.ai", "a\x00"} }},
		{"metadata of more than 64 KiB", func(r *reauth.Credential) {
			r.Metadata = map[string]string{"a": long[:40*kib], "b": long[:24*kib]}
		}},
		{"metadata with a NUL", func(r *reauth.Credential) { r.Metadata = map[string]string{"a": "b\x00c"} }},
		{"a name of metadata with a NUL", func(r *reauth.Credential) { r.Metadata = map[string]string{"\x00": "b"} }},
		{"metadata that is no UTF-8", func(r *reauth.Credential) { r.Metadata = map[string]string{"a": "\xff"} }},
	} {
		for _, id := range []string{storeID, "new"} {
			e := entryOf(id, 2)
			w.change(&e.Credential)
			got, err := c.store(c.a, e)
			if !errors.Is(err, reauth.ErrNotStored) {
				c.failf("a result with %s: Update returns %v, which does not match ErrNotStored", w.what, err)
			}
			if got.Generation != e.Generation || got.Credential.AccessToken != e.Credential.AccessToken {
				c.failf("a result with %s: Update does not return fn's entry", w.what)
			}
			c.expect("after a result with "+w.what, c.b, before, stands, behind)
		}
	}
	c.put(c.b, entry(2)) // no refused result has kept the claim
}

// checkNamesOutOfBounds uses providers and IDs that must be refused. A store may do so before it
// calls fn.
func checkNamesOutOfBounds(c *storeCheck) {
	stands := entry(1)
	c.put(c.a, stands)
	for _, w := range []struct{ what, provider, id string }{
		{"an ID of 257 bytes", storeProvider, strings.Repeat("x", 257)},
		{"no ID", storeProvider, ""},
		{"an ID with a NUL", storeProvider, "a\x00b"},
		{"an ID with a line break", storeProvider, "a\nb"},
		{"an ID with a C1 control character", storeProvider, "a\u0085b"},
		{"an ID that is no UTF-8", storeProvider, "a\xff"},
		{"no provider", "", storeID},
		{"a provider of 257 bytes", strings.Repeat("x", 257), storeID},
		{"a provider with a NUL", "a\x00b", storeID},
	} {
		called := false
		e := entry(2)
		_, err := c.a.Update(c.ctx, w.provider, w.id, func(h reauth.Holding) (reauth.Entry, error) {
			called = true
			if h.Found {
				c.failf("%s: Update finds a record", w.what)
			}
			return e, nil
		})
		if err == nil || called && !errors.Is(err, reauth.ErrNotStored) {
			c.failf("%s: Update returns %v; an error is due, which matches ErrNotStored if fn was called", w.what, err)
		}
		// A record of these names is not there, so a mark of it may be dropped, or refused.
		_ = c.b.Mark(c.ctx, w.provider, w.id, "login", loginMarkOf(e, "of none"), time.Time{})
		c.expect("after an Update with "+w.what, c.b, stands)
	}
}

func checkWithinBounds(c *storeCheck) {
	e := entry(1)
	e.Credential.ID = strings.Repeat("ü", 128) // 256 bytes
	e.Credential.AccessToken = strings.Repeat("a", 64*kib)
	e.Credential.RefreshToken = strings.Repeat("<", 64*kib) // JSON may write six bytes for it
	e.Credential.AccountID = strings.Repeat("x", 4*kib)
	e.Credential.Metadata = map[string]string{"a": strings.Repeat("\n", 64*kib-1)}
	c.put(c.a, e)
	m := loginMarkOf(e, strings.Repeat("x", 4*kib))
	key := "model:" + strings.Repeat("x", 128)
	if err := c.a.Mark(c.ctx, storeProvider, e.Credential.ID, key, m, time.Time{}); err != nil {
		c.failf("Mark fails: %v", err)
	}
	c.expect("a record that is as large as may be", c.b, withMarks(e, map[string]reauth.Mark{key: m}))
}

// checkRemovalsBounded writes more removals than a store keeps. Some are made at once, because a
// thousand writes take long. The oldest are the oldest by their Login and by the time of writing.
func checkRemovalsBounded(c *storeCheck) {
	const most, more, workers = 1000, 5, 8
	stands := entryOf("stands", 1)
	c.put(c.a, stands)
	reader := new(follower)
	reader.look(c, c.b)
	remove := func(st reauth.Store, i int) {
		e := removal(fmt.Sprintf("gone-%04d", i), firstLogin().Add(time.Duration(i)*time.Second))
		if _, err := c.store(st, e); err != nil {
			c.failf("Update fails for removal %d: %v", i, err)
		}
	}
	for i := range more {
		remove(c.a, i)
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := more + w; i < most; i += workers {
				remove(c.both()[w%2], i)
			}
		})
	}
	all.Wait()
	for i := range more {
		remove(c.b, most+i)
	}
	present := make(map[string]bool)
	for _, e := range c.load(c.a, "").Entries {
		present[e.Credential.ID] = true
	}
	if len(present) != most+1 {
		c.failf("of %d removals and one other record, Load returns %d; 1,000 and one are due", most+more, len(present))
	}
	for i := range more {
		if id := fmt.Sprintf("gone-%04d", i); present[id] {
			c.failf("%s, one of the oldest of %d removals, is still there", id, most+more)
		}
		if id := fmt.Sprintf("gone-%04d", most+i); !present[id] {
			c.failf("%s, one of the newest removals, is not there", id)
		}
	}
	c.markOften(stands)
	reader.look(c, c.b) // after more changes than a store may remember
	reader.compare(c, c.b)
}

// markOften writes marks until there have been more changes than a store needs to remember.
func (c *storeCheck) markOften(e reauth.Entry) {
	seen := time.Time{}
	for range 30 {
		m := loginMarkOf(e, "often")
		m.At = seen.Add(1)
		if err := c.a.Mark(c.ctx, storeProvider, e.Credential.ID, "login", m, seen); err != nil {
			c.failf("Mark fails: %v", err)
		}
		seen = m.At
	}
}
