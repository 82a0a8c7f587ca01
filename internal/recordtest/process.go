package recordtest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// providerName and id name the credential that everybody uses.
const (
	providerName = "xai-oauth"
	id           = "me"
)

// process is a pool with a store handle of its own, as a process has.
type process struct {
	w      *world
	name   string
	skew   time.Duration // how far its clock is ahead of the store's
	handle Handle
	looks  looks
	opened chan struct{}   // closed when the pool is open, or could not be opened
	ctx    context.Context //nolint:containedctx // it ends with the process
	die    context.CancelFunc

	mu      sync.Mutex // guards what follows
	pool    *reauth.Pool
	client  *http.Client
	dead    bool
	paused  time.Time       // until when it is suspended
	armed   map[string]Step // crashes and pauses that wait for an operation
	failing map[string]time.Time
	count   map[string]int // of each operation
	knows   knowledge
}

var (
	errDead     = errors.New("the process has died")
	errInjected = errors.New("injected failure")
)

// start starts a process in a slot.
func (w *world) start(t testing.TB, slot int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	started := 0
	for _, p := range w.all {
		if strings.HasPrefix(p.name, fmt.Sprintf("P%d", slot)) {
			started++
		}
	}
	p := &process{
		w: w, name: fmt.Sprintf("P%d%s", slot, strings.Repeat("'", started)), handle: w.place.Open(t),
		opened: make(chan struct{}), armed: make(map[string]Step), failing: make(map[string]time.Time),
		count: make(map[string]int), knows: newKnowledge(),
	}
	switch hash(w.seed, p.name, "skew", 0) % 6 {
	case 0:
		p.skew = 90 * time.Second
	case 1:
		p.skew = -90 * time.Second
	}
	p.ctx, p.die = context.WithCancel(context.Background())
	w.slots[slot-1] = p
	w.all = append(w.all, p)
	w.actions.Go(func() { p.open() })
}

// open opens the process's pool.
func (p *process) open() {
	defer close(p.opened)
	pool, err := reauth.OpenPool(p.ctx, &guard{p: p})
	if err == nil {
		err = p.register(pool)
	}
	if err != nil {
		p.w.say("%s cannot start: %v", p.name, err)
		p.crash()
		return
	}
	pool.Observe = p.observe
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pool = pool
	p.client = &http.Client{Transport: reauth.NewRecoveringTransport(&base{p}, pool)}
	p.w.say("%s starts, its clock %v ahead", p.name, p.skew)
	if p.dead {
		p.close()
	}
}

// register makes the pool refresh at the fake provider.
func (p *process) register(pool *reauth.Pool) error {
	pr, _ := reauth.LookupProvider(providerName)
	var err error
	pr.Refresher, err = reauth.BuiltinRefresher(providerName, reauth.OAuth2Config{
		TokenURL: tokenURL, HTTPClient: &http.Client{Transport: &base{p}},
	})
	if err != nil {
		return err
	}
	return pool.Register(pr)
}

// observe notes what the pool tells, but for what every request tells.
func (p *process) observe(_ context.Context, e reauth.Event) {
	if e.Type == reauth.Sent || p.isDead() {
		return
	}
	p.w.say("%s tells %s %s %v", p.name, e.Type, e.Reason, e.Err)
}

// waitUntilOpen reports whether the pool is open.
func (p *process) waitUntilOpen() bool {
	<-p.opened
	return p.lives()
}

// lives reports whether the process has a pool and has not died.
func (p *process) lives() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pool != nil && !p.dead
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// crash is the death of the process. Its memory is lost; its claims are free.
func (p *process) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	p.die()
	p.handle.Kill()
	if !p.w.repaired.Load() {
		p.w.say("%s dies", p.name)
	}
	if p.pool != nil {
		p.close()
	}
}

// close ends the goroutines of a pool whose process is dead.
func (p *process) close() {
	pool := p.pool
	p.w.closing.Go(func() { _ = pool.Close() }) // what it could not save is lost
}

// disturb begins a crash, a suspension or a failure, or prepares it.
func (p *process) disturb(step Step) {
	switch {
	case step.Do == doFail:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.failing[step.At] = time.Now().Add(step.For)
		if step.At == "save" {
			p.handle.FailSaves(true)
		}
		p.w.say("%s: %s fails for %v", p.name, step.At, step.For)
	case step.At != "":
		p.mu.Lock()
		defer p.mu.Unlock()
		p.armed[step.At] = step
	case step.Do == doCrash:
		p.crash()
	default:
		p.pause(step.For)
	}
}

