package reauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
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

// exchange is one attempt to obtain new tokens for a credential.
type exchange struct {
	m      *member
	f      *flight // that it belongs to; another one when those who waited for the first were let go
	old    *tokens
	why    cause
	waited bool // for a holder of the pair that the store has lost

	// handedOver says that the refresher still goes on, and that what it brings is taken up elsewhere.
	handedOver bool
}

// outcome is what an exchange brought under the lock.
type outcome struct {
	current  *tokens       // held here by now; nothing was spent
	newer    *Entry        // found in the store; nothing was spent
	minted   *Entry        // obtained, to be stored; beside err only its refresh token is new
	absent   *Entry        // the store lacks it; it is stored, and nothing was spent
	behind   bool          // the store has lost a newer record; nothing was spent
	took     time.Duration // of the call of the refresher
	err      error         // why there is no new access token
	unmarked error         // writing Spending failed
	unfit    error         // what of the new values cannot be sent, and was left out
}

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
	if out.unfit != nil {
		err := x.failure("bad_token", "a new value is left out: "+out.unfit.Error(), nil)
		f.tell = append(f.tell, Event{Type: RefreshFailed, Reason: failureReason(err), Err: err})
	}
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
	of := digest(from.Credential.RefreshToken)
	spending := Spending{Of: of, Since: cmp.Or(h.Now, time.Now()), Holder: holderName()}
	if err := x.mark(ctx, h, spending); err != nil {
		return outcome{unmarked: err, err: fmt.Errorf("reauth: refresh %s: the store takes no mark: %w", x.m, err)}
	}
	from.Generation = max(from.Generation, h.Entry.Generation, generationOf(h.Behind))
	x.m.announce(ctx, x.f, x.why)
	r := x.m.startRun(x.mayRepeat(ctx, h, spending), from.Credential)
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

// handOver takes up what the refresher brings after the claim was given back. The refresh token may
// be spent, so the pair that replaces it must be saved, however late it comes. Where another process
// has exchanged the token meanwhile, the one order of records decides.
func (x *exchange) handOver(ctx context.Context, r *run, from Entry) {
	x.handedOver = true
	late := &exchange{m: x.m, f: x.f, old: x.old, why: x.why}
	x.m.group.pool.work.startFromWorker(func() {
		<-r.done
		late.f.tokens, late.f.err = late.takeUp(ctx, late.brought(r, from))
		late.m.land(ctx, late.f, late.why)
	})
}

// takeUp publishes and saves what was brought without a claim.
func (x *exchange) takeUp(ctx context.Context, out outcome) (*tokens, error) {
	if out.minted == nil {
		return x.m.afterRefusal(ctx, x.f, out.err)
	}
	t, err := x.publish(ctx, *out.minted, out, true)
	_ = x.m.write(ctx) // an event tells an error, and keepSaving goes on trying
	return t, err
}

// mayRepeat says in a context how the refresher may repeat an exchange whose answer is lost: when
// the user asks for the renewal of a token that lives, not at all. Before it does, the claim is
// confirmed.
func (x *exchange) mayRepeat(ctx context.Context, h Holding, s Spending) context.Context {
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

// brought is what the refresher has brought for the record from, whose refresh token it was given.
func (x *exchange) brought(r *run, from Entry) outcome {
	c := from.Credential
	got, unfit, err := x.sendable(r.got, r.err)
	out := outcome{took: r.took, unfit: unfit}
	merged := mergeTokens(c, got)
	rotated := merged.RefreshToken != c.RefreshToken
	fresh := merged.AccessToken != "" && merged.AccessToken != c.AccessToken
	switch {
	case fresh: // beside an error, such as "expired on arrival", too: trusted until it is refused
		err = nil
	case err == nil:
		err = x.failure("same_token", "the token endpoint gave the same access token again", nil)
	}
	if err != nil {
		out.err = x.redacted(err, c, got)
	}
	if err != nil && !rotated {
		return out
	}
	minted := from.clone()
	minted.Credential = merged
	minted.Generation++
	if fresh {
		minted.LastRefresh = time.Now().UTC().Round(0)
	}
	if rotated {
		minted.Spent = withSpent(minted.Spent, digest(c.RefreshToken))
	}
	out.minted = &minted
	return out
}

// sendable leaves out of a refresher's result what no request can carry, and says what that was.
func (x *exchange) sendable(got Credential, err error) (fit Credential, unfit, failed error) {
	got.AccessToken, got.RefreshToken = strings.TrimSpace(got.AccessToken), strings.TrimSpace(got.RefreshToken)
	got.AccountID = strings.TrimSpace(got.AccountID)
	hadToken := got.AccessToken != ""
	unfit = unfitError(got.dropUnfit())
	if hadToken && got.AccessToken == "" {
		return got, nil, x.failure("bad_token", unfit.Error(), err)
	}
	if bad := checkMetadata(got.Metadata); bad != nil { // the store could not keep the tokens with it
		got.Metadata, unfit = nil, cmp.Or(unfit, bad)
	}
	return got, unfit, err
}

// failure is the error of an exchange whose answer is of no use.
func (x *exchange) failure(code, description string, err error) error {
	return &RefreshError{Provider: x.m.group.name, Code: code, Description: description, Err: err}
}

// publish makes new tokens the ones that requests are sent with. Where only the refresh token is
// new the error of the exchange stays.
func (x *exchange) publish(ctx context.Context, e Entry, out outcome, unsaved bool) (*tokens, error) {
	m := x.m
	t, published := m.publishMinted(x.old, e, unsaved, time.Now())
	if !published { // a new login came before
		return t, out.err
	}
	if unsaved {
		m.keepSaving(ctx)
	}
	if t.digest == x.old.digest {
		return nil, out.err
	}
	x.f.tell = append(x.f.tell, Event{Type: Refreshed, Duration: out.took})
	return t, out.err
}

// afterRefusal looks once more before a grant counts as dead: a pool that does not share our lock
// may have rotated the token.
func (m *member) afterRefusal(ctx context.Context, f *flight, refusal error) (*tokens, error) {
	if isPermanent(refusal) && m.group.pool.shared {
		if t, err := m.reread(ctx, f); err == nil {
			return t, nil
		}
	}
	return nil, refusal
}

// mergeTokens takes from a refresher's result what the refresher may change: tokens, Expiry,
// AccountID, Metadata. A refresh token that the result leaves out stays (RFC 6749 §6).
func mergeTokens(c, got Credential) Credential {
	m := c.clone()
	if t := strings.TrimSpace(got.AccessToken); t != "" && t != c.AccessToken {
		m.AccessToken, m.Expiry = t, got.Expiry
		if m.Expiry.IsZero() {
			claims, _ := readJWT(t) // no JWT: zero
			m.Expiry = claims.expiry()
		}
	}
	if t := strings.TrimSpace(got.RefreshToken); t != "" && t != c.RefreshToken {
		m.RefreshToken = t
	}
	if got.AccountID != "" {
		m.AccountID = got.AccountID
	}
	for k, v := range got.Metadata {
		if m.Metadata == nil {
			m.Metadata = make(map[string]string)
		}
		m.Metadata[k] = v
	}
	return m
}

// redacted returns what may be told of an error of the refresher, which exchanged c and returned got
// beside the error.
func (x *exchange) redacted(err error, c, got Credential) error {
	if err == ErrNotRefreshable { //nolint:errorlint // it is ours, and holds nothing
		return err
	}
	return newRedactedError(err, x.m.secrets(secretsOf(x.old.cred, secretsOf(c, secretsOf(got)...)...)...)...)
}
