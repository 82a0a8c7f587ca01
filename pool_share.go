package reauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// What others write. A pool reads its store on a rejection and before each exchange, when it
// matters; and in between at most once a second, in the background, only when it is asked to serve.

// checkStore re-reads the store, and the files of followed programs, in the background, at most
// once a second. Otherwise it costs one atomic load.
func (p *Pool) checkStore(ctx context.Context, now time.Time) {
	v := &p.view
	if !p.shared && !v.followed.Load() || v.seenLately(now) || v.busy.Swap(true) {
		return
	}
	v.checked.Store(now.UnixNano())
	detached, l := context.WithoutCancel(ctx), &look{began: now, done: make(chan struct{})}
	v.look.Store(l)
	started := p.work.start(func() {
		defer v.busy.Store(false)
		defer close(l.done)
		p.lookAround(detached)
	})
	if !started {
		close(l.done)
		v.busy.Store(false)
	}
}

// awaitLook waits for the check of the store that is under way, for a caller that has no credential:
// another process may have added one. The check keeps its callers for glanceTimeout in all, however
// many they are.
func (p *Pool) awaitLook(ctx context.Context, now time.Time) {
	l := p.view.look.Load()
	if !p.shared || l == nil {
		return
	}
	left := glanceTimeout - now.Sub(l.began)
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lookAround adopts what others have written, and has written what the store lacks.
func (p *Pool) lookAround(ctx context.Context) {
	bounded, stop := context.WithTimeout(ctx, storeTimeout)
	err := p.load(bounded)
	stop()
	if err != nil {
		p.emit(ctx, Event{Type: StoreFailed, Reason: "load", Err: err})
	}
	p.checkPrograms(ctx)
}

// writeSoon writes what the store lacks in the background: that waits for claims, and no look waits
// for it. What a look finds missing meanwhile is written afterwards.
func (p *Pool) writeSoon(ctx context.Context) {
	v := &p.view
	if !v.beginWriting() {
		return
	}
	detached := context.WithoutCancel(ctx)
	started := p.work.startFromWorker(func() {
		over := false
		defer func() {
			if !over { // an observer has ended the goroutine: the next look begins anew
				v.endWriting()
			}
		}()
		for v.goOnWriting() {
			p.writeForward(detached)
		}
		over = true
	})
	if !started { // the pool is closed
		v.endWriting()
	}
}

// load adopts what the store holds, and tells about it.
func (p *Pool) load(ctx context.Context) error {
	tell, err := p.adoptNews(ctx)
	for _, e := range p.view.untold(tell, p.observed()) {
		p.emit(ctx, e)
	}
	return err
}

// adoptNews adopts what the store holds, unless its version has been merged already. It emits no
// event, and returns those to tell.
func (p *Pool) adoptNews(ctx context.Context) (tell []Event, err error) {
	if !p.shared {
		return nil, nil
	}
	v := &p.view
	select {
	case v.loading <- struct{}{}:
	case <-ctx.Done():
		err := context.Cause(ctx)
		v.looked(err, time.Now())
		return nil, err
	}
	defer func() { <-v.loading }()
	if ctx.Err() != nil { // the lock was free in the moment in which the wait ended
		return nil, context.Cause(ctx)
	}
	g := &merging{pool: p, before: v.changes.Load(), written: v.writtenSoFar()}
	snap, err := p.store.Load(ctx, v.versionToMerge())
	if err == nil && snap.Delta && !g.foundAll(snap.Entries) {
		snap, err = p.store.Load(ctx, "") // the store went back: it lacks what this pool has written
	}
	v.looked(err, time.Now())
	if err != nil {
		return nil, err
	}
	g.merge(snap)
	v.merged(snap, g.complete)
	v.noteSeen(g.written)
	p.writeSoon(ctx)
	return g.tell, nil
}

// merging is the adoption of a store's records, which were read after a change of the pool. What
// has changed in the pool since then is left alone: the store may have been read before it.
type merging struct {
	pool     *Pool
	before   int64                  // number of that change
	written  map[credentialKey]bool // records that must have changed
	complete bool                   // nothing was left alone
	identity string                 // of the store
	there    map[*member]bool       // members whose records were found
	homeless int                    // members that only another store has
	tell     []Event
	buried   map[credentialKey]bool // tombstones that were found
}

// foundAll reports whether the records that this pool has written are among the changed ones.
func (g *merging) foundAll(entries []Entry) bool {
	if len(g.written) == 0 {
		return true
	}
	found := 0
	for _, e := range entries {
		if g.written[canonicalKey(e.Credential.Provider, e.Credential.ID)] {
			found++
		}
	}
	return found == len(g.written)
}

// find returns the member of a record; nil if there is none.
func (g *merging) find(c Credential) *member {
	return g.pool.groupOf(vendors.Canonical(c.Provider)).find(c.ID)
}

// merge adopts the records of a snapshot.
func (g *merging) merge(snap Snapshot) {
	g.complete, g.identity, g.there = true, snap.Identity, make(map[*member]bool, len(snap.Entries))
	g.buried = make(map[credentialKey]bool)
	if before := g.pool.view.isStore(snap.Identity); before != snap.Identity {
		g.returnTo(snap.Identity)
	}
	for _, e := range snap.Entries {
		g.take(e)
	}
	g.tellBroken(snap.Broken)
	if !snap.Delta {
		g.takeAbsent()
		g.takeAbsentRemovals()
	}
}

// returnTo takes up again what could not be saved in the store of that identity before.
func (g *merging) returnTo(identity string) {
	for key, e := range g.pool.view.takeUnsaved(identity) {
		m := g.pool.groupOf(key.provider).find(key.id)
		if m == nil || m.source != nil {
			continue
		}
		if _, adopted := m.adoptNewer(e, false); adopted {
			m.setHome(identity)
		}
	}
}

// take merges one record.
func (g *merging) take(e Entry) {
	c := &e.Credential
	c.Provider = vendors.Canonical(c.Provider)
	if c.Provider == "" || c.ID == "" {
		return // nobody can ask for it; the store keeps it
	}
	if e.Removed {
		g.buried[credentialKey{c.Provider, c.ID}] = true
	}
	group := g.pool.groupOf(c.Provider)
	if m := group.find(c.ID); m != nil {
		g.there[m] = true
		if m.source == nil {
			g.takeKnown(m, e)
		} else if !e.Removed {
			g.tellHidden(m)
		}
		return
	}
	tomb, known := group.tombstone(c.ID)
	switch {
	case known && tomb.change > g.before:
		g.complete = false
	case known && compareEntries(&tomb.entry, &e, true) > 0:
		g.pool.view.noteRemoval(credentialKey{c.Provider, c.ID}) // an older record has been put back
	case e.Removed:
		group.bury(e)
	default:
		m := group.addNew(e)
		g.there[m] = true
		if m.source == nil { // else AddSource has been quicker
			m.setHome(g.identity)
			m.takeMarks(e.Marks)
		}
	}
}

// takeKnown merges the record of a member.
func (g *merging) takeKnown(m *member, e Entry) {
	held, sameStore := m.entry(), m.livesIn(g.identity)
	c := compareEntries(&held, &e, sameStore)
	switch {
	case c >= 0 && m.changedSince(g.before): // the store may have been read before
		g.complete = false
		return
	case c > 0:
		m.setHome(g.identity)
		if !e.Removed {
			g.movePlace(m, &held, e)
			m.takeMarks(e.Marks)
		}
		g.pool.view.noteAhead(m)
		return
	case e.Removed:
		m.removed(e)
		return
	case !sameTokens(held.Credential, e.Credential) || c < 0:
		g.adopt(m, e, sameStore)
	}
	m.setHome(g.identity)
	m.group.movePlace(m, e.Credential)
	m.takeMarks(e.Marks)
}

// movePlace gives m, which holds a newer record, the place that the stored one names, unless that is of
// an earlier login: the tokens that are held may be good for other hosts.
func (g *merging) movePlace(m *member, held *Entry, e Entry) {
	if !held.Login.After(e.Login) {
		m.group.movePlace(m, e.Credential)
	}
}

// adopt takes over a record that is newer than the one held.
func (g *merging) adopt(m *member, e Entry, sameStore bool) {
	if !sameStore && m.isUnsaved() {
		g.pool.view.keepUnsaved(m.setHome(g.identity), m.key(), m.entry())
	}
	before := m.tokens.Load().digest
	t, adopted := m.adoptNewer(e, sameStore)
	if !adopted {
		g.complete = false
		return
	}
	if t.digest != before {
		g.tell = append(g.tell, Event{Type: Adopted, Provider: m.group.name, ID: m.id})
	}
}

// tellHidden tells, once, that the record of a source's ID is left alone.
func (g *merging) tellHidden(m *member) {
	if g.pool.view.firstTime("hidden " + m.String()) {
		g.tell = append(g.tell, Event{Type: StoreFailed, Reason: "record", Provider: m.group.name, ID: m.id, Err: fmt.Errorf(
			"reauth: the store has a credential %s, which is not used: AddSource has given that ID to a source; "+
				"give one of them another ID", m)})
	}
}

// takeAbsent deals with members that the store does not hold. They are written into their own store,
// which went back, and never into another one.
func (g *merging) takeAbsent() {
	for _, m := range g.pool.members() {
		switch {
		case g.there[m], m.source != nil:
		case m.changedSince(g.before):
			g.complete = false
		case !m.livesIn(g.identity):
			g.homeless++
		default:
			g.pool.view.noteAhead(m)
		}
	}
	if g.homeless > 0 && g.pool.view.firstTime("other store "+g.identity) {
		g.tell = append(g.tell, Event{Type: StoreFailed, Reason: "other-store", Err: fmt.Errorf(
			"reauth: the store is another one than before, and lacks %d of the pool's credentials; they are "+
				"served from memory until the pool is closed: put the store back, or add them again", g.homeless)})
	}
}

// takeAbsentRemovals has tombstones written that the store lacks. A store that has as many as it
// keeps has dropped them.
func (g *merging) takeAbsentRemovals() {
	if len(g.buried) >= maxTombstones {
		return
	}
	g.pool.groups.Range(func(name, gr any) bool {
		for _, id := range gr.(*group).tombstones(g.identity) {
			if key := (credentialKey{name.(string), id}); !g.buried[key] {
				g.pool.view.noteRemoval(key)
			}
		}
		return true
	})
}

// tellBroken tells, once each, what is wrong with the store. A record that cannot be read is not
// absent.
func (g *merging) tellBroken(broken []error) {
	for _, err := range broken {
		var record *RecordError
		e := Event{Type: StoreFailed, Reason: "place", Err: err}
		if errors.As(err, &record) {
			e.Reason, e.Provider, e.ID = "record", record.Provider, record.ID
			if m := g.find(Credential{Provider: record.Provider, ID: record.ID}); m != nil {
				g.there[m] = true
			}
		}
		if g.pool.view.firstTime(err.Error()) {
			g.tell = append(g.tell, e)
		}
	}
}

// hasOrigin reports whether others may have written newer tokens of the member: into the store, or
// into the file of a program.
func (m *member) hasOrigin() bool {
	return m.source == nil && (m.group.pool.shared || m.place.Load().follow != nil)
}

// reread looks whether the store, or the file of the program that is followed, holds other tokens
// than those that the flight replaces.
func (m *member) reread(ctx context.Context, f *flight) (*tokens, error) {
	if program := m.place.Load().follow; program != nil && !f.exchange {
		return m.rereadProgram(f, program)
	}
	if f.exchange { // a login is at stake
		ctx, stop := context.WithTimeout(ctx, storeTimeout)
		defer stop()
		return m.rereadStore(ctx, f)
	}
	if err := m.group.pool.view.recentFailure(time.Now()); err != nil { // one look for all
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, glanceTimeout)
	defer stop()
	return m.rereadStore(ctx, f)
}

// glanceTimeout is how long a request waits for a store that may hold another key than the refused
// one. A store that is slower is read in the background, for the next request.
const glanceTimeout = 250 * time.Millisecond

// rereadStore adopts what the store holds, and returns the tokens that m has then.
func (m *member) rereadStore(ctx context.Context, f *flight) (*tokens, error) {
	tell, err := m.group.pool.adoptNews(ctx)
	f.tell = append(f.tell, tell...)
	if err != nil {
		f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "load", Err: err})
		return nil, err
	}
	if t := m.tokens.Load(); t.digest != f.of.digest {
		return t, nil
	}
	return nil, m.whyNot(f.of)
}

