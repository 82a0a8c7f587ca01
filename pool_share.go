package reauth

import (
	"context"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// What others write. A pool reads its store on a rejection and before each exchange, when it
// matters; and in between at most once a second, in the background, only when it is asked to serve.

const checkEvery = time.Second

// checkStore re-reads the store, and the files of followed programs, in the background, at most
// once a second. Otherwise it costs one atomic load.
func (p *Pool) checkStore(ctx context.Context, now time.Time) {
	v := &p.view
	if !p.shared && !v.followed.Load() || now.UnixNano()-v.checked.Load() < int64(checkEvery) || v.busy.Swap(true) {
		return
	}
	v.checked.Store(now.UnixNano())
	detached := context.WithoutCancel(ctx)
	started := p.work.start(func() {
		defer v.busy.Store(false)
		ctx, stop := context.WithTimeout(detached, storeTimeout)
		defer stop()
		if err := p.load(ctx); err != nil {
			p.emit(ctx, Event{Type: StoreFailed, Reason: "load", Err: err})
		}
		p.checkPrograms(ctx)
	})
	if !started {
		v.busy.Store(false)
	}
}

// load adopts what the store holds, and emits an event for each credential that got other tokens.
func (p *Pool) load(ctx context.Context) error {
	adopted, err := p.adoptNews(ctx)
	for _, m := range adopted {
		m.emit(ctx, Event{Type: Adopted})
	}
	return err
}

// adoptNews adopts what the store holds, unless its version has been merged already. It returns the
// members that got other tokens, and emits no event.
func (p *Pool) adoptNews(ctx context.Context) (adopted []*member, err error) {
	if !p.shared {
		return nil, nil
	}
	v := &p.view
	select {
	case v.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-v.loading }()
	before := v.changes.Load()
	entries, version, err := p.store.Load(ctx, v.version)
	if err != nil {
		return nil, err
	}
	if v.version != "" && version == v.version {
		return nil, nil
	}
	merged := p.merge(entries, before)
	v.version = version
	if !merged.complete {
		v.version = "" // this pool has changed something meanwhile: all of it is to be read again
	}
	return merged.adopted, nil
}

// merging is the adoption of a store's entries, which were read after a change of the pool. What
// has changed in the pool since then is left alone: the store may have been read before it.
type merging struct {
	pool     *Pool
	before   int64            // number of that change
	there    map[*member]bool // members that the store holds
	complete bool             // nothing was left alone
	adopted  []*member        // members that got other tokens
}

// merge adopts entries that were read after the change of that number. Members that the store does
// not hold leave the pool, unless they have changed since then.
func (p *Pool) merge(entries []Entry, before int64) *merging {
	g := &merging{pool: p, before: before, there: make(map[*member]bool, len(entries)), complete: true}
	for _, e := range entries {
		g.take(e)
	}
	for _, m := range p.members() {
		switch {
		case g.there[m]:
		case m.changedSince(before):
			g.complete = false
		default:
			m.group.drop(m)
		}
	}
	return g
}

// take merges one entry.
func (g *merging) take(e Entry) {
	c := e.Credential.clone()
	c.Provider = vendors.Canonical(c.Provider)
	if c.Provider == "" || c.ID == "" {
		return // nobody can ask for it; the store keeps it
	}
	group := g.pool.groupOf(c.Provider)
	m := group.find(c.ID)
	switch {
	case m == nil && group.removedSince(c.ID, g.before):
		g.complete = false
	case m == nil:
		m = group.addNew(c, e.Standing.LastRefresh)
		g.there[m] = true
		m.applyStanding(e.Standing)
	default:
		g.there[m] = true
		group.movePlace(m, c)
		g.takeTokens(m, c, e.Standing)
	}
}

// takeTokens adopts the store's tokens of a member when they are others than its own, and its own
// are not newer.
func (g *merging) takeTokens(m *member, c Credential, s Standing) {
	if m.changedSince(g.before) {
		g.complete = false
		return
	}
	current := m.tokens.Load().cred
	followed := m.place.Load().follow != nil // the store holds no tokens of it
	if !followed && !sameTokens(c, current) && !isSpent(current, c.RefreshToken) {
		var refreshed time.Time
		if s.Of == digest(c.AccessToken) {
			refreshed = s.LastRefresh
		}
		m.adopt(c, refreshed)
		g.adopted = append(g.adopted, m)
	}
	m.applyStanding(s)
}

// addNew makes a member of a credential that the store holds, or has just been given.
func (g *group) addNew(c Credential, refreshed time.Time) *member {
	m := &member{
		pool: g.pool, group: g, provider: c.Provider, id: c.ID, refreshed: refreshed,
		order: g.pool.added.Add(1), hash: hashOf(c.ID),
	}
	m.place.Store(newPlace(c))
	c = m.withProgramTokens(c)
	m.tokens.Store(newTokens(c, fromLogin, refreshed, time.Now()))
	m.change = g.pool.view.nextChange()
	return g.add(m)
}

// addStored makes a credential that Add has stored the one in use.
func (g *group) addStored(c Credential, newLogin bool) *member {
	m := g.find(c.ID)
	if m == nil {
		return g.addNew(c, time.Time{})
	}
	g.movePlace(m, c)
	m.addedAgain(m.withProgramTokens(c), newLogin)
	return m
}

// reread looks whether the store, or the file of the program that is followed, holds other tokens
// than those that the flight replaces.
func (m *member) reread(ctx context.Context, f *flight) (*tokens, error) {
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	if program := m.place.Load().follow; program != nil && !f.exchange {
		return m.rereadProgram(f, program)
	}
	return m.rereadStore(ctx, f)
}

// rereadStore adopts what the store holds, and returns the tokens that m has then.
func (m *member) rereadStore(ctx context.Context, f *flight) (*tokens, error) {
	adopted, err := m.pool.adoptNews(ctx)
	for _, a := range adopted {
		f.tell = append(f.tell, Event{Type: Adopted, Provider: a.provider, ID: a.id})
	}
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
	other, err := m.adoptFromProgram(program)
	if err != nil {
		return nil, &followedError{program, err}
	}
	if other {
		f.tell = append(f.tell, Event{Type: Adopted})
	}
	if t := m.tokens.Load(); t.digest != f.of.digest {
		return t, nil
	}
	return nil, &followedError{follower: program}
}

// withProgramTokens returns c with the tokens of the program that it follows, if it follows one.
// While the program's file cannot be read c has none: the file may appear later.
func (m *member) withProgramTokens(c Credential) Credential {
	program := m.place.Load().follow
	if program == nil {
		return c
	}
	m.pool.view.followed.Store(true)
	state := program.fileState()
	c, _ = program.fill(c)
	m.readProgram(state, c)
	return c
}

// adoptFromProgram reads the program's file and adopts the access token in it. It reports whether
// that is another than the one held.
func (m *member) adoptFromProgram(program *follower) (other bool, err error) {
	state := program.fileState() // before reading: a later write shows at the next check
	c, err := program.fill(m.tokens.Load().cred)
	if err != nil {
		return false, err
	}
	if other = m.readProgram(state, c); other {
		m.adopt(c, time.Time{})
	}
	return other, nil
}

// checkPrograms adopts what followed programs have written since their files were last read. An
// error is left to the request that needs the token.
func (p *Pool) checkPrograms(ctx context.Context) {
	if !p.view.followed.Load() {
		return
	}
	for _, m := range p.members() {
		program := m.place.Load().follow
		if program == nil {
			continue
		}
		if state := program.fileState(); state == "" || !m.programChanged(state) {
			continue
		}
		if other, err := m.adoptFromProgram(program); err == nil && other {
			m.emit(ctx, Event{Type: Adopted})
		}
	}
}
