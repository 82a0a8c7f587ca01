package reauth

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// SQLStore is a Store in a SQL database: PostgreSQL for a fleet, SQLite for one host. The caller
// brings database and driver.
//
// A credential is claimed by a row with a holder and an end, on the database's clock; no connection
// and no transaction is held during an exchange. Tokens are written by compare-and-set, so that no
// older pair ever replaces a newer one. The store works with one connection, behind a pooler that
// shares connections between transactions (configure the driver for it, as for pgx with
// default_query_exec_mode=exec), and under any default isolation. An application that keeps the
// only connection to itself keeps the store out for as long, and with it the renewing of a claim.
// The tables, reauth_*, are made in the connection's current schema.
//
// Tokens that the database could not take stay with this store, with their claim, and the next
// Update of the credential stores them first. While this process lives and reaches the database,
// nobody reads, and spends, the older tokens in the database.
//
// Tokens are in the clear in the table reauth_credentials: whoever may read it holds the accounts.
type SQLStore struct {
	// Claim is how long a holder that died, or is suspended, keeps others from renewing its
	// credential; when PostgreSQL was down meanwhile, that counts from its start, so that holders
	// can come back. A holder that lives renews its claim while its exchange takes, up to 45 s. A
	// holder suspended for longer than its claim in the middle of an exchange may cost the login,
	// because another holder spends the refresh token once more. 0: 20 s; at most 45 s. It must not
	// change after first use.
	Claim time.Duration

	db      *sql.DB
	dialect sqlDialect
	claims  sync.Map // credentialKey → *sqlClaim
}

// NewSQLStore returns a store in db. It makes the tables if they are not there, and is safe to call
// from many processes at once; ctx bounds that. It leaves closing db to the caller.
func NewSQLStore(ctx context.Context, db *sql.DB) (*SQLStore, error) {
	if db == nil {
		return nil, errors.New("reauth: sql store: the database is nil; open one with sql.Open")
	}
	d, err := dialectOf(ctx, db)
	if err == nil {
		err = openSchema(ctx, db, d)
	}
	s := &SQLStore{db: db, dialect: d}
	if err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

var _ Store = (*SQLStore)(nil)

// Load returns all credentials. While nothing has changed, it costs reading one row.
func (s *SQLStore) Load(ctx context.Context, version string) (entries []Entry, current string, err error) {
	err = retryBusy(ctx, func() error {
		var v int64 // read first: entries that are read after it are of that version or newer
		if err := s.db.QueryRowContext(ctx, `SELECT version FROM reauth_meta`).Scan(&v); err != nil {
			return err
		}
		entries, current = nil, strconv.FormatInt(v, 10)
		if version == current {
			return nil
		}
		var err error
		entries, err = s.readAll(ctx)
		return err
	})
	if err != nil {
		return nil, "", s.fail(err)
	}
	return entries, current, nil
}

// readAll reads all credentials with their standings, in the order in which they were added.
func (s *SQLStore) readAll(ctx context.Context) (entries []Entry, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT c.provider, c.id, c.credential, COALESCE(s.standing, '')
		FROM reauth_credentials c LEFT JOIN reauth_standings s ON s.provider = c.provider AND s.id = c.id
		ORDER BY c.position, c.provider, c.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key credentialKey
		var credential, standing string
		if err := rows.Scan(&key.provider, &key.id, &credential, &standing); err != nil {
			return nil, err
		}
		var e Entry
		if e.Credential, err = decodeCredential(key, credential); err != nil {
			return nil, err
		}
		if e.Standing, err = decodeStanding(key, standing); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// decodeCredential reads a credential's JSON. The error does not wrap that of the JSON, which may
// quote a token.
func decodeCredential(key credentialKey, text string) (Credential, error) {
	var c storedCredential
	if json.Unmarshal([]byte(text), &c) != nil {
		return Credential{}, fmt.Errorf("the credential %s/%s in reauth_credentials is no JSON of reauth; "+
			"delete that row and log in again", key.provider, key.id)
	}
	c.Provider, c.ID = key.provider, key.id
	return Credential(c), nil
}

// decodeStanding reads a standing's JSON; "" is good standing.
func decodeStanding(key credentialKey, text string) (Standing, error) {
	var s storedStanding
	if text != "" && json.Unmarshal([]byte(text), &s) != nil {
		return Standing{}, fmt.Errorf("the standing of %s/%s in reauth_standings is no JSON of reauth; delete that row",
			key.provider, key.id)
	}
	return Standing(s), nil
}

// sqlRow is a row of reauth_credentials as it was read.
type sqlRow struct {
	found   bool
	version int64
	raw     string
	cred    Credential
}

// Update claims the credential, and renews the claim while fn runs.
func (s *SQLStore) Update(
	ctx context.Context, provider, id string, fn func(Credential, bool) (Credential, error),
) (Credential, error) {
	key := credentialKey{provider, id}
	claim, release, err := s.claim(ctx, key)
	if err != nil {
		return Credential{}, s.fail(err)
	}
	defer release()
	row, err := s.readClaimed(ctx, key, claim)
	if err != nil {
		return Credential{}, s.fail(err)
	}
	got, err := fn(row.cred.clone(), row.found)
	if err != nil {
		return Credential{}, err
	}
	got.Provider, got.ID = provider, id
	if err := s.writeClaimed(ctx, key, claim, row, got); err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, s.fail(err))
	}
	return got, nil
}

