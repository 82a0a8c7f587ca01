package integration

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/reauth-go/reauth"
)

// patience is for what must happen, on a busy machine.
const patience = 30 * time.Second

func bounded(t testing.TB) context.Context {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	return ctx
}

// needEnv returns what postgres.sh has told, and fails the test where it was not run: such a test
// must not be skipped unseen.
func needEnv(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf(`%s is not set: run eval "$(integration/postgres.sh start)" first, and integration/postgres.sh stop `+
			`"$REAUTH_TEST_POSTGRES_DIR" at the end`, name)
	}
	return value
}

// database is a place that can be opened any number of times.
type database struct{ driver, dsn string }

// open returns a handle, as each process has its own.
func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// store opens the database and a store in it.
func (d database) store(t testing.TB) *reauth.SQLStore {
	t.Helper()
	s, err := reauth.NewSQLStore(bounded(t), d.open(t))
	require.NoError(t, err)
	return s
}

// with returns the database with settings added to its connections.
func (d database) with(t testing.TB, settings ...string) database {
	t.Helper()
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	q := u.Query()
	for i := 0; i+1 < len(settings); i += 2 {
		q.Add(settings[i], settings[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx takes a plus for a plus
	return database{d.driver, u.String()}
}

// postgres returns a schema of its own, so that tests do not disturb each other.
func postgres(t testing.TB) database {
	t.Helper()
	root := database{"pgx", needEnv(t, "REAUTH_TEST_POSTGRES")}
	schema := "t_" + strings.ToLower(rand.Text())
	db := root.open(t)
	mustExec(t, db, `CREATE SCHEMA `+schema)
	t.Cleanup(func() { mustExec(t, db, `DROP SCHEMA `+schema+` CASCADE`) })
	return root.with(t, "search_path", schema)
}

// sqlite returns a file of its own.
func sqlite(t testing.TB) database {
	return database{"sqlite", "file:" + filepath.Join(t.TempDir(), "reauth.db")}
}

// databases are what a store may live in, each time a new one.
var databases = map[string]func(testing.TB) database{"PostgreSQL": postgres, "SQLite": sqlite}

// eachDatabase runs a test on both.
func eachDatabase(t *testing.T, f func(t *testing.T, d database)) {
	for name, d := range databases {
		t.Run(name, func(t *testing.T) { f(t, d(t)) })
	}
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	insist(t, func() error {
		_, err := db.ExecContext(bounded(t), query, args...)
		return err
	})
}

// number returns what a query that yields one number says.
func number(t testing.TB, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	insist(t, func() error { return db.QueryRowContext(bounded(t), query, args...).Scan(&n) })
	return n
}

// insist repeats what SQLite is too busy for; only what is tested has to cope with that by itself.
func insist(t testing.TB, f func() error) {
	t.Helper()
	err := f()
	for range 400 {
		if err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") {
			break
		}
		time.Sleep(5 * time.Millisecond)
		err = f()
	}
	require.NoError(t, err)
}

// control pauses or resumes the PostgreSQL server.
func control(t testing.TB, command string) {
	t.Helper()
	out, err := exec.CommandContext(bounded(t), needEnv(t, "REAUTH_TEST_POSTGRES_CTL"), command,
		needEnv(t, "REAUTH_TEST_POSTGRES_DIR")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