// pause suspends the process.
func (p *process) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = time.Now().Add(d)
	p.w.say("%s is suspended for %v", p.name, d)
}

// repair ends what disturbs the process.
func (p *process) repair() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = time.Time{}
	clear(p.armed)
	clear(p.failing)
	p.handle.FailSaves(false)
}

// stop is called at each operation: it takes its time there, is suspended there, dies there, and
// fails there.
func (p *process) stop(operation string) error {
	p.sleep(p.takes(operation))
	if step, ok := p.disarm(operation); ok {
		p.w.say("%s is about to %s: %s", p.name, step.Do, operation)
		if step.Do == doCrash {
			p.crash()
		} else {
			p.pause(step.For)
		}
	}
	for p.isPaused() {
		p.sleep(10 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until, ok := p.failing["save"]; ok && !time.Now().Before(until) {
		delete(p.failing, "save")
		p.handle.FailSaves(false)
	}
	switch {
	case p.dead:
		return errDead
	case time.Now().Before(p.failing[operation]):
		p.w.say("%s: %s fails", p.name, operation)
		return errInjected
	}
	return nil
}

// takes is how long the next operation of that kind takes.
func (p *process) takes(operation string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[operation]++
	d := p.w.delay(p.name, operation, p.count[operation])
	if p.w.repaired.Load() {
		d = min(d, time.Duration(hash(p.w.seed, p.name, operation, p.count[operation])%uint64(time.Millisecond)))
	}
	return d
}

// sleep waits, unless the process dies.
func (p *process) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
	}
}

// disarm returns the crash or suspension that waits for the operation.
func (p *process) disarm(operation string) (Step, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	step, ok := p.armed[operation]
	delete(p.armed, operation)
	return step, ok && !p.dead
}

func (p *process) isPaused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead && time.Now().Before(p.paused)
}

// request sends a request.
func (p *process) request(ctx context.Context) {
	p.w.say("%s gets %d", p.name, p.send(ctx, apiURL))
}

const apiURL = "https://api.x.ai/v1/chat/completions"

// look sends a request of a provider without a credential: the pool looks at its store.
func (p *process) look(ctx context.Context) { p.send(ctx, "https://api.openai.com/v1/models") }

// send returns the status of the answer; 0 if there is none.
func (p *process) send(ctx context.Context, url string) (status int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"model":"example"}`))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer set by the transport")
	resp, err := p.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // a body that breaks off is no matter here
	return resp.StatusCode
}

// actionKey is the key of a context that tells who asks for an Update.
type actionKey struct{}

// personWaits is how long a person waits for a claim.
const personWaits = time.Minute

// byPerson runs what a person does.
func (p *process) byPerson(ctx context.Context, what string, f func(context.Context) error) (ok bool) {
	ctx, stop := context.WithTimeout(context.WithValue(ctx, actionKey{}, what), personWaits)
	defer stop()
	err := f(ctx)
	if p.isDead() {
		return false
	}
	if err != nil {
		p.w.say("%s: %s failed: %v", p.name, what, err)
		return false
	}
	p.w.say("%s: %s done", p.name, what)
	return true
}

// login adds a new pair.
func (p *process) login(ctx context.Context) {
	c := p.w.newLogin()
	p.w.say("%s: a person logs in as %v", p.name, p.w.provider.nameOf(c.RefreshToken))
	p.byPerson(ctx, doLogin, func(ctx context.Context) error {
		_, err := p.pool.Add(ctx, c)
		return err
	})
}

// addEnv adds the pair that the environment has.
func (p *process) addEnv(ctx context.Context) {
	c := p.w.provider.environment()
	if c.RefreshToken == "" {
		return
	}
	p.w.say("%s adds %v from its environment", p.name, p.w.provider.nameOf(c.RefreshToken))
	p.byPerson(ctx, doEnv, func(ctx context.Context) error {
		_, err := p.pool.Add(ctx, c)
		return err
	})
}

// remove removes the credential.
func (p *process) remove(ctx context.Context) {
	p.byPerson(ctx, doRemove, func(ctx context.Context) error { return p.pool.Remove(ctx, providerName, id) })
}

// reset resets the credential.
func (p *process) reset(ctx context.Context) {
	begin := time.Now()
	if p.byPerson(ctx, doReset, func(ctx context.Context) error { return p.pool.Reset(ctx, providerName, id) }) {
		p.w.truth.noteReset(p, begin)
	}
}

// hash makes one number of what it is given.
func hash(seed uint64, process, operation string, number int) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", seed, process, operation, number)
	x := h.Sum64() // FNV's bits depend little on the last bytes: mix them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
