package stress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

var (
	stressFrom  = flag.Uint64("stress.from", 1, "seed of the first choreography")
	stressSeeds = flag.Uint64("stress.seeds", 0, "number of choreographies; 0: 200, or 40 with -short")
)

// A choreography is half a minute of pools over one provider. It is random, and its seed repeats
// it. Requests come and leave, tokens expire, the token endpoint and the store fail, credentials
// come and go. Each request and the base check what must hold whatever happens; run checks what is
// left at the end.
func TestChoreographies(t *testing.T) {
	seeds := *stressSeeds
	switch {
	case seeds == 0 && testing.Short():
		seeds = 40
	case seeds == 0:
		seeds = 200
	}
	for seed := *stressFrom; seed < *stressFrom+seeds; seed++ {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("seed %d: again with -run TestChoreographies -stress.seeds 1 -stress.from %d", seed, seed)
				}
			})
			newStress(t, seed).run()
		})
	}
}

const (
	provider    = "xai-oauth"
	stressSpan  = 30 * time.Second
	storePace   = 20 * time.Millisecond
	stressAgent = "set by the transport"
	// anchor is the ID and the token of a key that is always accepted. While the pools have it, no
	// request may fail.
	anchor    = "anchor"
	otherKey  = "key-of-other"
	otherHost = "api.other.example" // of another provider
)

// rig is a pool, and a client that sends with the credentials of the pool.
type rig struct {
	pool   *reauth.Pool
	client *http.Client
}

// stress is one choreography.
type stress struct {
	t     *testing.T
	seed  uint64
	rnd   *rand.Rand // for the plan only: goroutines must not draw from it
	begin time.Time
	wg    sync.WaitGroup

	planned  []func()
	fake     *reauthtest.Provider
	store    *pacedStore
	rigs     []*rig
	closed   []bool
	anchored bool
	removing bool // removes credentials; otherwise it may add their first pairs again at any time

	mu       sync.Mutex         // guards what follows: all tokens that were issued
	families map[string]*family // by any of their tokens
	latest   map[string]*family // by ID
	first    []reauth.Credential
	wanted   map[string]int // the most exchanges that may happen, by ID
	granted  map[string]int // the exchanges that happened, by ID
	faults   []reauthtest.Fault
}

func newStress(t *testing.T, seed uint64) *stress {
	s := &stress{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), begin: time.Now(),
		fake: reauthtest.New(reauthtest.XAI),
	}
	s.families, s.latest = make(map[string]*family), make(map[string]*family)
	s.wanted, s.granted = make(map[string]int), make(map[string]int)
	s.anchored, s.removing, s.fake.RefuseEarly = s.rnd.IntN(2) == 0, s.rnd.IntN(2) == 0, s.rnd.IntN(3) == 0
	s.fake.AddKey(anchor)
	s.fake.AddKey(otherKey)
	s.store = &pacedStore{pause: func(ctx context.Context, place string) { _ = s.pause(ctx, place, storePace) }}
	s.closed = make([]bool, 1+s.rnd.IntN(2))
	strategy := reauth.Strategy(s.rnd.IntN(4))
	s.rigs = append(s.rigs, s.newPool(strategy))
	if s.anchored {
		_, err := s.rigs[0].pool.Add(context.Background(), reauth.Credential{
			Provider: provider, ID: anchor, AccessToken: anchor, Priority: 9,
		})
		require.NoError(t, err)
	}
	for i := range 1 + s.rnd.IntN(3) {
		s.login(s.rigs[0], fmt.Sprintf("c%d", i))
	}
	for len(s.rigs) < len(s.closed) {
		s.rigs = append(s.rigs, s.newPool(strategy))
	}
	return s
}

// newPool opens a pool over the store. Its requests go through sent, and its exchanges through
// exchanged.
func (s *stress) newPool(strategy reauth.Strategy) *rig {
	pool, err := reauth.OpenPool(context.Background(), s.store)
	require.NoError(s.t, err)
	refresher := testrig.RefresherAt(s.t, provider, testrig.RoundTripFunc(s.exchanged))
	testrig.Register(s.t, pool, provider, func(p *reauth.Provider) { p.Refresher, p.Strategy = refresher, strategy })
	require.NoError(s.t, pool.Register(reauth.Provider{Name: "other", Hosts: []string{otherHost}}))
	_, err = pool.Add(context.Background(), reauth.Credential{Provider: "other", ID: "other", AccessToken: otherKey})
	require.NoError(s.t, err)
	pool.Observe = func(context.Context, reauth.Event) { pool.Status() } // an observer may call the pool
	return &rig{
		pool:   pool,
		client: &http.Client{Transport: reauth.NewRecoveringTransport(testrig.RoundTripFunc(s.sent), pool)},
	}
}

