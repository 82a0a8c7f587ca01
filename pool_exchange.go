package reauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// The order in which things happen here keeps a refresh token from being spent twice
// (RFC 9700 §4.14.2), and its successor from being lost:
//
//	lock → re-read the store → compare → mark as being spent → exchange
//	→ persist → publish → unlock
//
// Lock, re-read and persist are the Store's Update. No refresh token is exchanged outside of it.

// obtain claims the credential and obtains new tokens, unless the store holds newer ones.
func (x *exchange) obtain(ctx context.Context) (*tokens, error) {
	m := x.m
	for range mostClaims {
		out, stored, err := x.claim(ctx)
		switch {
		case out.current != nil:
			return out.current, nil
		case out.absent != nil && err == nil:
			m.group.pool.noteWritten(m.key())
		case out.behind:
			if t := x.waitForHolder(ctx); t != nil {
				return t, nil
			}
		case errors.Is(out.unmarked, errReplaced): // nothing was spent; what stands there now decides
		default:
			return x.settle(ctx, out, stored, err)
		}
	}
	return nil, fmt.Errorf("reauth: refresh %s: the store does not keep what is written to it", m)
}

// claim does one Update of the store. What happens under the claim has time limits of its own.
func (x *exchange) claim(ctx context.Context) (out outcome, stored Entry, err error) {
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	stored, err = x.m.group.pool.store.Update(claim, x.m.group.name, x.m.id, func(h Holding) (Entry, error) {
		out = x.underLock(ctx, h)
		return out.toStore()
	})
	return out, stored, err
}

// settle ends an exchange: err is that of the store.
func (x *exchange) settle(ctx context.Context, out outcome, stored Entry, err error) (*tokens, error) {
	m, f := x.m, x.f
	if out.unmarked != nil {
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "mark", Err: out.unmarked})
	}
	x.tellUnfit(out)
	switch {
	case out.newer != nil && out.newer.Removed:
		m.removed(*out.newer)
		return nil, errGone
	case out.newer != nil:
		t, adopted := m.takeNewer(*out.newer)
		if adopted {
			f.tell = append(f.tell, Event{Type: Adopted})
		}
		return t, nil
	case out.minted != nil && err != nil:
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "persist", Err: err})
		return x.publish(ctx, *out.minted, out, true)
	case out.minted != nil:
		m.group.pool.noteWritten(m.key())
		defer m.takeMarks(stored.Marks)
		return x.publish(ctx, stored, out, false)
	case out.err != nil:
		return m.afterRefusal(ctx, f, out.err)
	case err == nil:
		return nil, fmt.Errorf("reauth: refresh %s: the store did not call back", m)
	}
	f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "claim", Err: err}) // no lock, no exchange
	return nil, fmt.Errorf("reauth: refresh %s: no claim on the credential: %w", m, err)
}

// toStore is what the function given to Store.Update returns.
func (o *outcome) toStore() (Entry, error) {
	switch {
	case o.current != nil, o.newer != nil, o.behind:
		return Entry{}, errStoredAlready
	case o.absent != nil:
		return *o.absent, nil
	case o.minted != nil:
		return *o.minted, nil
	}
	return Entry{}, cmp.Or(o.err, errStoredAlready) // never an empty record
}

// A store that was put back to an older state may hold a refresh token that is spent already. A live
// process that holds the newer pair writes it forward when it looks; it gets this long for that.
const (
	holderTimeout = 5 * time.Second
	holderPoll    = 500 * time.Millisecond
)

var errBehind = errors.New("reauth: the store holds an older record than was saved before, as after a backup was put " +
	"back, and no process has written a newer one for 5 s; its refresh token may be spent")

// waitForHolder waits until another process has written the newer record, and returns its tokens;
// nil when there are none after holderTimeout.
func (x *exchange) waitForHolder(ctx context.Context) *tokens {
	for range int(holderTimeout / holderPoll) {
		if !wait.For(ctx, holderPoll) {
			break
		}
		if t, err := x.m.rereadStore(ctx, x.f); err == nil {
			return t
		}
	}
	x.waited = true
	x.f.tell = append(x.f.tell, Event{Type: StoreFailed, Reason: "behind", Err: errBehind})
	return nil
}