// rereadProgram adopts what the followed program has written, and returns the tokens that m has
// then. Nobody but the program can renew them.
func (m *member) rereadProgram(f *flight, program *follower) (*tokens, error) {
	other, static, err := m.adoptFromProgram(program)
	if err != nil {
		redacted := newRedactedError(err, m.secrets(secretsOf(f.of.cred)...)...)
		return nil, &followedError{follower: program, err: redacted}
	}
	if other {
		f.tell = append(f.tell, Event{Type: Adopted})
	}
	if t := m.tokens.Load(); t.digest != f.of.digest {
		return t, nil
	}
	return nil, &followedError{follower: program, static: static}
}

// adoptFromProgram reads the program's file and adopts the access token in it. It reports whether
// that is another than the one held, and whether the program does not renew it.
func (m *member) adoptFromProgram(program *follower) (other, static bool, err error) {
	state := program.state() // before reading: a later write shows at the next check
	if state.InKeychain() {
		m.sawProgram(state) // even if it does not answer: each question starts a process, and may ask a person
	}
	e := m.tokens.Load().entry()
	c, static, err := program.fill(e.Credential)
	if err != nil {
		return false, false, err
	}
	m.sawProgram(state)
	if other = m.hasOther(c); other {
		e.Credential, e.LastRefresh = c, time.Time{}
		m.adopt(e)
	}
	return other, static, nil
}

// checkPrograms adopts what followed programs have written since their files were last read. An
// error is left to the request that needs the token.
func (p *Pool) checkPrograms(ctx context.Context) {
	if !p.view.followed.Load() {
		return
	}
	for _, m := range p.members() {
		program := m.place.Load().follow
		if program == nil || !m.programChanged(program.state()) {
			continue
		}
		if other, _, err := m.adoptFromProgram(program); err == nil && other {
			m.emit(ctx, Event{Type: Adopted})
		}
	}
}
