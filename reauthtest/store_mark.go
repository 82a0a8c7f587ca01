package reauthtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth"
)

// markPromises are those about Mark.
func markPromises() []storePromise {
	const another = "When another mark stands there, Mark writes nothing, and its error matches ErrMarked."
	return []storePromise{
		{
			name: "mark_writes_one_mark_of_a_record",
			text: "Mark writes one mark of a record. It never touches another key or a token.", check: checkMarkWrites,
		},
		{
			name: "mark_never_waits_for_update", text: "Mark … never waits for Update.",
			check: checkMarkDuringUpdate,
		},
		{
			name: "marks_touch_no_token", text: "It never touches another key or a token.",
			check: checkMarksTouchNoToken,
		},
		{name: "mark_that_the_writer_has_not_seen_is_not_replaced", text: another, check: checkMarkSeen},
		{name: "one_of_several_writers_wins", text: another, check: checkMarkRace},
		{
			name: "void_mark_stands_for_nothing", text: "A void mark that stands there is as good as none.",
			check: checkMarkOverVoid,
		},
		{
			name: "void_mark_is_dropped", text: "A mark that is void itself … is dropped.",
			check: checkVoidMark,
		},
		{
			name:  "mark_of_a_record_that_is_not_there_is_dropped",
			text:  "A mark … of a record that is not there or is removed, is dropped.",
			check: checkMarkOfNone,
		},
		{
			name:  "at_most_64_marks_are_kept",
			text:  `64 marks (ended and lifted ones go first, then those that end soonest, never "token" or "login")`,
			check: checkMarksBounded,
		},
		{
			name:  "keys_and_texts_of_marks_are_checked",
			text:  `Marks … "token": of the access token; "login": of the account or the grant; "model:<name>"`,
			check: checkMarkBounds,
		},
	}
}

// withMarks returns e with marks.
func withMarks(e reauth.Entry, marks map[string]reauth.Mark) reauth.Entry {
	e.Marks = maps.Clone(marks)
	return e
}

func checkMarkWrites(c *storeCheck) {
	e, other := entry(1), entryOf("other", 1)
	c.put(c.a, e)
	c.put(c.a, other)
	marks := make(map[string]reauth.Mark)
	odd := "\"quoted\" <&> ü \u2028 \U0001f511 \ufffd"
	at := time.Now() // with the clock's monotonic part
	forever := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, w := range []struct {
		key string
		m   reauth.Mark
	}{
		{"token", tokenMarkOf(e, odd)},
		{"login", reauth.Mark{Until: forever, At: at, Reason: "retired", Of: digestOf(e.Credential.RefreshToken)}},
		{"model:one", reauth.Mark{At: at.In(time.FixedZone("elsewhere", 5*3600)), Of: loginMarkOf(e, "").Of}}, // lifted
		{"model:" + odd, reauth.Mark{Until: at.Add(time.Hour + 1), At: at, Reason: "a model", Of: loginMarkOf(e, "").Of}},
	} {
		c.mark(c.a, w.key, w.m, time.Time{})
		marks[w.key] = w.m
		for _, st := range c.both() {
			c.expect(fmt.Sprintf("after Mark %q", w.key), st, withMarks(e, marks), other)
		}
	}
}

// checkMarkDuringUpdate marks in the middle of an Update, through both stores.
func checkMarkDuringUpdate(c *storeCheck) {
	c.put(c.a, entry(1))
	seen := time.Time{}
	for i, st := range c.both() {
		stands, next := entry(int64(i+1)), entry(int64(i+2))
		m := loginMarkOf(stands, fmt.Sprint("through store ", i))
		m.At = m.At.Add(time.Duration(i))
		marks := map[string]reauth.Mark{"login": m}
		c.during(c.a, next, func(reauth.Holding) {
			c.returns("Mark, during an Update,", func(ctx context.Context) {
				if err := st.Mark(ctx, storeProvider, storeID, "login", m, seen); err != nil {
					c.failf("Mark fails during an Update: %v", err)
				}
				c.expect("after Mark, during an Update", c.both()[1-i], withMarks(stands, marks))
			})
		})
		c.expect("after an Update in which a mark was written", c.b, withMarks(next, marks))
		seen = m.At
	}
}

