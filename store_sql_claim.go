package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

const (
	defaultClaim = 20 * time.Second
	longestClaim = 45 * time.Second
	dropTimeout  = time.Second // for a caller that has stopped waiting and must not be kept for long
)

// errClaimLost ends an exchange before the refresh token is spent.
var errClaimLost = errors.New("the claim on the credential ran out before the exchange; " +
	"this process was suspended, or cut off from the database")

// sqlClaim is this store's claim on one credential. Callers of the same store queue on turn, so the
// database sees at most one claim per store.
type sqlClaim struct {
	turn chan struct{} // of size one: a lock whose wait a context can end; it guards all other fields

	holder string // the claim's name in the database, while the store holds it

	// unsaved is the result of an Update that the database did not take; nil: none. While there is
	// one the claim is kept: another process would read, and spend, a refresh token that is spent.
	unsaved     *sqlUnsaved
	stopKeeping func() // ends the goroutine that keeps the claim; nil: there is none
}

// takeTurn waits until no other caller of this store is inside the claim.
func (c *sqlClaim) takeTurn(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the claim: %w", context.Cause(ctx))
	}
}

func (c *sqlClaim) endTurn() { <-c.turn }

// nextHolder returns the name under which to take the claim: a new one, unless the claim is kept.
func (c *sqlClaim) nextHolder() string {
	if c.unsaved != nil {
		return c.holder
	}
	return rand.Text()
}

// claimOf returns this store's claim on a credential, whether or not the store holds it.
func (s *SQLStore) claimOf(key credentialKey) *sqlClaim {
	c, ok := s.claims.Load(key)
	if !ok {
		c, _ = s.claims.LoadOrStore(key, &sqlClaim{turn: make(chan struct{}, 1)})
	}
	return c.(*sqlClaim)
}

// claimDuration is how long a claim lasts that is not renewed.
func (s *SQLStore) claimDuration() time.Duration {
	if s.Claim <= 0 {
		return defaultClaim
	}
	return min(s.Claim, longestClaim)
}

// claim waits until the credential is free, claims it, and renews the claim in the background until
// release is called. release gives the claim back, or keeps it while a result is unsaved.
func (s *SQLStore) claim(ctx context.Context, key credentialKey) (c *sqlClaim, release func(), err error) {
	c = s.claimOf(key)
	if err := c.takeTurn(ctx); err != nil {
		return nil, nil, err
	}
	holder := c.nextHolder()
	if err := s.waitForClaim(ctx, key, holder); err != nil {
		if c.unsaved == nil {
			s.dropClaim(ctx, key, holder, dropTimeout) // it may have been taken, and only the answer been lost
		}
		c.endTurn()
		return nil, nil, err
	}
	c.holder = holder
	if c.stopKeeping != nil {
		c.stopKeeping()
		c.stopKeeping = nil
	}
	stop := s.renewInBackground(ctx, key, holder)
	return c, func() {
		stop()
		if c.unsaved != nil {
			c.stopKeeping = s.keepInBackground(ctx, key, holder)
		} else {
			s.dropClaim(ctx, key, holder, storeTimeout)
		}
		c.endTurn()
	}, nil
}

// waitForClaim takes the claim as soon as it is free.
func (s *SQLStore) waitForClaim(ctx context.Context, key credentialKey, holder string) error {
	for times := 0; ; times++ {
		taken, err := s.tryClaim(ctx, key, holder)
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

// tryClaim claims the credential if it is free, and reports whether it did. A credential is free
// when nobody has claimed it, when its claim was given back, and when its claim has run out. A
// claim that has run out is still respected for one duration after a start of the database, because
// its holder could not renew it before. A claim further ahead than longestClaim was made before the
// database's clock was set back; it is ignored.
func (s *SQLStore) tryClaim(ctx context.Context, key credentialKey, holder string) (bool, error) {
	now := s.dialect.now
	// The database may still carry out a statement that is cut off, after dropClaim. So the
	// statement gets time to end when ctx does.
	statement, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(dropTimeout, cancel) })()
	n, err := s.db.execWithin(ctx, statement, `INSERT INTO reauth_claims (provider, id, holder, until)
		VALUES ($1, $2, $3, `+now+` + CAST($4 AS BIGINT))
		ON CONFLICT (provider, id) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE reauth_claims.holder = excluded.holder
		OR reauth_claims.until > `+now+` + CAST($5 AS BIGINT)
		OR reauth_claims.until < `+now+` AND `+s.dialect.started+` NOT BETWEEN `+now+` - CAST($4 AS BIGINT) AND `+now,
		key.provider, key.id, holder, s.claimDuration().Milliseconds(), longestClaim.Milliseconds())
	return n > 0, err
}

// renewClaim prolongs a claim that is still there, and reports whether it was.
func (s *SQLStore) renewClaim(ctx context.Context, key credentialKey, holder string) (bool, error) {
	n, err := s.db.exec(ctx, `UPDATE reauth_claims SET until = `+s.dialect.now+` + CAST($1 AS BIGINT)
		WHERE provider = $2 AND id = $3 AND holder = $4`,
		s.claimDuration().Milliseconds(), key.provider, key.id, holder)
	return n > 0, err
}

// renewInBackground renews the claim until stop is called, but for no longer than an exchange may
// take. So a claim can be short, in order that a dead holder does not delay the others for long,
// and can still outlast an exchange.
func (s *SQLStore) renewInBackground(ctx context.Context, key credentialKey, holder string) (stop func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestClaim-s.claimDuration())
	return s.inBackground(cancel, func() {
		for wait.For(ctx, s.claimDuration()/3) {
			if still, err := s.renewClaim(ctx, key, holder); err == nil && !still {
				return
			}
		}
	})
}

// keepInBackground keeps the claim of an unsaved result until stop is called. While the database
// does not answer, it goes on trying: its holder may come back first. It ends when another store
// has got the claim, and when the database is closed.
func (s *SQLStore) keepInBackground(ctx context.Context, key credentialKey, holder string) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	keep := func() (ours bool) {
		ctx, stop := context.WithTimeout(ctx, storeTimeout)
		defer stop()
		ours, err := s.tryClaim(ctx, key, holder) // not renewClaim: the row is lost when tables are put back
		return ours || err != nil && !isClosed(err)
	}
	return s.inBackground(cancel, func() {
		for keep() && wait.For(ctx, s.claimDuration()/3) {
		}
	})
}

// inBackground runs f. stop cancels it, and waits for its end. A panic, which is the driver's, ends f.
func (s *SQLStore) inBackground(cancel context.CancelFunc, f func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				s.crash.Store(newPanicError("store", r))
			}
		}()
		f()
	}()
	return func() {
		cancel()
		<-done
	}
}

// dropClaim gives a claim back. If that fails, the claim runs out by itself.
func (s *SQLStore) dropClaim(ctx context.Context, key credentialKey, holder string, timeout time.Duration) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer stop()
	_, _ = s.db.exec(ctx, `DELETE FROM reauth_claims WHERE provider = $1 AND id = $2 AND holder = $3`,
		key.provider, key.id, holder)
}
