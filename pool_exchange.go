package reauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
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
	m   *member
	old *tokens
	why cause
}

// outcome is what an exchange brought under the lock.
type outcome struct {
	newer    *Credential   // found in the store; nothing was spent
	minted   *Credential   // obtained, to be stored; beside err only its refresh token is new
	took     time.Duration // of the call of the refresher
	err      error         // why there is no new access token
	unmarked error         // writing the Spending mark failed
}

// exchange claims the credential and obtains new tokens, unless the store holds newer ones.
func (m *member) exchange(ctx context.Context, f *flight, why cause) (*tokens, error) {
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	x := &exchange{m: m, old: f.of, why: why}
	var out outcome
	stored, err := m.pool.store.Update(claim, m.provider, m.id, func(c Credential, found bool) (Credential, error) {
		out = x.underLock(ctx, c, found)
		return out.toStore()
	})
	if out.unmarked != nil {
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "mark", Err: out.unmarked})
	}
	switch {
	case out.newer != nil:
		f.tell = append(f.tell, Event{Type: Adopted})
		return m.adopt(*out.newer, time.Time{}), nil
	case out.minted != nil && err != nil:
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "persist", Err: err})
		return x.publish(ctx, f, *out.minted, out, true)
	case out.minted != nil:
		return x.publish(ctx, f, stored, out, false)
	case errors.Is(out.err, errGone):
		m.group.drop(m)
		return nil, out.err
	case out.err != nil:
		return m.afterRefusal(ctx, f, out.err)
	case err == nil:
		return nil, fmt.Errorf("reauth: refresh %s: the store did not call back", m)
	}
	f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "claim", Err: err}) // no lock, no exchange
	return nil, fmt.Errorf("reauth: refresh %s: no claim on the credential: %w", m, err)
}

// toStore is what the function given to Store.Update returns.
func (o *outcome) toStore() (Credential, error) {
	switch {
	case o.newer != nil:
		return Credential{}, errAdopted
	case o.minted != nil:
		return *o.minted, nil
	}
	return Credential{}, o.err
}

// underLock decides, with the credential as the store holds it now, and exchanges.
func (x *exchange) underLock(ctx context.Context, stored Credential, found bool) outcome {
	if !found {
		return outcome{err: errGone}
	}
	c, newer := x.compare(stored)
	switch {
	case newer:
		return outcome{newer: &c}
	case c.RefreshToken == "":
		return outcome{err: ErrNotRefreshable}
	}
	if err := x.markSpending(ctx, digest(c.RefreshToken)); err != nil {
		return outcome{unmarked: err, err: fmt.Errorf("reauth: refresh %s: the store takes no mark: %w", x.m, err)}
	}
	return x.spend(ctx, c)
}

// compare returns the credential whose refresh token is to be spent: the stored one, or the one
// held here where that is newer. newer says that the stored one need not be renewed.
func (x *exchange) compare(stored Credential) (c Credential, newer bool) {
	held := x.old.cred
	if isSpent(held, stored.RefreshToken) || x.m.isUnsaved() && stored.RefreshToken == held.RefreshToken {
		// The store could not take the tokens so far, or somebody has put an old pair back.
		return held.clone(), false
	}
	if digest(stored.AccessToken) == x.old.digest {
		return stored, false
	}
	// After a rejection the provider decides whether the other token is good: the clock that
	// stamped it may be wrong.
	now := time.Now()
	return stored, x.why == rejected || !newTokens(stored, fromLogin, time.Time{}, now).expired(now)
}

// spend exchanges the refresh token of c.
func (x *exchange) spend(ctx context.Context, c Credential) outcome {
	begin := time.Now()
	got, err := x.call(ctx, c)
	out := outcome{took: time.Since(begin)}
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
		out.err = withoutTokens(err, c)
	}
	if err != nil && !rotated {
		out.unmarked = x.markSpending(ctx, "") // the token is not being exchanged any more
		return out
	}
	out.minted = &merged
	return out
}

// call asks the refresher. Only the exchange's own deadline ends the call.
func (x *exchange) call(ctx context.Context, c Credential) (Credential, error) {
	ctx, stop := context.WithTimeout(ctx, exchangeTimeout)
	defer stop()
	if x.why == rejected {
		ctx = context.WithValue(ctx, refusedKey{}, true)
	}
	handed := c.clone()
	delete(handed.Metadata, spentKey)
	got, err := x.m.group.provider.Load().Refresher.Refresh(ctx, handed)
	if token := strings.TrimSpace(got.AccessToken); strings.ContainsFunc(token, unicode.IsControl) {
		got.AccessToken = "" // net/http would refuse every request with it
		err = x.failure("bad_token", "the new access token holds a control character", err)
	}
	return got, err
}

// failure is the error of an exchange whose answer is of no use.
func (x *exchange) failure(code, description string, err error) error {
	return &RefreshError{Provider: x.m.provider, Code: code, Description: description, Err: err}
}

// markSpending tells the other holders which refresh token is being exchanged. Without that mark no
// token is exchanged.
func (x *exchange) markSpending(ctx context.Context, digest string) error {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	m := x.m
	s := m.standingToShare()
	s.Spending = digest
	before := m.setSpending(digest)
	err := m.pool.store.Mark(ctx, m.provider, m.id, s)
	if err != nil && digest != "" { // it is not going to be exchanged
		m.setSpending(before)
	}
	return err
}

// publish makes new tokens the ones that requests are sent with. Where only the refresh token is
// new the error of the exchange stays.
func (x *exchange) publish(ctx context.Context, f *flight, c Credential, out outcome, unsaved bool) (*tokens, error) {
	m, now := x.m, time.Now()
	t, published := m.publishMinted(x.old, c, unsaved, now)
	if !published { // the claim is free: a new login came before
		return t, out.err
	}
	if unsaved {
		m.keepSaving(ctx, c)
	} else {
		m.shareStanding(ctx, Standing{At: now, Of: t.digest, LastRefresh: now})
	}
	if t.digest == x.old.digest {
		return nil, out.err
	}
	f.tell = append(f.tell, Event{Type: Refreshed, Duration: out.took})
	return t, out.err
}

// afterRefusal looks once more before a grant counts as dead: a pool that does not share our lock
// may have rotated the token.
func (m *member) afterRefusal(ctx context.Context, f *flight, refusal error) (*tokens, error) {
	if isPermanent(refusal) && m.pool.shared {
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
		m.addSpent(c.RefreshToken)
	}
	if got.AccountID != "" {
		m.AccountID = got.AccountID
	}
	for k, v := range got.Metadata {
		if m.Metadata == nil {
			m.Metadata = make(map[string]string)
		}
		if k != spentKey {
			m.Metadata[k] = v
		}
	}
	return m
}

// withoutTokens returns err, or, when a user's refresher has put a token into it, what may be told
// of it.
func withoutTokens(err error, c Credential) error {
	secrets := secretsOf(c)
	if !holdsSecret(err.Error(), secrets...) {
		return err
	}
	var re *RefreshError
	if !errors.As(err, &re) {
		return newRedactedError(err, secrets...)
	}
	clean := *re
	clean.Code, clean.Description = redact(re.Code, secrets...), redact(re.Description, secrets...)
	if re.Err != nil {
		clean.Err = newRedactedError(re.Err, secrets...)
	}
	return &clean
}
