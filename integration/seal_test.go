package integration

import (
	"bytes"
	"context"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
	"github.com/reauth-go/reauth/internal/scantest"
	"github.com/reauth-go/reauth/reauthtest"
)

var oldKey, nextKey = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

// sealed returns a sealed store over another one.
func sealed(t testing.TB, s reauth.Store, key []byte, old ...[]byte) reauth.Store {
	t.Helper()
	s, err := reauth.NewSealedStore(s, key, old...)
	require.NoError(t, err)
	return s
}

// underSeal are the promises that sealing could break over a database: those about what is stored, what
// a record is newer than, and what a mark is about.
var underSeal = []string{
	"load_returns_what_changed_since_a_version", "fields_of_the_result_are_stored", "newer_record_is_not_replaced",
	"removals_are_entries_too", "mark_writes_one_mark_of_a_record", "void_mark_is_dropped",
	"void_marks_go_when_a_result_is_stored", "spend_outlives_an_update_that_fails",
	"claim_stays_when_a_result_after_a_spend_is_not_stored", "result_within_bounds_is_stored",
	"result_that_is_out_of_bounds_is_refused",
}

// A sealed store keeps the promises of a store over a database. With -fleet=full it is all of them.
func TestSealedSQLStoreKeepsItsWord(t *testing.T) {
	promises := fleettest.Sized(underSeal, underSeal, reauthtest.StorePromises())
	for name, d := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each has databases of its own
			open := places(d)
			reauthtest.TestStore(t, func(t *testing.T, place string) reauth.Store {
				return sealed(t, open(t, place), oldKey)
			}, promises...)
		})
	}
}

// sealedFleet makes a fleet of processes that share a sealed database. At the end no token of it may be
// in what a backup of the database holds.
func sealedFleet(t *testing.T, d database, claim, latency time.Duration) *fleettest.Fleet {
	t.Helper()
	f := fleettest.New(t, openFleet, fleettest.Job{
		Store: d.driver + " " + d.dsn, Claim: claim, Keys: [][]byte{oldKey},
	}, latency)
	t.Cleanup(func() {
		tokens := f.Provider.Tokens()
		assert.NotEmpty(t, tokens)
		assert.Empty(t, legible(t, d, scantest.Forms(tokens...)))
	})
	return f
}

// legible returns which of the forms are in what a database leaves: a dump of PostgreSQL; the file of
// SQLite, its log and what else is in the folder.
func legible(t testing.TB, d database, forms []string) []string {
	t.Helper()
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	if d.driver == "sqlite" {
		return scantest.Folder(t, filepath.Dir(u.Path), forms)
	}
	schema := u.Query().Get("search_path")
	u.RawQuery = "sslmode=disable"
	return scantest.Text(scantest.Dump(t, u.String(), schema), forms)
}

// A fleet replaces its key under load.
func TestKeysOfPostgreSQLRotate(t *testing.T) {
	sealedFleet(t, postgres(t), 0, 50*time.Millisecond).RotateKeys(t, fleettest.Sized(4, 6, 16), oldKey, nextKey)
}

// With -fleet=full, processes also die at each step of a refresh.
func TestFleetIsKilledOnSealedSQL(t *testing.T) {
	sealedFleet(t, postgres(t), claimTime, 5*time.Millisecond).Kill(t, fleettest.Killing{
		Kills: fleettest.Sized(10, 10, 20), Credentials: 1, Within: 2 * claimTime, MaxDelay: claimTime + spare,
	})
	for name, d := range fleettest.Sized(nil, nil, databases) {
		t.Run(name, func(t *testing.T) {
			sealedFleet(t, d(t), claimTime, 5*time.Millisecond).DieAtEachStep(t, claimTime+spare)
		})
	}
}

// secrets are the values of a credential that a sealed store hides.
func secrets(c reauth.Credential) []string {
	return scantest.Forms(c.AccessToken, c.RefreshToken, c.AccountID, c.Metadata["note"])
}

// No secret of a credential is legible in a database from the first write on: through exchanges, marks,
// another key, another identity and removals.
func TestSealedDatabaseHoldsNoSecret(t *testing.T) {
	for name, fresh := range map[string]func(t testing.TB) database{
		"PostgreSQL": postgres,
		"SQLite":     sqlite,
		"SQLiteWAL":  func(t testing.TB) database { return sqlite(t).with(t, "_pragma", "journal_mode(wal)") },
	} {
		t.Run(name, func(t *testing.T) {
			d := fresh(t)
			s := d.store(t)
			r := newRig(t, reauthtest.New(reauthtest.XAI), sealed(t, s, oldKey), nil)
			hidden := []string{"nothing yet"}
			scan := func() {
				t.Helper()
				require.Empty(t, legible(t, d, hidden))
			}
			for range 3 {
				access, refresh := r.fake.Login()
				_, err := r.pool.Add(bounded(t), reauth.Credential{
					Provider: provider, ID: id, AccessToken: access, RefreshToken: refresh,
					AccountID: "account-" + access, Metadata: map[string]string{"note": "note-" + refresh},
				})
				require.NoError(t, err)
				r.fake.Expire(access)
				require.Equal(t, 200, r.post(t))
				c, err := r.pool.Token(bounded(t), provider)
				require.NoError(t, err)
				hidden = append(append(hidden, secrets(c)...), scantest.Forms(access, refresh, "note-"+refresh)...)
				r.fake.Exhaust(time.Now().Add(time.Hour), c.AccessToken)
				r.post(t) // a mark
				scan()
				require.NoError(t, r.pool.Reset(bounded(t), provider, id))
			}
			both := sealed(t, s, nextKey, oldKey)
			_, err := both.Update(bounded(t), provider, id, keep)
			require.NoError(t, err)
			scan()
			before := record(t, both).Credential
			_, err = s.NewIdentity(bounded(t))
			require.ErrorIs(t, err, reauth.ErrSealed)
			_, err = both.(interface {
				NewIdentity(ctx context.Context) (string, error)
			}).NewIdentity(bounded(t))
			require.NoError(t, err)
			require.Equal(t, before, record(t, sealed(t, s, nextKey)).Credential)
			scan()
			_, err = both.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
				h.Entry.Credential, h.Entry.Removed, h.Entry.Login = reauth.Credential{}, true, h.Now
				return h.Entry, nil
			})
			require.NoError(t, err)
			scan()
			require.NotEmpty(t, legible(t, d, []string{"reauth-sealed"}), "the scan finds what is there")
		})
	}
}

// A record in the clear is sealed as it is, sealed anew, and put in the clear again.
func TestRecordIsSealedAsItIs(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s := d.store(t)
		for n := range int64(5) { // the order of two tokens is the order of their digests
			want := save(t, s, pair(n+1, string(rune('a'+n))))
			for _, under := range []reauth.Store{
				sealed(t, s, oldKey), sealed(t, s, nextKey, oldKey), sealed(t, s, nil, nextKey),
			} {
				_, err := under.Update(bounded(t), provider, id, keep)
				require.NoError(t, err)
				require.Equal(t, want.Credential, record(t, sealed(t, s, oldKey, nextKey)).Credential)
			}
			require.Empty(t, record(t, s).SealedWith())
		}
	})
}
