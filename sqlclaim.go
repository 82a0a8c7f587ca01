package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

// errClaimLost ends an exchange before it has begun.
var errClaimLost = errors.New("the claim on the credential ran out before the exchange; this process was suspended, or cut off from the database")

func (s *SQLStore) claimFor() time.Duration {
	if s.Claim <= 0 {
		return defaultClaim
	}
	return min(s.Claim, longestClaim)
}

// claim waits until the credential is free, claims it, and renews the claim until release.
func (s *SQLStore) claim(ctx context.Context, key credentialKey) (release func(), err error) {
	holder := rand.Text()
	for wait := 5 * time.Millisecond; ; wait = min(wait*3/2, 200*time.Millisecond) {
		taken, err := s.take(ctx, key, holder)
		switch {
		case err != nil:
			return nil, err
		case taken:
			return s.hold(ctx, key, holder), nil
		}
		if !pause(ctx, wait/2+mathrand.N(wait)) {
			return nil, fmt.Errorf("waiting for the claim: %w", context.Cause(ctx))
		}
	}
}

// take claims the credential if it is free: never claimed, released, or its claim has run out. A claim that ends later than
// any can is one of before the database's clock was set back.
func (s *SQLStore) take(ctx context.Context, key credentialKey, holder string) (bool, error) {
	now := s.dialect.now
	n, err := s.exec(ctx, `INSERT INTO reauth_claims (provider, id, holder, until)
		VALUES ($1, $2, $3, `+now+` + CAST($4 AS BIGINT))
		ON CONFLICT (provider, id) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE reauth_claims.until < `+now+` OR reauth_claims.until > `+now+` + CAST($5 AS BIGINT) OR reauth_claims.holder = excluded.holder`,
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
	holder, ok := s.mine.Load(key)
	if !ok { // no exchange of this store: the mark only repeats that one has left its pair unsaved
		return nil
	}
	still, err := s.renew(ctx, key, holder.(string))
	if err == nil && !still {
		err = errClaimLost
	}
	return err
}

// hold renews the claim in the background, so that it is no longer than a dead holder may delay the others, and still
// outlasts an exchange.
func (s *SQLStore) hold(ctx context.Context, key credentialKey, holder string) (release func()) {
	s.mine.Store(key, holder)
	detached := context.WithoutCancel(ctx)
	renewing, stop := context.WithTimeout(detached, longestClaim-s.claimFor())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(renewing, s.claimFor()/3) {
			if still, err := s.renew(renewing, key, holder); err == nil && !still {
				return
			}
		}
	}()
	return func() {
		stop()
		<-done
		s.mine.CompareAndDelete(key, holder)
		ctx, stop := context.WithTimeout(detached, storeTimeout)
		defer stop()
		// Where this fails, the claim runs out by itself.
		_, _ = s.exec(ctx, `DELETE FROM reauth_claims WHERE provider = $1 AND id = $2 AND holder = $3`, key.provider, key.id, holder)
	}
}
