package recordtest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// The invariants. Each says what the contract allows.

// judgeReuse judges the end of a login: p has spent an older pair of it, while token is the newest.
func (w *world) judgeReuse(p *process, old pair, token string) {
	v := &w.truth
	v.mu.Lock()
	top, saved, faulted := v.top(func(s *statement) bool { return !s.env }), v.saved[token], v.faulted
	removed := v.top(func(s *statement) bool { return s.removed && s.login.After(saved.login) })
	v.mu.Unlock()
	if top == nil || top.removed || top.pair.login != old.login || removed != nil && !saved.at.IsZero() {
		return // another login has taken its place, or nobody may have the newest pair any more
	}
	why := w.whoKnew(p, token, saved.at, faulted)
	if why == "" {
		w.say("nobody who lives could know better: that login may be lost")
		return
	}
	w.breaks("login lost", "%s has spent %v although %s %v", p.name, old, why, w.provider.nameOf(token))
}

// whoKnew returns who has kept the newest pair of a login, or could have told p of it; empty:
// nobody.
func (w *world) whoKnew(p *process, token string, saved, faulted time.Time) (why string) {
	entered := p.knows.enteredAt()
	if known, _ := p.knows.since(token); !known.IsZero() && known.Before(entered) {
		return "it knew"
	}
	if saved.After(faulted) && saved.Before(entered) {
		return "the store, to which nothing has happened, was given"
	}
	for _, q := range w.live() {
		known, minted := q.knows.since(token)
		if q == p || known.IsZero() || !known.Before(entered) {
			continue
		}
		look := q.looks.last()
		switch {
		case w.kind.ClaimLasts == 0 && minted.After(faulted):
			return q.name + ", which lives, got under a claim"
		case look.begun.After(faulted) && look.begun.After(known) && look.ended.Before(entered):
			return q.name + ", which has looked at the store since, knew"
		}
	}
	return ""
}

// judge lets everybody look, and judges what the store holds then.
func (w *world) judge(t testing.TB) {
	t.Helper()
	if w.isBroken() || len(w.live()) == 0 {
		return
	}
	time.Sleep(w.kind.ClaimLasts)
	for range 5 {
		for _, p := range w.live() {
			w.act(p, doLook, p.look)
		}
		time.Sleep(2 * time.Second)
	}
	final := w.read(t)
	if final == nil || w.isBroken() {
		return
	}
	w.takes = final.found
	w.say("-- the store holds %s", w.tellFinal(final))
	w.judgeStatements(final)
	w.judgeSaved(final)
	w.judgeMarks(final)
	w.judgeResets(final)
	if !w.isBroken() {
		w.judgeService(final)
	}
}

// last is what the store holds in the end.
type last struct {
	reauth.Entry
	found    bool
	identity string
}

func (w *world) tellFinal(f *last) string {
	if !f.found {
		return "nothing"
	}
	return w.tell(&f.Entry)
}

// read reads the store as a new process would.
func (w *world) read(t testing.TB) *last {
	t.Helper()
	h := w.place.Open(t)
	defer h.Kill()
	snap, err := h.Load(context.Background(), "")
	if err != nil {
		w.say("-- the store cannot be read: %v", err)
		return nil // it was deleted, and nobody has made it anew
	}
	f := &last{identity: snap.Identity}
	for _, e := range snap.Entries {
		if e.Credential.ID == id {
			f.Entry, f.found = e, true
		}
	}
	return f
}

// isLive reports whether the record is there and is no removal.
func (f *last) isLive() bool { return f.found && !f.Removed }

// judgeStatements: no removed credential comes back, and no new login is overwritten by an older one.
func (w *world) judgeStatements(f *last) {
	v := &w.truth
	v.mu.Lock()
	top := v.top(func(s *statement) bool { return !s.env && s.isKnown() })
	stands := v.statements[f.Login.UnixNano()]
	newer := top != nil && f.found && f.Login.After(top.login) && stands != nil && v.mayFollow(stands, top)
	v.mu.Unlock()
	if top == nil || !f.found && !top.identity[f.identity] {
		return // another store, which lacks the record, is not written to
	}
	login := w.provider.nameOf(f.Credential.RefreshToken).login
	switch {
	case top.removed && v.hasEnvSince(top, 0), v.hasEnvSince(top, login):
		// The order knows no newest then. An older login that was added again is newer than a removal,
		// which is newer than the login that has left the older one behind.
	case newer: // by somebody who has died, or from an environment that nobody could tell is out of date
	case top.removed && f.isLive():
		w.breaks("removed came back", "the store holds %s after %v", w.tellFinal(f), top)
	case !top.removed && !f.isLive():
		w.breaks("login gone", "the store holds %s after %v", w.tellFinal(f), top)
	case !top.removed && login != top.pair.login:
		w.breaks("login overwritten", "the store holds %s after %v", w.tellFinal(f), top)
	}
}

