package integration

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// keep leaves the stored credential as it is.
func keep(c reauth.Credential, _ bool) (reauth.Credential, error) { return c, nil }

// clockOf returns the time of the database's clock, in milliseconds since 1970.
func clockOf(t testing.TB, d database, db *sql.DB) int64 {
	if d.driver == "sqlite" {
		return number(t, db, `SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`)
	}
	return number(t, db, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)`)
}

// until returns the end of the one claim, on the clock of the database.
func until(t testing.TB, db *sql.DB) int64 { return number(t, db, `SELECT until FROM reauth_claims`) }

// abandon leaves a claim behind, as a holder does that dies. The claim ends in the given time on
// the clock of the database.
func abandon(t testing.TB, d database, db *sql.DB, ends time.Duration) {
	mustExec(t, db, `INSERT INTO reauth_claims (provider, id, holder, until) VALUES ($1, $2, 'the dead', $3)`,
		provider, id, clockOf(t, d, db)+ends.Milliseconds())
}

func TestClaimOfTheDeadIsTakenOverWhenItRunsOut(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		// Another test may have restarted the server. For this long after a start, the store takes
		// no claim over.
		s.Claim = time.Second
		put(t, s, reauth.Credential{AccessToken: "1"})
		const left = 700 * time.Millisecond
		abandon(t, d, db, left)
		begin := time.Now()
		_, err := s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.Greater(t, time.Since(begin), left-100*time.Millisecond)
		assert.Less(t, time.Since(begin), left+5*time.Second)
	})
}

// If the clock of a database was set back, a claim must not hold until the old time comes again.
func TestClaimOfBeforeTheClockWasSetBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		put(t, s, reauth.Credential{AccessToken: "1"})
		abandon(t, d, db, 2*time.Hour)
		begin := time.Now()
		_, err := s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), patience/3)
	})
}

func TestClaimIsRenewedWhileTheExchangeTakes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, db := d.store(t), d.store(t), d.open(t)
		s.Claim, other.Claim = time.Second, time.Second
		put(t, s, reauth.Credential{AccessToken: "1"})
		second := make(chan error, 1)
		ctx := bounded(t)
		_, err := s.Update(ctx, provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
			go func() {
				_, err := other.Update(ctx, provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
					assert.Equal(t, "2", c.AccessToken)
					return c, nil
				})
				second <- err
			}()
			first := until(t, db)
			require.Eventually(t, func() bool { return until(t, db) > first+2500 }, patience, 50*time.Millisecond)
			assert.Empty(t, second, "the first store still holds the claim")
			c.AccessToken = "2"
			return c, nil
		})
		require.NoError(t, err)
		require.NoError(t, <-second)
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`), "a released claim leaves no row")
	})
}

// A process was suspended for longer than its claim. The row of the claim belongs to another
// process by then, or is gone.
func TestLostClaimEndsTheExchangeBeforeItBegins(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		put(t, s, reauth.Credential{AccessToken: "1"})
		for _, loss := range []string{`UPDATE reauth_claims SET holder = 'another'`, `DELETE FROM reauth_claims`} {
			_, err := s.Update(bounded(t), provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
				mustExec(t, db, loss)
				require.NoError(t, s.Mark(bounded(t), provider, id, reauth.Standing{At: time.Now()}),
					"a mark that spends nothing needs no claim")
				return c, s.Mark(bounded(t), provider, id, reauth.Standing{At: time.Now(), Spending: "digest"})
			})
			require.ErrorContains(t, err, "the claim on the credential ran out")
			assert.Empty(t, one(t, s).Standing.Spending)
			mustExec(t, db, `DELETE FROM reauth_claims`)
		}
	})
}

func TestLostClaimOverwritesNoNewerPair(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		late, other, db := d.store(t), d.store(t), d.open(t)
		put(t, late, reauth.Credential{AccessToken: "1"})
		got, err := late.Update(bounded(t), provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
			mustExec(t, db, `DELETE FROM reauth_claims`)
			put(t, other, reauth.Credential{AccessToken: "newer"})
			c.AccessToken = "late"
			return c, nil
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		assert.Equal(t, "late", got.AccessToken)
		assert.Equal(t, "newer", one(t, late).Credential.AccessToken)
		_, err = late.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.Equal(t, "newer", one(t, late).Credential.AccessToken, "the late pair is not stored later either")

		_, err = late.Update(bounded(t), provider, id, func(c reauth.Credential, _ bool) (reauth.Credential, error) {
			mustExec(t, db, `DELETE FROM reauth_claims`)
			require.NoError(t, other.Delete(bounded(t), provider, id))
			c.AccessToken = "late"
			return c, nil
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		entries, _, err := late.Load(bounded(t), "")
		require.NoError(t, err)
		assert.Empty(t, entries, "a lost claim does not bring a removed credential back")

		add := func(c reauth.Credential, found bool) (reauth.Credential, error) {
			assert.False(t, found)
			mustExec(t, db, `DELETE FROM reauth_claims`)
			put(t, other, reauth.Credential{AccessToken: "newer"})
			c.AccessToken = "late"
			return c, nil
		}
		_, err = late.Update(bounded(t), provider, id, add)
		require.ErrorIs(t, err, reauth.ErrNotStored)
		assert.Equal(t, "newer", one(t, late).Credential.AccessToken)
	})
}

// A pool that lost its claim before its exchange adopts the tokens that the other pool has
// obtained.
func TestPoolWithALostClaim(t *testing.T) {
	d := postgres(t)
	fake, db := reauthtest.New(reauthtest.XAI), d.open(t)
	watch := &interposed{Store: d.store(t)}
	r := newRig(t, fake, watch, nil)
	other := newRig(t, fake, d.store(t), nil)
	old, refresh := r.login(t)
	watch.inside = func() { // as if this pool were suspended between claim and mark
		mustExec(t, db, `DELETE FROM reauth_claims`)
		require.NoError(t, other.pool.Refresh(bounded(t), provider, id))
		watch.inside = nil
	}
	other.eventually(t, "appears", func() bool { return other.state() != "" })
	fake.Expire(old)
	r.post(t)
	r.eventually(t, "recovers", func() bool { return r.post(t) == 200 })
	assert.Equal(t, 1, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
	assert.True(t, fake.Alive(refresh))
	assert.True(t, fake.Current(one(t, watch).Credential.RefreshToken))
}

// interposed is a store that calls inside in an Update, before anything else happens in it.
type interposed struct {
	reauth.Store
	inside func()
}

func (s *interposed) Update(
	ctx context.Context, provider, id string, fn func(reauth.Credential, bool) (reauth.Credential, error),
) (reauth.Credential, error) {
	return s.Store.Update(ctx, provider, id, func(c reauth.Credential, found bool) (reauth.Credential, error) {
		if s.inside != nil {
			s.inside()
		}
		return fn(c, found)
	})
}

// A caller that gives up waiting leaves no claim behind, at whatever moment it gives up.
func TestGivingUpLeavesNoClaim(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		put(t, s, reauth.Credential{AccessToken: "1"})
		for i := range 40 {
			ctx, stop := context.WithTimeout(context.Background(), time.Duration(i)*100*time.Microsecond)
			_, err := s.Update(ctx, provider, id, keep)
			if err != nil {
				assert.True(t,
					errors.Is(err, context.DeadlineExceeded) || errors.Is(err, reauth.ErrNotStored), "%v", err)
			}
			stop()
			require.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`), "after %d: %v", i, err)
		}
	})
}
