package reauth

import (
	"context"
	"errors"
	"time"
)

// The end of a flight: its callers get its outcome, and the observer is told.

// land ends a flight with its outcome.
func (m *member) land(ctx context.Context, f *flight, d demand) {
	if f.err == nil && f.tokens == nil {
		f.err = errNothingNewer
	}
	m.landed(f, d)
	m.tell(ctx, f)
}

// letGo ends a flight with err whose refresher goes on after its deadline. Nothing is exchanged until
// it has returned; what it brings belongs to the flight that is returned, for which nobody waits.
// The claim is held meanwhile, for which an observer may wait: it is told from elsewhere.
func (m *member) letGo(ctx context.Context, f *flight, err error) (rest *flight) {
	f.err = err
	m.goesOn(f)
	m.group.pool.work.startFromWorker(func() { m.tell(ctx, f) })
	return newFlight(f.of, true, f.carries)
}

// tell tells the observer what happened in a flight, and lets its callers go.
func (m *member) tell(ctx context.Context, f *flight) {
	// An observer may end the goroutine. It finds no flight under way, and need not wait for this
	// one.
	defer close(f.done)
	f.awaitAnnounced()
	if isWorthTelling(f) {
		f.tell = append(f.tell, Event{Type: RefreshFailed, Reason: failureReason(f.err), Err: f.err})
	}
	for _, e := range f.tell {
		if e.ID == "" {
			e.Provider, e.ID = m.group.name, m.id
		}
		m.group.pool.emit(ctx, e)
	}
}

// isWorthTelling reports whether the flight failed in a way that is news: not when a static key was
// only looked up in the store.
func isWorthTelling(f *flight) bool {
	var followed *followedError
	return f.err != nil && (f.exchange && !errors.Is(f.err, ErrNotRefreshable) || errors.As(f.err, &followed))
}

// announce tells that an exchange, or the question for a new login, begins. The observer may call
// the pool and wait for the claim, which is held here: so nothing waits for the observer before the
// claim is given back.
func (m *member) announce(ctx context.Context, f *flight, why string) {
	if !m.group.pool.observed() {
		return
	}
	told := make(chan struct{})
	started := m.group.pool.work.startFromWorker(func() {
		defer close(told) // also when the observer ends the goroutine
		m.emit(ctx, Event{Type: Refreshing, Reason: why})
	})
	if started {
		f.announced = told
	}
}

// slowObserver is how long the end of a flight waits for an observer that is still being told of
// its beginning. Such an observer may be waiting for that end.
const slowObserver = time.Second

// awaitAnnounced waits until the observer knows that the exchange has begun, so that it learns of
// the end afterwards.
func (f *flight) awaitAnnounced() {
	if f.announced == nil {
		return
	}
	timer := time.NewTimer(slowObserver)
	defer timer.Stop()
	select {
	case <-f.announced:
	case <-timer.C:
	}
}
