package fleettest

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	MaxDelay    time.Duration // how long a death may delay the next exchange
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
}

// Kill kills workers at random moments of their refreshes. After each death the store must load.
// Only a death between an exchange and the storing of its pair may lose a login; the test then logs
// in anew. Every other death may only delay the next exchange.
func (f *Fleet) Kill(t *testing.T, k Killing) {
	t.Helper()
	x := &killer{Fleet: f, Killing: k, t: t}
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
	job.Worker, job.ID = name, id
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
			if !ok || r.Did != "lost" {
				return fmt.Errorf("worker %s: %+v\n%s", name, r, w.stderr)
			}
			x.note(spell{name, id, from, time.Now()})
			if err := x.loginAnew(id); err != nil {
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
	unsaved, asked := 0, 0
	for _, d := range x.deaths {
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Worker == d.worker }) {
			asked++
		}
		if x.leftUnsaved(d, grants) {
			unsaved++
		}
	}
	delays := x.delays(grants)
	assert.Len(t, x.deaths, x.begun)
	assert.GreaterOrEqual(t, x.begun, x.Kills)
	assert.LessOrEqual(t, x.lost, unsaved, "logins lost without a death between exchange and persist")
	assert.LessOrEqual(t, x.Provider.Reuses(), unsaved, "refresh tokens spent twice")
	if assert.NotEmpty(t, delays) {
		t.Logf("%d deaths, %d of workers that had asked the token endpoint: %d between exchange and persist, "+
			"%d logins lost, %d exchanges, delays of the next exchange: median %v, most %v",
			len(x.deaths), asked, unsaved, x.lost, x.Provider.Exchanges(), delays[len(delays)/2], delays[len(delays)-1])
		assert.Less(t, delays[len(delays)-1], x.MaxDelay, "delay of the next exchange after a death")
	}
}

// leftUnsaved reports whether a worker died after an exchange and before its pair was stored: the
// pair is not in the store, and no other worker ever spent it.
func (x *killer) leftUnsaved(d killed, grants []Grant) bool {
	last := ""
	for _, g := range grants {
		if g.Worker == d.worker && g.Issued != "" {
			last = g.Issued
		}
	}
	return last != "" && d.stored != last && !slices.ContainsFunc(grants, func(g Grant) bool {
		return g.Worker != d.worker && g.Spent == last
	})
}

// delays returns, sorted, how long after each death the next token request came. It counts only
// deaths at which the other worker of the credential was refreshing all the time.
func (x *killer) delays(grants []Grant) (list []time.Duration) {
	for _, d := range x.deaths {
		for _, s := range x.spells {
			if s.id != d.id || s.worker == d.worker || s.from.After(d.at) || s.to.Before(d.at) {
				continue
			}
			i := slices.IndexFunc(grants, func(g Grant) bool { return g.Worker == s.worker && g.Arrived.After(d.at) })
			if i >= 0 && !grants[i].Arrived.After(s.to) {
				list = append(list, grants[i].Arrived.Sub(d.at))
			}
		}
	}
	slices.Sort(list)
	return list
}
