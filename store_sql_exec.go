package reauth

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// sqlDB is the database of a store.
type sqlDB struct{ *sql.DB }

// exec runs one statement and returns how many rows it has changed.
func (db sqlDB) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	return db.execWithin(ctx, ctx, query, args...)
}

// execWithin is exec with one context for waiting while the database is busy, and another for the
// statement itself.
func (db sqlDB) execWithin(waiting, statement context.Context, query string, args ...any) (n int64, err error) {
	err = retryBusy(waiting, func() error {
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
		result, err := db.ExecContext(statement, query, args...)
		if isOnlyReading(err) {
			result, err = db.execElsewhere(statement, query, args...)
		}
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// maxStale is how many connections are discarded at most for one statement.
const maxStale = 20

// execElsewhere runs a statement that a connection refused because it only reads. After a failover
// the idle connections still lead to the old server, which only reads now. They are discarded one
// by one.
func (db sqlDB) execElsewhere(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	for range 1 + min(db.Stats().OpenConnections, maxStale) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		result, err = conn.ExecContext(ctx, query, args...)
		if !isOnlyReading(err) && !errors.Is(err, driver.ErrBadConn) {
			return result, errors.Join(err, conn.Close())
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // discards it
	}
	return db.ExecContext(ctx, query, args...)
}

// isOnlyReading reports whether a connection to PostgreSQL refused to write.
func isOnlyReading(err error) bool { return sqlState(err) == "25006" }

// sqlState returns the SQLSTATE of an error of PostgreSQL; empty: it has none.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// isPrepareTrouble reports whether a prepared statement was looked for, or found, on the wrong
// connection.
func isPrepareTrouble(err error) bool {
	state := sqlState(err)
	return state == "42P05" || state == "26000"
}

// isMissing reports whether a statement failed because a table is not there.
func isMissing(err error) bool {
	return err != nil && (sqlState(err) == "42P01" || errors.Is(err, errNoMeta) ||
		strings.Contains(err.Error(), "no such table"))
}

var errNoMeta = errors.New("the table reauth_meta is empty; put a backup of all tables reauth_* back, or drop them")

// isClosed reports whether the program has closed the database. database/sql does not export the
// error.
func isClosed(err error) bool {
	return err != nil && strings.Contains(err.Error(), "sql: database is closed")
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
	switch sqlState(err) {
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return true
	case "":
	default:
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
