package integration

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

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
		save(t, s, pair(1, "1"))
		abandon(t, d, db, 700*time.Millisecond)
		ends := until(t, db)
		_, err := s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err, "it need not wait for longer than patience")
		assert.GreaterOrEqual(t, clockOf(t, d, db), ends, "nobody takes a claim over before it ends")
	})
}

// If the clock of a database was set back, a claim must not hold until the old time comes again.
func TestClaimOfBeforeTheClockWasSetBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, pair(1, "1"))
		abandon(t, d, db, 2*time.Hour)
		begin := time.Now()
		_, err := s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), patience/3)
	})
}

func TestClaimIsRenewedWhileTheExchangeTakes(t *testing.T) {
	eachDatabaseAtOnce(t, func(t *testing.T, d database) {
		s, other, db := d.store(t), d.store(t), d.open(t)
		s.Claim, other.Claim = shortClaim, shortClaim
		save(t, s, pair(1, "1"))
		second := make(chan error, 1)
		ctx := bounded(t)
		_, err := s.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			go func() {
				_, err := other.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
					assert.Equal(t, "access 2", h.Entry.Credential.AccessToken)
					return h.Entry, nil
				})
				second <- err
			}()
			first := until(t, db)
			outlived := func() bool { return until(t, db) > first+shortClaim.Milliseconds() }
			require.Eventually(t, outlived, patience, 50*time.Millisecond)
			assert.Empty(t, second, "the first store still holds the claim")
			return pair(2, "2"), nil
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
		save(t, s, pair(1, "1"))
		for _, loss := range []string{`UPDATE reauth_claims SET holder = 'another'`, `DELETE FROM reauth_claims`} {
			_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
				mustExec(t, db, loss)
				require.NoError(t, s.Mark(bounded(t), provider, id, "token",
					reauth.Mark{At: time.Now(), Of: digest("access 1")}, time.Time{}), "a mark needs no claim")
				mustExec(t, db, `DELETE FROM reauth_marks`)
				return h.Entry, h.Spend(bounded(t), reauth.Spending{Of: "digest"})
			})
			require.ErrorContains(t, err, "the claim on the credential ran out")
			assert.Empty(t, record(t, s).Spending)
			mustExec(t, db, `DELETE FROM reauth_claims`)
		}
	})
}

