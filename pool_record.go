package reauth

import (
	"cmp"
	"errors"
	"time"
)

// The records that a pool writes: what of them is the pool's to say, and what stays as it is stored.

var (
	errOtherStore = errors.New("reauth: the store is another one than before, which lacks the credential; " +
		"put the store back, or add the credential again")
	errStoredAlready = errors.New("the store holds it") // ends an Update that has nothing to write
)

// mostClaims bounds how often an exchange begins anew: a store that keeps what is written to it, and
// is put back only now and then, needs three at most.
const mostClaims = 8

// refuses says why the member's record must not be written under that claim: the store is missing,
// or is another one, which lacks the record.
func (m *member) refuses(h Holding) error {
	switch {
	case h.Missing != nil:
		return h.Missing
	case !h.Found && !m.livesIn(h.Identity):
		return errOtherStore
	}
	return nil
}

// removed takes the member out of the pool for a removal in the store, unless a person has logged in
// anew meanwhile.
func (m *member) removed(e Entry) {
	held := m.entry()
	if compareEntries(&held, &e, true) > 0 {
		m.group.pool.view.noteAhead(m)
		return
	}
	e.Spent = withSpent(e.Spent, held.Spent...) // whoever has removed it may not have known this login
	m.group.drop(m)
	m.group.bury(e)
}

// takeNewer adopts a record that was found under the claim, unless the pool has got a newer one
// meanwhile. It returns the tokens that are held then.
func (m *member) takeNewer(e Entry) (t *tokens, adopted bool) {
	t, adopted = m.adoptNewer(e, true)
	if !adopted { // an exchange, or a person, has been quicker
		m.group.pool.view.noteAhead(m)
		return t, false
	}
	m.group.pool.noteWritten(m.key())
	m.takeMarks(e.Marks)
	return t, true
}

// over returns the record e, which a pool holds, as it is written over the one that is stored: with
// tokens and history of e, and with what people may have changed in the stored one, unless that is of
// an earlier login, which may be good for other hosts.
func (e *Entry) over(h Holding) Entry {
	got := e.clone()
	if !h.Found {
		return got
	}
	was := &h.Entry
	if !was.Removed && !e.Login.After(was.Login) {
		got.Credential.Priority, got.Credential.Hosts = was.Credential.Priority, was.Credential.Hosts
		got.Credential.ClientID = was.Credential.ClientID
	}
	got.Spent = unite(e, was)
	return got
}

// laterLogin is the time of a new login or a removal: by the store's clock, and later than the one
// that it replaces.
func laterLogin(h Holding, base Entry) time.Time {
	login, before := cmp.Or(h.Now, time.Now()), latest(h.Entry.Login, base.Login)
	if h.Behind != nil {
		before = latest(before, h.Behind.Login)
	}
	return afterMark(before, login).UTC().Round(0)
}

// hadNewer reports whether the store has lost a newer record than e. sameStore says that e is a
// record of that store.
func (h *Holding) hadNewer(e *Entry, sameStore bool) bool {
	if h.Behind == nil {
		return false
	}
	c := h.Behind.Login.Compare(e.Login)
	return c > 0 || c == 0 && sameStore && h.Behind.Generation > e.Generation
}

// generationOf is the generation of a record that need not be there.
func generationOf(e *Entry) int64 {
	if e == nil {
		return 0
	}
	return e.Generation
}

// addNew makes a member of a record that the store holds, or has just been given.
func (g *group) addNew(e Entry) *member { return g.add(g.newMember(e, nil)) }

// newMember makes a member of a record, or of the credential of a source.
func (g *group) newMember(e Entry, s *source) *member {
	c := e.Credential
	m := &member{
		group: g, id: c.ID, order: g.pool.added.Add(1), hash: hashOf(c.ID), source: s,
	}
	m.place.Store(newPlace(c))
	m.tokens.Store(newTokens(m.withTokensOf(e), fromLogin, time.Now()))
	m.change = g.pool.view.nextChange()
	return m
}

// addStored makes a record that Add has stored the one in use. It returns nil when the ID has been
// removed meanwhile, or given to a source.
func (g *group) addStored(e Entry, newLogin bool) *member {
	m := g.find(e.Credential.ID)
	if tomb, ok := g.tombstone(e.Credential.ID); m == nil && ok && compareEntries(&tomb.entry, &e, true) > 0 {
		g.pool.view.noteRemoval(credentialKey{g.name, e.Credential.ID})
		return nil
	}
	switch {
	case m == nil:
		if m = g.addNew(e); m.source == nil {
			return m
		}
		return nil
	case m.source != nil:
		return nil
	}
	g.movePlace(m, e.Credential)
	m.addedAgain(m.withTokensOf(e), newLogin)
	return m
}
