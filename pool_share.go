package reauth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Sharing. What others write to the store is noticed when it matters, on a rejection and before each exchange, and
// cheaply in between: at most once a second, in the background, and only when the pool is asked to serve.

// noticing is what a pool knows of its store.
type noticing struct {
	seq  atomic.Int64  // changes of tokens in this pool
	last atomic.Int64  // when the store was last looked at; unix nanoseconds
	busy atomic.Bool   // it is being looked at in the background
	one  chan struct{} // of size one: whoever is in it loads
	seen string        // the store's version; guarded by one

	owners atomic.Bool // logins of other programs are followed
}

// next counts a change of tokens.
func (n *noticing) next() int64 { return n.seq.Add(1) }

const noticeEvery = time.Second

// look looks at the store in the background when it is time to. On the path of a successful request it costs a load.
func (p *Pool) look(ctx context.Context, now time.Time) {
	n := &p.notice
	if !p.shared && !n.owners.Load() || now.UnixNano()-n.last.Load() < int64(noticeEvery) || n.busy.Swap(true) {
		return
	}
	n.last.Store(now.UnixNano())
	detached := context.WithoutCancel(ctx)
	started := p.work.start(func() {
		defer n.busy.Store(false)
		ctx, stop := context.WithTimeout(detached, storeTimeout)
		defer stop()
		if err := p.load(ctx); err != nil {
			p.emit(ctx, Event{Type: StoreFailed, Reason: "load", Err: err})
		}
		p.lookAtOwners(ctx)
	})
	if !started {
		n.busy.Store(false)
	}
}

// load takes over what the store holds, unless its version is known.
func (p *Pool) load(ctx context.Context) error {
	adopted, err := p.takeOver(ctx)
	for _, m := range adopted {
		p.emit(ctx, Event{Type: Adopted, Provider: m.provider, ID: m.id})
	}
	return err
}

// takeOver is load without telling.
func (p *Pool) takeOver(ctx context.Context) (adopted []*member, err error) {
	if !p.shared {
		return nil, nil
	}
	n := &p.notice
	select {
	case n.one <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-n.one }()
	before := n.seq.Load()
	entries, version, err := p.store.Load(ctx, n.seen)
	if err != nil {
		return nil, err
	}
	if n.seen != "" && version == n.seen {
		return nil, nil
	}
	n.seen = version
	complete, adopted := p.merge(entries, before)
	if !complete {
		n.seen = "" // something changed here meanwhile: look at all of it again
	}
	return adopted, nil
}

// merge adopts entries that were read after the given change. What has changed in this pool since then is left alone, the
// store may have been read before it: then merge reports false.
func (p *Pool) merge(entries []Entry, before int64) (complete bool, adopted []*member) {
	complete = true
	there := make(map[*member]bool, len(entries))
	for _, e := range entries {
		c := e.Credential.clone()
		c.Provider = canonicalName(c.Provider)
		if c.Provider == "" || c.ID == "" {
			continue // not ours to judge; the store keeps it
		}
		g := p.group(c.Provider)
		m := g.find(c.ID)
		if m == nil && g.leftSince(c.ID, before) {
			complete = false
			continue
		}
		if m == nil {
			m = g.add(c, e.Standing.LastRefresh)
			there[m] = true
			m.applyStanding(e.Standing)
			continue
		}
		there[m] = true
		g.replace(m, c)
		done, news := m.mergeTokens(c, e.Standing, before)
		complete = complete && done
		if news {
			adopted = append(adopted, m)
		}
	}
	p.groups.Range(func(_, g any) bool {
		for _, m := range g.(*group).snapshot() {
			if there[m] {
				continue
			}
			if m.changedSince(before) {
				complete = false
				continue
			}
			m.gone.Store(true)
			m.group.drop(m)
		}
		return true
	})
	return complete, adopted
}

func (m *member) changedSince(before int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq > before || m.unsaved
}

// mergeTokens adopts the store's tokens when they are others than ours and ours are not newer.
func (m *member) mergeTokens(c Credential, s Standing, before int64) (complete, adopted bool) {
	if m.changedSince(before) {
		return false, false
	}
	if m.place.Load().follow != nil { // the store holds no tokens of it
		m.applyStanding(s)
		return true, false
	}
	h := m.cur.Load()
	other := c.AccessToken != h.cred.AccessToken || c.RefreshToken != h.cred.RefreshToken
	if other && !isSpent(h.cred, c.RefreshToken) {
		var refreshed time.Time
		if s.Of == digest(c.AccessToken) {
			refreshed = s.LastRefresh
		}
		m.adopt(c, refreshed)
		adopted = true
	}
	m.applyStanding(s)
	return true, adopted
}

// adopt takes tokens that somebody else has put into the store; refreshed is when, if that is known.
func (m *member) adopt(c Credential, refreshed time.Time) *held {
	now := time.Now()
	m.mu.Lock()
	h := newHeld(c, fromStore, refreshed, now)
	m.publish(h)
	m.unsaved = false
	m.mu.Unlock()
	return h
}