// run plays the choreography and checks what is left. The bubble checks that every goroutine ends.
func (s *stress) run() {
	plan := []func() func(){
		s.expire, s.expire, s.expire, s.refuse, s.fault, s.fault, s.come, s.leave,
		s.refresh, s.token, s.reset, s.trouble,
	}
	for range 15 + s.rnd.IntN(25) {
		s.later(plan[s.rnd.IntN(len(plan))]())
	}
	for range 30 + s.rnd.IntN(60) {
		a := s.anyAsk()
		s.later(func() { s.ask(a) })
	}
	if i := s.rnd.IntN(3 * len(s.rigs)); i < len(s.rigs) {
		s.closed[i] = true
		s.later(func() { assert.NoError(s.t, s.rigs[i].pool.Close()) })
	}
	for _, f := range s.planned {
		s.wg.Go(f)
	}
	s.wg.Wait()
	s.recover()
	s.checkLogins()
	for _, r := range s.rigs {
		require.NoError(s.t, r.pool.Close())
	}
}

// later plans f for a random moment.
func (s *stress) later(f func()) {
	at := time.Duration(s.rnd.Int64N(int64(stressSpan)))
	if s.rnd.IntN(2) == 0 {
		at = at.Truncate(stressSpan / 8) // so that many things happen at once
	}
	s.planned = append(s.planned, func() {
		time.Sleep(at)
		f()
	})
}

// pause waits for a random time. At the same place and moment it is always the same time, however
// goroutines are scheduled.
func (s *stress) pause(ctx context.Context, place string, most time.Duration) error {
	h := fnv.New64a()
	fmt.Fprintln(h, s.seed, place, time.Since(s.begin))
	timer := time.NewTimer(time.Duration(h.Sum64() % uint64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask is a request and how its caller behaves.
type ask struct {
	pool, size int
	pinned     string        // ID of the credential that must be used; empty for any
	other      bool          // goes to the other provider
	once       bool          // its body has no GetBody
	leave      time.Duration // after which the caller leaves; zero for never
	cancel     bool          // the caller leaves by cancelling, not by a deadline
	sure       bool          // the provider accepts the credential
}

type askKey struct{}

func (s *stress) anyID() string { return fmt.Sprintf("c%d", s.rnd.IntN(3)) }

func (s *stress) anyPool() *rig { return s.rigs[s.rnd.IntN(len(s.rigs))] }

func (s *stress) anyAsk() ask {
	a := ask{
		pool: s.rnd.IntN(len(s.rigs)), size: s.rnd.IntN(3000), once: s.rnd.IntN(2) == 0,
		cancel: s.rnd.IntN(2) == 0,
	}
	switch s.rnd.IntN(8) {
	case 0:
		a.pinned = s.anyID()
	case 1:
		a.other = true
	}
	if s.rnd.IntN(3) == 0 {
		a.leave = time.Duration(1 + s.rnd.Int64N(int64(time.Second)))
	}
	return a
}

func (a ask) request() (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), askKey{}, a))
	switch {
	case a.leave == 0:
	case a.cancel:
		time.AfterFunc(a.leave, cancel)
	default:
		ctx, cancel = context.WithTimeout(ctx, a.leave)
	}
	target, body := "https://api.x.ai/v1/echo", io.Reader(bytes.NewReader(make([]byte, a.size)))
	if a.pinned != "" {
		ctx = reauth.WithCredential(ctx, "xai", a.pinned)
	}
	if a.other {
		target = "https://" + otherHost + "/v1/echo"
	}
	if a.once {
		body = io.MultiReader(body)
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, target, body) // the URL is good
	req.Header.Set("Authorization", "Bearer "+stressAgent)
	return req, cancel
}

// ask sends a request and checks its outcome.
func (s *stress) ask(a ask) {
	req, cancel := a.request()
	defer cancel()
	status, got, err := testrig.Send(s.rigs[a.pool].client, req)
	switch ended := req.Context().Err(); {
	case err != nil:
		if ended == nil || !errors.Is(err, ended) {
			s.t.Errorf("%+v: neither an answer nor the end of the caller's context: %v", a, err)
		}
	case status == http.StatusOK:
		want := fmt.Sprintf(`{"ok":true,"method":"POST","path":"/v1/echo","bytes":%d}`, a.size)
		assert.Equal(s.t, want, got, "%+v", a)
	case a.sure, a.other, s.anchored && a.pinned == "":
		s.t.Errorf("%+v: %d %s with a credential in the pool that is accepted", a, status, got)
	default:
		assert.True(s.t, json.Valid([]byte(got)), "%+v: the refusal is not whole: %q", a, got)
	}
}

