//go:build unix

package integration

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fleettest"
)

// soakSQL soaks processes on a database. dsn is the address for the workers.
func soakSQL(t *testing.T, d database, account *fleettest.Account, dsn string, what fleettest.Soaking) {
	t.Helper()
	f := fleet(t, d, claimTime, 30*time.Millisecond)
	f.Job.Store, f.Workers = d.driver+" "+dsn, account
	what.Lasts = fleettest.SoakTime(2*time.Second, 4*time.Second)
	what.Longest, what.Within, what.Claim = 2*claimTime, 90*time.Second, claimTime
	f.Soak(t, what)
	assert.Zero(t, number(t, d.open(t), `SELECT count(*) FROM reauth_claims WHERE until > $1`,
		time.Now().UnixMilli()), "nobody holds a claim any more")
}

// Eight processes share a database of PostgreSQL that goes back, vanishes, is restarted, only read
// and full, and cuts its connections.
func TestSoakOnPostgreSQL(t *testing.T) {
	d := postgres(t)
	d.store(t)
	p := &soakPostgres{db: d.open(t), role: "soak_" + strings.ToLower(rand.Text())}
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	p.schema = u.Query().Get("search_path")
	u.User = url.User(p.role)
	for _, statement := range []string{
		`CREATE ROLE ` + p.role + ` LOGIN`,
		`GRANT USAGE ON SCHEMA ` + p.schema + ` TO ` + p.role,
		`GRANT ALL ON ALL TABLES IN SCHEMA ` + p.schema + ` TO ` + p.role,
		`CREATE FUNCTION ` + p.schema + `.soak_full() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN RAISE EXCEPTION ''could not extend file: No space left on device'' USING ERRCODE = ''53100''; END'`,
	} {
		mustExec(t, p.db, statement)
	}
	t.Cleanup(func() {
		for i := range snapshots {
			mustExec(t, p.db, `DROP SCHEMA IF EXISTS `+p.snapshot(i)+` CASCADE`)
		}
		mustExec(t, p.db, `DROP OWNED BY `+p.role)
		mustExec(t, p.db, `DROP ROLE `+p.role)
	})
	control := []string{needEnv(t, "REAUTH_TEST_POSTGRES_CTL"), needEnv(t, "REAUTH_TEST_POSTGRES_DIR")}
	soakSQL(t, d, nil, u.String(), fleettest.Soaking{
		Troubles: p.troubles(control[0], control[1]), Remember: p.remember,
	})
}

// snapshots is how many copies of the tables there are.
const snapshots = 12

// soakPostgres is the schema of a soak. Its workers log in as a role of their own.
type soakPostgres struct {
	db           *sql.DB
	schema, role string
	taken        int // copies of the tables so far
}

func (p *soakPostgres) snapshot(i int) string { return fmt.Sprintf("%s_%d", p.schema, i%snapshots) }