// readClaimed reads a credential that this store has claimed. It first stores the tokens that an
// earlier Update could not store, so that nobody reads what they replace.
func (s *SQLStore) readClaimed(ctx context.Context, key credentialKey, claim *sqlClaim) (sqlRow, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer stop()
	if u := claim.unsaved; u != nil {
		err := s.persist(ctx, key, u.was, u.got)
		if err != nil && !errors.Is(err, errOvertaken) {
			return sqlRow{}, fmt.Errorf("storing the tokens of an earlier exchange: %w", err)
		}
		claim.unsaved = nil
	}
	return s.readRow(ctx, key)
}

// writeClaimed stores the result of an Update. A result that the database did not take stays with
// the claim, for the next Update.
func (s *SQLStore) writeClaimed(
	ctx context.Context, key credentialKey, claim *sqlClaim, was sqlRow, got Credential,
) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	err := s.persist(ctx, key, was, got)
	if err != nil && !errors.Is(err, errOvertaken) {
		claim.unsaved = &sqlUnsaved{was: was, got: got.clone()}
	}
	return err
}

func (s *SQLStore) readRow(ctx context.Context, key credentialKey) (row sqlRow, err error) {
	err = retryBusy(ctx, func() error {
		return s.db.QueryRowContext(ctx, `SELECT version, credential FROM reauth_credentials
			WHERE provider = $1 AND id = $2`, key.provider, key.id).Scan(&row.version, &row.raw)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return sqlRow{}, nil
	}
	if err != nil {
		return sqlRow{}, err
	}
	row.found = true
	row.cred, err = decodeCredential(key, row.raw)
	return row, err
}

// errOvertaken says that the row which an Update has read is not there any more, so that its result
// must never be stored.
var errOvertaken = errors.New("too late")

// persist writes got in the place of the row that was read, unless something else stands there by
// now.
func (s *SQLStore) persist(ctx context.Context, key credentialKey, was sqlRow, got Credential) error {
	b, err := overlay(json.RawMessage(was.raw), toStored(got))
	if err != nil {
		return err
	}
	var n int64
	if was.found {
		n, err = s.exec(ctx, `UPDATE reauth_credentials SET credential = $1, version = (SELECT version FROM reauth_meta)
			WHERE provider = $2 AND id = $3 AND version = $4`, string(b), key.provider, key.id, was.version)
	} else {
		n, err = s.exec(ctx, `INSERT INTO reauth_credentials (provider, id, credential, position, version)
			SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), version, version FROM reauth_meta WHERE one = 1
			ON CONFLICT (provider, id) DO NOTHING`, key.provider, key.id, string(b))
	}
	if err != nil || n > 0 {
		return err
	}
	return s.explainUnwritten(ctx, key, got)
}

// explainUnwritten says why a statement of persist changed no row. It returns nil when the row
// holds the tokens of got: an earlier try has written them, and its answer was lost.
func (s *SQLStore) explainUnwritten(ctx context.Context, key credentialKey, got Credential) error {
	now, err := s.readRow(ctx, key)
	switch {
	case err != nil:
		return err
	case now.found && sameTokens(now.cred, got):
		return nil
	case !now.found:
		return fmt.Errorf("%w: the credential was removed", errOvertaken)
	}
	return fmt.Errorf("%w: another holder has written other tokens, "+
		"this one was suspended, or cut off, for longer than its claim", errOvertaken)
}

// Mark writes a standing. A standing with Spending is for the holder of the claim only.
func (s *SQLStore) Mark(ctx context.Context, provider, id string, standing Standing) error {
	if standing.Spending != "" {
		if err := s.confirmClaim(ctx, credentialKey{provider, id}); err != nil {
			return s.fail(err)
		}
	}
	b, err := json.Marshal(toStoredStanding(standing))
	if err != nil {
		return s.fail(err)
	}
	at := int64(0)
	if !standing.At.IsZero() {
		at = standing.At.UnixNano()
	}
	_, err = s.exec(ctx, `INSERT INTO reauth_standings (provider, id, at, standing)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS TEXT)
		FROM reauth_credentials WHERE provider = $1 AND id = $2
		ON CONFLICT (provider, id) DO UPDATE SET at = excluded.at, standing = excluded.standing
		WHERE excluded.at >= reauth_standings.at`, provider, id, at, string(b))
	return s.fail(err)
}

// Delete removes a credential, after an exchange of it that is under way.
func (s *SQLStore) Delete(ctx context.Context, provider, id string) error {
	claim, release, err := s.claim(ctx, credentialKey{provider, id})
	if err != nil {
		return s.fail(err)
	}
	defer release()
	claim.unsaved = nil
	for _, query := range []string{
		`DELETE FROM reauth_credentials WHERE provider = $1 AND id = $2`,
		`DELETE FROM reauth_standings WHERE provider = $1 AND id = $2`, // if it stays, it is about tokens that are gone
	} {
		if _, err := s.exec(ctx, query, provider, id); err != nil {
			return s.fail(err)
		}
	}
	return nil
}

// exec runs one statement and returns how many rows it has changed.
func (s *SQLStore) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	return s.execWithin(ctx, ctx, query, args...)
}

// execWithin is exec with one context for waiting while the database is busy, and another for the
// statement itself.
func (s *SQLStore) execWithin(waiting, statement context.Context, query string, args ...any) (n int64, err error) {
	err = retryBusy(waiting, func() error {
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
		result, err := s.db.ExecContext(statement, query, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// fail names the store in an error, and the remedy for a driver that does not suit a pooler.
func (s *SQLStore) fail(err error) error {
	switch {
	case err == nil:
		return nil
	case isPrepareTrouble(err):
		return fmt.Errorf("reauth: sql store: a pooler is in between that shares connections; "+
			"the driver must not prepare statements, with pgx set default_query_exec_mode=exec: %w", err)
	}
	return fmt.Errorf("reauth: sql store: %w", err)
}
