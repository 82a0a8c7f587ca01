package reauth

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Renewing. Whoever wants other tokens than some it names gets those somebody else has obtained meanwhile, or joins the
// one flight under way, or starts it. A flight belongs to nobody: it has deadlines of its own and goes on when the caller
// that started it leaves.
//
// Inside, the order is what keeps a refresh token from being spent twice (RFC 9700 §4.14.2) or lost:
//
//	lock → re-read the store → compare → mark as being spent → exchange → persist → publish → unlock
//
// Lock, re-read and persist are the Store's Update; a refresh token is never exchanged outside it.

const (
	claimTimeout = 45 * time.Second // waiting for the credential's lock: longer than anybody's exchange
	storeTimeout = 10 * time.Second // reading, and marking

	// A token that was minted and never accepted is not renewed again for being refused before this has passed.
	uselessRest = 10 * time.Minute

	vainRest = 10 * time.Second // doubling

	graceDelay = 500 * time.Millisecond // some providers publish tokens slowly
)

var (
	errClosed       = errors.New("reauth: the pool is closed")
	errGone         = errors.New("reauth: the credential has been removed")
	errNothingNewer = errors.New("reauth: the store holds nothing newer")
	errUseless      = errors.New("reauth: the tokens of the last refresh were refused as well")
	errAdopted      = errors.New("adopted") // ends an Update that has nothing to write
)

// cause is why new tokens are wanted.
type cause uint8

const (
	early    cause = iota // they are about to expire
	expired               // the clock says they have
	rejected              // the provider has refused them
	forced                // the user asks
)

// flight is one renewal, for all who wait for it.
type flight struct {
	of   *held // the tokens it replaces
	full bool  // an exchange, unless the store holds newer ones; else only the store is read
	done chan struct{}
	held *held
	err  error
	tell []Event // when no flight is under way any more: an observer may call the pool
}

// failure is a renewal that brought nothing. Until it has rested, others like it fail at once.
type failure struct {
	of    *held
	full  bool
	err   error
	until time.Time
	times int
	early bool // the tokens still served then
	final bool // the grant is dead
}

// forbids reports whether a renewal of h need not be tried.
func (x *failure) forbids(h *held, full bool, why cause, now time.Time) bool {
	switch {
	case x.of != h || x.full != full:
		return false
	case x.final:
		return true
	case why == forced, x.early && why != early: // there is more to lose now than when it failed
		return false
	}
	return now.Before(x.until)
}

// renew returns tokens other than h, waiting for them as long as ctx and cancel allow. An error that is not the caller's
// own context means that there are none now.
func (m *member) renew(ctx context.Context, cancel <-chan struct{}, h *held, why cause) (*held, error) {
	f, got, err := m.join(ctx, h, why)
	if f == nil {
		return got, err
	}
	select {
	case <-f.done:
		return f.held, f.err
	case <-ctx.Done():
		return nil, &callerError{"waiting for new tokens of " + m.String(), context.Cause(ctx), ctx.Err()}
	case <-cancel:
		return nil, &callerError{"waiting for new tokens of " + m.String(), context.Canceled, context.Canceled}
	}
}

// join returns the flight to wait for, or what needs no waiting.
func (m *member) join(ctx context.Context, h *held, why cause) (*flight, *held, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	cur := m.cur.Load()
	if cur.digest != h.digest {
		return nil, cur, nil
	}
	h = cur // another refresh token may have come with the same access token
	if m.gone.Load() {
		return nil, nil, errGone
	}
	full := m.mayExchange(h, why, now)
	if f := m.flight; f != nil && f.of.digest != h.digest { // it has published these tokens and is about to end
		return m.after(ctx, f, h, why), nil, nil
	}
	if f := m.flight; f != nil && (f.full || !full) {
		return f, nil, nil
	}
	if !full && !m.pool.shared && m.place.Load().follow == nil {
		return nil, nil, m.whyNot(h)
	}
	if m.flight != nil { // it only reads the store: the exchange comes after it
		return m.after(ctx, m.flight, h, why), nil, nil
	}
	if m.failed.forbids(h, full, why, now) {
		return nil, nil, m.failed.err
	}
	f := m.launch(ctx, h, why, full)
	if f == nil {
		return nil, nil, errClosed
	}
	return f, nil, nil
}