// exec runs statements in one transaction. It tries again when the server was restarted under it.
func (p *soakPostgres) exec(statements ...string) (err error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for range 10 {
		err = inTransaction(ctx, p.db, statements)
		if err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func inTransaction(ctx context.Context, db *sql.DB, statements []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return tx.Commit()
}

// remember copies the tables. The first copies stay for long.
func (p *soakPostgres) remember() error {
	to := p.snapshot(p.taken)
	list := []string{
		`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`, `DROP SCHEMA IF EXISTS ` + to + ` CASCADE`, `CREATE SCHEMA ` + to,
	}
	for _, table := range tables {
		list = append(list, fmt.Sprintf(`CREATE TABLE %s.%s AS TABLE %s.%s`, to, table, p.schema, table))
	}
	if err := p.exec(list...); err != nil {
		return err
	}
	p.taken++
	return nil
}

// putBack replaces the content of all tables by that of a copy.
func (p *soakPostgres) putBack() (func() error, error) {
	if p.taken == 0 {
		return nil, nil
	}
	back := mathrand.IntN(min(p.taken, 3))
	if mathrand.IntN(4) == 0 {
		back = mathrand.IntN(min(p.taken, snapshots))
	}
	from := p.snapshot(p.taken - 1 - back)
	list := []string{`SET LOCAL session_replication_role = replica`} // no triggers
	for _, table := range tables {
		list = append(list, fmt.Sprintf(`LOCK TABLE %s.%s IN ACCESS EXCLUSIVE MODE`, p.schema, table))
	}
	for _, table := range tables {
		list = append(list, fmt.Sprintf(`DELETE FROM %s.%s`, p.schema, table),
			fmt.Sprintf(`INSERT INTO %[1]s.%[3]s SELECT * FROM %[2]s.%[3]s`, p.schema, from, table))
	}
	return nil, p.exec(list...)
}

func (p *soakPostgres) troubles(script, dir string) []fleettest.Trouble {
	cut := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '` + p.role + `'`
	const most = 3 * time.Second
	paired := func(begin, end []string) func() (func() error, error) {
		return func() (func() error, error) {
			return func() error { return p.exec(end...) }, p.exec(begin...)
		}
	}
	alter := `ALTER ROLE ` + p.role
	return []fleettest.Trouble{
		{Name: "put back to an older copy", Back: true, Begin: p.putBack}, // as often as two others
		{Name: "put back to an older copy", Back: true, Begin: p.putBack},
		{Name: "restarted", Most: most, Begin: func() (func() error, error) {
			run := func(command string) error {
				ctx, stop := context.WithTimeout(context.Background(), patience)
				defer stop()
				if out, err := exec.CommandContext(ctx, script, command, dir).CombinedOutput(); err != nil {
					return fmt.Errorf("%s: %w: %s", command, err, out)
				}
				return nil
			}
			return func() error { return run("resume") }, run("pause")
		}},
		{Name: "made read-only, as by a failover", Most: most, Begin: paired(
			[]string{alter + ` SET default_transaction_read_only = on`, cut},
			[]string{alter + ` RESET default_transaction_read_only`},
		)},
		{Name: "removed and returned", Most: most, Begin: paired(
			[]string{`ALTER SCHEMA ` + p.schema + ` RENAME TO ` + p.schema + `_away`},
			[]string{`ALTER SCHEMA ` + p.schema + `_away RENAME TO ` + p.schema},
		)},
		{Name: "connections cut", Begin: func() (func() error, error) { return nil, p.exec(cut) }},
		p.full(most, "reauth_records"),
		p.full(most, tables...),
	}
}

// full lets writing tables fail, as on a full disk.
func (p *soakPostgres) full(most time.Duration, names ...string) fleettest.Trouble {
	var begin, end []string
	for _, name := range names {
		begin = append(begin, fmt.Sprintf(`CREATE TRIGGER soak_full BEFORE INSERT OR UPDATE ON %[1]s.%[2]s
			EXECUTE FUNCTION %[1]s.soak_full()`, p.schema, name))
		end = append(end, fmt.Sprintf(`DROP TRIGGER soak_full ON %s.%s`, p.schema, name))
	}
	return fleettest.Trouble{Name: fmt.Sprintf("filled up: %d tables", len(names)), Most: most, Begin: func() (func() error, error) {
		return func() error { return p.exec(end...) }, p.exec(begin...)
	}}
}

// Eight processes share a database of SQLite that goes back, is locked by others, only read, and on
// a full disk.
func TestSoakOnSQLite(t *testing.T) {
	root, account := fleettest.SoakFolder(t)
	s := &soakSQLite{root: root, dir: filepath.Join(root, "store")}
	require.NoError(t, os.Mkdir(s.dir, 0o700))
	d := sqliteIn(filepath.Join(s.dir, "reauth.db"))
	d.store(t)
	s.db = d.open(t)
	require.NoError(t, account.Own(s.dir, filepath.Join(s.dir, "reauth.db")))
	soakSQL(t, d, account, d.dsn, fleettest.Soaking{Troubles: s.troubles(), Remember: s.remember, Limited: true})
}

// soakSQLite is the file of a soak.
type soakSQLite struct {
	db        *sql.DB
	root, dir string
	taken     int // copies of the tables so far
}

func (s *soakSQLite) snapshot(i int) string {
	return filepath.Join(s.root, fmt.Sprintf("%d.db", i%snapshots))
}

// exec runs statements on one connection. It tries again while others write.
func (s *soakSQLite) exec(statements ...string) (err error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, statement := range statements {
		err = whileBusy(ctx, func() error {
			_, err := conn.ExecContext(ctx, statement)
			return err
		})
		if err != nil {
			_, _ = conn.ExecContext(ctx, `ROLLBACK`)
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// whileBusy repeats a statement while others write.
func whileBusy(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "SQLITE_BUSY") {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *soakSQLite) remember() error {
	path := s.snapshot(s.taken)
	_ = os.Remove(path) // it may not be there
	if err := s.exec(`VACUUM INTO '` + path + `'`); err != nil {
		return err
	}
	s.taken++
	return nil
}

// putBack replaces the content of all tables by that of a copy. Of the triggers nothing stays: what
// they write is replaced last.
func (s *soakSQLite) putBack() (func() error, error) {
	if s.taken == 0 {
		return nil, nil
	}
	back := mathrand.IntN(min(s.taken, 3))
	if mathrand.IntN(4) == 0 {
		back = mathrand.IntN(min(s.taken, snapshots))
	}
	list := []string{`ATTACH '` + s.snapshot(s.taken-1-back) + `' AS older`, `BEGIN IMMEDIATE`}
	for _, table := range []string{
		"reauth_records", "reauth_marks", "reauth_spending", "reauth_claims", "reauth_log", "reauth_meta",
	} {
		list = append(list, `DELETE FROM main.`+table, fmt.Sprintf(`INSERT INTO main.%[1]s SELECT * FROM older.%[1]s`, table))
	}
	return nil, s.exec(append(list, `COMMIT`, `DETACH older`)...)
}

func (s *soakSQLite) troubles() []fleettest.Trouble {
	return []fleettest.Trouble{
		{Name: "put back to an older copy", Back: true, Begin: s.putBack}, // as often as two others
		{Name: "put back to an older copy", Back: true, Begin: s.putBack},
		{Name: "made read-only", Most: 3 * time.Second, Begin: func() (func() error, error) {
			return fleettest.ReadOnly(s.dir, filepath.Join(s.dir, "reauth.db"))
		}},
		{Name: "locked by another program", Most: 3 * time.Second, Begin: func() (func() error, error) {
			conn, err := s.db.Conn(context.Background())
			if err != nil {
				return nil, err
			}
			begin := func() error {
				_, err := conn.ExecContext(context.Background(), `BEGIN IMMEDIATE`)
				return err
			}
			if err := whileBusy(context.Background(), begin); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return func() error {
				_, err := conn.ExecContext(context.Background(), `ROLLBACK`)
				return errors.Join(err, conn.Close())
			}, nil
		}},
	}
}
