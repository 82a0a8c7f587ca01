package reauth

import (
	"errors"
	"slices"
	"time"

	"github.com/reauth-go/reauth/internal/logins"
)

// A member's transitions under its lock. Only join and launch, in pool_renew.go, take it elsewhere.

// publish makes t what requests are sent with. Void marks go, and so does what was known of the
// renewal of other tokens. m.mu is held.
func (m *member) publish(t *tokens) {
	old := m.tokens.Swap(t)
	if old != nil && old.digest != t.digest {
		h := m.remember()
		h.past = append(h.past[max(0, len(h.past)-maxPast+1):], old.digest)
	}
	m.forgetLimits(old, t)
	m.group.linkTwins(m)
	if m.restraint != nil {
		m.restraint.replaced()
	}
	m.change = m.group.pool.view.nextChange()
	m.marks.Store(m.marks.Load().about(t))
	m.group.standingChanged()
}

// remember returns the history, made if need be. m.mu is held.
func (m *member) remember() *history {
	if m.history == nil {
		m.history = new(history)
	}
	return m.history
}

// restrained returns the restraint, made if need be. m.mu is held.
func (m *member) restrained() *restraint {
	if m.restraint == nil {
		m.restraint = new(restraint)
	}
	return m.restraint
}

// maxPast is how many replaced access tokens a pool remembers.
const maxPast = 16

// adopt takes the record that another pool has put into the store, or the tokens that a program has
// put into its file.
func (m *member) adopt(e Entry) *tokens {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := newTokens(e, fromStore, now)
	m.publish(t)
	m.unsaved = false
	return t
}

// adoptNewer is adopt for a record of the store, unless something newer has come meanwhile. It
// returns the tokens that are held then. sameStore is that of compareEntries.
func (m *member) adoptNewer(e Entry, sameStore bool) (t *tokens, adopted bool) {
	now, filled := time.Now(), m.withTokensOf(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.entry()
	if compareEntries(&held, &e, sameStore) > 0 {
		return m.tokens.Load(), false
	}
	filled.Spent = unite(&e, &held) // a store made anew does not know what this pool knows to be older
	t = newTokens(filled, fromStore, now)
	m.publish(t)
	m.unsaved = false
	return t, true
}

// addedAgain takes what Add has stored under the member's ID. A new login counts.
func (m *member) addedAgain(e Entry, newLogin bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.tokens.Load().entry()
	if newLogin {
		m.endRejections()
	} else if compareEntries(&held, &e, true) >= 0 && sameTokens(held.Credential, e.Credential) {
		return
	}
	if compareEntries(&held, &e, true) > 0 {
		return // an exchange has brought newer ones meanwhile
	}
	m.publish(newTokens(e, fromLogin, time.Now()))
	m.unsaved = false
}

// publishMinted takes the record e that an exchange of old brought. unsaved says that the store does
// not have it. It returns the tokens to use: those of a newer record that came meanwhile go before.
func (m *member) publishMinted(old *tokens, e Entry, by demand, unsaved bool, now time.Time) (t *tokens, published bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.tokens.Load()
	if held := current.entry(); current != old && compareEntries(&held, &e, true) > 0 {
		return current, false
	}
	t = newTokens(e, fromExchange, now)
	t.met = old.metBeside(by.challenge)
	if t.digest == old.digest { // only the refresh token is new: keep what is known of the access token
		t.minted = old.minted
		t.receivedBefore(old.received)
		t.accepted.Store(old.accepted.Load())
	}
	m.publish(t)
	m.unsaved = unsaved
	return t, true
}

// loggedIn takes the login that a person has made. unsaved says that the store does not have it. It
// returns the tokens to use: those of a newer record that came meanwhile go before.
func (m *member) loggedIn(e Entry, unsaved bool) *tokens {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.entry()
	if compareEntries(&held, &e, true) > 0 {
		return m.tokens.Load()
	}
	m.endRejections()
	t := newTokens(e, fromLogin, time.Now())
	m.publish(t)
	m.unsaved = unsaved
	return t
}

// saved notes that the store holds e. The tokens, if they are still those of e, keep what is known
// of them.
func (m *member) saved(e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if sameTokens(m.tokens.Load().cred, e.Credential) {
		m.unsaved = false
	}
}

// isUnsaved reports whether the store could not take the tokens so far.
func (m *member) isUnsaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unsaved
}

