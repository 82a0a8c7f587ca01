package reauth

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// A member's marks, under its lock.

// pardon lifts all marks and forgets all failures. It returns what is to be written to the store,
// also where there was no mark: one that another pool is about to write must not undo this.
func (m *member) pardon(now time.Time) (writes []queuedMark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restraint = m.restraint.pardoned()
	m.endRejections()
	t, s := m.tokens.Load(), m.marks.Load()
	if t.minted {
		t.accepted.Store(true) // it may be refreshed again at once
	}
	keys := append(s.keys(), tokenMark, loginMark)
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if strings.HasPrefix(key, pathMark) { // the store does not have it
			m.marks.Store(m.marks.Load().without(key))
			continue
		}
		writes = append(writes, m.lift(key, loginOf(t.login.time()), now)) // also of tokens that others hold
	}
	if m.queue != nil {
		m.queue.list = nil
	}
	m.group.standingChanged()
	return writes
}

// lift puts a lifted mark under key, and returns what is to be written to the store. m.mu is held.
func (m *member) lift(key, of string, now time.Time) queuedMark {
	s := m.marks.Load()
	stands := s.get(key)
	k := newMark(time.Time{}, false, "", afterMark(latest(stands.stored, markedAt(stands.mark)), now), of)
	k.since = now
	m.marks.Store(s.with(keyedMark{key: key, mark: k, shared: true, stored: stands.stored, base: stands.newest()}))
	return queuedMark{key: key, mark: k.stored(), seen: stands.stored}
}

// accept notes that a request about the topic, sent with t at the given time, was accepted. It reports
// whether that lifted marks, and returns those that the store is to be told. With nothing to note it
// costs four loads.
func (m *member) accept(t *tokens, sent time.Time, about topic) (lifted bool, writes []queuedMark) {
	if !t.accepted.Load() {
		t.accepted.Store(true)
	}
	m.endRejections()
	if s := m.marks.Load(); s == nil || s.worst == nil && !s.topical {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.marks.Load()
	for _, key := range s.keys() {
		k := s.get(key)
		if k.mark.lifts() || !t.binds(k.mark.of) || sent.Before(k.mark.since) { // an earlier request says nothing of it
			continue
		}
		if isTopical(key) && !topic(key).covers(about) {
			continue
		}
		lifted = true
		if !k.shared && k.stored.IsZero() {
			m.marks.Store(m.marks.Load().without(key))
		} else {
			writes = append(writes, m.lift(key, k.mark.of, time.Now()))
		}
	}
	if lifted {
		m.group.standingChanged()
	}
	return lifted, writes
}

// setMark marks m for the refusal v of t, sent when those marks stood. failed is why a rejected
// token could not be renewed, and about the topic of the request. It returns a zero value when there is
// nothing to mark: the tokens or the login have been replaced meanwhile, or another mark has been made
// or lifted since then, as in a burst of refusals. A reset that the provider states later than the end
// of that mark extends it all the same.
func (m *member) setMark(t *tokens, seen *marks, v Verdict, failed error, about topic) keyedMark {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	key, of := subject(t, v, failed, about)
	if !m.tokens.Load().binds(of) || v.Kind == Pass || v.Kind == Forbidden {
		return keyedMark{}
	}
	s := m.marks.Load()
	stands, dead := s.get(key), isDeadly(v, failed)
	marked := stands.mark.holds(now)
	switch {
	case marked && stands.mark.retired:
		return keyedMark{}
	case marked && (dead || v.Kind == Exhausted && v.Reset.After(stands.mark.until)):
	case stands.mark != seen.get(key).mark:
		return keyedMark{}
	}
	rejections := 0
	if v.Kind == Rejected && !dead { // one that is marked was sent for want of another: it counts once
		rejections = m.countRejection(t, marked)
	}
	k := markFor(t, v, failed, of, rejections, now)
	if k == nil {
		return keyedMark{}
	}
	return m.putMark(stands, k, now)
}

// putMark puts k in the place of the mark that stands under a key. m.mu is held.
func (m *member) putMark(stands keyedMark, k *mark, now time.Time) keyedMark {
	k.at = afterMark(latest(stands.stored, markedAt(stands.mark)), now)
	set := keyedMark{key: stands.key, mark: k, stored: stands.stored, base: stands.newest()}
	m.marks.Store(m.marks.Load().with(set))
	m.group.standingChanged()
	return set
}

// setLack marks m for the topic, for that time; of a model for twice as long as the mark before, which
// has ended without a request that was served. It returns a zero value where there is nothing to mark.
func (m *member) setLack(t *tokens, about topic, reason string, rest time.Duration) keyedMark {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	of := loginOf(t.login.time())
	if !m.tokens.Load().binds(of) {
		return keyedMark{}
	}
	stands := m.marks.Load().get(string(about))
	before := time.Duration(0)
	if k := stands.mark; k != nil && !k.lifts() {
		before = k.until.Sub(k.at)
		if k.holds(now) && before >= rest {
			return keyedMark{}
		}
	}
	if before >= lackRest && rest >= lackRest && strings.HasPrefix(string(about), modelMark) {
		rest = min(2*before, longestLack)
	}
	return m.putMark(stands, newMark(now.Add(rest), false, reason, now, of), now)
}

// copyMark puts the mark k of a twin, which sends the token t as well, under the same key. Of a login
// it says the same of this member's login.
func (m *member) copyMark(t *tokens, k keyedMark) keyedMark {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.tokens.Load()
	of := k.mark.of
	if of == loginOf(t.login.time()) {
		of = loginOf(own.login.time())
	}
	if own.digest != t.digest || !own.binds(of) {
		return keyedMark{}
	}
	stands := m.marks.Load().get(k.key)
	copied := newMark(k.mark.until, k.mark.retired, k.mark.reason, k.mark.since, of)
	copied.at = afterMark(latest(stands.stored, markedAt(stands.mark)), k.mark.at)
	set := keyedMark{key: k.key, mark: copied, stored: stands.stored, base: stands.base}
	m.marks.Store(m.marks.Load().with(set))
	m.group.standingChanged()
	return set
}

// endRelogin ends the question f. When it was asked in vain, that is remembered, and the mark returned
// that tells it.
func (m *member) endRelogin(f *flight) keyedMark {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking = nil
	t := m.tokens.Load()
	if f.err == nil || !sameTokens(t.cred, f.of.cred) || errors.Is(f.err, errClosed) || errors.Is(f.err, errGone) {
		return keyedMark{}
	}
	m.restrained().declined = f.err
	stands := m.marks.Load().get(loginMark)
	k := newMark(time.Time{}, true, reloginReason, now, digest(t.cred.RefreshToken))
	return m.putMark(stands, k, now)
}

// shorten puts short in the place of k, if k still stands.
func (m *member) shorten(k keyedMark, short *mark) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.marks.Load()
	stands := s.get(k.key)
	if stands.mark != k.mark {
		return false
	}
	m.marks.Store(s.with(keyedMark{key: k.key, mark: short, stored: stands.stored, base: stands.base}))
	m.group.standingChanged()
	return true
}