// launch starts a flight. m.mu is held.
func (m *member) launch(ctx context.Context, h *held, why cause, full bool) *flight {
	f := &flight{of: h, full: full, done: make(chan struct{})}
	detached := context.WithoutCancel(ctx) // its values, such as a trace, stay
	if !m.pool.work.start(func() { m.fly(detached, f, why) }) {
		return nil
	}
	m.flight = f
	return f
}

// after waits for a flight that is not enough and then renews, as a flight of its own.
func (m *member) after(ctx context.Context, first *flight, h *held, why cause) *flight {
	f := &flight{of: h, full: true, done: make(chan struct{})}
	detached := context.WithoutCancel(ctx)
	started := m.pool.work.start(func() {
		defer close(f.done)
		<-first.done
		f.held, f.err = m.renew(detached, nil, h, why)
	})
	if !started {
		f.err = errClosed
		close(f.done)
	}
	return f
}

// mayExchange reports whether the renewal may spend the refresh token. m.mu is held.
func (m *member) mayExchange(h *held, why cause, now time.Time) bool {
	s := m.group.spec.Load()
	switch {
	case s == nil || s.Refresher == nil || !h.refreshable() || m.static:
		return false
	case why == rejected && m.isUseless(h):
		return now.Sub(h.received) >= uselessRest
	case why == rejected:
		return !now.Before(m.vainUntil)
	}
	return true
}

// noteVain notes that a request was refused with the tokens of its own exchange too. Where others are accepted with them,
// it is the request that is refused, and requests like it must not rotate the tokens each time.
func (m *member) noteVain(h *held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.vainOf != h.digest {
		m.vainOf = h.digest
		m.vainUntil = time.Now().Add(doubled(vainRest, m.vain))
		m.vain++
	}
}

// isUseless reports whether h came from an exchange and nobody has accepted it: to exchange again would go on for ever.
func (m *member) isUseless(h *held) bool { return h.minted && !h.accepted.Load() }

// endVain is called when a request was served with the tokens of its own exchange.
func (m *member) endVain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.vain, m.vainUntil = 0, time.Time{}
}

// whyNot explains a renewal that can do nothing. m.mu is held.
func (m *member) whyNot(h *held) error {
	if s := m.group.spec.Load(); s == nil || s.Refresher == nil || !h.refreshable() || m.static {
		return ErrNotRefreshable
	}
	return errUseless
}

// fly runs a flight to its end, whatever happens in it.
func (m *member) fly(ctx context.Context, f *flight, why cause) {
	settled := false
	defer func() { // also after a panic, or runtime.Goexit, in a refresher or a store
		if !settled {
			if r := recover(); r != nil {
				f.err = fmt.Errorf("reauth: refresh %s: the refresher panicked: %v", m, redactPanic(r))
				m.pool.logPanic(ctx, m)
			} else {
				f.err = fmt.Errorf("reauth: refresh %s: the refresher ended its goroutine", m)
			}
			f.held = nil
		}
		m.settle(ctx, f, why)
	}()
	if f.full {
		f.held, f.err = m.exchange(ctx, f, why)
	} else {
		f.held, f.err = m.reread(ctx, f)
	}
	settled = true
}

// redactPanic keeps the panic's value only where it cannot hold a token.
func redactPanic(r any) any {
	if err, ok := r.(interface{ RuntimeError() }); ok {
		return err
	}
	return fmt.Sprintf("%T", r)
}

// logPanic leaves the stack of a refresher's panic in the log: it is in no error.
func (p *Pool) logPanic(ctx context.Context, m *member) {
	if p.Logger != nil {
		p.Logger.ErrorContext(ctx, "reauth: the refresher panicked", "provider", m.provider, "id", m.id, "stack", string(debug.Stack()))
	}
}