// isKnown reports whether a process that lives knows of the statement.
func (s *statement) isKnown() bool {
	for p := range s.known {
		if p.lives() {
			return true
		}
	}
	return false
}

// judgeSaved: the newest pair of a login that lives is stored, if somebody who lives has it.
func (w *world) judgeSaved(f *last) {
	name := w.provider.nameOf(f.Credential.RefreshToken)
	token, alive := w.provider.newestOf(name.login)
	w.truth.mu.Lock()
	saved := w.truth.saved[token]
	w.truth.mu.Unlock()
	if !f.isLive() || !alive || token == f.Credential.RefreshToken {
		return
	}
	if !saved.at.IsZero() && saved.login.Before(f.Login) {
		return // the pair was removed, and added again while somebody had spent it
	}
	for _, p := range w.live() {
		if known, _ := p.knows.since(token); !known.IsZero() {
			w.breaks("not saved", "the store holds %v although %s has %v", name, p.name, w.provider.nameOf(token))
			return
		}
	}
}

// judgeMarks: no mark is lost but to a newer statement. With wrong clocks, after the store was put
// back, it may be; so may one whose writer was not told yet that it is stored.
func (w *world) judgeMarks(f *last) {
	if !f.isLive() {
		return
	}
	v := &w.truth
	v.mu.Lock()
	defer v.mu.Unlock()
	newest := make(map[string]*mark)
	stands := v.statements[f.Login.UnixNano()]
	for _, m := range v.marks {
		if stands == nil || m.sent.Before(stands.said) { // the statement ends it
			continue
		}
		unsure := m.told.IsZero() || v.faulted.Before(m.told) // whether the store had it before it was swapped
		if v.faulted.After(m.stored) && (v.skewed || unsure) || !m.isKnown() {
			continue
		}
		if old := newest[m.key]; old == nil || m.At.After(old.At) {
			newest[m.key] = m
		}
	}
	for key, m := range newest {
		stands := f.Marks[key]
		none := !f.binds(stands.Of)
		if f.binds(m.Of) && (none && !m.Until.IsZero() || !none && stands.At.Before(m.At)) { // else nothing is to be lifted
			defer w.breaks("mark lost", "%s: the one (%s) of %s at %v; the store has one at %v",
				key, tellMark(m.Mark), m.by.name, m.At.Sub(w.begin), stands.At.Sub(w.begin))
		}
	}
}

func (m *mark) isKnown() bool {
	for p := range m.known {
		if p.lives() {
			return true
		}
	}
	return false
}

// binds reports whether a mark about of is about the record.
func (f *last) binds(of string) bool { return binds(&f.Entry, of) }

func binds(e *reauth.Entry, of string) bool {
	return of != "" && !e.Removed &&
		(of == digest(e.Credential.AccessToken) || of == digest(e.Credential.RefreshToken) || of == loginOf(e.Login))
}

// judgeResets: no Reset is undone by a mark about a request that left before. It may be with wrong
// clocks, after the store was put back, and where the store was swapped while both were under way.
func (w *world) judgeResets(f *last) {
	if !f.isLive() {
		return
	}
	v := &w.truth
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.resets {
		if !r.by.lives() || r.of != loginOf(f.Login) {
			continue
		}
		for _, m := range v.marks {
			if stands := f.Marks[m.key]; stands.At.Equal(m.At) && stands.Of == m.Of && f.binds(m.Of) && v.isUndoneBy(r, m) {
				defer w.breaks("reset undone", "%s has reset at %v; the mark %q of %s is about a request of %v", r.by.name,
					r.begun.Sub(w.begin), m.key, m.by.name, m.sent.Sub(w.begin))
			}
		}
	}
}

// isUndoneBy reports whether a mark that stands undoes a Reset. v.mu is held.
func (v *truth) isUndoneBy(r reset, m *mark) bool {
	skewed := v.skewed && !v.faulted.IsZero()
	swapped := v.faulted.After(r.begun) && v.faulted.Before(m.stored)
	return !m.Until.IsZero() && m.sent.Before(r.begun) && !skewed && !swapped
}

// judgeService: when the login in the store lives, and nothing refuses any more, everybody is
// served, after some rest.
func (w *world) judgeService(f *last) {
	token, alive := w.provider.newestOf(w.provider.nameOf(f.Credential.RefreshToken).login)
	if !f.isLive() || !alive || token != f.Credential.RefreshToken {
		return
	}
	w.provider.calmDown()
	w.fake.Restore() // tokens that nobody has accepted yet are not refreshed again
	w.judgeServed(f)
	w.fake.Expire()
	w.judgeServed(f)
}

func (w *world) judgeServed(f *last) {
	for _, p := range w.live() {
		status := 0
		for range 12 {
			if status = p.send(p.ctx, apiURL); status == http.StatusOK {
				break
			}
			time.Sleep(30 * time.Second)
		}
		if status != http.StatusOK {
			w.breaks("not served", "%s gets %d, although the store holds %s, which lives", p.name, status, w.tellFinal(f))
			return
		}
	}
}
