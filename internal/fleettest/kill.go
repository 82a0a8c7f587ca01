package fleettest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Killing are the parameters of Kill.
type Killing struct {
	Kills       int           // of all workers together, and up to 10 times as many until a delay is known
	Credentials int           // two workers refresh each of them again and again
	Within      time.Duration // a worker dies at a random moment in this time after its start
	MaxDelay    time.Duration // how long a death may delay the next exchange, beside the stalls of the machine
}

// killed is the death of one worker.
type killed struct {
	worker, id string
	at         time.Time
	stored     string // the refresh token in the store after the death
}

// spell is a period in which a worker refreshed a credential again and again.
type spell struct {
	worker, id string
	from, to   time.Time
}

// killer is a running Kill.
type killer struct {
	*Fleet
	Killing
	t *testing.T

	mu     sync.Mutex
	begun  int // kills so far
	deaths []killed
	spells []spell
	lost   int // logins so far
	ranOut int // claims before an exchange so far, in stalls
}

// Kill kills workers at random moments of their refreshes. After each death the store must load.
// Only a death between an exchange and the storing of its pair may lose a login, and a stall in which a
// claim runs out; the test then logs in anew. Every other death may only delay the next exchange.
func (f *Fleet) Kill(t *testing.T, k Killing) {
	t.Helper()
	x := &killer{Fleet: f, Killing: k, t: t}
	stop := f.stalls.watchMachine(t)
	var slots sync.WaitGroup
	for i := range k.Credentials {
		id := fmt.Sprintf("credential-%d", i)
		require.NoError(t, f.Login(id))
		for slot := range 2 {
			slots.Go(func() {
				for n := 0; x.next(); n++ {
					if err := x.one(fmt.Sprintf("%s-%d-%d", id, slot, n), id); err != nil {
						t.Errorf("%v", err)
						return
					}
				}
			})
		}
	}
	slots.Wait()
	stop()
	for i := range k.Credentials {
		x.settle(fmt.Sprintf("credential-%d", i))
	}
	x.judge()
}

// next counts a kill, and reports whether there is one more to do. On a busy machine few workers get to a
// refresh before they die, so no delay may be known yet.
func (x *killer) next() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	enough := x.begun >= 10*x.Kills || x.begun >= x.Kills && len(x.delays(x.Provider.Grants())) > 0
	if enough || x.t.Failed() {
		return false
	}
	x.begun++
	return true
}

// one starts a worker, lets it refresh, and kills it.
func (x *killer) one(name, id string) error {
	job := x.Job
	job.Worker, job.ID, job.Stalls = name, id, true
	w, err := x.Start(job)
	if err != nil {
		return err
	}
	defer func() { _ = w.Kill() }() // without effect after its death
	w.Tell("storm")
	from := time.Now()
	moment := time.NewTimer(rand.N(x.Within))
	defer moment.Stop()
	for {
		select {
		case <-moment.C:
			at := time.Now()
			if err := w.Kill(); err != nil {
				return err
			}
			return x.died(killed{worker: name, id: id, at: at}, from)
		case r, ok := <-w.Reports:
			lost := ok && r.Did == "lost"
			if !lost && (!ok || !x.claimRanOut(name, r)) {
				return fmt.Errorf("worker %s: %+v\n%s", name, r, w.stderr)
			}
			x.note(spell{name, id, from, time.Now()})
			if err := x.makeGood(id, lost); err != nil {
				return err
			}
			w.Tell("go on")
			if _, err := w.Next("ready"); err != nil {
				return err
			}
			from = time.Now()
		}
	}
}

// claimRanOut reports whether a worker tells that it has lost its claim before its exchange, and stalls
// explain that.
func (x *killer) claimRanOut(worker string, r Report) bool {
	now := time.Now()
	const ranOut = "the claim on the credential ran out before the exchange"
	return r.Did == "failed" && strings.Contains(r.Err, ranOut) &&
		x.mayLoseClaim(worker, now.Add(-2*x.Job.Claim), now)
}