// checkMarksTouchNoToken marks all the time while tokens change.
func checkMarksTouchNoToken(c *storeCheck) {
	const rounds = 10
	c.put(c.a, entry(0))
	stop := make(chan struct{})
	var written atomic.Int64
	var marking sync.WaitGroup
	for i, st := range c.both() {
		marking.Go(func() {
			key, m, seen := fmt.Sprint("model:", i), loginMarkOf(entry(0), "capped"), time.Time{}
			for !c.within(time.Millisecond, stop) {
				if err := st.Mark(c.ctx, storeProvider, storeID, key, m, seen); err != nil {
					c.failf("Mark fails: %v", err)
				}
				seen, m.At = m.At, m.At.Add(1)
				written.Add(1)
			}
		})
	}
	last := int64(0)
	for i := int64(0); i < rounds || written.Load() < 4*rounds && i < 10*rounds; i++ {
		last = i + 1
		_, err := c.both()[i%2].Update(c.ctx, storeProvider, storeID, func(h reauth.Holding) (reauth.Entry, error) {
			h.Entry.Marks = nil
			c.same("while marks are written", h.Entry, entry(i))
			c.pause(2 * time.Millisecond)
			return entry(i + 1), nil
		})
		if err != nil {
			c.failf("Update fails: %v", err)
		}
	}
	close(stop)
	marking.Wait()
	got := c.one(c.b)
	if got.Marks["model:0"].Of == "" || got.Marks["model:1"].Of == "" {
		c.failf("marks of two models were written, %v are there", got.Marks)
	}
	got.Marks = nil
	c.same("after marks were written all the time", got, entry(last))
}

func checkMarkSeen(c *storeCheck) {
	e := entry(1)
	c.put(c.a, e)
	var stands reauth.Mark // its zero At: none
	at := func(nanos int) time.Time { return firstLogin().Add(time.Duration(nanos)) }
	for i, w := range []struct {
		what     string
		at, seen time.Time
		written  bool
	}{
		{"none stands and none was seen", at(10), time.Time{}, true},
		{"one stands and none was seen", at(11), time.Time{}, false},
		{"the mark that stands was seen", at(12), at(10), true},
		{"an older mark was seen", at(13), at(10), false},
		{"a mark that differs by a nanosecond was seen", at(13), at(11), false},
		{"a later mark was seen", at(20), at(13), false},
		{"the mark was seen in another time zone", at(14), at(12).In(time.FixedZone("", 3600)), true},
		{"the writer's clock is late", at(-1e9), at(14), true},
	} {
		m := loginMarkOf(e, fmt.Sprint("mark ", i))
		m.At = w.at
		err := c.both()[i%2].Mark(c.ctx, storeProvider, storeID, "login", m, w.seen)
		switch {
		case w.written && err != nil:
			c.failf("%s: Mark fails: %v", w.what, err)
		case !w.written && !errors.Is(err, reauth.ErrMarked):
			c.failf("%s: Mark returns %v, which does not match ErrMarked", w.what, err)
		case w.written:
			stands = m
		}
		c.expect(w.what, c.b, withMarks(e, map[string]reauth.Mark{"login": stands}))
	}
	c.mark(c.b, "token", tokenMarkOf(e, "another key"), time.Time{}) // which has a mark of its own to be seen
}

// checkMarkRace lets several writers, who have seen the same, write at once.
func checkMarkRace(c *storeCheck) {
	e := entry(1)
	c.put(c.a, e)
	seen := time.Time{}
	for round := range 3 {
		const writers = 8
		var won atomic.Pointer[reauth.Mark]
		var all sync.WaitGroup
		for w := range writers {
			m := loginMarkOf(e, fmt.Sprintf("round %d, writer %d", round, w))
			m.At = m.At.Add(time.Duration(1 + round*writers + w))
			all.Go(func() {
				err := c.both()[w%2].Mark(c.ctx, storeProvider, storeID, "login", m, seen)
				switch {
				case err == nil && !won.CompareAndSwap(nil, &m):
					c.failf("two writers have won, who had seen the same mark")
				case err != nil && !errors.Is(err, reauth.ErrMarked):
					c.failf("Mark returns %v, which does not match ErrMarked", err)
				}
			})
		}
		all.Wait()
		if won.Load() == nil {
			c.fatalf("no writer has won")
		}
		c.expect("after several have written", c.b, withMarks(e, map[string]reauth.Mark{"login": *won.Load()}))
		seen = won.Load().At
	}
}

func checkMarkOverVoid(c *storeCheck) {
	c.put(c.a, entry(1))
	c.mark(c.a, "token", tokenMarkOf(entry(1), "of the old token"), time.Time{})
	c.mark(c.a, "login", markOf(digestOf(entry(1).Credential.RefreshToken), "of the old grant"), time.Time{})
	c.put(c.a, entry(2))
	m := tokenMarkOf(entry(2), "of the new token")
	c.mark(c.b, "token", m, time.Time{})
	grant := markOf(digestOf(entry(2).Credential.RefreshToken), "of the new grant")
	c.mark(c.b, "login", grant, firstLogin().Add(-time.Hour)) // the writer has seen still another
	c.expect("after marks over void ones", c.b,
		withMarks(entry(2), map[string]reauth.Mark{"token": m, "login": grant}))
}