// underLock decides, with the record as the store holds it now, and exchanges.
func (x *exchange) underLock(ctx context.Context, h Holding) outcome {
	if err := x.m.refuses(h); err != nil {
		return outcome{err: fmt.Errorf("reauth: refresh %s: %w", x.m, err)}
	}
	t, held := x.m.tokens.Load(), x.m.entry()
	order := 1
	if h.Found {
		order = compareEntries(&held, &h.Entry, x.m.livesIn(h.Identity))
	}
	switch {
	case order >= 0 && x.satisfies(t.entry()):
		return outcome{current: t}
	case !h.Found, h.Entry.Removed && order > 0:
		absent := held.over(h)
		return outcome{absent: &absent}
	case h.Entry.Removed:
		return outcome{newer: &h.Entry}
	case order <= 0 && x.satisfies(h.Entry):
		return outcome{newer: &h.Entry}
	}
	from := h.Entry
	from.Spent = unite(&from, &held)
	if order > 0 { // the store could not take the tokens so far, or went back
		from = held.over(h)
	}
	switch {
	case !x.waited && h.hadNewer(&from, order <= 0 || x.m.livesIn(h.Identity)):
		return outcome{behind: true}
	case from.Credential.RefreshToken == "":
		return outcome{err: ErrNotRefreshable}
	}
	return x.spendMarked(ctx, h, from)
}

// satisfies reports whether the tokens of a record are others than those to be replaced, and need
// not be renewed. After a rejection the provider decides whether they are good: the clock that
// stamped them may be wrong.
func (x *exchange) satisfies(e Entry) bool {
	if digest(e.Credential.AccessToken) == x.old.digest {
		return false
	}
	now := time.Now()
	return x.why == rejected || !newTokens(e, fromLogin, now).expired(now)
}

// spendMarked notes in the store that the refresh token of from is being spent, and exchanges it.
// When a process has died while doing so before, an error says it.
func (x *exchange) spendMarked(ctx context.Context, h Holding, from Entry) outcome {
	refresher := x.m.refresher()
	if refresher == nil {
		return outcome{err: fmt.Errorf("reauth: refresh %s: the provider was registered anew, without a Refresher", x.m)}
	}
	of := digest(from.Credential.RefreshToken)
	spending := Spending{Of: of, Since: cmp.Or(h.Now, time.Now()), Holder: holderName()}
	if err := x.mark(ctx, h, spending); err != nil {
		return outcome{unmarked: err, err: fmt.Errorf("reauth: refresh %s: the store takes no mark: %w", x.m, err)}
	}
	from.Generation = max(from.Generation, h.Entry.Generation, generationOf(h.Behind))
	x.m.announce(ctx, x.f, x.why.String())
	r := x.m.startRun(x.mayRepeat(ctx, h, spending), refresher, from.Credential)
	if !x.await(ctx, r) {
		x.handOver(ctx, r, from)
		return outcome{err: x.m.hangs(r)} // the token stays marked: nobody knows whether it is spent
	}
	out := x.brought(r, from)
	if out.minted == nil {
		out.unmarked = x.mark(ctx, h, Spending{}) // the token is not being exchanged any more
	}
	if died := h.Entry.Spending; died.Of == of && died.Holder != holderName() && isPermanent(out.err) {
		out.err = &deathError{died, out.err}
	}
	return out
}

// await waits for the refresher. When it goes on after its deadline, those who wait for the flight
// are let go, and the claim is kept a little longer. await reports whether the refresher returned.
func (x *exchange) await(ctx context.Context, r *run) bool {
	if r.endsWithin(exchangeTimeout + lateAnswer) {
		return true
	}
	x.f = x.m.letGo(ctx, x.f, x.m.hangs(r))
	return r.endsWithin(lateClaim)
}

// mayRepeat says in a context why the refresher is called, and how it may repeat an exchange whose
// answer is lost: when the user asks for the renewal of a token that lives, not at all. Before it
// does, the claim is confirmed.
func (x *exchange) mayRepeat(ctx context.Context, h Holding, s Spending) context.Context {
	ctx = withRefusal(ctx, x.refusal)
	useless := x.why == rejected || x.m.isUseless(time.Now())
	if x.why == forced && !useless {
		return ctx
	}
	return context.WithValue(ctx, repetitionKey{}, &repetition{
		silent: useless, claimed: func(ctx context.Context) error { return x.mark(ctx, h, s) },
	})
}

// mark writes Spending.
func (x *exchange) mark(ctx context.Context, h Holding, s Spending) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer stop()
	return h.Spend(ctx, s)
}

// deathError is the refusal of a refresh token that a process was exchanging when it died.
type deathError struct {
	spending Spending
	err      error
}

// Error tells the refusal and its likely cause.
func (e *deathError) Error() string {
	return fmt.Sprintf("%v; a process (%s) died, or was cut off, while it exchanged this token at %s",
		e.err, redact(e.spending.Holder), e.spending.Since.UTC().Format(time.RFC3339))
}

// Unwrap returns the refusal.
func (e *deathError) Unwrap() error { return e.err }

// holderName names this process to people.
//
//nolint:gochecknoglobals // made once for the process
var holderName = sync.OnceValue(func() string {
	host, _ := os.Hostname() // without a name the process's number must do
	// In a container that is started again, name and number are the same as before.
	return fmt.Sprintf("%s:%d-%s", host, os.Getpid(), rand.Text()[:6])
})
