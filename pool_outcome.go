package reauth

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
)

// What a call of a refresher has brought, and what becomes of it.

// exchange is one attempt to obtain new tokens for a credential.
type exchange struct {
	m   *member
	f   *flight // that it belongs to; another one when those who waited for the first were let go
	old *tokens
	demand
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

// tellUnfit tells what of the new values was left out.
func (x *exchange) tellUnfit(out outcome) {
	if out.unfit != nil {
		err := x.failure("bad_token", "a new value is left out: "+out.unfit.Error(), nil)
		x.f.tell = append(x.f.tell, Event{Type: RefreshFailed, Reason: failureReason(err), Err: err})
	}
}

// handOver takes up what the refresher brings after the claim was given back. The refresh token may
// be spent, so the pair that replaces it must be saved, however late it comes. Where another process
// has exchanged the token meanwhile, the one order of records decides.
func (x *exchange) handOver(ctx context.Context, r *run, from Entry) {
	x.handedOver = true
	late := &exchange{m: x.m, f: x.f, old: x.old, demand: x.demand}
	x.m.group.pool.work.startFromWorker(func() {
		<-r.done
		defer late.m.land(ctx, late.f, late.demand) // also when an observer, or a store, ends the goroutine
		late.f.tokens, late.f.err = late.takeUp(ctx, late.brought(r, from))
	})
}

// takeUp publishes and saves what was brought without a claim.
func (x *exchange) takeUp(ctx context.Context, out outcome) (*tokens, error) {
	x.tellUnfit(out)
	switch {
	case x.m.source != nil:
		return x.takeGiven(ctx, out)
	case out.minted == nil:
		return x.m.afterRefusal(ctx, x.f, out.err)
	}
	t, err := x.publish(ctx, *out.minted, out, true)
	_ = x.m.write(ctx) // an event tells an error, and keepSaving goes on trying
	return t, err
}

// brought is what the refresher has brought for the record from, whose refresh token it was given.
func (x *exchange) brought(r *run, from Entry) outcome {
	c := from.Credential
	got, unfit, err := x.sendable(c, r.got, r.err)
	out := outcome{took: r.took, unfit: unfit}
	merged := mergeTokens(c, got)
	rotated := merged.RefreshToken != c.RefreshToken
	fresh := merged.AccessToken != "" && merged.AccessToken != c.AccessToken
	switch {
	case x.prolongs(c, got):
		merged.Expiry, fresh = got.Expiry, true
	case fresh && x.hasBetter(merged):
		merged, fresh, rotated = c, false, false
		err = x.failure("expired_on_arrival", "a token was given that has expired; the one in use goes on", err)
	}
	switch {
	case fresh: // beside an error, such as "expired on arrival", too: trusted until it is refused
		err = nil
	case err == nil:
		err = x.nothingNew(got)
	}
	if err != nil {
		out.err = x.redacted(err, c, got)
	}
	if x.m.source != nil || x.stepsUp() {
		out.err = notFinal(out.err)
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

// sendable leaves out of what a refresher gave instead of c what no request can carry, and what no store
// can keep beside the tokens, and says what that was.
func (x *exchange) sendable(c, got Credential, err error) (fit Credential, unfit, failed error) {
	got.AccessToken, got.RefreshToken = strings.TrimSpace(got.AccessToken), strings.TrimSpace(got.RefreshToken)
	got.AccountID = strings.TrimSpace(got.AccountID)
	hadToken := got.AccessToken != ""
	unfit = unfitError(got.dropUnfit())
	if hadToken && got.AccessToken == "" {
		return got, nil, x.failure("bad_token", unfit.Error(), err)
	}
	if bad := checkText("AccountID", got.AccountID, maxText); bad != nil {
		got.AccountID, unfit = "", cmp.Or(unfit, bad)
	}
	if bad := cmp.Or(checkNotSealed(got.Metadata), checkMetadata(mergeTokens(c, got).Metadata)); bad != nil {
		got.Metadata, unfit = nil, cmp.Or(unfit, bad)
	}
	return got, unfit, err
}

// failure is the error of an exchange whose answer is of no use.
func (x *exchange) failure(code, description string, err error) error {
	return &RefreshError{Provider: x.m.group.name, Code: code, Description: description, Err: err}
}

// nothingNew is the error of a call that succeeded and brought no other access token.
func (x *exchange) nothingNew(got Credential) error {
	who, wayOut := "the token endpoint", ""
	if x.m.source != nil {
		who, wayOut = "the source "+nameOf(x.m.source.refresher), "; look at what renews it there"
	}
	if got.AccessToken == "" {
		return x.failure("no_access_token", who+" gave no access token"+wayOut, nil)
	}
	return x.failure("same_token", who+" gave the same access token again"+wayOut, nil)
}

// publish makes new tokens the ones that requests are sent with. Where only the refresh token is
// new the error of the exchange stays.
func (x *exchange) publish(ctx context.Context, e Entry, out outcome, unsaved bool) (*tokens, error) {
	m := x.m
	t, published := m.publishMinted(x.old, e, x.demand, unsaved, time.Now())
	if !published { // a new login came before
		return t, out.err
	}
	if unsaved {
		m.keepSaving(ctx)
	}
	if t.digest == x.old.digest && out.err != nil {
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
	return m.withNotes(got.Metadata)
}

// redacted returns what may be told of an error of the refresher, which exchanged c and returned got
// beside the error.
func (x *exchange) redacted(err error, c, got Credential) error {
	if err == ErrNotRefreshable { //nolint:errorlint // it is ours, and holds nothing
		return err
	}
	return newRedactedError(err, x.m.secrets(secretsOf(x.old.cred, secretsOf(c, secretsOf(got)...)...)...)...)
}

// takeGiven publishes what a source has given.
func (x *exchange) takeGiven(ctx context.Context, out outcome) (*tokens, error) {
	if out.minted != nil {
		return x.publish(ctx, *out.minted, out, false)
	}
	return nil, cmp.Or(x.m.source.ended(x.m), out.err)
}

// stepsUp reports whether the tokens that were refused are good, and more is asked for.
func (x *exchange) stepsUp() bool { return x.refusal != nil && x.refusal.Verdict.Kind == Forbidden }

// notFinal returns err without saying that the grant is dead: of a source the next call may succeed,
// and who may not have more may have what there was.
func notFinal(err error) error {
	re, ok := errors.AsType[*RefreshError](err)
	if !ok || !re.Permanent {
		return err
	}
	again := *re
	again.Permanent = false
	return &again
}

// prolongs reports whether a source has given the access token of c once more, to be used for longer.
// One that was refused is of no use for longer.
func (x *exchange) prolongs(c, got Credential) bool {
	return x.m.source != nil && x.why != rejected && got.AccessToken == c.AccessToken && c.AccessToken != "" &&
		got.Expiry.After(c.Expiry) && got.Expiry.After(time.Now())
}

// hasBetter reports whether the token that a source has given is one that has expired, while the one
// that it was to replace still lives by the clock.
func (x *exchange) hasBetter(got Credential) bool {
	now := time.Now()
	return x.m.source != nil && x.why != rejected && !x.old.expired(now) &&
		!got.Expiry.IsZero() && !got.Expiry.After(now)
}

// ended says why no call of the source counts any more; nil while they do.
func (s *source) ended(m *member) error {
	switch {
	case s.ctx.Err() == nil:
		return nil
	case m.gone.Load():
		return errGone
	}
	return errClosed
}
