package reauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// SQLStore is a Store in a SQL database: PostgreSQL (13 or newer) for a fleet, SQLite (3.25 or
// newer) for one host. The caller brings database and driver.
//
// A credential is claimed by a row with a holder and an end, on the database's clock; no connection
// and no transaction is held during an exchange. Records are written by compare-and-set, so that no
// older one ever replaces a newer one. The store works with one connection, behind a pooler that
// shares connections between transactions (configure the driver for it, as for pgx with
// default_query_exec_mode=exec), and under any default isolation. An application that keeps the
// only connection to itself keeps the store out for as long, and with it the renewing of a claim.
// The tables, reauth_*, are made in the connection's current schema.
//
// Tokens of an exchange that the database could not take stay with this store, with their claim,
// and the next Update of the credential stores them first. Until then a goroutine renews the claim,
// so that nobody reads, and spends, the older tokens in the database. It ends when the tokens are
// stored, when another store has got the claim all the same, and when the database is closed.
//
// A connection that only reads, as after a failover, is discarded, and its statement is tried on
// another one.
//
// A database that was put back to an older state does not know that it held newer records: pools
// that hold them write them again, and Holding.Behind is never set. A database that was copied has
// the identity of its original, unless NewIdentity gives it another, and spends the same tokens.
//
// Tokens are in the clear in the table reauth_records: whoever may read it holds the accounts.
type SQLStore struct {
	// Claim is how long a holder that died, or is suspended, keeps others from renewing its
	// credential; when PostgreSQL was down meanwhile, that counts from its start, so that holders
	// can come back. A holder that lives renews its claim while its exchange takes, up to 45 s. A
	// holder suspended for longer than its claim in the middle of an exchange may cost the login,
	// because another holder spends the refresh token once more. 0: 20 s; at most 45 s. It must not
	// change after first use.
	Claim time.Duration

	db      sqlDB
	dialect sqlDialect
	claims  sync.Map                   // credentialKey → *sqlClaim
	crash   atomic.Pointer[panicError] // of a driver, in a goroutine of the store; Load tells it
}

// NewSQLStore returns a store in db. It makes the tables if they are not there, upgrades those of
// format 1, and is safe to call from many processes at once; ctx bounds that. It leaves closing db
// to the caller.
func NewSQLStore(ctx context.Context, db *sql.DB) (*SQLStore, error) {
	if db == nil {
		return nil, errors.New("reauth: sql store: the database is nil; open one with sql.Open")
	}
	d, err := dialectOf(ctx, db)
	if err == nil {
		err = openSchema(ctx, db, d)
	}
	if err != nil {
		return nil, wrapSQL(err)
	}
	return &SQLStore{db: sqlDB{db}, dialect: d}, nil
}

var _ Store = (*SQLStore)(nil)

// String says nothing of the content.
func (s *SQLStore) String() string { return "reauth.SQLStore" }

// Format prints String under any verb and flag.
func (s *SQLStore) Format(f fmt.State, _ rune) { show(f, s.String()) }

// LogValue is what slog shows.
func (s *SQLStore) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Load returns what has changed since version. While nothing has changed, it costs reading one row;
// what has changed costs the same however many records there are. Broken has the broken ones of the
// records that it reads.
func (s *SQLStore) Load(ctx context.Context, version string) (Snapshot, error) {
	snap, err := s.load(ctx, version)
	if crash := s.crash.Swap(nil); crash != nil && err == nil {
		snap.Broken = append(snap.Broken, s.fail(crash))
	}
	return snap, s.fail(err)
}

func (s *SQLStore) load(ctx context.Context, version string) (Snapshot, error) {
	n, nonce, ok := parseSQLVersion(version)
	if ok {
		v, err := s.db.view(ctx, s.dialect.head(), n, nonce)
		if err != nil {
			return Snapshot{}, err
		}
		if v.version == n && v.nonce == nonce {
			return v.snapshot(true), nil
		}
		ok = v.known
	}
	if ok {
		v, err := s.db.view(ctx, s.dialect.viewSince(), n, nonce)
		if err != nil {
			return Snapshot{}, err
		}
		if v.known { // else the log has moved on in between
			return v.snapshot(true), nil
		}
	}
	v, err := s.db.view(ctx, s.dialect.viewOfAll())
	if err != nil {
		return Snapshot{}, err
	}
	return v.snapshot(false), nil
}

// wrapSQL names the store in an error, and the remedy for a driver that does not suit a pooler.
func wrapSQL(err error) error {
	if isPrepareTrouble(err) {
		return fmt.Errorf("reauth: sql store: a pooler is in between that shares connections; "+
			"the driver must not prepare statements, with pgx set default_query_exec_mode=exec: %w", newRedactedError(err))
	}
	return fmt.Errorf("reauth: sql store: %w", newRedactedError(err))
}

// fail is wrapSQL for a store that was open: its tables must not be missing. A broken record
// explains itself.
func (s *SQLStore) fail(err error) error {
	var broken *RecordError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken):
		return err
	case isMissing(err):
		return fmt.Errorf("reauth: sql store: its tables were there and are gone; put a backup of them back, "+
			"or start the program anew to begin with an empty store: %w", newRedactedError(err))
	}
	return wrapSQL(err)
}
