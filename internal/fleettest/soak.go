//go:build unix

package fleettest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Soaking are the parameters of Soak.
type Soaking struct {
	Lasts    time.Duration
	Troubles []Trouble     // of the store
	Remember func() error  // takes a copy of the store, for troubles that put an older one back; nil: none
	Longest  time.Duration // how long a worker is suspended at most
	Claim    time.Duration // how long a claim lasts without its holder; 0: it ends with the holder only
	Within   time.Duration // how soon all workers must serve at the end
	Limited  bool          // workers may be kept from writing large files, as on a full disk
	Notes    bool          // the store knows when it went back, unless a trouble kept it from noting that
}

// Trouble is what happens to a store at a random moment. Begin returns what ends it, or nil when it
// is over at once.
type Trouble struct {
	Name    string
	Back    bool          // the store may be in an older state at its begin, or at its end
	NoNotes bool          // while it lasts the store may be unable to note what it holds
	Anew    bool          // meanwhile another store may be made in its place, which has its own notes
	Most    time.Duration // how long it lasts at most
	Begin   func() (end func() error, err error)
}

const (
	soakWorkers = 8
	soakSenders = 2
	soakPace    = 120 * time.Millisecond // of each sender
)

// soakIDs are the credentials of a Soak.
func soakIDs() []string { return []string{"one", "two", "three", "four"} }

// soak is a running Soak.
type soak struct {
	*Fleet
	Soaking
	t    *testing.T
	stop chan struct{} // closed when the troubles are to end

	mu      sync.Mutex
	slots   []*member // the workers now; a nil one is being started
	all     []*member // every worker there was
	begun   int
	limit   int64 // of workers that are started now
	spans   []span
	logins  []*login
	people  map[string]*person // by ID
	counts  map[string]int     // what people did, and what happened, by kind
	settled time.Duration
}

// member is one worker process, and what it has told.
type member struct {
	*Worker
	answers   chan string
	commands  sync.Mutex // guards the wait for an answer
	living    sync.Mutex // guards signals against the end of the process
	done      chan struct{}
	notes     []Note
	suspended []span
	died      time.Time // zero: it lives, or has ended by itself
	ended     bool
}

// span is a time in which something was out of order.
type span struct {
	Trouble
	from, to time.Time
}

// login is a login that a person made.
type login struct {
	id, access, refresh string
	telling
}

// person is who logs in with a credential, and removes it.
type person struct {
	login   *login // the newest that was tried
	removal telling
	removed bool
	asked   bool // the state of removed was asked for and not confirmed yet
}

// telling is that a worker was told of a login or a removal.
type telling struct {
	at time.Time // when it was stored; zero: nobody knows whether it was
	by *member   // nil: none was told
}

// Soak lets processes share a store while the store and the processes have all kinds of trouble,
// people log in and out, and access tokens expire. It then judges each login that was lost, each
// refused request, and the store; see judge.
func (f *Fleet) Soak(t *testing.T, what Soaking) {
	t.Helper()
	s := &soak{
		Fleet: f, Soaking: what, t: t, stop: make(chan struct{}), slots: make([]*member, soakWorkers), limit: -1,
		people: make(map[string]*person), counts: make(map[string]int),
	}
	f.Job.Pace, f.Job.Senders, f.Job.Soak = soakPace, soakSenders, soakIDs()
	t.Cleanup(func() {
		for _, m := range s.all {
			_ = m.kill() // without effect after its end
		}
	})
	for i := range s.slots {
		require.NoError(t, s.start(i))
	}
	for _, id := range soakIDs() {
		s.people[id] = new(person)
		require.NoError(t, s.logIn(id))
	}
	began := time.Now()
	var running sync.WaitGroup
	for _, f := range []func() error{s.troubleStore, s.kill, s.suspend, s.expire, s.livePeople} {
		running.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	end := time.NewTimer(what.Lasts)
	<-end.C
	close(s.stop)
	running.Wait()
	s.settle()
	s.endAll()
	s.judge(time.Since(began))
}

// sleep waits for d, and reports whether the troubles go on.
func (s *soak) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return !s.t.Failed()
	case <-s.stop:
		return false
	}
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// some returns a random worker that runs, or nil.
func (s *soak) some() *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	var running []*member
	for _, m := range s.slots {
		if m != nil {
			running = append(running, m)
		}
	}
	if len(running) == 0 {
		return nil
	}
	return running[rand.IntN(len(running))]
}