// applyStanding takes over a standing of the store unless a newer one is known or it is about other tokens.
func (m *member) applyStanding(s Standing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.LastRefresh.After(m.refresh) {
		m.refresh = s.LastRefresh
	}
	if s.Of != m.cur.Load().digest || !s.At.After(m.at) {
		return
	}
	m.at = s.At
	now, at, until := time.Now(), s.At, s.AsideUntil
	if ahead := at.Sub(now); ahead > 0 { // the writer's clock is: count from here
		at, until = now, until.Add(-ahead)
	}
	if !s.Retired && !until.After(now) {
		m.mark.Store(nil)
	} else {
		k := newMark(until, s.Retired, s.Reason, at, s.Of)
		k.shared.Store(true)
		m.mark.Store(k)
	}
	m.group.changed()
}

func newMark(until time.Time, retired bool, reason string, at time.Time, of string) *mark {
	k := &mark{until: until, retired: retired, reason: reason, at: at, of: of}
	if until.Sub(at) > probeEvery && !retired {
		k.probe.Store(at.Add(probeEvery).UnixNano())
	}
	return k
}

// standingToShare returns the standing as others may know it, as of now.
func (m *member) standingToShare() Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Standing{LastRefresh: m.refresh, Of: m.cur.Load().digest, At: m.stampMark(time.Now())}
	if k := m.mark.Load(); k != nil && k.of == s.Of && k.shared.Load() {
		s.AsideUntil, s.Retired, s.Reason = k.until, k.retired, k.reason
	}
	return s
}

// mark tells the store a standing: in the background when that may take time, a request does not wait for it. One is
// written at a time; of those that come meanwhile only the newest is, so that a storm of refusals is none for the store.
func (p *Pool) mark(ctx context.Context, m *member, s Standing) {
	m.mu.Lock()
	s.At = m.stampMark(s.At)
	if s.LastRefresh.IsZero() {
		s.LastRefresh = m.refresh
	}
	s.Spending = m.spending
	if !p.shared {
		m.mu.Unlock()
		p.writeMark(ctx, m, s)
		return
	}
	defer m.mu.Unlock()
	if m.marking {
		if m.toMark == nil || !s.At.Before(m.toMark.standing.At) {
			m.toMark = &markToWrite{ctx, s}
		}
		return
	}
	m.marking = p.work.more(func() { p.writeMarks(m, &markToWrite{ctx, s}) }) // a pool that is closed tells nobody any more
}

// markToWrite is a standing that waits until the one before it is written.
type markToWrite struct {
	ctx      context.Context //nolint:containedctx // of the request it came with, for its values
	standing Standing
}

// writeMarks writes a standing, and those that have come meanwhile.
func (p *Pool) writeMarks(m *member, w *markToWrite) {
	defer func() {
		if w != nil { // an observer has ended the goroutine
			m.mu.Lock()
			m.marking = false
			m.mu.Unlock()
		}
	}()
	for w != nil {
		p.writeMark(w.ctx, m, w.standing)
		m.mu.Lock()
		w, m.toMark = m.toMark, nil
		m.marking = w != nil
		m.mu.Unlock()
	}
}

func (p *Pool) writeMark(ctx context.Context, m *member, s Standing) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer stop()
	if err := p.store.Mark(ctx, m.provider, m.id, s); err != nil {
		p.emit(ctx, Event{Type: StoreFailed, Provider: m.provider, ID: m.id, Reason: "mark", Err: err})
	}
}

// stampMark returns when a mark made at the given time is said to be made: when the newest mark known is from the future,
// by a clock that is ahead of ours, then after that one. Else nobody would heed ours for as long. m.mu is held.
func (m *member) stampMark(at time.Time) time.Time {
	if m.at.After(time.Now()) {
		at = m.at.Add(time.Nanosecond)
	}
	if at.After(m.at) {
		m.at = at
	}
	return at
}

// add makes a member of a credential read from the store or just added.
func (g *group) add(c Credential, refreshed time.Time) *member {
	m := &member{pool: g.pool, group: g, provider: c.Provider, id: c.ID, order: g.pool.added.Add(1), hash: hashOf(c.ID), refresh: refreshed}
	m.place.Store(newPlace(c))
	c = m.withOwner(c)
	m.cur.Store(newHeld(c, fromLogin, refreshed, time.Now()))
	m.seq = g.pool.notice.next()
	g.mu.Lock()
	defer g.mu.Unlock()
	if twin := g.byID[c.ID]; twin != nil { // somebody was faster
		return twin
	}
	g.insert(m)
	return m
}