// setHome notes which store has the record, and returns what was noted before.
func (m *member) setHome(identity string) (before string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before = m.home
	if identity != "" {
		m.home = identity
	}
	return before
}

// livesIn reports whether the record may be in the store of that identity: in no other one.
func (m *member) livesIn(identity string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.home == "" || identity == "" || m.home == identity
}

// changedSince reports whether the store, read at the given change of the pool, may be behind.
func (m *member) changedSince(change int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.change > change
}

// replaced returns the digests of the last few access tokens that were replaced.
func (m *member) replaced() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.history == nil {
		return nil
	}
	return slices.Clone(m.history.past)
}

// endRejections begins the counts of rejections anew.
func (m *member) endRejections() {
	if m.rejections.Load() != 0 {
		m.rejections.Store(0)
	}
	if m.unproven.Load() != 0 {
		m.unproven.Store(0)
	}
}

// countRejection counts a rejection of t, and returns how many such there were in a row. Those of
// unproven tokens are counted apart: they rest less. again says that this one is known already.
func (m *member) countRejection(t *tokens, again bool) (inARow int) {
	count := &m.rejections
	if t.unproven() {
		count = &m.unproven
	}
	if again {
		return int(count.Load())
	}
	return int(count.Add(1))
}

// isUseless reports whether the access token serves no request: by the clock, or because a provider
// has refused it.
func (m *member) isUseless(now time.Time) bool {
	return m.tokens.Load().expired(now) || m.marks.Load().get(tokenMark).mark.holds(now)
}

// landed ends the flight f. A failure rests, unless the tokens have been replaced meanwhile.
func (m *member) landed(f *flight, d demand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.flight == f {
		m.flight = nil
	}
	if f.exchange && m.restraint != nil {
		m.restraint.goingOn = nil
	}
	if current := m.tokens.Load(); f.err != nil && current.digest == f.of.digest {
		m.restrained().fail(current, f.exchange, m.means(), d, f.err, time.Now())
	}
}

// deadGrant returns the tokens if the token endpoint has called their grant dead, else nil.
func (m *member) deadGrant() *tokens {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tokens.Load()
	if r := m.restraint; r == nil || r.failed.of != t || !isPermanent(r.failed.err) {
		return nil
	}
	return t
}

var errDeclinedElsewhere = errors.New("another process has asked before, in vain; log in again, or Reset the credential")

// hasDeclined reports whether a new login was asked for in vain, in the place of t.
func (m *member) hasDeclined(t *tokens) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.declined(t) != nil
}

// declined says that a new login was asked for in vain, in the place of t. m.mu is held.
func (m *member) declined(t *tokens) error {
	if r := m.restraint; r != nil && r.declined != nil {
		return r.declined
	}
	k := m.marks.Load().get(loginMark).mark
	if k.holds(time.Now()) && k.reason == reloginReason && k.of == digest(t.cred.RefreshToken) {
		return &reloginError{m.String(), errDeclinedElsewhere}
	}
	return nil
}

// queueCall notes that a call of Pool.Relogin begins whose end closes ended. It returns the end of the
// call before; nil: there was none.
func (m *member) queueCall(ended <-chan struct{}) (before <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.restrained()
	before, r.asked = r.asked, ended
	return before
}

// isRetired reports whether the credential is retired.
func (m *member) isRetired(now time.Time) bool {
	k := m.standing(now)
	return k != nil && k.retired
}

