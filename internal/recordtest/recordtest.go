// Package recordtest plays random schedules with real pools over a real store, and judges what is
// left: no login may be lost but as the contract of the stored record allows, no removed credential
// may come back, no mark may be forgotten. It is for tests only.
//
// A schedule is a list of steps that a seed makes. Two to four pools, each with a store handle of
// its own as processes have, share one place and one provider, which rotates refresh tokens and
// ends a login whose refresh token is used twice. People log in, remove and reset; the place is put
// back to older states, is away, or is deleted; processes are suspended, and die in the middle of a
// step. After a schedule all is repaired, and every pool that lives looks at its store.
//
// Waits take no time, because a schedule is played in a bubble of testing/synctest.
//
// A schedule that breaks an invariant is made as short as it can be and printed as a program. Such
// programs are kept in testdata, and are played before all others: they once failed.
package recordtest

import (
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// Kind is a kind of place to play over.
type Kind struct {
	// Make makes a place, for one schedule. It is called inside of the bubble.
	Make func(t testing.TB, seed uint64) Place
	// ClaimLasts is how long a claim outlives a holder that died, and a holder that is suspended
	// keeps its own. Zero: the death of the holder ends a claim, and nothing else does.
	ClaimLasts time.Duration
}

// Place is where a store is: a file, a database, a piece of memory.
type Place interface {
	// Open returns the handle of one more process.
	Open(t testing.TB) Handle
	// Snapshot copies what the place holds now; nil if it is away. What stands beside it, such as
	// locks, is no part of it.
	Snapshot() any
	// PutBack makes the place hold what a snapshot has.
	PutBack(snapshot any)
	// Hide takes the place away, and Show brings it back as it was, also over a new one.
	Hide()
	Show()
	// Delete ends the place as its users know it. A person may make it anew.
	Delete()
}

// Handle is how one process uses a place.
type Handle interface {
	reauth.Store
	// FailSaves makes Update fail to store what its function returns, or work again.
	FailSaves(fail bool)
	// Kill ends the process: its claims are free as the operating system or the database frees
	// them. The store is asked for nothing afterwards, except by an Update that is under way, whose
	// function fails.
	Kill()
}

// Run plays the programs that once failed, and n schedules. It plays as many at once as there are
// cores.
func Run(t *testing.T, kind Kind, n int) {
	t.Helper()
	if *only != 0 {
		s := newSchedule(*only)
		t.Log(kind.play(t, s).report(s))
		kind.check(t, s)
		return
	}
	t.Run("kept", func(t *testing.T) {
		t.Parallel()
		for name, s := range keptSchedules(t) {
			if o := kind.play(t, s); len(o.broken) > 0 {
				t.Errorf("the kept program %s fails again:\n%s", name, o.report(s))
			}
		}
	})
	for part := range parts {
		t.Run("random", func(t *testing.T) {
			t.Parallel()
			for i := part; i < n && !t.Failed(); i += parts {
				kind.check(t, newSchedule(*first+uint64(i)))
			}
		})
	}
}

// parts is in how many subtests schedules are played. More than there are cores keep all cores busy
// until the end.
const parts = 4

// check plays a schedule. One that breaks an invariant is made shorter and fails the test.
func (k Kind) check(t *testing.T, s Schedule) {
	t.Helper()
	o := k.play(t, s)
	if len(o.broken) == 0 {
		return
	}
	short, o := k.shrink(t, s, o)
	t.Errorf("seed %d breaks an invariant:\n%s", s.Seed, o.report(short))
}