// take makes a credential that was stored by Add the one in use.
func (g *group) take(c Credential, news bool) *member {
	m := g.find(c.ID)
	if m == nil {
		return g.add(c, time.Time{})
	}
	g.replace(m, c)
	c = m.withOwner(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.cur.Load()
	if !news && (m.unsaved || isSpent(h.cred, c.RefreshToken)) {
		return m // the store is behind: what is held must not be lost
	}
	if news || h.cred.AccessToken != c.AccessToken || h.cred.RefreshToken != c.RefreshToken {
		if news {
			m.refresh = time.Time{}
			m.strikes.Store(0)
			m.useless.Store(0)
		}
		m.publish(newHeld(c, fromLogin, m.refresh, time.Now()))
		m.unsaved = false
	}
	return m
}

// replace moves m to the place that c names.
func (g *group) replace(m *member, c Credential) {
	now := newPlace(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	old := m.place.Load()
	if old.same(now) {
		return
	}
	m.place.Store(now)
	if old.priority != now.priority && g.byID[m.id] == m {
		i := 0
		for i < len(g.members) && g.members[i] != m {
			i++
		}
		g.members = append(g.members[:i:i], g.members[i+1:]...)
		g.insert(m)
	}
	g.changed()
}

const saveEvery = time.Second

// keepSaving retries to store tokens that serve from memory only, until the store has them or others newer.
func (m *member) keepSaving(ctx context.Context, c Credential) {
	m.pool.work.more(func() {
		ticker := time.NewTicker(saveEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-m.pool.work.stop:
				return
			}
			if m.save(ctx, c) {
				return
			}
		}
	})
}

// save reports whether c need not be saved any more.
func (m *member) save(ctx context.Context, c Credential) bool {
	if m.cur.Load().digest != digest(c.AccessToken) || m.gone.Load() {
		return true
	}
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	var newer *Credential
	_, err := m.pool.store.Update(claim, m.provider, m.id, func(old Credential, found bool) (Credential, error) {
		switch {
		case !found:
			return Credential{}, errGone
		case old.RefreshToken == c.RefreshToken || isSpent(c, old.RefreshToken):
			return c, nil
		}
		newer = &old
		return Credential{}, errAdopted
	})
	switch {
	case newer != nil:
		m.adopt(*newer, time.Time{})
		m.pool.emit(ctx, Event{Type: Adopted, Provider: m.provider, ID: m.id})
	case errors.Is(err, errGone):
		m.gone.Store(true)
		m.group.drop(m)
	case err != nil:
		m.pool.emit(ctx, Event{Type: StoreFailed, Provider: m.provider, ID: m.id, Reason: "persist", Err: err})
		return false
	}
	m.mu.Lock()
	m.unsaved, m.spending = false, ""
	at := m.refresh
	m.mu.Unlock()
	if err == nil {
		m.pool.mark(ctx, m, Standing{At: time.Now(), Of: digest(c.AccessToken), LastRefresh: at})
	}
	return true
}

// borrowedError ends the renewal of a login that only its owner may renew.
type borrowedError struct {
	follower *follower
	err      error // the file cannot be read; nil: it holds nothing newer
}

func (e *borrowedError) Error() string {
	if e.err != nil {
		return "reauth: " + e.err.Error()
	}
	return fmt.Sprintf("reauth: the login is that of %s (%s), whose token is refused or has expired; use that program, or log in there again", e.follower.program.Name, e.follower.path)
}

func (e *borrowedError) Unwrap() error { return ErrNotRefreshable }

// withOwner returns c with the tokens of the login's owner, if it has one. Where they cannot be read c has none: the file
// may come later.
func (m *member) withOwner(c Credential) Credential {
	f := m.place.Load().follow
	if f == nil {
		return c
	}
	m.pool.notice.owners.Store(true)
	stamp := f.stampOf()
	c, _ = f.fill(c)
	m.mu.Lock()
	m.ownerSeen = stamp
	m.mu.Unlock()
	return c
}

// rereadOwner looks whether the owner has written another token than the one the flight replaces.
func (m *member) rereadOwner(f *flight) (*held, error) {
	owner := m.place.Load().follow
	news, err := m.adoptFromOwner(owner)
	if err != nil {
		return nil, &borrowedError{owner, err}
	}
	if news {
		f.tell = append(f.tell, Event{Type: Adopted})
	}
	if cur := m.cur.Load(); cur.digest != f.of.digest {
		return cur, nil
	}
	return nil, &borrowedError{follower: owner}
}

func (m *member) adoptFromOwner(f *follower) (news bool, err error) {
	stamp := f.stampOf() // before reading: what is written meanwhile is read next time
	c, err := f.fill(m.cur.Load().cred)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	m.ownerSeen = stamp
	news = m.cur.Load().digest != digest(c.AccessToken)
	m.mu.Unlock()
	if news {
		m.adopt(c, time.Time{})
	}
	return news, nil
}

// lookAtOwners notices in the background what the owners have written.
func (p *Pool) lookAtOwners(ctx context.Context) {
	if !p.notice.owners.Load() {
		return
	}
	p.groups.Range(func(_, g any) bool {
		for _, m := range g.(*group).snapshot() {
			f := m.place.Load().follow
			if f == nil {
				continue
			}
			m.mu.Lock()
			seen := m.ownerSeen
			m.mu.Unlock()
			if stamp := f.stampOf(); stamp == "" || stamp == seen {
				continue
			}
			if news, err := m.adoptFromOwner(f); err == nil && news { // an error is for the request that needs the token
				p.emit(ctx, Event{Type: Adopted, Provider: m.provider, ID: m.id})
			}
		}
		return true
	})
}
