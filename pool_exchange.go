package reauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// exchange claims the credential and obtains new tokens, unless the store holds newer ones by now.
func (m *member) exchange(ctx context.Context, f *flight, why cause) (*held, error) {
	h := f.of
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	x := &exchanging{m: m, old: h, why: why}
	stored, err := m.pool.store.Update(claim, m.provider, m.id, func(c Credential, found bool) (Credential, error) {
		return x.inside(ctx, c, found)
	})
	if x.unmarked != nil {
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "mark", Err: x.unmarked})
	}
	switch {
	case x.newer != nil: // compared under the lock, and nothing was spent
		f.tell = append(f.tell, Event{Type: Adopted})
		return m.adopt(*x.newer, time.Time{}), nil
	case x.minted == nil && err == nil:
		return nil, fmt.Errorf("reauth: refresh %s: the store did not call back", m)
	case x.minted == nil && x.err == nil: // no lock, no exchange
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "claim", Err: err})
		return nil, fmt.Errorf("reauth: refresh %s: no claim on the credential: %w", m, err)
	case errors.Is(x.err, errGone):
		m.gone.Store(true)
		m.group.drop(m)
		return nil, x.err
	case x.minted == nil:
		return m.afterRefusal(ctx, f, x.err)
	case err != nil:
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "persist", Err: err})
		return m.publishMinted(ctx, f, x, *x.minted, true), x.err
	}
	return m.publishMinted(ctx, f, x, stored, false), x.err
}

// exchanging is what happens inside the lock.
type exchanging struct {
	m   *member
	old *held
	why cause

	newer  *Credential // found in the store
	minted *Credential // obtained
	took   time.Duration
	err    error // of the exchange; minted may still hold a rotated refresh token

	unmarked error // the store took no mark
}

// inside is the function given to Store.Update.
func (x *exchanging) inside(ctx context.Context, c Credential, found bool) (Credential, error) {
	m := x.m
	if !found {
		x.err = errGone
		return Credential{}, x.err
	}
	m.mu.Lock()
	unsaved := m.unsaved
	m.mu.Unlock()
	switch {
	case isSpent(x.old.cred, c.RefreshToken) || unsaved && c.RefreshToken == x.old.cred.RefreshToken:
		c = x.old.cred.clone() // ours are the newest: the store could not take them so far, or somebody put an old pair back
	case digest(c.AccessToken) != x.old.digest && (x.why == rejected || !newHeld(c, fromLogin, time.Time{}, time.Now()).expired(time.Now())):
		x.newer = &c // whether it is any good is the provider's to say: the clock that stamped it may be another's
		return Credential{}, errAdopted
	}
	if c.RefreshToken == "" {
		x.err = ErrNotRefreshable
		return Credential{}, x.err
	}
	if x.err = x.markSpending(ctx, digest(c.RefreshToken)); x.err != nil {
		return Credential{}, x.err
	}
	begin := time.Now()
	got, err := x.call(ctx, c)
	x.took = time.Since(begin)
	merged := mergeTokens(c, got)
	rotated := merged.RefreshToken != c.RefreshToken
	fresh := merged.AccessToken != "" && merged.AccessToken != c.AccessToken
	switch {
	case err == nil && !fresh:
		err = &RefreshError{Provider: m.provider, Code: "same_token", Description: "the token endpoint gave the same access token again"}
	case err != nil && fresh: // such as "expired on arrival": trusted until refused
		err = nil
	}
	if err != nil {
		err = withoutTokens(err, c)
		x.err = err
		if !rotated {
			_ = x.markSpending(ctx, "") // the answer is known, or the token is not being exchanged any more
			return Credential{}, err
		}
	}
	x.minted = &merged
	return merged, nil
}

// call asks the refresher. Its deadline is nobody's but the exchange's.
func (x *exchanging) call(ctx context.Context, c Credential) (Credential, error) {
	ctx, stop := context.WithTimeout(ctx, exchangeTimeout)
	defer stop()
	if x.why == rejected {
		ctx = context.WithValue(ctx, refusedKey{}, true)
	}
	handed := c.clone()
	delete(handed.Metadata, spentKey)
	got, err := x.m.group.spec.Load().Refresher.Refresh(ctx, handed)
	if token := strings.TrimSpace(got.AccessToken); strings.ContainsFunc(token, unicode.IsControl) {
		got.AccessToken = "" // net/http would refuse every request with it
		err = &RefreshError{Provider: x.m.provider, Code: "bad_token", Description: "the new access token holds a control character", Err: err}
	}
	return got, err
}

