package reauth

import (
	"context"
	"fmt"
	"time"
)

// borrowedError ends the renewal of a login that only its owner may renew.
type borrowedError struct {
	follower *follower
	err      error // the file cannot be read; nil: it holds nothing newer
}

func (e *borrowedError) Error() string {
	if e.err != nil {
		return "reauth: " + e.err.Error()
	}
	return fmt.Sprintf("reauth: the login is that of %s (%s), whose token is refused or has expired; use that program, or log in there again", e.follower.owner, e.follower.path)
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
