package reauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// A dead grant is asked for anew. No claim is held meanwhile: a person takes minutes.

var (
	errUnusedLogin = errors.New("a login came too late and is not used: the credential had got other tokens, or was removed")
	errOtherHost   = errors.New("the new login is not for the host of the request")
)

// mayRelogin reports whether anybody can be asked for a new login. What a source gives is the source's.
func (m *member) mayRelogin() bool { return m.group.pool.Relogin != nil && m.source == nil }

// deadGrant returns the first of those members that serves d, whose grant is dead and whose access
// token is of no use, with the tokens in whose place a person can be asked for others. One for which
// nobody has been asked in vain goes before. It returns nil if there is none.
func deadGrant(of []*member, d *destination) (first *member, dead *tokens) {
	now := time.Now()
	for _, m := range of {
		t := m.deadGrant()
		if t == nil || !m.mayRelogin() || !m.serves(d) || !m.isUseless(now) && !m.isRetired(now) {
			continue
		}
		if !m.hasDeclined(t) {
			return m, t
		}
		if first == nil {
			first, dead = m, t
		}
	}
	return first, dead
}

// whomToAsk returns the credential for which to ask a person, with its tokens: m, whose grant turned
// out to be dead, unless it is nil or was asked for in vain; else another one of the group.
func (g *group) whomToAsk(m *member, dead *tokens, d *destination) (*member, *tokens) {
	if m != nil && !m.hasDeclined(dead) {
		return m, dead
	}
	if other, t := deadGrant(g.snapshot(), d); other != nil && (m == nil || !other.hasDeclined(t)) {
		return other, t
	}
	return m, dead
}

// reloginAny asks for a new login in the place of the first dead grant of those members, which serve
// d and had no access token. It returns nil when none of them has one, or nobody can be asked. Its
// error tells why there is no login.
func reloginAny(ctx context.Context, of []*member, d *destination) (*member, *tokens, error) {
	if m, dead := deadGrant(of, d); m != nil {
		t, err := m.relogin(ctx, dead, d)
		return m, t, err
	}
	for _, m := range of {
		if t := m.tokens.Load(); t.cred.AccessToken != "" { // somebody has been asked meanwhile
			return m, t, nil
		}
	}
	return nil, nil, nil
}

// relogin returns the tokens of a new login in the place of t, whose grant is dead, for a request to d,
// and waits for them as long as ctx allows. One person is asked, for all who wait. A login may come
// without an access token, which is obtained then.
func (m *member) relogin(ctx context.Context, t *tokens, d *destination) (*tokens, error) {
	t, err := m.joinRelogin(ctx, t).wait(ctx, "waiting for a new login of "+m.String())
	switch {
	case err != nil:
		return nil, err
	case !m.serves(d):
		return nil, &reloginError{m.String(), errOtherHost}
	}
	t, err = m.ready(ctx, t, time.Now())
	if err != nil && (isCallerError(err) || t.cred.AccessToken == "") {
		return nil, err
	}
	return t, nil
}

// joinRelogin returns the question under way, a new one, or one that has been answered.
func (m *member) joinRelogin(ctx context.Context, t *tokens) *flight {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.tokens.Load()
	switch {
	case !sameTokens(current.cred, t.cred):
		return landed(current, nil)
	case m.gone.Load():
		return landed(nil, errGone)
	case m.asking != nil:
		return m.asking
	}
	if err := m.declined(current); err != nil {
		return landed(nil, err)
	}
	f := newFlight(current, true, "")
	detached := context.WithoutCancel(ctx)
	if !m.group.pool.work.start(func() { m.ask(detached, f) }) {
		return landed(nil, errClosed)
	}
	m.asking = f
	return f
}

// ask calls Pool.Relogin, and lets those who wait go with what that brings.
func (m *member) ask(ctx context.Context, f *flight) {
	var t *tokens
	var err error
	ended := false
	defer func() { // also after a panic, or runtime.Goexit, in an observer or a store
		if !ended {
			t, err = nil, m.endedBy(ctx, "worker", recover())
		}
		f.tokens, f.err = t, err
		m.answered(ctx, f)
		m.tell(ctx, f)
	}()
	m.announce(ctx, f, reloginReason)
	t, err = m.awaitLogin(ctx, f)
	ended = true
}

