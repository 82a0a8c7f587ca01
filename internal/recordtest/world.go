package recordtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reauth-go/reauth/reauthtest"
)

// world is one schedule as it is played.
type world struct {
	kind  Kind
	seed  uint64
	begin time.Time
	place Place
	fake  *reauthtest.Provider

	truth    truth
	provider provider
	repaired atomic.Bool
	actions  sync.WaitGroup // that steps have started
	closing  sync.WaitGroup // pools of processes that died

	mu      sync.Mutex // guards what follows
	slots   [most]*process
	all     []*process
	copies  []any // snapshots of the place
	hidden  bool
	running map[string]int // actions that have not ended
	log     []string
	broken  []violation
	takes   bool // the store has the credential in the end, so that everything can be saved
}

// violation is an invariant that a schedule has broken.
type violation struct{ name, what string }

// outcome is what came of a schedule.
type outcome struct {
	broken []violation
	log    []string
}

// report is the outcome of s for a person.
func (o *outcome) report(s Schedule) string {
	var b strings.Builder
	for _, v := range o.broken {
		fmt.Fprintf(&b, "%s: %s\n", v.name, v.what)
	}
	fmt.Fprintf(&b, "--- the program\n%s--- what happened\n%s\n", s, strings.Join(o.log, "\n"))
	return b.String()
}

// play plays a schedule in a bubble of its own.
func (k Kind) play(t *testing.T, s Schedule) (o *outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			kind: k, seed: s.Seed, begin: time.Now(), place: k.Make(t, s.Seed), fake: reauthtest.New(reauthtest.XAI),
			running: make(map[string]int),
		}
		w.fake.Lifetime, w.fake.Refuse = 24*time.Hour, w.refuse
		for _, step := range s.Steps {
			time.Sleep(step.Wait)
			w.do(t, step)
			if w.isBroken() {
				break
			}
		}
		w.repair()
		w.judge(t)
		w.end(t)
		o = &outcome{w.broken, w.log}
	})
	return o
}

// say adds a line to what happened.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	w.log = append(w.log, fmt.Sprintf("%11.6fs %s", time.Since(w.begin).Seconds(), line))
}

// breaks notes that an invariant is broken.
func (w *world) breaks(name, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	w.say("!! %s: %s", name, what)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, violation{name, what})
}

func (w *world) isBroken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) > 0
}

// live returns the processes that live and have opened their pools.
func (w *world) live() (list []*process) {
	for _, p := range w.processes() {
		if p.lives() {
			list = append(list, p)
		}
	}
	return list
}

// processes returns all processes there ever were. A process's lock is never taken under w.mu.
func (w *world) processes() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// process returns the process of a step, or nil if it is dead or was never started.
func (w *world) process(step Step) *process {
	if step.Proc == 0 {
		return nil
	}
	w.mu.Lock()
	p := w.slots[step.Proc-1]
	w.mu.Unlock()
	if p == nil || p.isDead() {
		return nil
	}
	return p
}

// do does one step.
func (w *world) do(t testing.TB, step Step) {
	p := w.process(step)
	switch {
	case step.Do == doStart && p == nil:
		w.start(t, step.Proc)
	case step.Proc > 0:
		if p != nil {
			w.doIn(p, step)
		}
	default:
		w.doOutside(step)
	}
}

// doIn does a step that concerns a process.
func (w *world) doIn(p *process, step Step) {
	switch step.Do {
	case doRequest:
		w.act(p, step.Do, p.request)
	case doLook:
		w.act(p, step.Do, p.look)
	case doLogin:
		w.act(p, step.Do, p.login)
	case doEnv:
		w.act(p, step.Do, p.addEnv)
	case doRemove:
		w.act(p, step.Do, p.remove)
	case doReset:
		w.act(p, step.Do, p.reset)
	case doCrash, doPause, doFail:
		p.disturb(step)
	}
}

// act starts something that a process does. What has not ended when all was repaired hangs.
func (w *world) act(p *process, what string, f func(context.Context)) {
	name := p.name + " " + what
	w.mu.Lock()
	w.running[name]++
	w.mu.Unlock()
	w.actions.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				w.breaks("panic", "%s: %v", name, r)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.running[name]--
		}()
		if p.waitUntilOpen() {
			f(p.ctx)
		}
	})
}

// doOutside does a step that concerns the provider or the place.
func (w *world) doOutside(step Step) {
	switch step.Do {
	case doExpire:
		w.fake.Expire()
		w.say("all access tokens expire")
	case doLimit, doNoReset, doReject:
		w.provider.refuseFor(step.Do, step.For)
		w.say("%s for %v", step.Do, step.For)
	case doCopy:
		if c := w.place.Snapshot(); c != nil {
			w.copies = append(w.copies, c)
			w.say("copy number %d of the place: %v", len(w.copies)-1, c)
		}
	case doPutBack:
		if len(w.copies) > 0 && !w.hidden {
			n := step.N % len(w.copies)
			w.place.PutBack(w.copies[n])
			w.truth.fault()
			w.say("copy number %d is put back", n)
		}
	case doHide, doShow, doDelete:
		w.move(step.Do)
	}
}

// move takes the place away, brings it back, or deletes it.
func (w *world) move(do string) {
	switch {
	case do == doHide && !w.hidden:
		w.hidden = true
		w.place.Hide()
	case do == doShow && w.hidden:
		w.hidden = false
		w.place.Show()
	case do == doDelete && !w.hidden:
		w.place.Delete()
	default:
		return
	}
	w.truth.fault()
	w.say("the place: %s", do)
}

// patience is how long what was begun may take after all was repaired: longer than a claim and an
// exchange, several times.
const patience = 10 * time.Minute

// repair ends all faults, and waits until what was begun has ended.
func (w *world) repair() {
	w.move(doShow)
	w.say("-- all is repaired")
	w.repaired.Store(true)
	for _, p := range w.processes() {
		p.repair()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.actions.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		w.mu.Lock()
		running := fmt.Sprint(w.running)
		w.mu.Unlock()
		w.breaks("hangs", "these have not ended %v after all was repaired: %s", patience, running)
	}
}

// end ends all processes.
func (w *world) end(t testing.TB) {
	t.Helper()
	for _, p := range w.live() {
		w.closing.Go(func() {
			if err := p.pool.Close(); err != nil && w.takes {
				w.breaks("hangs", "%s: %v", p.name, err)
			}
			p.crash()
		})
	}
	w.closing.Wait()
	w.actions.Wait()
}

// delay is how long an operation of a process takes: of most a moment, of some seconds. No two take
// as long, so that little is left to chance.
func (w *world) delay(process, operation string, number int) time.Duration {
	h := hash(w.seed, process, operation, number)
	longest := 3 * time.Millisecond
	switch h % 16 {
	case 0:
		longest = 3 * time.Second
	case 1, 2, 3:
		longest = 300 * time.Millisecond
	}
	return time.Duration(h / 16 % uint64(longest))
}