// login makes a new login and adds it to a pool.
func (s *stress) login(r *rig, id string) {
	access, refresh := s.fake.Login()
	c := reauth.Credential{Provider: "xai", ID: id, AccessToken: access, RefreshToken: refresh}
	f := &family{id: id, access: []string{access}, refresh: refresh}
	s.mu.Lock()
	s.families[access], s.families[refresh] = f, f
	s.mu.Unlock()
	if _, err := r.pool.Add(context.Background(), c); err != nil {
		return // the store is in trouble
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest[id], s.first = f, append(s.first, c)
}

// want notes that up to n more exchanges of the tokens of id may happen. It runs f with the latest
// login of id, if there is one.
func (s *stress) want(id string, n int, f func(*family)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[id] += n
	if l := s.latest[id]; l != nil && f != nil {
		f(l)
	}
}

// These functions are the events of a choreography. Each one draws what it needs from the plan, and
// returns what to do at the planned moment.

func (s *stress) expire() func() {
	id := s.anyID()
	return func() { s.want(id, 1, func(f *family) { s.fake.Expire(f.access...) }) }
}

// refuse makes the provider refuse a credential for a reason that no refresh helps.
func (s *stress) refuse() func() {
	id, what, reset := s.anyID(), s.rnd.IntN(5), time.Duration(s.rnd.Int64N(int64(time.Hour)))
	return func() {
		s.want(id, 0, func(f *family) {
			switch current := f.access[len(f.access)-1]; what {
			case 0:
				s.fake.Block(current)
			case 1:
				s.fake.Restore(current)
			case 2:
				f.ended = true
				s.fake.Revoke(f.refresh)
			default:
				s.fake.Exhaust(time.Now().Add(reset), current)
			}
		})
	}
}

func (s *stress) fault() func() {
	f := []reauthtest.Fault{
		reauthtest.TooManyRequests(0),
		reauthtest.Unavailable(),
		reauthtest.Page(403),
		{Cut: true},
		{Lose: true},
	}[s.rnd.IntN(5)]
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = append(s.faults, f)
	}
}

// come adds a new login, or the first pair of a login again, as programs do that take it from their
// environment.
func (s *stress) come() func() {
	r, id, again := s.anyPool(), s.anyID(), s.rnd.IntN(2) == 0 && !s.removing
	c := s.first[s.rnd.IntN(len(s.first))] // the pair that a login began with
	return func() {
		if again {
			_, _ = r.pool.Add(context.Background(), c) // the store may be in trouble
			return
		}
		s.login(r, id)
	}
}

func (s *stress) leave() func() {
	r, id := s.anyPool(), s.anyID()
	return func() {
		if s.removing {
			_ = r.pool.Remove(context.Background(), "xai", id) // there may be no such credential
		}
	}
}

func (s *stress) refresh() func() {
	r, id, leave := s.anyPool(), s.anyID(), time.Duration(s.rnd.Int64N(int64(5*time.Second)))
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), leave)
		defer cancel()
		s.want(id, 1, nil)
		_ = r.pool.Refresh(ctx, "xai", id) // it may fail for many reasons
	}
}

// token is a client that takes a token and does not use HTTP.
func (s *stress) token() func() {
	r, verdict := s.anyPool(), reauth.Verdict{Kind: reauth.Kind(s.rnd.IntN(2)), Reason: "stress"}
	return func() {
		c, err := r.pool.Token(context.Background(), "xai")
		if err != nil || c.ID == anchor {
			return // no credential is left, or it is the anchor
		}
		s.want(c.ID, 1, nil)
		_ = r.pool.Report(context.Background(), "xai", c.ID, c.AccessToken, verdict) // the exchange may fail
	}
}

func (s *stress) reset() func() {
	r, id := s.anyPool(), s.anyID()
	return func() { _ = r.pool.Reset(context.Background(), "xai", id) } // there may be no such credential
}

// trouble makes the store fail for a while.
func (s *stress) trouble() func() {
	op := []string{"load", "claim", "mark", "spend", "persist"}[s.rnd.IntN(5)]
	d := time.Duration(s.rnd.Int64N(int64(10 * time.Second)))
	if op == "persist" && len(s.rigs) > 1 {
		op = "load" // a pair that cannot be saved is known to one pool only
	}
	return func() {
		s.store.fail(op, errors.New("in trouble"))
		time.Sleep(d)
		s.store.fail(op, nil)
	}
}