// awaitLogin waits for the person, for other tokens of the credential, or for the end of the pool.
func (m *member) awaitLogin(ctx context.Context, f *flight) (*tokens, error) {
	p := m.group.pool
	asked, stop := context.WithCancel(ctx)
	defer stop()
	r := m.callPerson(asked, f)
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-r.done:
			return m.takeLogin(ctx, f, r)
		case <-p.work.ctx.Done():
			m.leave(ctx, f.of, r)
			return nil, errClosed
		case now := <-ticker.C:
			p.checkStore(ctx, now)
		}
		t := m.tokens.Load()
		switch {
		case !sameTokens(t.cred, f.of.cred):
			m.leave(ctx, f.of, r)
			return t, nil
		case m.gone.Load():
			m.leave(ctx, f.of, r)
			return nil, errGone
		}
	}
}

// callPerson calls Pool.Relogin as soon as an earlier call for the credential has returned, which may
// ignore the end of its context: a person must not be asked by two of them at once.
func (m *member) callPerson(ctx context.Context, f *flight) *run {
	ended := make(chan struct{})
	before := m.queueCall(ended)
	return m.startCall(ctx, reloginReason, RefresherFunc(func(ctx context.Context, _ Credential) (Credential, error) {
		defer close(ended)
		if before != nil {
			<-before
		}
		if ctx.Err() != nil {
			return Credential{}, context.Cause(ctx)
		}
		return m.group.pool.Relogin(ctx, m.status(time.Now()))
	}), f.of.cred, never)
}

// leave goes on when nobody waits any more for a login in the place of t. One that comes all the same
// is stored, because a person has made it; but it gives way to what came before it.
func (m *member) leave(ctx context.Context, t *tokens, r *run) {
	m.group.pool.work.startFromWorker(func() {
		if <-r.done; r.err != nil {
			return
		}
		late := newFlight(t, true, "")
		late.tokens, late.err = m.takeLogin(ctx, late, r)
		m.tell(ctx, late)
	})
}

// takeLogin stores the login that the person has made.
func (m *member) takeLogin(ctx context.Context, f *flight, r *run) (*tokens, error) {
	if r.err != nil {
		return nil, &reloginError{m.String(), newRedactedError(r.err, m.secrets(secretsOf(r.got)...)...)}
	}
	c, err := m.checkLogin(f.of.cred, r.got)
	if err == nil {
		var t *tokens
		if t, err = m.saveLogin(ctx, f, c); err == nil {
			return t, nil
		}
	}
	return nil, &reloginError{m.String(), newRedactedError(err, m.secrets(secretsOf(r.got)...)...)}
}

// checkLogin returns the login as it is stored in the place of old. It is an error when it is another
// account's: requests of one must not go on as those of another.
func (m *member) checkLogin(old, c Credential) (Credential, error) {
	switch {
	case c.Provider != "" && vendors.Canonical(c.Provider) != m.group.name:
		return c, fmt.Errorf("the login is one of %s", shown(vendors.Canonical(c.Provider)))
	case c.ID != "" && c.ID != m.id:
		return c, fmt.Errorf("the login has the ID %s; leave Credential.ID empty", shown(c.ID))
	}
	place := m.place.Load()
	c.Provider, c.ID, c.Priority = m.group.name, m.id, place.priority
	if len(c.Hosts) == 0 {
		c.Hosts = place.named
	}
	c, err := c.normalized(false)
	if err != nil {
		return c, err
	}
	if err := checkSameAccount(old, c); err != nil {
		return c, err
	}
	return c, m.group.provider.Load().checkAdded(c)
}

