package reauth

import (
	"context"
	"time"
)

// Renewing. A caller names the tokens that it wants to be rid of. It gets those that another caller
// has obtained meanwhile, or joins the flight under way, or starts one. A flight belongs to nobody:
// it has deadlines of its own, and goes on when the caller that started it leaves.

// renew returns tokens other than t, and waits for them as long as ctx allows. An error that is no
// callerError means that there are none now.
func (m *member) renew(ctx context.Context, t *tokens, d demand) (*tokens, error) {
	return m.join(ctx, t, d).wait(ctx, "waiting for new tokens of "+m.String())
}

// ready returns tokens to send instead of ones that are due: those in hand while they serve, with a
// renewal in the background, and new ones when they have expired. When none can be had just now it
// returns the expired ones, with the error that tells why: the provider decides, not our clock. A
// callerError comes alone.
func (m *member) ready(ctx context.Context, t *tokens, now time.Time) (*tokens, error) {
	if !t.due(now) {
		return t, nil
	}
	if !t.expired(now) {
		m.join(ctx, t, demand{why: early}) // it lands in the background
		return t, nil
	}
	renewed, err := m.renew(ctx, t, demand{why: expired})
	switch {
	case err == nil:
		return renewed, nil
	case isCallerError(err):
		return nil, err
	}
	return m.tokens.Load(), err
}

// join returns the flight that brings tokens other than t: one under way, a new one, or a landed
// one where nothing needs waiting for.
func (m *member) join(ctx context.Context, t *tokens, d demand) *flight {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.tokens.Load()
	if current.replaces(t, d, now) {
		return landed(current, nil)
	}
	if m.gone.Load() {
		return landed(nil, errGone)
	}
	exchange, rests := m.restraint.decide(current, m.means(), d, now)
	switch f := m.flight; {
	case f != nil && f.of.digest != current.digest: // it has published these tokens and is about to end
		return m.launchAfter(ctx, f, current, d)
	case f != nil && f.serves(exchange, d.challenge) && !m.mayBringAgain(f, d):
		return f
	case !exchange && !m.hasOrigin():
		return landed(nil, m.restraint.whyNot(current, m.means()))
	case f != nil: // it only looks for newer tokens, or is not told of the refusal: the exchange comes after it
		return m.launchAfter(ctx, f, current, d)
	case rests != nil:
		return landed(nil, rests)
	}
	return m.launch(ctx, current, exchange, d)
}

// mayBringAgain reports whether the flight may bring the refused token of d once more: a source that is not
// told of the refusal may have it kept, and good for longer.
func (m *member) mayBringAgain(f *flight, d demand) bool {
	return m.source != nil && f.exchange && d.why == rejected && !f.refused
}

// replaces reports whether the tokens serve one that wants others than old.
func (t *tokens) replaces(old *tokens, d demand, now time.Time) bool {
	if t.digest == old.digest { // a source may have given the same access token for longer
		return t != old && d.why <= expired && !t.due(now)
	}
	return !t.minted || !t.lacks(d.challenge) // of tokens that others have obtained nobody knows what they meet
}

// launch starts a flight. m.mu is held.
func (m *member) launch(ctx context.Context, t *tokens, exchange bool, d demand) *flight {
	f := newFlight(t, exchange, d.challenge)
	f.refused = d.why == rejected
	detached := context.WithoutCancel(ctx) // its values, such as a trace, stay
	if !m.group.pool.work.start(func() { m.fly(detached, f, d) }) {
		return landed(nil, errClosed)
	}
	m.flight = f
	return f
}

// launchAfter returns a flight that waits for one that is not enough, and renews then.
func (m *member) launchAfter(ctx context.Context, first *flight, t *tokens, d demand) *flight {
	f := newFlight(t, true, d.challenge)
	detached := context.WithoutCancel(ctx)
	started := m.group.pool.work.start(func() {
		defer close(f.done)
		f.err = errNothingNewer // whatever ends this goroutine
		<-first.done
		f.tokens, f.err = m.renew(detached, t, d)
	})
	if !started {
		f.err = errClosed
		close(f.done)
	}
	return f
}

// fly runs a flight to its end, whatever happens in it.
func (m *member) fly(ctx context.Context, f *flight, d demand) {
	var t *tokens
	var err error
	x, ended := &exchange{m: m, f: f, old: f.of, demand: d}, false
	defer func() { // also after a panic, or runtime.Goexit, in a store
		if !ended {
			t, err = nil, m.endedBy(ctx, "worker", recover())
		}
		if x.handedOver {
			return
		}
		x.f.tokens, x.f.err = t, err
		m.land(ctx, x.f, d)
	}()
	switch {
	case f.exchange && m.source != nil:
		t, err = x.askSource(ctx)
	case f.exchange:
		t, err = x.obtain(ctx)
	default:
		t, err = m.reread(ctx, f)
	}
	ended = true
}
