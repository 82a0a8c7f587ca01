package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// refuse makes the database refuse to change records, and nothing else, until allow is called.
func refuse(t *testing.T, d database) (allow func()) {
	t.Helper()
	db := d.open(t)
	if d.driver == "sqlite" {
		mustExec(t, db, `CREATE TRIGGER full BEFORE UPDATE ON reauth_records BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
		return func() { mustExec(t, db, `DROP TRIGGER full`) }
	}
	mustExec(t, db, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$`)
	mustExec(t, db, `CREATE TRIGGER refuse BEFORE UPDATE ON reauth_records FOR EACH ROW EXECUTE FUNCTION refuse()`)
	return func() { mustExec(t, db, `DROP TRIGGER refuse ON reauth_records`) }
}

// exchange returns a function for Update that spends the token and returns a new record.
func exchange(t *testing.T, got reauth.Entry) func(reauth.Holding) (reauth.Entry, error) {
	return func(h reauth.Holding) (reauth.Entry, error) {
		return got, h.Spend(bounded(t), reauth.Spending{Of: digest(h.Entry.Credential.RefreshToken)})
	}
}

// waits reports whether a store finds the credential claimed for all of a time.
func waits(t *testing.T, s reauth.Store, d time.Duration) bool {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), d)
	defer stop()
	_, err := s.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		return h.Entry, nil
	})
	if err != nil {
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
	return err != nil
}

// shortClaim is a claim that a test outlasts. It is renewed every two seconds; a test that waits for
// longer than it lasts can tell a claim that is kept on a busy machine too.
const shortClaim = 6 * time.Second

// short opens two stores whose claims are short.
func short(t *testing.T, d database) (s, other *reauth.SQLStore, db *sql.DB) {
	s, other = d.store(t), d.store(t)
	s.Claim, other.Claim = shortClaim, shortClaim
	save(t, s, pair(1, "1"))
	return s, other, d.open(t)
}

func TestUnsavedResultKeepsItsClaim(t *testing.T) {
	eachDatabaseAtOnce(t, func(t *testing.T, d database) {
		s, other, db := short(t, d)
		allow := refuse(t, d)
		got, err := s.Update(bounded(t), provider, id, exchange(t, pair(2, "2")))
		require.ErrorIs(t, err, reauth.ErrNotStored)
		require.ErrorContains(t, err, "disk full")
		assert.Equal(t, "access 2", got.Credential.AccessToken)
		assert.True(t, waits(t, other, shortClaim+time.Second), "for longer than the claim")
		assert.Equal(t, digest("refresh 1"), record(t, other).Spending.Of)

		_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.Fail(t, "what it would read is spent")
			return h.Entry, nil
		})
		require.ErrorContains(t, err, "storing the tokens of an earlier exchange")
		assert.True(t, waits(t, other, time.Second))

		allow()
		refused := assert.AnError
		_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.Equal(t, "access 2", h.Entry.Credential.AccessToken)
			assert.Zero(t, h.Entry.Spending)
			return h.Entry, refused
		})
		require.Equal(t, refused, err)
		assert.EqualValues(t, 2, record(t, other).Generation)
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`))
		assert.False(t, waits(t, other, patience))
	})
}

func TestResultWithoutSpendKeepsNoClaim(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, db := short(t, d)
		allow := refuse(t, d)
		for _, fn := range []func(h reauth.Holding) (reauth.Entry, error){
			write(pair(2, "2")),
			func(h reauth.Holding) (reauth.Entry, error) {
				require.NoError(t, h.Spend(bounded(t), reauth.Spending{Of: "x"}))
				return pair(2, "2"), h.Spend(bounded(t), reauth.Spending{})
			},
		} {
			_, err := s.Update(bounded(t), provider, id, fn)
			require.ErrorIs(t, err, reauth.ErrNotStored)
			assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`))
		}
		allow()
		_, err := other.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.EqualValues(t, 1, h.Entry.Generation)
			return h.Entry, nil
		})
		require.NoError(t, err)
		_, err = s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.EqualValues(t, 1, record(t, s).Generation)
	})
}