// checkSameAccount refuses a login of another account, as far as accounts and tokens tell.
func checkSameAccount(old, c Credential) error {
	was, _ := readJWT(old.AccessToken) // no JWT: no subject
	is, _ := readJWT(c.AccessToken)
	switch {
	case old.AccountID != "" && c.AccountID != "" && old.AccountID != c.AccountID,
		was.Subject != "" && is.Subject != "" && was.Subject != is.Subject:
		return errors.New("the login is one of another account; log in with the account that the credential had, " +
			"or Add the login under another ID")
	}
	return nil
}

// saveLogin stores a login, and publishes it. A person who has logged in elsewhere meanwhile, or has
// removed the credential, goes before, and that is told. A login that the store cannot take serves
// from memory until it can.
func (m *member) saveLogin(ctx context.Context, f *flight, c Credential) (*tokens, error) {
	claim, stop := context.WithTimeout(ctx, claimTimeout)
	defer stop()
	var newer *Entry
	var stale error
	home := ""
	stored, err := m.group.pool.store.Update(claim, m.group.name, m.id, func(h Holding) (Entry, error) {
		home, newer, stale = h.Identity, nil, nil
		if m.gone.Load() {
			return Entry{}, errGone
		}
		if err := m.refuses(h); err != nil {
			return Entry{}, err
		}
		if h.Found && h.Entry.Login.After(f.of.login.time()) {
			newer = &h.Entry
			return Entry{}, errStoredAlready
		}
		var e Entry
		e, stale = m.newLogin(h, c)
		return e, stale
	})
	switch {
	case newer != nil:
		return m.giveWay(f, c, *newer)
	case errors.Is(err, errGone):
		f.tell = append(f.tell, m.unused())
		return nil, errGone
	case stale != nil:
		return nil, stale
	case err != nil:
		return m.keepLogin(ctx, f, c, err)
	}
	t := m.takeIn(stored, false)
	m.setHome(home)
	m.group.pool.noteWritten(m.key())
	m.takeMarks(stored.Marks)
	f.tell = append(f.tell, Event{Type: Refreshed, Reason: reloginReason})
	return t, nil
}

// giveWay takes up the newer record that was found in the place of the login c.
func (m *member) giveWay(f *flight, c Credential, newer Entry) (*tokens, error) {
	if !sameTokens(newer.Credential, c) {
		f.tell = append(f.tell, m.unused())
	}
	if newer.Removed {
		m.removed(newer)
		return nil, errGone
	}
	t, _ := m.takeNewer(newer)
	return t, nil
}

// unused is the event of a login that is not used.
func (m *member) unused() Event {
	return Event{Type: RefreshFailed, Reason: reloginReason, Err: &reloginError{m.String(), errUnusedLogin}}
}

// takeIn makes the record of a login the one in use, with the hosts that it names.
func (m *member) takeIn(e Entry, unsaved bool) *tokens {
	m.group.movePlace(m, e.Credential)
	return m.loggedIn(m.withTokensOf(e), unsaved)
}

// newLogin is the record of the login c. An error says that it is one that the credential has had.
func (m *member) newLogin(h Holding, c Credential) (Entry, error) {
	e, isNew, err := m.group.mergeLogin(h, c)
	if err == nil && !isNew {
		err = errors.New("the login is one that the credential has had before; log in anew")
	}
	return e, err
}

// keepLogin publishes a login that the store could not take, and goes on saving it.
func (m *member) keepLogin(ctx context.Context, f *flight, c Credential, err error) (*tokens, error) {
	e, stale := m.newLogin(Holding{Entry: m.entry(), Found: true, Now: time.Now()}, c)
	if stale != nil {
		return nil, stale
	}
	t := m.takeIn(e, true)
	m.keepSaving(ctx)
	f.tell = append(f.tell, Event{Type: StoreFailed, Reason: "persist", Err: err}, Event{Type: Refreshed, Reason: reloginReason})
	return t, nil
}

// answered ends the question. That it was asked in vain is remembered until the credential is added
// anew, Reset, or has got other tokens; other processes learn it by a mark.
func (m *member) answered(ctx context.Context, f *flight) {
	if set := m.endRelogin(f); set.mark != nil {
		m.shareMarks(ctx, m.share(set))
	}
}
