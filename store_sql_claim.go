package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// errClaimLost ends an exchange before it has begun.
var errClaimLost = errors.New("the claim on the credential ran out before the exchange; this process was suspended, or cut off from the database")

// sqlClaim is the part of this store in the claims on one credential. Callers of one store take turns without asking the
// database, so at most one of its claims is there at a time.
type sqlClaim struct {
	turn chan struct{} // of size one: a lock that respects a context

	mu     sync.Mutex
	holder string // of the claim that is held; empty: none

	// The result of an Update that the database did not take; guarded by turn. Its claim is left to run out, and its
	// holder is let in again at once: whoever came in between would read, and spend, a token that is spent.
	unsaved *sqlUnsaved
}

type sqlUnsaved struct {
	holder string
	was    sqlRow
	got    Credential
}

func (c *sqlClaim) holds(holder string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holder = holder
}

func (c *sqlClaim) held() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holder
}

func (s *SQLStore) claimOf(key credentialKey) *sqlClaim {
	c, ok := s.claims.Load(key)
	if !ok {
		c, _ = s.claims.LoadOrStore(key, &sqlClaim{turn: make(chan struct{}, 1)})
	}
	return c.(*sqlClaim)
}

func (s *SQLStore) claimFor() time.Duration {
	if s.Claim <= 0 {
		return defaultClaim
	}
	return min(s.Claim, longestClaim)
}

// claim waits until the credential is free, claims it, and renews the claim until release, which keeps it when a result is
// left unsaved.
func (s *SQLStore) claim(ctx context.Context, key credentialKey) (c *sqlClaim, release func(), err error) {
	c = s.claimOf(key)
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for the claim: %w", context.Cause(ctx))
	}
	holder := rand.Text()
	if c.unsaved != nil {
		holder = c.unsaved.holder
	}
	if err := s.await(ctx, key, holder); err != nil {
		if c.unsaved == nil {
			s.drop(ctx, key, holder, dropTimeout) // it may have been taken, and only the answer been lost
		}
		<-c.turn
		return nil, nil, err
	}
	c.holds(holder)
	stop := s.hold(ctx, key, holder)
	return c, func() {
		stop()
		c.holds("")
		if c.unsaved != nil {
			c.unsaved.holder = holder
		} else {
			s.drop(ctx, key, holder, storeTimeout)
		}
		<-c.turn
	}, nil
}

// await takes the claim as soon as it is free.
func (s *SQLStore) await(ctx context.Context, key credentialKey, holder string) error {
	for times := 0; ; times++ {
		taken, err := s.take(ctx, key, holder)
		switch {
		case taken && ctx.Err() == nil:
			return nil
		case ctx.Err() != nil:
		case err != nil:
			return err
		case wait.For(ctx, wait.Jittered(wait.Doubled(5*time.Millisecond, 200*time.Millisecond, times))):
			continue
		}
		return fmt.Errorf("waiting for the claim: %w", context.Cause(ctx))
	}
}

// take claims the credential if it is free: never claimed, released, or its claim has run out, and not because the database
// was down until just now, so that its holder could not renew it. A claim that ends later than any can is one of before the
// database's clock was set back.
func (s *SQLStore) take(ctx context.Context, key credentialKey, holder string) (bool, error) {
	now := s.dialect.now
	// A statement that is cut off may still be carried out, after the claim was given back: it gets time to end.
	statement, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(dropTimeout, cancel) })()
	n, err := s.execWithin(ctx, statement, `INSERT INTO reauth_claims (provider, id, holder, until)
		VALUES ($1, $2, $3, `+now+` + CAST($4 AS BIGINT))
		ON CONFLICT (provider, id) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE reauth_claims.holder = excluded.holder
		OR reauth_claims.until > `+now+` + CAST($5 AS BIGINT)
		OR reauth_claims.until < `+now+` AND `+s.dialect.started+` NOT BETWEEN `+now+` - CAST($4 AS BIGINT) AND `+now,
		key.provider, key.id, holder, s.claimFor().Milliseconds(), longestClaim.Milliseconds())
	return n > 0, err
}

// renew prolongs a claim that is still there; it reports whether it was.
func (s *SQLStore) renew(ctx context.Context, key credentialKey, holder string) (bool, error) {
	n, err := s.exec(ctx, `UPDATE reauth_claims SET until = `+s.dialect.now+` + CAST($1 AS BIGINT)
		WHERE provider = $2 AND id = $3 AND holder = $4`, s.claimFor().Milliseconds(), key.provider, key.id, holder)
	return n > 0, err
}

// confirm prolongs the claim that this store holds, and fails when it has lost it: the credential may have other tokens
// by now, and the refresh token that was read may be spent.
func (s *SQLStore) confirm(ctx context.Context, key credentialKey) error {
	holder := s.claimOf(key).held()
	if holder == "" { // no exchange of this store: the mark only repeats that one has left its pair unsaved
		return nil
	}
	still, err := s.renew(ctx, key, holder)
	if err == nil && !still {
		err = errClaimLost
	}
	return err
}

// hold renews the claim in the background, so that it is no longer than a dead holder may delay the others, and still
// outlasts an exchange.
func (s *SQLStore) hold(ctx context.Context, key credentialKey, holder string) (stop func()) {
	renewing, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestClaim-s.claimFor())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait.For(renewing, s.claimFor()/3) {
			if still, err := s.renew(renewing, key, holder); err == nil && !still {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

const dropTimeout = time.Second // who has stopped waiting does not wait for long

// drop gives a claim back. Where this fails, it runs out by itself.
func (s *SQLStore) drop(ctx context.Context, key credentialKey, holder string, timeout time.Duration) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer stop()
	_, _ = s.exec(ctx, `DELETE FROM reauth_claims WHERE provider = $1 AND id = $2 AND holder = $3`, key.provider, key.id, holder)
}