// settle waits, without any further trouble, until all workers serve all credentials that are not
// removed, and the store holds their newest pairs.
func (s *soak) settle() {
	began := time.Now()
	s.expireAll()
	for {
		for _, id := range soakIDs() {
			require.NoError(s.t, s.repeat(id, time.Since(began) > forgottenAfter))
		}
		err := errors.Join(s.checkAll(), s.checkStored())
		s.settled = time.Since(began)
		if err == nil {
			return
		}
		if s.settled > s.Within || s.t.Failed() || isHang(err) {
			assert.NoError(s.t, err, "%v after the last trouble", s.settled)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// repeat does once more what a person wants and the pools cannot: a login that failed or is lost, and
// what nobody has any more. quiet says that whoever has it would have written it.
func (s *soak) repeat(id string, quiet bool) error {
	p := s.people[id]
	switch {
	case p.asked:
		return s.logIn(id)
	case p.removed:
		if quiet && s.holds(id) && s.isForgotten(p.removal) {
			s.count("removals that nobody had any more")
			return s.remove(id)
		}
		return nil
	case !s.Provider.Alive(p.login.refresh):
		return s.logIn(id)
	case quiet && !s.holdsNewest(id) && s.isForgotten(p.login.telling):
		s.count("logins that nobody had any more")
		return s.logIn(id)
	}
	return nil
}

// holds reports whether the store holds a credential.
func (s *soak) holds(id string) bool {
	_, err := s.Stored(id)
	return err == nil
}

// holdsNewest reports whether the store holds the newest pair of a credential's login.
func (s *soak) holdsNewest(id string) bool {
	e, err := s.Stored(id)
	return err == nil && s.Provider.Current(e.Credential.RefreshToken)
}

// isForgotten reports whether nobody knows of a login or a removal any more: nobody was told of it, or
// the store went back behind it, and the one worker that was told of it died.
func (s *soak) isForgotten(what telling) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if what.by == nil {
		return true
	}
	return what.by.died.After(what.at) &&
		slices.ContainsFunc(s.spans, func(o span) bool { return (o.Back || o.Anew) && o.to.After(what.at) })
}

// forgottenAfter is longer than the living take to write what an older store lacks.
const forgottenAfter = 10 * time.Second

// expireAll makes all access tokens expire, so that nobody serves with a pair whose successor is
// lost. A token that has not served yet stays: its pool would not renew it.
func (s *soak) expireAll() {
	var unserved []string
	for _, p := range s.people {
		if access, _, served := s.Provider.Newest(p.login.access, p.login.refresh); !served {
			unserved = append(unserved, access)
		}
	}
	s.Provider.Expire()
	if len(unserved) > 0 {
		s.Provider.Restore(unserved...)
	}
}

// checkStored checks that the store holds the newest pairs of what is not removed.
func (s *soak) checkStored() (err error) {
	for _, id := range soakIDs() {
		if s.people[id].removed {
			continue
		}
		e, wrong := s.Stored(id)
		if wrong == nil && !s.Provider.Current(e.Credential.RefreshToken) {
			wrong = fmt.Errorf("the store does not hold the newest pair of %s", id)
		}
		err = errors.Join(err, wrong)
	}
	return err
}

// checkAll asks all workers whether they serve what is not removed, and nothing else.
func (s *soak) checkAll() error {
	words := []string{"check"}
	for _, id := range soakIDs() {
		if !s.people[id].removed {
			words = append(words, id)
		}
	}
	errs := make([]error, soakWorkers)
	var asking sync.WaitGroup
	for i, m := range s.slots {
		asking.Go(func() {
			if m == nil {
				errs[i] = fmt.Errorf("no worker %d", i)
				return
			}
			if err := m.ask(patience, words...); err != nil {
				errs[i] = fmt.Errorf("%s: %w", m.Name, err)
			}
		})
	}
	asking.Wait()
	return errors.Join(errs...)
}

// endAll lets all workers end.
func (s *soak) endAll() {
	for _, m := range s.slots {
		if m != nil {
			assert.NoError(s.t, m.ask(patience, "quiet"))
		}
	}
	for _, m := range s.slots {
		if m != nil {
			_ = m.stdin.Close()
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for _, m := range s.slots {
		if m == nil {
			continue
		}
		select {
		case <-m.done:
			m.read.Wait()
			assert.NoError(s.t, m.wait())
			assert.True(s.t, m.ended, "worker %s ended by itself: %s", m.Name, m.stderr)
		case <-timer.C:
			s.t.Errorf("worker %s hangs at its end", m.Name)
			return
		}
	}
}
