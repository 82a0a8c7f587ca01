package integration

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// patience is how long a test waits, on a busy machine, for an event that has to happen.
const patience = 30 * time.Second

// bounded returns a context that ends after patience.
func bounded(t testing.TB) context.Context {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	return ctx
}

// needEnv returns a variable that postgres.sh has printed.
func needEnv(t testing.TB, name string) string {
	t.Helper()
	return testrig.Started(t, "integration/postgres.sh", "REAUTH_TEST_POSTGRES_DIR", name)
}

// database is the address of a database, which a test can open any number of times.
type database struct{ driver, dsn string }

// open returns a handle of its own, as each process has one.
func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// store opens the database and the store in it.
func (d database) store(t testing.TB) *reauth.SQLStore {
	t.Helper()
	s, err := reauth.NewSQLStore(bounded(t), d.open(t))
	require.NoError(t, err)
	return s
}

// with returns the database with settings for its connections.
func (d database) with(t testing.TB, settings ...string) database {
	t.Helper()
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	q := u.Query()
	for i := 0; i+1 < len(settings); i += 2 {
		q.Add(settings[i], settings[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx does not read a plus as a space
	return database{d.driver, u.String()}
}

// postgres returns a new schema in PostgreSQL, so that tests do not disturb each other.
func postgres(t testing.TB) database {
	t.Helper()
	root := database{"pgx", needEnv(t, "REAUTH_TEST_POSTGRES")}
	schema := "t_" + strings.ToLower(rand.Text())
	db := root.open(t)
	mustExec(t, db, `CREATE SCHEMA `+schema)
	t.Cleanup(func() { mustExec(t, db, `DROP SCHEMA `+schema+` CASCADE`) })
	return root.with(t, "search_path", schema)
}

// sqlite returns a new file for SQLite.
func sqlite(t testing.TB) database {
	return sqliteIn(filepath.Join(t.TempDir(), "reauth.db"))
}

// sqliteIn returns the SQLite database in a file.
func sqliteIn(path string) database { return database{"sqlite", sqliteURI(path)} }

// sqliteURI is the URI of a file for SQLite. A # in a path, as in that of a test which runs twice,
// would end the path.
func sqliteURI(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// databases are the databases that a store may live in. Each call makes a new one.
var databases = map[string]func(testing.TB) database{"PostgreSQL": postgres, "SQLite": sqlite}

// eachDatabase runs a test on PostgreSQL and on SQLite.
func eachDatabase(t *testing.T, f func(t *testing.T, d database)) {
	for name, d := range databases {
		t.Run(name, func(t *testing.T) { f(t, d(t)) })
	}
}

// eachDatabaseAtOnce is eachDatabase for a test that mostly waits: it runs on both at the same time.
func eachDatabaseAtOnce(t *testing.T, f func(t *testing.T, d database)) {
	eachDatabase(t, func(t *testing.T, d database) {
		t.Parallel()
		f(t, d)
	})
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	insist(t, func() error {
		_, err := db.ExecContext(bounded(t), query, args...)
		return err
	})
}

// number returns the result of a query that yields one number.
func number(t testing.TB, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	insist(t, func() error { return db.QueryRowContext(bounded(t), query, args...).Scan(&n) })
	return n
}

// insist repeats a statement of a test while SQLite is too busy for it. The store under test has to
// cope with that by itself.
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

// control pauses or resumes the PostgreSQL server, by a command of postgres.sh.
func control(t testing.TB, command string) {
	t.Helper()
	out, err := exec.CommandContext(bounded(t), needEnv(t, "REAUTH_TEST_POSTGRES_CTL"), command,
		needEnv(t, "REAUTH_TEST_POSTGRES_DIR")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// keep leaves the stored record as it is.
func keep(h reauth.Holding) (reauth.Entry, error) { return h.Entry, nil }

// write returns a function for Update that stores e.
func write(e reauth.Entry) func(reauth.Holding) (reauth.Entry, error) {
	return func(reauth.Holding) (reauth.Entry, error) { return e, nil }
}

// save stores a record, as another process does.
func save(t testing.TB, s reauth.Store, e reauth.Entry) reauth.Entry {
	t.Helper()
	c := &e.Credential
	if c.Provider == "" {
		c.Provider, c.ID = provider, id
	}
	e, err := s.Update(bounded(t), c.Provider, c.ID, write(e))
	require.NoError(t, err)
	return e
}

// pair returns a record of a generation; its tokens are named after it.
func pair(generation int64, tokens string) reauth.Entry {
	return reauth.Entry{
		Generation: generation,
		Credential: reauth.Credential{AccessToken: "access " + tokens, RefreshToken: "refresh " + tokens},
	}
}

// look loads what has changed since version.
func look(t testing.TB, s reauth.Store, version string) reauth.Snapshot {
	t.Helper()
	snap, err := s.Load(bounded(t), version)
	require.NoError(t, err)
	return snap
}

// record returns the one record of a store.
func record(t testing.TB, s reauth.Store) reauth.Entry {
	t.Helper()
	snap := look(t, s, "")
	require.Empty(t, snap.Broken)
	require.Len(t, snap.Entries, 1)
	return snap.Entries[0]
}

// digest is how a mark names a token.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// text returns the result of a query that yields one text.
func text(t testing.TB, db *sql.DB, query string, args ...any) (s string) {
	t.Helper()
	insist(t, func() error { return db.QueryRowContext(bounded(t), query, args...).Scan(&s) })
	return s
}