// goesOn ends the flight f, whose refresher goes on. Until it returns there is no further exchange.
func (m *member) goesOn(f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flight = nil
	m.restrained().goingOn = f.err
}

// noteFutile notes that t was refused to the request whose exchange had brought it.
func (m *member) noteFutile(t *tokens) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restrained().noteFutile(t, time.Now())
}

// endFutile notes that a request was served with the tokens of its own exchange.
func (m *member) endFutile() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.restraint != nil {
		m.restraint.endFutile()
	}
}

// whyNot explains why t cannot be renewed by an exchange.
func (m *member) whyNot(t *tokens) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.restraint.whyNot(t, m.means())
}

// whyNoToken says why no access token could be got last.
func (m *member) whyNoToken() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tokens.Load()
	if r := m.restraint; r != nil && r.failed.err != nil && r.failed.of == t {
		return r.failed.err
	}
	return m.restraint.whyNot(t, m.means())
}

// refresher is what gives new tokens; nil: nothing does.
func (m *member) refresher() Refresher {
	if m.source != nil {
		return m.source.refresher
	}
	if r := m.group.provider.Load(); r != nil {
		return r.Refresher
	}
	return nil
}

// means is how new tokens can be had.
func (m *member) means() means {
	switch {
	case m.source != nil:
		return bySource
	case m.refresher() != nil:
		return byRefreshToken
	}
	return byNothing
}

// isCurable reports whether other tokens may help against a refusal. A source may have another key
// instead of one that is gone for good.
func (m *member) isCurable(v Verdict) bool {
	return v.Kind == Rejected || v.Kind == Dead && m.source != nil
}

// withTokensOf returns e with the tokens of the program that the member follows, if it follows one.
// While the program's file cannot be read e has none: the file may appear later.
func (m *member) withTokensOf(e Entry) Entry {
	program := m.place.Load().follow
	if program == nil {
		return e
	}
	m.group.pool.view.followed.Store(true)
	state := program.state()
	e.Credential, _, _ = program.fill(e.Credential)
	m.sawProgram(state)
	return e
}

// sawProgram notes the state of the followed program's file.
func (m *member) sawProgram(state logins.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remember().programSeen = state
}

// hasOther reports whether c, which was read from the followed program's file, has another access
// token than the one held.
func (m *member) hasOther(c Credential) bool {
	t := m.tokens.Load()
	return t != nil && t.digest != digest(c.AccessToken)
}

// programChanged reports whether it is worth while to read the followed program's file again, which
// is in the given state.
func (m *member) programChanged(state logins.State) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var seen logins.State
	if m.history != nil {
		seen = m.history.programSeen
	}
	return state.Changed(seen)
}

// status is the credential's line in Pool.Status. Times go without the monotonic clock: people and
// other processes read them.
func (m *member) status(now time.Time) CredentialStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, place := m.tokens.Load(), m.place.Load()
	c := t.cred
	s := CredentialStatus{
		Provider: m.group.name, ID: m.id, AccountID: c.AccountID, Fingerprint: fingerprint(c),
		State: Good, Expiry: c.Expiry.Round(0), LastRefresh: t.refreshed.time(),
		InFlight: int(m.inFlight.Load()), Priority: place.priority,
	}
	if place.follow != nil {
		s.Follows = place.follow.kind
	}
	if m.source != nil {
		s.Source = nameOf(m.source.refresher)
	}
	p := m.group.provider.Load()
	if p != nil && p.readsLimits {
		s.Limits = m.limits.Load().current(now)
	}
	s.Refreshable = s.Follows != "" || s.Source != "" || t.refreshable() && p != nil && p.Refresher != nil
	if k := m.standing(now); k != nil {
		s.State, s.Reason, s.AsideUntil = Aside, k.reason, k.until.Round(0)
		if k.retired {
			s.State = Retired
		}
	} else if m.marks.Load().overdue("", now) != nil {
		s.Reason = probingReason
	}
	s.Models = m.marks.Load().models(now)
	return s
}
