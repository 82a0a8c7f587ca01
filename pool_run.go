package reauth

import (
	"context"
	"fmt"
	"time"
)

// run is one call of a refresher, in a goroutine of its own: a refresher may ignore the end of its
// context, and nobody must wait for it for ever.
type run struct {
	refresher Refresher
	done      chan struct{}

	// What follows is set before done is closed.
	got  Credential
	err  error
	took time.Duration
}

// lateClaim is how long the claim is kept for a refresher that does not return in time: while it goes
// on, the refresh token may be spent, and its successor on the way. It ends within the longest claim
// of a SQL store, and before others stop waiting for it.
const lateClaim = 10 * time.Second

// startRun calls the refresher for the member. The call's context ends at the deadline of an exchange.
func (m *member) startRun(ctx context.Context, refresher Refresher, c Credential) *run {
	return m.startCall(ctx, "refresher", refresher, c, exchangeTimeout)
}

// startCall calls a function of the program that gives tokens instead of c. what names it, as Panicked
// has it. The call's context ends after limit.
func (m *member) startCall(
	ctx context.Context, what string, refresher Refresher, c Credential, limit time.Duration,
) *run {
	r := &run{refresher: refresher, done: make(chan struct{})}
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, limit)
	started := m.group.pool.work.startFromWorker(func() {
		ended := false
		defer func() { // also after a panic, or runtime.Goexit, in the refresher
			if !ended {
				r.got, r.err = Credential{}, m.endedBy(ctx, what, recover(), secretsOf(c)...)
			}
			r.took = time.Since(began)
			stop()
			close(r.done)
		}()
		r.got, r.err = r.refresher.Refresh(ctx, c.clone())
		ended = true
	})
	if !started {
		stop()
		r.err = errClosed
		close(r.done)
	}
	return r
}

// endsWithin waits for the end of the run, for d at most, and reports whether it has ended.
func (r *run) endsWithin(d time.Duration) bool { return r.endsBefore(context.Background(), d) }

// endsBefore is endsWithin, and stops waiting when ctx ends.
func (r *run) endsBefore(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// endedBy is the error of a goroutine that a panic with the value v ended, or runtime.Goexit with nil.
// what is the function that was called, as Panicked has it.
func (m *member) endedBy(ctx context.Context, what string, v any, secrets ...string) error {
	if v == nil {
		return fmt.Errorf("reauth: %s: %s ended its goroutine", m, what)
	}
	return fmt.Errorf("reauth: refresh %s: %w", m, m.crashed(ctx, what, v, secrets...))
}

// hangs is the error of those who wait for a run whose refresher ignores the end of its context.
func (m *member) hangs(r *run) error {
	return &RefreshError{
		Provider: m.group.name, Code: "refresher_hangs", Err: context.DeadlineExceeded,
		Description: fmt.Sprintf("the refresher %s has not returned %s after it was called for %q; it must return when "+
			"its context ends, and until it returns it is not called again", nameOf(r.refresher), exchangeTimeout, m.id),
	}
}