func checkVoidMark(c *storeCheck) {
	e := entry(2)
	c.put(c.a, e)
	stands := loginMarkOf(e, "stands")
	c.mark(c.a, "login", stands, time.Time{})
	want := withMarks(e, map[string]reauth.Mark{"login": stands})
	for what, of := range map[string]string{
		"about an earlier access token":  digestOf(entry(1).Credential.AccessToken),
		"about an earlier refresh token": digestOf(entry(1).Credential.RefreshToken),
		"about an earlier login":         e.Login.Add(-1).Format(time.RFC3339Nano),
		"about nothing":                  "",
		"about a token itself":           e.Credential.AccessToken,
	} {
		for _, st := range c.both() {
			c.mark(st, "token", markOf(of, what), time.Time{})
			c.mark(st, "model:m", markOf(of, what), time.Time{})
			c.mark(st, "login", markOf(of, what), stands.At)
			c.expect("after a mark "+what, c.b, want)
		}
	}
}

func checkMarkOfNone(c *storeCheck) {
	c.mark(c.a, "login", loginMarkOf(entry(1), "of none"), time.Time{})
	c.expect("after a mark of a record that is not there", c.b)
	c.put(c.a, entry(1))
	c.expect("after the record was made", c.b, entry(1))
	gone := removal(storeID, firstLogin().Add(time.Hour))
	c.put(c.a, gone)
	c.mark(c.b, "login", loginMarkOf(gone, "of a removed one"), time.Time{})
	c.mark(c.b, "token", tokenMarkOf(entry(1), "of a removed one"), time.Time{})
	c.expect("after a mark of a removed record", c.b, gone)
}

func checkMarksBounded(c *storeCheck) {
	const most, models = 64, 66
	e := entry(1)
	c.put(c.a, e)
	want := make(map[string]reauth.Mark)
	write := func(key string, until time.Time) {
		m := reauth.Mark{Until: until, At: firstLogin(), Reason: key, Of: loginMarkOf(e, "").Of}
		c.mark(c.a, key, m, time.Time{})
		want[key] = m
	}
	write("token", time.Time{}) // lifted: of a model's, it would go first
	write("login", firstLogin())
	write("model:lifted", time.Time{})
	write("model:ended", firstLogin())
	for i := range models {
		write(fmt.Sprintf("model:%02d", i), firstLogin().AddDate(20, 0, models-i))
	}
	write("model:last", firstLogin().AddDate(0, 0, 1)) // it ends first, but is the one that is written
	delete(want, "model:lifted")
	delete(want, "model:ended")
	for i := models - 1; len(want) > most; i-- {
		delete(want, fmt.Sprintf("model:%02d", i))
	}
	c.expect("after 71 marks", c.b, withMarks(e, want))
}

func checkMarkBounds(c *storeCheck) {
	e := entry(1)
	c.put(c.a, e)
	stands := loginMarkOf(e, "stands")
	c.mark(c.a, "login", stands, time.Time{})
	want := withMarks(e, map[string]reauth.Mark{"login": stands})
	good := loginMarkOf(e, "good")
	long := markOf(good.Of, strings.Repeat("x", 4<<10+1))
	for _, w := range []struct {
		what, key string
		m         reauth.Mark
	}{
		{"under no key", "", good},
		{"under an unknown key", "tokens", good},
		{"of a model without a name", "model:", good},
		{"under a key in capitals", "Login", good},
		{"under a key that is no text", "model:\xff", good},
		{"under a key with a line break", "model:a\nb", good},
		{"under a key with a NUL", "model:a\x00", good},
		{"under a key of more than 4 KiB", "model:" + strings.Repeat("x", 4<<10), good},
		{"with a reason that is no text", "token", markOf(good.Of, "\xff")},
		{"with a reason with a NUL", "token", markOf(good.Of, "a\x00b")},
		{"with a reason of more than 4 KiB", "token", long},
	} {
		err := c.a.Mark(c.ctx, storeProvider, storeID, w.key, w.m, time.Time{})
		if err == nil || errors.Is(err, reauth.ErrMarked) {
			c.failf("a mark %s: Mark returns %v, another error is due", w.what, err)
		}
		c.expect("after a mark "+w.what, c.b, want)
	}
}
