package reauth

import (
	"slices"
	"time"
)

// A member's transitions under its lock. Only join and launch, in pool_renew.go, take it elsewhere.

// publish makes t what requests are sent with. A mark about other tokens goes, and so does what
// was known of their renewal. m.mu is held.
func (m *member) publish(t *tokens) {
	if old := m.tokens.Load(); old != nil && old.digest != t.digest {
		m.past = append(m.past[max(0, len(m.past)-maxSpent+1):], old.digest)
	}
	m.tokens.Store(t)
	m.restraint.replaced()
	m.change = m.pool.view.nextChange()
	if k := m.mark.Load(); k != nil && k.of != t.digest {
		m.mark.Store(nil)
	}
	m.group.standingChanged()
}

// adopt takes tokens that another pool has put into the store, or a program into its file.
// refreshed is when they were obtained; zero if that is unknown.
func (m *member) adopt(c Credential, refreshed time.Time) *tokens {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := newTokens(c, fromStore, refreshed, now)
	m.publish(t)
	m.unsaved = false
	return t
}

// addedAgain takes what Add has stored under the member's ID. A new login replaces tokens and
// counts.
func (m *member) addedAgain(c Credential, newLogin bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.tokens.Load().cred
	if !newLogin && (m.unsaved || isSpent(current, c.RefreshToken)) {
		return // the store is behind: the tokens held here must not be lost
	}
	if newLogin {
		m.refreshed = time.Time{}
		m.endRejections()
	} else if sameTokens(current, c) {
		return
	}
	m.publish(newTokens(c, fromLogin, m.refreshed, time.Now()))
	m.unsaved = false
}

// publishMinted takes the result c of an exchange of old. unsaved says that the store does not have
// it. It returns the tokens to use: those of a login that was added meanwhile go before.
func (m *member) publishMinted(old *tokens, c Credential, unsaved bool, now time.Time) (t *tokens, published bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !unsaved { // else the store must go on saying that its refresh token is spent
		m.spending = ""
	}
	current := m.tokens.Load()
	if current != old && current.cred.RefreshToken != c.RefreshToken && !isSpent(c, current.cred.RefreshToken) {
		return current, false
	}
	t = newTokens(c, fromExchange, time.Time{}, now)
	if t.digest == old.digest { // only the refresh token is new: keep what is known of the access token
		t.minted, t.received = old.minted, old.received
		t.accepted.Store(old.accepted.Load())
	} else {
		m.refreshed = now
	}
	m.publish(t)
	m.unsaved = unsaved
	return t, true
}

// saved notes that the store holds the tokens, or newer ones, and returns when they were obtained.
func (m *member) saved() (refreshed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsaved, m.spending = false, ""
	return m.refreshed
}

// isUnsaved reports whether the store could not take the tokens so far.
func (m *member) isUnsaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unsaved
}

// changedSince reports whether the store, read at the given change of the pool, may be behind.
func (m *member) changedSince(change int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.change > change || m.unsaved
}

// replaced returns the digests of the last few access tokens that were replaced.
func (m *member) replaced() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.past)
}

// setSpending notes which refresh token is being exchanged here, and returns what stood there.
func (m *member) setSpending(digest string) (before string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, m.spending = m.spending, digest
	return before
}

// pardon lifts the mark and forgets all failures. It returns the standing to store.
func (m *member) pardon(now time.Time) Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark.Store(nil)
	m.restraint.replaced()
	m.restraint.endFutile()
	m.endRejections()
	t := m.tokens.Load()
	if t.minted {
		t.accepted.Store(true) // it may be refreshed again at once
	}
	m.group.standingChanged()
	return Standing{At: m.stampMark(now), Of: t.digest, LastRefresh: m.refreshed, Spending: m.spending}
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

// accept notes that a request sent with t at the given time was accepted. It reports whether that
// lifted a mark. With nothing to note it costs four loads.
func (m *member) accept(t *tokens, sent time.Time) (lifted bool) {
	if !t.accepted.Load() {
		t.accepted.Store(true)
	}
	m.endRejections()
	k := m.mark.Load()
	if k == nil || k.of != t.digest || sent.Before(k.at) { // sent before the mark: it says nothing about later
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark.CompareAndSwap(k, nil) {
		m.group.standingChanged()
		return true
	}
	return false
}

// setMark marks m for the refusal v of t, sent at the given time. failed is why a rejected token
// could not be renewed. It returns nil when there is nothing to mark: the tokens have been replaced
// meanwhile, or an equal mark stands, as in a burst of refusals.
func (m *member) setMark(t *tokens, sent time.Time, v Verdict, failed error) *mark {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.digest != m.tokens.Load().digest {
		return nil
	}
	dead := isDeadly(v, failed)
	stands := m.standing(now)
	marked := stands != nil && stands.of == t.digest
	if marked && (stands.retired || sent.Before(stands.at) && !dead) {
		return nil
	}
	rejections := 0
	if v.Kind == Rejected && !dead { // one that is marked was sent for want of another: it counts once
		rejections = m.countRejection(t, marked)
	}
	k := markFor(t, v, failed, rejections, now)
	if k != nil {
		m.mark.Store(k)
		m.group.standingChanged()
	}
	return k
}

// replaceMark puts short in the place of k, if k still stands.
func (m *member) replaceMark(k, short *mark) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mark.CompareAndSwap(k, short) {
		return false
	}
	m.group.standingChanged()
	return true
}