// A result that must not be stored never will be. It keeps others out, but not its own store.
func TestUnsavedResultThatIsOutOfBounds(t *testing.T) {
	eachDatabaseAtOnce(t, func(t *testing.T, d database) {
		s, other, _ := short(t, d)
		bad := pair(2, strings.Repeat("x", 64<<10))
		_, err := s.Update(bounded(t), provider, id, exchange(t, bad))
		require.ErrorIs(t, err, reauth.ErrNotStored)
		assert.True(t, waits(t, other, shortClaim+time.Second), "for longer than the claim")
		_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.EqualValues(t, 1, h.Entry.Generation)
			return h.Entry, assert.AnError
		})
		require.Equal(t, assert.AnError, err)
		assert.True(t, waits(t, other, time.Second))
		save(t, s, pair(3, "3"))
		assert.False(t, waits(t, other, patience))
		assert.EqualValues(t, 3, record(t, other).Generation)
	})
}

// Tables were put back while a result was unsaved.
func TestUnsavedResultOverTablesThatWerePutBack(t *testing.T) {
	eachDatabaseAtOnce(t, func(t *testing.T, d database) {
		s, other, db := short(t, d)
		allow := refuse(t, d)
		_, err := s.Update(bounded(t), provider, id, exchange(t, pair(2, "2")))
		require.ErrorIs(t, err, reauth.ErrNotStored)
		mustExec(t, db, `DELETE FROM reauth_claims`)
		require.Eventually(t, func() bool { return number(t, db, `SELECT count(*) FROM reauth_claims`) == 1 },
			patience, 20*time.Millisecond, "the claim is taken again")
		mustExec(t, db, `DELETE FROM reauth_records`)
		allow()
		_, err = s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.EqualValues(t, 2, record(t, other).Generation)
	})
}

// The holder was cut off, and another has got its claim: it gives up, and gives way.
func TestUnsavedResultWhoseClaimIsLost(t *testing.T) {
	eachDatabaseAtOnce(t, func(t *testing.T, d database) {
		s, other, db := short(t, d)
		s.Claim = 600 * time.Millisecond // so that the holder soon looks for its claim; nobody takes it yet
		allow := refuse(t, d)
		_, err := s.Update(bounded(t), provider, id, exchange(t, pair(2, "2")))
		require.ErrorIs(t, err, reauth.ErrNotStored)
		mustExec(t, db, `UPDATE reauth_claims SET holder = 'another', until = $1`,
			clockOf(t, d, db)+(40*time.Second).Milliseconds())
		allow()
		// The holder looks every 200 ms, and gives up when it finds the claim of another. A machine that does
		// not let this process run delays the look too, and then only one of these steps passes without it.
		for range 10 {
			time.Sleep(250 * time.Millisecond)
		}
		mustExec(t, db, `DELETE FROM reauth_claims`)
		save(t, other, pair(3, "3"))
		require.NoError(t, err2(s.Update(bounded(t), provider, id, keep)))
		assert.EqualValues(t, 3, record(t, s).Generation)
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`))
	})
}

func err2(_ reauth.Entry, err error) error { return err }

// The goroutine that keeps a claim ends when the database is closed; TestMain finds it otherwise.
func TestUnsavedResultOfAClosedDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, _, _ := short(t, d)
		s.Claim = 600 * time.Millisecond // so that the goroutine soon finds that out
		refuse(t, d)
		require.ErrorIs(t, err2(s.Update(bounded(t), provider, id, exchange(t, pair(2, "2")))), reauth.ErrNotStored)
	})
}

// PostgreSQL stops between an exchange and the storing of its tokens, for longer than the claim.
func TestUnsavedResultOfAnOutage(t *testing.T) {
	d := postgres(t)
	s, other := d.store(t), d.store(t)
	s.Claim, other.Claim = shortClaim, shortClaim
	save(t, s, pair(1, "1"))
	_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		e, err := exchange(t, pair(2, "2"))(h)
		control(t, "pause")
		return e, err
	})
	require.ErrorIs(t, err, reauth.ErrNotStored)
	time.Sleep(shortClaim + 500*time.Millisecond)
	control(t, "resume")
	second := make(chan error, 1)
	go func() {
		_, err := other.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.EqualValues(t, 2, h.Entry.Generation)
			return h.Entry, nil
		})
		second <- err
	}()
	time.Sleep(shortClaim + 2*time.Second) // a claim that has run out is respected for as long as it lasts
	assert.Empty(t, second, "the holder has come back first, and keeps the claim")
	require.NoError(t, err2(s.Update(bounded(t), provider, id, keep)))
	require.NoError(t, <-second)
}