// mayLoseClaim reports whether a worker stalled for so much of a time that its claim may have run out:
// nobody knows when it was renewed last.
func (x *killer) mayLoseClaim(worker string, from, to time.Time) bool {
	stalled := x.stalls.within(from, to, func(s stall) bool { return s.worker == "" || s.worker == worker })
	return x.Job.Claim > 0 && stalled >= x.Job.Claim/2
}

func (x *killer) note(s spell) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.spells = append(x.spells, s)
}

// died records a death and the store after it.
func (x *killer) died(d killed, from time.Time) error {
	e, err := x.Stored(d.id)
	if err != nil {
		return fmt.Errorf("after the death of %s: %w", d.worker, err)
	}
	d.stored = e.Credential.RefreshToken
	x.note(spell{d.worker, d.id, from, d.at})
	x.mu.Lock()
	defer x.mu.Unlock()
	x.deaths = append(x.deaths, d)
	return nil
}

// makeGood deals with what has happened to a worker: its login is lost, or else its claim ran out.
func (x *killer) makeGood(id string, lost bool) error {
	if lost {
		return x.loginAnew(id)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ranOut++
	return nil
}

// loginAnew makes a new login in the place of a lost one, unless another goroutine has done so.
func (x *killer) loginAnew(id string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, err := x.Stored(id)
	if err != nil || x.Provider.Alive(e.Credential.RefreshToken) {
		return err
	}
	x.lost++
	return x.Login(id)
}

// settle refreshes and uses a credential after all deaths.
func (x *killer) settle(id string) {
	w := x.MustStart(x.t, "last-"+id, id, "")
	w.Tell("refresh")
	if r := w.Must(x.t, "refresh"); r.Lost { // by the last death
		require.NoError(x.t, x.loginAnew(id))
		w.End(x.t)
		w = x.MustStart(x.t, "very-last-"+id, id, "")
		w.Tell("refresh")
		require.Empty(x.t, w.Must(x.t, "refresh").Err)
	} else {
		require.Empty(x.t, r.Err)
	}
	w.Tell("request")
	assert.Equal(x.t, 200, w.Must(x.t, "request").Status)
	w.End(x.t)
	e, err := x.Stored(id)
	require.NoError(x.t, err)
	assert.True(x.t, x.Provider.Current(e.Credential.RefreshToken), "the store holds the newest pair")
	assert.Empty(x.t, e.Spending)
}

// judge checks the losses and the delays after all deaths.
func (x *killer) judge() {
	t, grants := x.t, x.Provider.Grants()
	asked := 0
	for _, d := range x.deaths {
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Worker == d.worker }) {
			asked++
		}
	}
	dead, stalled := x.explained(grants)
	delays := x.delays(grants)
	assert.Len(t, x.deaths, x.begun)
	assert.GreaterOrEqual(t, x.begun, x.Kills)
	assert.LessOrEqual(t, x.lost, dead+stalled, "logins lost without a death between exchange and persist")
	assert.LessOrEqual(t, x.Provider.Reuses(), dead+stalled, "refresh tokens spent twice")
	if assert.NotEmpty(t, delays) {
		t.Logf("%d deaths, %d of workers that had asked the token endpoint; %d logins lost, %d by deaths between "+
			"exchange and persist, %d in stalls; %d exchanges, %d not begun after a stall; "+
			"delays of the next exchange: median %v, most %v",
			len(x.deaths), asked, x.lost, dead, stalled, x.Provider.Exchanges(), x.ranOut,
			delays[len(delays)/2], delays[len(delays)-1])
		assert.Less(t, delays[len(delays)-1], x.MaxDelay, "delay of the next exchange after a death")
	}
}