// applyStanding takes over a standing of the store, unless a newer one is known or it is about
// other tokens.
func (m *member) applyStanding(s Standing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.LastRefresh.After(m.refreshed) {
		m.refreshed = s.LastRefresh
	}
	if s.Of != m.tokens.Load().digest || !s.At.After(m.marked) {
		return
	}
	m.marked = s.At
	now, at, until := time.Now(), s.At, s.AsideUntil
	if ahead := at.Sub(now); ahead > 0 { // the writer's clock is ahead: count from now
		at, until = now, until.Add(-ahead)
	}
	if !s.Retired && !until.After(now) {
		m.mark.Store(nil)
	} else {
		k := newMark(until, s.Retired, s.Reason, at, s.Of)
		k.shared.Store(true)
		m.mark.Store(k)
	}
	m.group.standingChanged()
}

// standingToShare returns the standing as other pools may know it, as of now.
func (m *member) standingToShare() Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Standing{LastRefresh: m.refreshed, Of: m.tokens.Load().digest, At: m.stampMark(time.Now())}
	if k := m.mark.Load(); k != nil && k.of == s.Of && k.shared.Load() {
		s.AsideUntil, s.Retired, s.Reason = k.until, k.retired, k.reason
	}
	return s
}

// completeStanding fills in what a standing about to be written says beside the mark.
func (m *member) completeStanding(s Standing) Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.At = m.stampMark(s.At)
	if s.LastRefresh.IsZero() {
		s.LastRefresh = m.refreshed
	}
	s.Spending = m.spending
	return s
}

// queueStanding has q written by a worker: by the one that start starts, or next by the one that is
// writing, unless a newer standing is queued. The worker starts under the lock: whoever finds
// writing set relies on a worker that Close waits for.
func (m *member) queueStanding(q *queuedStanding, start func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.writing:
		m.writing = start()
	case m.toWrite == nil || !q.standing.At.Before(m.toWrite.standing.At):
		m.toWrite = q
	}
}

// nextStanding takes the queued standing. Where there is none, writing is over.
func (m *member) nextStanding() *queuedStanding {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.toWrite
	m.toWrite, m.writing = nil, q != nil
	return q
}

// stopWriting notes that the writer of standings has ended early.
func (m *member) stopWriting() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing = false
}

// stampMark returns the time at which a mark is said to be made. When the newest standing known is
// from the future, by a clock that is ahead of ours, it is the instant after that: other pools
// would heed no earlier mark. m.mu is held.
func (m *member) stampMark(at time.Time) time.Time {
	if m.marked.After(time.Now()) {
		at = m.marked.Add(time.Nanosecond)
	}
	if at.After(m.marked) {
		m.marked = at
	}
	return at
}

// landed ends the flight f. A failure rests, unless the tokens have been replaced meanwhile.
func (m *member) landed(f *flight, why cause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flight = nil
	if current := m.tokens.Load(); f.err != nil && current.digest == f.of.digest {
		m.restraint.fail(current, f.exchange, why, f.err, time.Now())
	}
}

// noteFutile notes that t was refused to the request whose exchange had brought it.
func (m *member) noteFutile(t *tokens) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restraint.noteFutile(t, time.Now())
}

// endFutile notes that a request was served with the tokens of its own exchange.
func (m *member) endFutile() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restraint.endFutile()
}

// whyNot explains why t cannot be renewed by an exchange.
func (m *member) whyNot(t *tokens) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.restraint.whyNot(t, m.group.hasRefresher())
}

// readProgram notes the state of the followed program's file, and reports whether c, which was read
// from it, has another access token than the one held.
func (m *member) readProgram(state string, c Credential) (other bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.programSeen = state
	t := m.tokens.Load()
	return t != nil && t.digest != digest(c.AccessToken)
}

// programChanged reports whether the followed program's file is in another state than when it was
// last read.
func (m *member) programChanged(state string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.programSeen != state
}

// status is the credential's line in Pool.Status. Times go without the monotonic clock: people and
// other processes read them.
func (m *member) status(now time.Time) CredentialStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, place := m.tokens.Load().cred, m.place.Load()
	s := CredentialStatus{
		Provider: m.provider, ID: m.id, AccountID: c.AccountID, Fingerprint: fingerprint(c),
		State: Good, Expiry: c.Expiry.Round(0), LastRefresh: m.refreshed.Round(0),
		InFlight: int(m.inFlight.Load()), Priority: place.priority,
	}
	if place.follow != nil {
		s.Follows = place.follow.kind
	}
	if k := m.standing(now); k != nil {
		s.State, s.Reason, s.AsideUntil = Aside, k.reason, k.until.Round(0)
		if k.retired {
			s.State = Retired
		}
	}
	return s
}
