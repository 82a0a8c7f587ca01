package reauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// sqlDialect is what differs between the databases.
type sqlDialect struct {
	name     string
	probe    string // a query that succeeds on this database only
	now      string // the database's clock, in ms since 1970
	started  string // when the server was started, on that clock: while it was down no claim could be renewed
	triggers []string
}

// Triggers count the version of the content, so that every change is one statement: a process that
// is suspended in the middle of a transaction would keep all others waiting. All writers change the
// one row of reauth_meta, so changes become visible in the order of their versions.
var (
	postgreSQL = sqlDialect{
		name:    "PostgreSQL",
		probe:   `SELECT current_setting('server_version_num')`,
		now:     `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)`,
		started: `CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000 AS bigint)`,
		triggers: []string{
			`CREATE FUNCTION reauth_count() RETURNS trigger LANGUAGE plpgsql
				AS 'BEGIN UPDATE reauth_meta SET version = version + 1; RETURN NULL; END'`,
			`CREATE TRIGGER reauth_count AFTER INSERT OR UPDATE OR DELETE ON reauth_credentials
				FOR EACH STATEMENT EXECUTE FUNCTION reauth_count()`,
			`CREATE TRIGGER reauth_count AFTER INSERT OR UPDATE OR DELETE ON reauth_standings
				FOR EACH STATEMENT EXECUTE FUNCTION reauth_count()`,
		},
	}
	sqlite = sqlDialect{
		name:     "SQLite",
		probe:    `SELECT sqlite_version()`,
		now:      `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`,
		started:  `0`,
		triggers: triggersOfSQLite(),
	}
)

// triggersOfSQLite makes a trigger for each kind of change of each table, because SQLite has none
// for several kinds at once.
func triggersOfSQLite() (triggers []string) {
	for _, table := range []string{"reauth_credentials", "reauth_standings"} {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			triggers = append(triggers, fmt.Sprintf(`CREATE TRIGGER %[1]s_%[2]s AFTER %[2]s ON %[1]s
				BEGIN UPDATE reauth_meta SET version = version + 1; END`, table, change))
		}
	}
	return triggers
}

// sqlFormat is the version of the schema. A newer version is refused, because we cannot know what
// its tables mean.
const sqlFormat = 1

// sqlTables are made in one transaction. Tokens and standings are apart, so that a mark cannot
// touch a token.
var sqlTables = []string{
	`CREATE TABLE reauth_meta (one INTEGER PRIMARY KEY CHECK (one = 1), format BIGINT NOT NULL,
		version BIGINT NOT NULL)`,
	`CREATE TABLE reauth_credentials (provider TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL,
		version BIGINT NOT NULL, credential TEXT NOT NULL, PRIMARY KEY (provider, id))`,
	`CREATE TABLE reauth_standings (provider TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL,
		standing TEXT NOT NULL, PRIMARY KEY (provider, id))`,
	`CREATE TABLE reauth_claims (provider TEXT NOT NULL, id TEXT NOT NULL, holder TEXT NOT NULL,
		until BIGINT NOT NULL, PRIMARY KEY (provider, id))`,
	fmt.Sprintf(`INSERT INTO reauth_meta (one, format, version) VALUES (1, %d, 1)`, sqlFormat),
}

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

// isPrepareTrouble reports whether a prepared statement was looked for, or found, on the wrong
// connection.
func isPrepareTrouble(err error) bool {
	var coded interface{ SQLState() string }
	return errors.As(err, &coded) && (coded.SQLState() == "42P05" || coded.SQLState() == "26000")
}

// openSchema makes the tables, unless they are there. If several processes do so at once, one of
// them succeeds and the others find its tables.
func openSchema(ctx context.Context, db *sql.DB, d sqlDialect) error {
	return retryBusy(ctx, func() error {
		there, err := checkSchema(ctx, db)
		if there {
			return err
		}
		made := makeSchema(ctx, db, d)
		if made == nil {
			return nil
		}
		if there, err := checkSchema(ctx, db); there { // another process was faster
			return err
		}
		if isBusy(made) {
			return made
		}
		return fmt.Errorf("no tables of reauth are there (%w), and making them failed: %w", err, made)
	})
}

// checkSchema reports whether the tables are there. If they are, err says whether they are of
// another format.
func checkSchema(ctx context.Context, db *sql.DB) (there bool, err error) {
	var format int
	err = db.QueryRowContext(ctx, `SELECT format FROM reauth_meta`).Scan(&format)
	switch {
	case err != nil:
		return false, err
	case format != sqlFormat:
		return true, fmt.Errorf("its tables have format %d, only %d is known here; update the program",
			format, sqlFormat)
	}
	return true, nil
}

// makeSchema makes the tables and triggers in one transaction: another process sees all or none.
func makeSchema(ctx context.Context, db *sql.DB, d sqlDialect) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, list := range [][]string{sqlTables, d.triggers} {
		for _, statement := range list {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// retryBusy repeats f while the database is busy, until ctx ends.
func retryBusy(ctx context.Context, f func() error) error {
	for times := 0; ; times++ {
		err := f()
		if !isBusy(err) {
			return err
		}
		if !wait.For(ctx, wait.Jittered(wait.Doubled(2*time.Millisecond, 100*time.Millisecond, times))) {
			return fmt.Errorf("%w, and the database was busy: %w", context.Cause(ctx), err)
		}
	}
}

// isBusy reports whether a statement did nothing and may succeed when it is repeated: two
// statements met, as they may under the default isolation of the caller's database.
func isBusy(err error) bool {
	if err == nil {
		return false
	}
	var coded interface{ SQLState() string } // the drivers of PostgreSQL
	if errors.As(err, &coded) {
		switch coded.SQLState() {
		case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
			return true
		}
		return false
	}
	text := err.Error() // the drivers of SQLite have no error type in common
	for _, busy := range []string{"SQLITE_BUSY", "database is locked", "table is locked"} {
		if strings.Contains(text, busy) {
			return true
		}
	}
	return false
}