// explained returns how many refresh tokens were spent twice because a worker died, and how many because
// one stalled so long that its claim ran out.
func (x *killer) explained(grants []Grant) (dead, stalled int) {
	known := make(map[string]bool)
	for _, g := range grants {
		first := firstOf(g, grants)
		if !g.Reuse || first == nil || known[g.Spent] {
			continue
		}
		switch {
		case slices.ContainsFunc(x.deaths, func(d killed) bool {
			return leftUnsaved(d, first, grants) || askedTooLate(d, &g, first)
		}):
			dead++
		case x.stalledBetween(&g, first):
			stalled++
		default:
			x.t.Logf("%s spent a refresh token at %s, and %s at %s; neither had died or stalled. The dead: %+v",
				first.Worker, first.Arrived, g.Worker, g.Arrived, x.deaths)
			continue
		}
		known[g.Spent] = true
	}
	return dead, stalled
}

// firstOf returns the token request that spent the refresh token of a refused one; nil: there is none.
func firstOf(refused Grant, grants []Grant) *Grant {
	i := slices.IndexFunc(grants, func(g Grant) bool { return g.Spent == refused.Spent && g.Issued != "" })
	if i < 0 {
		return nil
	}
	return &grants[i]
}

// leftUnsaved reports whether a worker died after an exchange and before its pair was stored: the pair is
// its last, is not in the store, and no other worker ever spent it.
func leftUnsaved(d killed, exchange *Grant, grants []Grant) bool {
	last := ""
	for _, g := range grants {
		if g.Worker == d.worker && g.Issued != "" {
			last = g.Issued
		}
	}
	return exchange.Worker == d.worker && exchange.Issued == last && d.stored != last &&
		!slices.ContainsFunc(grants, func(g Grant) bool { return g.Worker != d.worker && g.Spent == last })
}

// askedTooLate reports whether a refused token request came to the provider's turn only after the death of
// its worker, or after another worker had spent the token since: one that dies cannot call it back.
func askedTooLate(d killed, refused, first *Grant) bool {
	return refused.Worker == d.worker && first.Worker != d.worker &&
		(refused.Arrived.After(d.at) || first.Arrived.After(d.at))
}

// stalledBetween reports whether a token was spent twice because the claim of one of both workers may have
// run out: before the pair of the first was stored, or before the request of the other arrived.
func (x *killer) stalledBetween(refused, first *Grant) bool {
	return refused.Worker != first.Worker &&
		(x.mayLoseClaim(first.Worker, first.Arrived.Add(-time.Second), refused.Arrived) ||
			x.mayLoseClaim(refused.Worker, first.Arrived.Add(-x.Job.Claim), refused.Arrived))
}

// delays returns, sorted, how long after each death the next token request came, without the time in
// which the machine did not let the processes run. It counts only deaths at which the other worker of
// the credential was refreshing all the time, and of several before that request only the last.
func (x *killer) delays(grants []Grant) (list []time.Duration) {
	for _, d := range x.deaths {
		for _, s := range x.spells {
			if s.id != d.id || s.worker == d.worker || s.from.After(d.at) || s.to.Before(d.at) {
				continue
			}
			i := slices.IndexFunc(grants, func(g Grant) bool { return g.Worker == s.worker && g.Arrived.After(d.at) })
			if i >= 0 && !grants[i].Arrived.After(s.to) && !x.diedWithin(d.id, d.at, grants[i].Arrived) {
				next := grants[i].Arrived
				stalled := x.stalls.within(d.at, next, func(s stall) bool { return s.what == stallOfProcess })
				list = append(list, next.Sub(d.at)-stalled)
			}
		}
	}
	slices.Sort(list)
	return list
}

// diedWithin reports whether a worker of a credential died within a time. Its claim delays an exchange
// too.
func (x *killer) diedWithin(id string, from, to time.Time) bool {
	return slices.ContainsFunc(x.deaths, func(d killed) bool {
		return d.id == id && d.at.After(from) && d.at.Before(to)
	})
}
