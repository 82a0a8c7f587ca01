package reauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// sqlDialect is what differs between the databases.
type sqlDialect struct {
	name     string
	probe    string // a query that succeeds on this database only
	now      string // the database's clock, in ms since 1970
	started  string // when the server was started, on that clock: while it was down no claim could be renewed
	random   string // a random text
	triggers func() []string
	// Of the upgrade: lock keeps all other writers out until the transaction ends, and drop removes
	// what the tables of format 1 leave behind.
	lock, drop string
}

var (
	postgreSQL = sqlDialect{
		name:     "PostgreSQL",
		probe:    `SELECT current_setting('server_version_num')`,
		now:      `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)`,
		started:  `CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000 AS bigint)`,
		random:   randomOfPostgreSQL,
		triggers: triggersOfPostgreSQL,
		lock:     `LOCK TABLE reauth_credentials, reauth_standings, reauth_meta IN ACCESS EXCLUSIVE MODE`,
		drop:     `DROP FUNCTION reauth_count()`,
	}
	sqlite = sqlDialect{
		name:     "SQLite",
		probe:    `SELECT sqlite_version()`,
		now:      `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`,
		started:  `0`,
		random:   randomOfSQLite,
		triggers: triggersOfSQLite,
		lock:     `UPDATE reauth_meta SET format = format`, // a transaction that writes is the only one
	}
)

// sqlFormat is the version of the schema. A newer version is refused, because we cannot know what
// its tables mean. A program that knows only format 1 refuses this one, and one that is running
// while the tables are upgraded finds none of those that it writes.
const sqlFormat = 2

// sqlTables are made in one transaction. Tokens and marks are apart, so that a mark cannot touch a
// token. The columns of reauth_records beside the record repeat what it holds, for the database:
// the digests are what marks may be about. An instant is a text of one length, so that it sorts;
// reauth_records.login is one in µs since 1970.
var sqlTables = []string{
	`CREATE TABLE reauth_records (provider TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL,
		login BIGINT NOT NULL, generation BIGINT NOT NULL, removed INTEGER NOT NULL, token_of TEXT NOT NULL,
		refresh_of TEXT NOT NULL, login_of TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (provider, id))`,
	`CREATE INDEX reauth_removed ON reauth_records (login) WHERE removed = 1`,
	`CREATE TABLE reauth_marks (provider TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL,
		until TEXT NOT NULL, of TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (provider, id, key))`,
	`CREATE TABLE reauth_spending (provider TEXT NOT NULL, id TEXT NOT NULL, of TEXT NOT NULL, since TEXT NOT NULL,
		holder TEXT NOT NULL, PRIMARY KEY (provider, id))`,
	`CREATE TABLE reauth_log (version BIGINT NOT NULL, nonce TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,
		PRIMARY KEY (version, provider, id))`,
}

const (
	sqlMetaTable = `CREATE TABLE reauth_meta (one INTEGER PRIMARY KEY CHECK (one = 1), format BIGINT NOT NULL,
		version BIGINT NOT NULL, nonce TEXT NOT NULL DEFAULT '', identity TEXT NOT NULL DEFAULT '')`
	sqlClaimsTable = `CREATE TABLE reauth_claims (provider TEXT NOT NULL, id TEXT NOT NULL, holder TEXT NOT NULL,
		until BIGINT NOT NULL, PRIMARY KEY (provider, id))`
)

// newTables returns the statements that make the tables in an empty database.
func (d sqlDialect) newTables() []string {
	list := []string{sqlMetaTable, sqlClaimsTable}
	list = append(list, sqlTables...)
	list = append(list, fmt.Sprintf(`INSERT INTO reauth_meta (one, format, version, nonce, identity)
		VALUES (1, %d, 1, %s, %s)`, sqlFormat, d.random, d.random), sqlFirstLog)
	return append(list, d.triggers()...)
}

// sqlFirstLog makes the version of new tables one from which a delta is served.
const sqlFirstLog = `INSERT INTO reauth_log (version, nonce, provider, id) SELECT version, nonce, '', '' FROM reauth_meta`

// dialectOf finds out which database db is.
func dialectOf(ctx context.Context, db *sql.DB) (sqlDialect, error) {
	if err := retryBusy(ctx, func() error { return db.PingContext(ctx) }); err != nil {
		return sqlDialect{}, err
	}
	var failed []error
	for _, d := range []sqlDialect{postgreSQL, sqlite} {
		var version string
		err := retryBusy(ctx, func() error { return db.QueryRowContext(ctx, d.probe).Scan(&version) })
		if err == nil {
			return d, nil
		}
		if ctx.Err() != nil || isPrepareTrouble(err) { // neither says which database it is
			return sqlDialect{}, err
		}
		failed = append(failed, fmt.Errorf("as %s: %w", d.name, err))
	}
	return sqlDialect{}, fmt.Errorf("the database is neither PostgreSQL nor SQLite: %w; %w", failed[0], failed[1])
}

// queryer is a database, or a transaction in it.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaFormat returns the format of the tables. It fails when there are none.
func schemaFormat(ctx context.Context, q queryer) (format int, err error) {
	err = q.QueryRowContext(ctx, `SELECT format FROM reauth_meta`).Scan(&format)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoMeta
	}
	return format, err
}

// checkFormat refuses tables that this program does not know.
func checkFormat(format int) error {
	if format == sqlFormat {
		return nil
	}
	return fmt.Errorf("its tables have format %d, only %d is known here; update the program", format, sqlFormat)
}

// makeSchema makes the tables and triggers in one transaction: another process sees all or none.
func makeSchema(ctx context.Context, db *sql.DB, d sqlDialect) error {
	return transact(ctx, db, func(tx *sql.Tx) error { return execAll(ctx, tx, d.newTables()) })
}

// transact runs f in a transaction.
func transact(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func execAll(ctx context.Context, tx *sql.Tx, statements []string) error {
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
