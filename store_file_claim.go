package reauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// fileClaims are the claims of one FileStore. The kernel's locks keep processes and stores apart. A
// claim outlives an Update whose tokens could not be stored, so the goroutines of one store take
// turns besides.
type fileClaims struct {
	mu     sync.Mutex
	claims map[credentialKey]*fileClaim // those that somebody uses, waits for, or keeps
}

// fileClaim is the claim of one credential. All but users belongs to who has the turn.
type fileClaim struct {
	key   credentialKey
	turn  chan struct{} // of size one: a lock whose wait a context can end
	users int           // that have the turn or wait for it; guarded by fileClaims.mu

	place filePlace
	locks fileLocks // none: the claim is not taken, or there is no folder to lock in
	note  fileNote  // what is known beside the lock
	spent bool      // a refresh token is being exchanged
	kept  *keptResult
}

// keptResult is the result of an Update that could not be stored.
type keptResult struct {
	entry    Entry
	identity string // of the store that it is for
	unfit    bool   // it can never be stored
}

// enter waits for the turn as long as ctx allows.
func (s *fileClaims) enter(ctx context.Context, key credentialKey) (*fileClaim, error) {
	s.mu.Lock()
	c, ok := s.claims[key]
	if !ok {
		if s.claims == nil {
			s.claims = make(map[credentialKey]*fileClaim)
		}
		c = &fileClaim{key: key, turn: make(chan struct{}, 1)}
		s.claims[key] = c
	}
	c.users++
	s.mu.Unlock()
	select {
	case c.turn <- struct{}{}:
		return c, nil
	case <-ctx.Done():
		s.forget(c, false)
		return nil, context.Cause(ctx)
	}
}

// leave gives the turn back, and the locks unless a result is kept.
func (s *fileClaims) leave(c *fileClaim) {
	if c.kept == nil {
		c.release()
	}
	s.forget(c, true)
}

// forget counts a user less. The one who has the turn gives it back. A claim without users that
// keeps nothing goes.
func (s *fileClaims) forget(c *fileClaim, hasTurn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.users--
	if c.users == 0 && c.kept == nil {
		delete(s.claims, c.key)
	}
	if hasTurn {
		<-c.turn
	}
}

// release gives the locks back.
func (c *fileClaim) release() {
	c.locks.unlock()
	c.locks, c.note, c.spent = nil, fileNote{}, false
}

// spend notes durably which refresh token is being exchanged.
func (c *fileClaim) spend(was fileNote, missing error, sp Spending) error {
	if missing != nil {
		return missing
	}
	if len(c.locks) == 0 {
		return errors.New("the claim is not locked")
	}
	if err := c.locks.lost(); err != nil {
		return fmt.Errorf("the claim is lost: %w", err)
	}
	n := c.note
	if !n.isAhead(was) {
		n = was
	}
	n.Identity, n.Spending = was.Identity, toStoredSpending(sp)
	if err := c.place.writeNote(c.key, n, true); err != nil {
		return err
	}
	c.note, c.spent = n, sp.Of != ""
	return nil
}

// noteStored notes beside the lock which record is the newest by now.
func (c *fileClaim) noteStored(n fileNote) {
	if len(c.locks) == 0 {
		return
	}
	if old := c.note; old.isAhead(n) && n.Generation <= old.Generation && old.Identity == n.Identity {
		n = old // somebody may still have the newest
		n.Spending = storedSpending{}
	}
	c.spent = false
	if c.note = n; c.place.writeNote(c.key, n, false) != nil {
		c.place.dropNote(c.key)
	}
}
