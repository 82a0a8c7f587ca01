package recordtest

import (
	"context"
	"errors"
	"time"

	"github.com/reauth-go/reauth"
)

// memoryClaim is a claim that somebody has.
type memoryClaim struct {
	by    *memoryHandle
	freed chan struct{} // closed when the claim is given back
	used  bool          // an Update is under way
	kept  *memoryResult
}

// free gives a claim back. s.mu is held.
func (s *memoryPlace) free(key memoryKey, c *memoryClaim) {
	if s.claims[key] == c {
		delete(s.claims, key)
		close(c.freed)
	}
}

// memorySpending is what Spend notes of one Update. Its fields are guarded by the place's lock.
type memorySpending struct {
	of       *memoryHandle
	key      memoryKey
	identity string // of the store
	spent    bool
	over     bool // the Update's function has returned
}

// note is Holding.Spend.
func (n *memorySpending) note(_ context.Context, sp reauth.Spending) error {
	s := n.of.place
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.over || n.of.dead {
		return errors.New("the claim is lost")
	}
	if s.memoryContent == nil || s.identity != n.identity {
		return errMissing
	}
	e, ok := s.records[n.key]
	if !ok {
		return errMissing
	}
	n.spent, e.Spending = sp.Of != "", sp
	s.records[n.key] = e
	return nil
}

// claim waits for the claim.
func (s *memoryPlace) claim(ctx context.Context, h *memoryHandle, key memoryKey) (*memoryClaim, error) {
	for {
		c, freed, err := s.tryClaim(h, key)
		if c != nil || err != nil {
			return c, err
		}
		poll := time.NewTimer(10 * time.Millisecond) // a claim that is kept is not freed, and may be entered
		select {
		case <-freed:
		case <-poll.C:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		poll.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// tryClaim takes the claim, or goes on with the one that was kept. Where neither is possible, freed
// tells when it may be.
func (s *memoryPlace) tryClaim(h *memoryHandle, key memoryKey) (c *memoryClaim, freed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, taken := s.claims[key]
	switch {
	case h.dead:
		return nil, nil, errDead
	case !taken:
		c = &memoryClaim{by: h, freed: make(chan struct{})}
		s.claims[key] = c
	case c.by != h || c.used:
		return nil, c.freed, nil
	}
	c.used = true
	return c, nil, nil
}

// leave gives the claim back, unless a result is kept with it.
func (s *memoryPlace) leave(key memoryKey, c *memoryClaim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.used = false
	if c.kept == nil {
		s.free(key, c)
	}
}