// share notes that the store is to be told the mark k, if k still stands, and returns what is to be
// written.
func (m *member) share(k keyedMark) (writes []queuedMark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.marks.Load()
	stands := s.get(k.key)
	if stands.mark != k.mark || stands.shared {
		return nil
	}
	stands.shared = true
	m.marks.Store(s.with(stands))
	return []queuedMark{{key: k.key, mark: k.mark.stored(), seen: k.stored}}
}

// wrote notes that the store has taken q.
func (m *member) wrote(q queuedMark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queue != nil {
		follow(m.queue.list, q)
	}
	s := m.marks.Load()
	stands := s.get(q.key)
	if stands.mark != nil && (stands.stored.Equal(q.seen) || stands.mark.at.Equal(q.mark.At)) {
		stands.stored = q.mark.At
		if !m.unsaved { // else the store has dropped it: to its record the mark is void
			stands.base = latest(stands.base, q.mark.At)
		}
		m.marks.Store(s.with(stands))
	}
}

// mergeMarks takes over marks of the store that are newer than those known, and returns those that
// the store lacks, or has older ones of.
func (m *member) mergeMarks(stored map[string]Mark) (writes []queuedMark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, t := time.Now(), m.tokens.Load()
	keys := m.marks.Load().keys()
	for key, theirs := range stored {
		if t.binds(theirs.Of) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		theirs := stored[key]
		if !t.binds(theirs.Of) {
			theirs = Mark{}
		}
		ours := m.marks.Load().get(key)
		if merged := mergeMark(ours, theirs, now); merged != ours {
			m.marks.Store(m.marks.Load().with(merged))
			ours = merged
		}
		switch {
		case !ours.shared, !ours.mark.at.After(theirs.At):
		case m.isWriting() && !ours.base.Equal(ours.mark.at): // it may be in the queue
			m.group.pool.view.noteAhead(m)
		default:
			writes = append(writes, queuedMark{key: key, mark: ours.mark.stored(), seen: theirs.At})
		}
	}
	m.group.standingChanged()
	return writes
}

// takeMarks is mergeMarks for marks of which the next look may tell the store.
func (m *member) takeMarks(stored map[string]Mark) {
	if len(m.mergeMarks(stored)) > 0 {
		m.group.pool.view.noteAhead(m)
	}
}

// mergeMark returns the newer of the mark that is known under a key, if there is one, and the one
// that the store has there; a zero value stands for none.
func mergeMark(ours keyedMark, theirs Mark, now time.Time) keyedMark {
	switch {
	case theirs.At.IsZero():
	case ours.mark != nil && theirs.At.Equal(ours.mark.at):
		ours.shared, ours.base = true, theirs.At
	case ours.mark == nil, theirs.At.After(ours.base):
		return keyedMark{key: ours.key, mark: readMark(theirs, now), shared: true, stored: theirs.At, base: theirs.At}
	}
	ours.stored = theirs.At
	return ours
}

// queueMarks has marks written by a worker: by the one that start starts, or next by the one that is
// writing. The worker starts under the lock: whoever finds writing set relies on a worker that Close
// waits for.
func (m *member) queueMarks(writes []queuedMark, start func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queue == nil {
		m.queue = new(markQueue)
	}
	for _, q := range writes {
		m.queue.list = enqueue(m.queue.list, q)
	}
	if !m.queue.writing {
		m.queue.writing = start()
	}
}

// nextMark takes a queued mark. Where there is none, writing is over.
func (m *member) nextMark() (q queuedMark, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue.list) == 0 {
		m.queue = nil
		return queuedMark{}, false
	}
	q = m.queue.list[0]
	m.queue.list = m.queue.list[1:]
	return q, true
}

// stopWriting notes that the writer of marks has ended early.
func (m *member) stopWriting() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.writing = false
}

// isWriting reports whether marks are being written. m.mu is held.
func (m *member) isWriting() bool { return m.queue != nil && m.queue.writing }
