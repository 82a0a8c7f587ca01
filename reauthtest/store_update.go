package reauthtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth"
)

// updatePromises are those about Update: its claim, its function, and its context.
func updatePromises() []storePromise {
	const wait = "ctx bounds the wait for the claim and nothing after it."
	return []storePromise{
		{
			name:  "one_at_a_time_is_inside_update",
			text:  "Of all the pools that share the store, one at a time is inside Update for a credential.",
			check: checkOneAtATime,
		},
		{
			name:  "other_credentials_go_on_during_an_update",
			text:  "One at a time is inside Update for a credential. fn may take as long as a token exchange.",
			check: checkOthersGoOn,
		},
		{
			name:  "methods_may_be_called_from_several_goroutines",
			text:  "Its methods may be called from several goroutines.",
			check: checkGoroutines,
		},
		{
			name:  "update_gives_fn_the_record_as_it_is_under_the_claim",
			text:  "Update claims the credential, reads it, calls fn at most once, stores fn's result and releases the claim.",
			check: checkHolding,
		},
		{name: "context_bounds_the_wait_for_the_claim", text: wait, check: checkWait},
		{name: "context_bounds_nothing_after_the_claim", text: wait, check: checkOutlivesContext},
		{
			name:  "error_of_fn_comes_back_as_it_is_and_nothing_is_stored",
			text:  "When fn fails, Update returns fn's error as it is and stores nothing.",
			check: checkErrorOfFn,
		},
		{
			name:  "panic_of_fn_gives_the_claim_back",
			text:  "Update … releases the claim. When fn fails, Update … stores nothing.",
			check: checkPanicOfFn,
		},
		{
			name:  "now_is_a_clock_that_all_have_in_common",
			text:  "Now [is] by the store's clock, which all who share the store have in common; for Login.",
			check: checkNow,
		},
	}
}

// checkOneAtATime increments a number in the record through two stores at once.
func checkOneAtATime(c *storeCheck) {
	const workers, rounds = 6, 5
	var inside, most, calls atomic.Int64
	increment := func(h reauth.Holding) (reauth.Entry, error) {
		calls.Add(1)
		if n := inside.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer inside.Add(-1)
		c.pause(time.Millisecond) // the others may try to come in
		return entry(h.Entry.Generation + 1), nil
	}
	var all sync.WaitGroup
	for w := range workers {
		st := c.both()[w%2]
		all.Go(func() {
			for range rounds {
				if _, err := st.Update(c.ctx, storeProvider, storeID, increment); err != nil {
					c.failf("Update fails: %v", err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > 1 {
		c.failf("%d callers were inside Update for one credential", most.Load())
	}
	if got := c.one(c.a).Generation; got != workers*rounds {
		c.failf("of %d increments, %d are stored", workers*rounds, got)
	}
	if calls.Load() != workers*rounds {
		c.failf("%d Updates have called their functions %d times", workers*rounds, calls.Load())
	}
}

// checkOthersGoOn updates and reads in the middle of an Update of another credential.
func checkOthersGoOn(c *storeCheck) {
	c.put(c.a, entry(1))
	c.during(c.a, entry(2), func(reauth.Holding) {
		for i, st := range c.both() {
			other := entryOf(fmt.Sprint("other-", i), 1)
			c.returns("Update of another credential, during an Update,", func(ctx context.Context) {
				_, err := st.Update(ctx, storeProvider, other.Credential.ID,
					func(reauth.Holding) (reauth.Entry, error) { return other, nil })
				if err != nil {
					c.failf("Update of another credential fails during an Update: %v", err)
				}
			})
			c.returns("Load, during an Update,", func(ctx context.Context) {
				snap, err := st.Load(ctx, "")
				if err != nil || len(snap.Entries) != i+2 {
					c.failf("during an Update, Load returns the records %s, %v", namesOf(snap.Entries), err)
					return
				}
				c.same("during an Update", snap.Entries[0], entry(1))
			})
		}
	})
	c.expect("after the Update", c.b, entry(2), entryOf("other-0", 1), entryOf("other-1", 1))
}

// checkGoroutines uses one store in several goroutines, each with a credential of its own.
func checkGoroutines(c *storeCheck) {
	const workers, rounds = 8, 4
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			id := fmt.Sprint("worker-", w)
			for i := range rounds {
				if err := c.increment(c.a, id); err != nil {
					c.failf("Update fails: %v", err)
				}
				m := loginMarkOf(entryOf(id, 1), fmt.Sprint(i))
				if err := c.a.Mark(c.ctx, storeProvider, id, fmt.Sprint("model:", i), m, time.Time{}); err != nil {
					c.failf("Mark fails: %v", err)
				}
				c.load(c.a, "")
			}
		})
	}
	all.Wait()
	entries := c.load(c.b, "").Entries
	if len(entries) != workers {
		c.failf("Load returns the records %s, not those of %d goroutines", namesOf(entries), workers)
	}
	for _, e := range entries {
		if e.Generation != rounds || len(e.Marks) != rounds {
			c.failf("of %d Updates and %d Marks of %s, %d and %d are stored",
				rounds, rounds, e.Credential.ID, e.Generation, len(e.Marks))
		}
	}
}

func checkHolding(c *storeCheck) {
	calls := 0
	look := func(found bool, want reauth.Entry) func(reauth.Holding) {
		return func(h reauth.Holding) {
			calls++
			if h.Found != found {
				c.failf("Found is %v, not %v", h.Found, found)
			}
			if found {
				c.same("in fn", h.Entry, want)
			} else if h.Entry.Credential.AccessToken != "" || h.Entry.Generation != 0 {
				c.failf("fn gets a record of a credential that is not there")
			}
			if h.Spend == nil {
				c.failf("fn gets no Spend")
			}
		}
	}
	c.during(c.a, entry(1), look(false, reauth.Entry{}))
	m := loginMarkOf(entry(1), "capped")
	c.mark(c.b, "login", m, time.Time{})
	want := entry(1)
	want.Marks = map[string]reauth.Mark{"login": m}
	c.during(c.b, entry(2), look(true, want))
	want = entry(2)
	want.Marks = map[string]reauth.Mark{"login": m}
	c.failing(c.a, storeID, look(true, want))
	if calls != 3 {
		c.failf("three Updates have called their functions %d times", calls)
	}
}

func checkWait(c *storeCheck) {
	c.put(c.a, entry(1))
	gone := errors.New("the caller has gone")
	for _, other := range c.both() {
		c.during(c.a, entry(1), func(reauth.Holding) {
			c.returns("Update of a claimed credential", func(ctx context.Context) {
				short, stop := context.WithTimeout(ctx, glance)
				defer stop()
				c.mayNotEnter(short, other, context.DeadlineExceeded)
				canceled, cancel := context.WithCancelCause(ctx)
				cancel(gone)
				c.mayNotEnter(canceled, other, context.Canceled, gone)
			})
		})
	}
	c.put(c.b, entry(2)) // a caller that stopped waiting holds nothing
	c.expect("after callers have stopped waiting", c.a, entry(2))
}

// mayNotEnter makes an Update of a credential that is claimed. Its error must match one of causes.
func (c *storeCheck) mayNotEnter(ctx context.Context, st reauth.Store, causes ...error) {
	_, err := st.Update(ctx, storeProvider, storeID, func(h reauth.Holding) (reauth.Entry, error) {
		c.failf("two callers are inside Update for one credential")
		return h.Entry, errOfFn
	})
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return
		}
	}
	c.failf("a caller has stopped waiting for the claim: Update returns %v, which does not match %v", err, causes[0])
}

func checkOutlivesContext(c *storeCheck) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	_, err := c.a.Update(ctx, storeProvider, storeID, func(reauth.Holding) (reauth.Entry, error) {
		cancel()
		return entry(1), nil
	})
	if err != nil {
		c.failf("the context has ended in fn: Update fails: %v", err)
	}
	c.expect("the context has ended in fn", c.b, entry(1))
	c.put(c.b, entry(2)) // the credential is free
}