// markSpending tells the other holders which refresh token is being exchanged; without that, it is not.
func (x *exchanging) markSpending(ctx context.Context, d string) error {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	m := x.m
	s := m.standingToShare()
	s.Spending = d
	m.mu.Lock()
	before := m.spending
	m.spending = d
	m.mu.Unlock()
	err := m.pool.store.Mark(ctx, m.provider, m.id, s)
	if err != nil {
		x.unmarked = err
		if d != "" { // it is not going to be exchanged
			m.mu.Lock()
			m.spending = before
			m.mu.Unlock()
		}
		return fmt.Errorf("reauth: refresh %s: the store takes no mark: %w", m, err)
	}
	return nil
}

// mergeTokens takes from a refresher's result what is its to say: tokens, Expiry, AccountID, Metadata. A refresh token that
// was left out stays (RFC 6749 §6).
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
		addSpent(&m, c.RefreshToken)
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

// spentKey is where a stored credential keeps digests of refresh tokens that are not to be taken for new ones: the last
// that were rotated away, and, with a prefix, those that came by Add. A program may add its first login for years.
const (
	spentKey    = "reauth-spent"
	loginPrefix = "login:"
	maxSpent    = 16 // of each kind
)

// isSpent reports whether c's login has left the refresh token behind.
func isSpent(c Credential, refreshToken string) bool {
	if refreshToken == "" || refreshToken == c.RefreshToken {
		return false
	}
	d := digest(refreshToken)
	return slices.ContainsFunc(strings.Fields(c.Metadata[spentKey]), func(s string) bool { return strings.TrimPrefix(s, loginPrefix) == d })
}

// addSpent remembers a refresh token that was rotated away.
func addSpent(c *Credential, refreshToken string) {
	if !isSpent(*c, refreshToken) {
		c.remember(digest(refreshToken))
	}
}

// remember appends to the list and forgets the oldest of its kind.
func (c *Credential) remember(d string) {
	if d == "" || d == loginPrefix {
		return
	}
	list := append(strings.Fields(c.Metadata[spentKey]), d)
	login := strings.HasPrefix(d, loginPrefix)
	same := 0
	for i := len(list) - 1; i >= 0; i-- {
		if strings.HasPrefix(list[i], loginPrefix) == login {
			if same++; same > maxSpent {
				list = slices.Delete(list, i, i+1)
			}
		}
	}
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = make(map[string]string)
	}
	c.Metadata[spentKey] = strings.Join(list, " ")
}

// afterRefusal looks once more before a grant is called dead: somebody who does not share our lock may have rotated it.
func (m *member) afterRefusal(ctx context.Context, f *flight, refusal error) (*held, error) {
	var re *RefreshError
	if !errors.As(refusal, &re) || !re.Permanent || !m.pool.shared {
		return nil, refusal
	}
	if cur, err := m.reread(ctx, f); err == nil {
		return cur, nil
	}
	return nil, refusal
}

// publishMinted makes new tokens the ones requests are sent with. It returns nil when only the refresh token is new.
func (m *member) publishMinted(ctx context.Context, f *flight, x *exchanging, c Credential, unsaved bool) *held {
	now := time.Now()
	h := newHeld(c, fromExchange, time.Time{}, now)
	usable := h.digest != x.old.digest
	m.mu.Lock()
	if !unsaved { // else the store must go on saying that its refresh token is spent
		m.spending = ""
	}
	if cur := m.cur.Load(); cur != x.old && cur.cred.RefreshToken != c.RefreshToken && !isSpent(c, cur.cred.RefreshToken) {
		m.mu.Unlock() // the claim is free: a new login came faster
		return cur
	}
	if !usable { // the access token is the old one: keep what is known of it
		h.minted, h.received = x.old.minted, x.old.received
		h.accepted.Store(x.old.accepted.Load())
	} else {
		m.refresh = now
	}
	m.publish(h)
	m.unsaved = unsaved
	m.mu.Unlock()
	if unsaved {
		m.keepSaving(ctx, c)
	} else {
		m.pool.mark(ctx, m, Standing{At: now, Of: h.digest, LastRefresh: now})
	}
	if !usable {
		return nil
	}
	f.tell = append(f.tell, Event{Type: Refreshed, Duration: x.took})
	return h
}