func TestSpending(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, db := d.store(t), d.store(t), d.open(t)
		save(t, s, pair(1, "1"))
		want := reauth.Spending{Of: digest("refresh 1"), Since: time.Now().UTC(), Holder: "host 7"}
		var spend func(context.Context, reauth.Spending) error
		refused := errors.New("refused")
		_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			clock := clockOf(t, d, db)
			assert.WithinDuration(t, time.UnixMilli(clock), h.Now, 5*time.Second, "by the clock of the database")
			assert.False(t, h.Now.After(time.UnixMilli(clock)))
			spend = h.Spend
			require.NoError(t, h.Spend(bounded(t), want))
			assert.Equal(t, want, record(t, other).Spending)
			require.NoError(t, h.Spend(bounded(t), reauth.Spending{}))
			assert.Zero(t, record(t, other).Spending)
			require.ErrorContains(t, h.Spend(bounded(t), reauth.Spending{Of: "a\x00b"}), "control character")
			require.NoError(t, h.Spend(bounded(t), want))
			return h.Entry, refused
		})
		require.Equal(t, refused, err)
		assert.Equal(t, want, record(t, s).Spending, "it stays when no result is stored")
		require.ErrorContains(t, spend(bounded(t), want), "the claim was given back")

		got, err := other.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			assert.Equal(t, want, h.Entry.Spending)
			return h.Entry, nil
		})
		require.NoError(t, err)
		assert.Zero(t, got.Spending, "the stored result ends it")
		assert.Zero(t, record(t, s).Spending)
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_spending`))
	})
}

// steps is a store whose Update stops before it notes what is being spent, and before it stores.
type steps struct {
	reauth.Store
	spends, stores func()
}

func (s *steps) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		spend := h.Spend
		h.Spend = func(ctx context.Context, sp reauth.Spending) error {
			if sp.Of != "" && s.spends != nil {
				s.spends()
			}
			return spend(ctx, sp)
		}
		e, err := fn(h)
		if err == nil && s.stores != nil {
			s.stores()
		}
		return e, err
	})
}

// A database is so slow that a claim runs out while the new pair is being stored. Another process has
// taken the claim and read the old pair; the new one is stored just before it would spend the old
// refresh token. It finds that out, and adopts the new pair.
func TestPairStoredByTheFormerHolderOfTheClaimIsAdopted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		fake, db := reauthtest.New(reauthtest.XAI), d.open(t)
		reading, stored := make(chan struct{}), make(chan struct{})
		first, second := &steps{Store: d.store(t)}, &steps{Store: d.store(t)}
		a, b := newRig(t, fake, first, nil), newRig(t, fake, second, nil)
		old, _ := a.login(t)
		b.eventually(t, "it appears", func() bool { return b.state() != "" })
		told := make(chan error, 1)
		var once, twice sync.Once
		first.stores = func() {
			once.Do(func() {
				mustExec(t, db, `DELETE FROM reauth_claims`) // it has run out
				go func() { told <- b.pool.Refresh(bounded(t), provider, id) }()
				<-reading
			})
		}
		second.spends = func() {
			twice.Do(func() {
				close(reading)
				<-stored
			})
		}
		require.NoError(t, a.pool.Refresh(bounded(t), provider, id))
		close(stored)
		require.NoError(t, <-told)
		assert.Zero(t, fake.Reuses())
		assert.Equal(t, 1, fake.TokenRequests())
		fake.Expire(old)
		assert.Equal(t, http.StatusOK, b.post(t))
		assert.Equal(t, 1, b.count(reauth.Adopted))
		assert.Zero(t, b.count(reauth.StoreFailed, reauth.RefreshFailed))
		assert.Equal(t, 1, fake.TokenRequests())
	})
}

// The record may have been replaced, or removed, since the holder of the claim has read it.
func TestSpendOfARecordThatWasReplacedFails(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		for name, change := range map[string]string{
			"removed": `DELETE FROM reauth_records`, "replaced": `UPDATE reauth_records SET record = record || ' '`,
		} {
			save(t, s, pair(1, "1"))
			_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
				require.NoError(t, h.Spend(bounded(t), reauth.Spending{Of: "digest"}))
				mustExec(t, db, change)
				err := h.Spend(bounded(t), reauth.Spending{Of: "digest"})
				require.NoError(t, h.Spend(bounded(t), reauth.Spending{}), "that nothing is spent may be noted all the same")
				return h.Entry, err
			})
			require.ErrorContains(t, err, "was replaced in the database since it was read", name)
			mustExec(t, db, `DELETE FROM reauth_records`)
		}
	})
}

// overtake runs an Update that returns late, and in whose middle, the claim being lost, another
// store does something.
func overtake(t *testing.T, d database, late reauth.Entry, middle func(other *reauth.SQLStore)) (reauth.Entry, error) {
	t.Helper()
	s, other, db := d.store(t), d.store(t), d.open(t)
	return s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		require.NoError(t, h.Spend(bounded(t), reauth.Spending{Of: "digest"}))
		mustExec(t, db, `DELETE FROM reauth_claims`)
		middle(other)
		return late, nil
	})
}

func TestLostClaimOverwritesNoNewerRecord(t *testing.T) {
	newer := pair(3, "newer")
	removed := reauth.Entry{Removed: true, Login: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for name, other := range map[string]reauth.Entry{"Pair": newer, "Removal": removed} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				s := d.store(t)
				for _, found := range []bool{false, true} {
					got, err := overtake(t, d, pair(2, "late"), func(o *reauth.SQLStore) { save(t, o, other) })
					require.ErrorIs(t, err, reauth.ErrNotStored)
					require.ErrorContains(t, err, "another holder has written a newer record")
					assert.Equal(t, "access late", got.Credential.AccessToken)
					stands := record(t, s)
					assert.Equal(t, other.Credential.AccessToken, stands.Credential.AccessToken, "found: %v", found)
					assert.Equal(t, other.Removed, stands.Removed)
					_, err = s.Update(bounded(t), provider, id, keep)
					require.NoError(t, err, "no claim is kept for it")
					mustExec(t, d.open(t), `DELETE FROM reauth_records`)
					save(t, s, pair(1, "1")) // found, the next time
				}
			})
		})
	}
}

func TestNewerResultReplacesAnOlderRecord(t *testing.T) {
	for name, middle := range map[string]func(*testing.T, *reauth.SQLStore, *sql.DB){
		"Older": func(t *testing.T, o *reauth.SQLStore, _ *sql.DB) { save(t, o, pair(2, "older")) },
		"Equal": func(t *testing.T, o *reauth.SQLStore, _ *sql.DB) { save(t, o, pair(3, "newest")) },
		"Gone":  func(t *testing.T, _ *reauth.SQLStore, db *sql.DB) { mustExec(t, db, `DELETE FROM reauth_records`) },
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				save(t, d.store(t), pair(1, "1"))
				db := d.open(t)
				got, err := overtake(t, d, pair(3, "newest"), func(o *reauth.SQLStore) { middle(t, o, db) })
				require.NoError(t, err)
				assert.Equal(t, got, record(t, d.store(t)))
				assert.Equal(t, "access newest", got.Credential.AccessToken)
			})
		})
	}
}

// The tables were dropped and made anew in the middle: they are another store.
func TestResultOfAnotherStoreIsNotStored(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		first := save(t, d.store(t), pair(1, "1"))
		identity := look(t, d.store(t), "").Identity
		_, err := overtake(t, d, pair(2, "2"), func(*reauth.SQLStore) {
			dropTables(t, d)
			assert.NotEqual(t, identity, look(t, d.store(t), "").Identity)
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		require.ErrorContains(t, err, "another store now")
		assert.Empty(t, look(t, d.store(t), "").Entries)
		_, err = overtake(t, d, first, func(*reauth.SQLStore) {
			dropTables(t, d)
			save(t, d.store(t), pair(1, "other"))
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		assert.Equal(t, "access other", record(t, d.store(t)).Credential.AccessToken)
	})
}

// A caller that gives up waiting leaves no claim behind, at whatever moment it gives up.
func TestGivingUpLeavesNoClaim(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, pair(1, "1"))
		begin := time.Now()
		for i := 0; i < 40; {
			deadline := time.Now().Add(time.Duration(i) * 100 * time.Microsecond)
			ctx, stop := context.WithDeadline(context.Background(), deadline)
			_, err := s.Update(ctx, provider, id, keep)
			if err != nil {
				assert.True(t,
					errors.Is(err, context.DeadlineExceeded) || errors.Is(err, reauth.ErrNotStored), "%v", err)
			}
			stop()
			// Whoever gives up is kept for a second at most while his claim is given back. When that second may
			// have passed, because the machine was busy, the claim runs out by itself, and nothing is known.
			if time.Since(deadline) > 500*time.Millisecond && time.Since(begin) < patience {
				mustExec(t, db, `DELETE FROM reauth_claims`)
				continue
			}
			i++
			require.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`), "after %d: %v", i-1, err)
		}
	})
}