func checkErrorOfFn(c *storeCheck) {
	fail := func(st reauth.Store) {
		_, err := st.Update(c.ctx, storeProvider, storeID,
			func(reauth.Holding) (reauth.Entry, error) { return entry(7), errOfFn })
		if err != errOfFn { //nolint:errorlint // the promise is that it is the same error
			c.failf("Update returns %v, not the error that its function returned", err)
		}
	}
	fail(c.a)
	c.expect("after fn failed for a new credential", c.b)
	c.put(c.b, entry(1)) // the credential is free
	fail(c.a)
	c.expect("after fn failed", c.b, entry(1))
	c.put(c.b, entry(2))
	c.expect("after an Update that follows", c.a, entry(2))
}

func checkPanicOfFn(c *storeCheck) {
	c.put(c.a, entry(1))
	var recovered any
	func() {
		defer func() { recovered = recover() }()
		_, err := c.a.Update(c.ctx, storeProvider, storeID, func(reauth.Holding) (reauth.Entry, error) { panic("oops") })
		c.failf("Update returns %v, its function had panicked", err)
	}()
	if recovered != "oops" {
		c.failf("fn panicked with %q, Update panics with %q", "oops", fmt.Sprint(recovered))
	}
	c.expect("after fn panicked", c.b, entry(1))
	for i, st := range []reauth.Store{c.b, c.a} {
		c.returns("Update after a panic", func(ctx context.Context) {
			_, err := st.Update(ctx, storeProvider, storeID,
				func(reauth.Holding) (reauth.Entry, error) { return entry(int64(2 + i)), nil })
			if err != nil {
				c.failf("Update fails after a panic of another's fn: %v", err)
			}
		})
	}
}

func checkNow(c *storeCheck) {
	var before time.Time
	for i := range 6 {
		now := c.held(c.both()[i%2], storeID).Now
		if apart := time.Since(now).Abs(); apart > 24*time.Hour {
			c.fatalf("Now is %v, which is %v from this host's clock", now, apart)
		}
		if now.Before(before) {
			c.failf("Now is %v through one store and, later, %v through the other", before, now)
		}
		before = now
	}
}