// settle ends a flight: everybody who waits gets its outcome.
func (m *member) settle(ctx context.Context, f *flight, why cause) {
	if f.err == nil && f.held == nil {
		f.err = errNothingNewer
	}
	m.mu.Lock()
	m.flight = nil
	if cur := m.cur.Load(); f.err != nil && cur.digest == f.of.digest {
		m.failed = m.failed.again(f, cur, why, time.Now())
		m.static = m.static || errors.Is(f.err, ErrNotRefreshable)
	}
	m.mu.Unlock()
	defer close(f.done) // also when an observer ends the goroutine; it finds no flight under way any more, and need not wait
	var borrowed *borrowedError
	if f.err != nil && (f.full && !errors.Is(f.err, ErrNotRefreshable) || errors.As(f.err, &borrowed)) {
		f.tell = append(f.tell, Event{Type: RefreshFailed, Reason: failureReason(f.err), Err: f.err})
	}
	for _, e := range f.tell {
		if e.ID == "" {
			e.Provider, e.ID = m.provider, m.id
		}
		m.pool.emit(ctx, e)
	}
}

// again is the failure after another one: rests double, from 1 s to 1 min for refused tokens, from 30 s to 5 min for ones
// that still serve, and no less than the token endpoint asks for.
func (x failure) again(f *flight, of *held, why cause, now time.Time) failure {
	times := 0
	if x.of == of && x.full == f.full {
		times = x.times
	}
	rest, most := time.Second, time.Minute
	if why == early {
		rest, most = 30*time.Second, 5*time.Minute
	}
	rest = min(rest<<min(times, 10), most)
	n := failure{of: of, full: f.full, err: f.err, times: times + 1, early: why == early}
	var re *RefreshError
	if errors.As(f.err, &re) {
		rest = max(rest, min(re.RetryAfter, time.Hour))
		n.final = re.Permanent
	}
	n.until = now.Add(rest)
	return n
}

// failureReason is a short and stable word for a failed refresh.
func failureReason(err error) string {
	var re *RefreshError
	var borrowed *borrowedError
	switch {
	case errors.As(err, &borrowed):
		return "borrowed:" + borrowed.follower.kind
	case errors.As(err, &re) && re.Code != "":
		return "refresh:" + re.Code
	case errors.As(err, &re) && re.Status != 0:
		return fmt.Sprintf("refresh:status-%d", re.Status)
	case errors.Is(err, ErrNotRefreshable):
		return "not-refreshable"
	case errors.Is(err, errUseless):
		return "refresh:useless"
	}
	return "refresh:failed"
}

// reread looks whether the store, or the owner of a login that is followed, holds other tokens than those the flight replaces.
func (m *member) reread(ctx context.Context, f *flight) (*held, error) {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	if f.full || m.place.Load().follow == nil {
		return m.rereadStore(ctx, f)
	}
	return m.rereadOwner(f)
}

func (m *member) rereadStore(ctx context.Context, f *flight) (*held, error) {
	adopted, err := m.pool.takeOver(ctx)
	for _, a := range adopted {
		f.tell = append(f.tell, Event{Type: Adopted, Provider: a.provider, ID: a.id})
	}
	if err != nil {
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "load", Err: err})
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if cur := m.cur.Load(); cur.digest != f.of.digest {
		return cur, nil
	}
	return nil, m.whyNot(f.of)
}

// callerError is the end of a caller's own context, or of its Request.Cancel.
type callerError struct {
	during string // what it ended
	cause  error
	err    error // the context's
}

func (e *callerError) Error() string { return "reauth: " + e.during + ": " + e.cause.Error() }

func (e *callerError) Unwrap() []error { return []error{e.err, e.cause} }

// Timeout is asked by url.Error.
func (e *callerError) Timeout() bool { return errors.Is(e.err, context.DeadlineExceeded) }
