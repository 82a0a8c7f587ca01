package integration

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/version1"
)

func TestManyOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		shared := d.open(t)
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range 30 {
			db := shared
			if i%2 == 0 {
				db = d.open(t)
			}
			all.Go(func() {
				<-start
				_, err := reauth.NewSQLStore(bounded(t), db)
				assert.NoError(t, err)
			})
		}
		close(start)
		all.Wait()
		assert.EqualValues(t, 1, number(t, shared, `SELECT count(*) FROM reauth_meta`))
	})
}

func TestManyOpenAnEmptyDatabaseAtOnceUnderSerializable(t *testing.T) {
	d := postgres(t).with(t, "default_transaction_isolation", "serializable")
	openAtOnce(t, d, 30)
}

// openAtOnce opens n stores in a database at once.
func openAtOnce(t *testing.T, d database, n int) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		db := d.open(t)
		all.Go(func() {
			_, err := reauth.NewSQLStore(bounded(t), db)
			assert.NoError(t, err)
		})
	}
	all.Wait()
}

func init() {
	childModes["open"] = func() int {
		db, err := sql.Open(os.Getenv("REAUTH_TEST_DRIVER"), os.Getenv("REAUTH_TEST_DSN"))
		if err == nil {
			fmt.Println("ready")
			_, _ = io.ReadAll(os.Stdin) // until the parent starts all children at once
			_, err = reauth.NewSQLStore(context.Background(), db)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

func TestProcessesOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		openInProcesses(t, d)
		assert.EqualValues(t, 1, number(t, d.open(t), `SELECT count(*) FROM reauth_meta`))
	})
}

// openInProcesses opens the store in several processes at once.
func openInProcesses(t *testing.T, d database) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	type child struct {
		cmd    *exec.Cmd
		stdin  io.Closer
		stderr bytes.Buffer
	}
	children := make([]*child, 8)
	for i := range children {
		c := &child{cmd: exec.CommandContext(bounded(t), self)}
		c.cmd.Env = append(os.Environ(), childEnv+"=open", "REAUTH_TEST_DRIVER="+d.driver, "REAUTH_TEST_DSN="+d.dsn)
		c.cmd.Stderr = &c.stderr
		c.stdin, err = c.cmd.StdinPipe()
		require.NoError(t, err)
		stdout, err := c.cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.cmd.Start())
		_, err = io.ReadFull(stdout, make([]byte, len("ready\n")))
		require.NoError(t, err)
		children[i] = c
	}
	for _, c := range children {
		require.NoError(t, c.stdin.Close())
	}
	for _, c := range children {
		assert.NoError(t, c.cmd.Wait(), "%s", &c.stderr)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		db := d.open(t)
		_, err := reauth.NewSQLStore(bounded(t), db)
		require.NoError(t, err)
		mustExec(t, db, `UPDATE reauth_meta SET format = 3`)
		_, err = reauth.NewSQLStore(bounded(t), db)
		require.EqualError(t, err,
			"reauth: sql store: its tables have format 3, only 2 is known here; update the program")
	})
}

// A program that knows only format 1 refuses new tables, and upgraded ones, with words.
func TestFormat2IsRefusedByAnOldProgram(t *testing.T) {
	const refusal = "its tables have format 2, only 1 is known here; update the program"
	eachDatabase(t, func(t *testing.T, d database) {
		d.store(t)
		require.EqualError(t, version1.CheckTables(bounded(t), d.open(t)), refusal)
	})
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		require.NoError(t, version1.CheckTables(bounded(t), d.open(t)))
		d.store(t)
		require.EqualError(t, version1.CheckTables(bounded(t), d.open(t)), refusal)
	})
}

func TestDatabaseThatIsDownIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the listener of a test
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	d := database{"pgx", "postgres://postgres@" + address + "/postgres?sslmode=disable"}
	_, err = reauth.NewSQLStore(bounded(t), d.open(t))
	require.ErrorContains(t, err, "reauth: sql store: ")
	require.ErrorContains(t, err, "refused")

	_, err = reauth.NewSQLStore(bounded(t), database{"sqlite", "file:/nowhere/at/all.db"}.open(t))
	require.ErrorContains(t, err, "unable to open database file")

	_, err = reauth.NewSQLStore(bounded(t), nil)
	require.ErrorContains(t, err, "the database is nil; open one with sql.Open")
}

// If a server accepts connections and says nothing, opening the store ends with the context.
func TestDatabaseThatHangsIsRefusedInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the listener of a test
	require.NoError(t, err)
	defer l.Close()
	ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer stop()
	d := database{"pgx", "postgres://postgres@" + l.Addr().String() + "/postgres?sslmode=disable"}
	begin := time.Now()
	_, err = reauth.NewSQLStore(ctx, d.open(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(begin), patience/3)
}

func TestTablesThatMayNotBeMade(t *testing.T) {
	d := postgres(t)
	_, err := reauth.NewSQLStore(bounded(t), d.with(t, "default_transaction_read_only", "on").open(t))
	require.ErrorContains(t, err, "making them failed")
	require.ErrorContains(t, err, "read-only transaction")
}

// oddDriver is the driver of a database that speaks neither dialect.
type oddDriver struct{}

func (oddDriver) Open(string) (driver.Conn, error) { return oddDriver{}, nil }
func (oddDriver) Prepare(query string) (driver.Stmt, error) {
	return nil, errors.New("syntax error near " + query[:6])
}
func (oddDriver) Close() error              { return nil }
func (oddDriver) Begin() (driver.Tx, error) { return nil, errors.New("no transactions") }

func TestOtherDatabasesAreRefused(t *testing.T) {
	sql.Register("odd", oddDriver{})
	_, err := reauth.NewSQLStore(bounded(t), database{"odd", ""}.open(t))
	require.ErrorContains(t, err, "neither PostgreSQL nor SQLite")
	require.ErrorContains(t, err, "syntax error near SELECT")
}

var tables = []string{
	"reauth_meta", "reauth_records", "reauth_marks", "reauth_spending", "reauth_log", "reauth_claims",
}

// dropTables removes all tables, and with PostgreSQL the functions of their triggers.
func dropTables(t testing.TB, d database) {
	t.Helper()
	db := d.open(t)
	for _, table := range tables {
		mustExec(t, db, `DROP TABLE IF EXISTS `+table)
	}
	if d.driver == "sqlite" {
		return
	}
	for _, table := range []string{"reauth_records", "reauth_marks"} {
		for _, event := range []string{"insert", "update", "delete"} {
			mustExec(t, db, `DROP FUNCTION IF EXISTS `+table+`_`+event+`()`)
		}
	}
}

// Tables that are gone are an error, and no empty store.
func TestTablesThatAreGone(t *testing.T) {
	for _, table := range append([]string{""}, tables...) {
		t.Run("Without"+table, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				s := d.store(t)
				save(t, s, pair(1, "1"))
				version := look(t, s, "").Version
				if table == "" {
					dropTables(t, d)
				} else {
					mustExec(t, d.open(t), `DROP TABLE `+table)
				}
				gone := func(err error) {
					require.ErrorContains(t, err, "its tables were there and are gone; put a backup of them back")
				}
				if table != "reauth_claims" {
					_, err := s.Load(bounded(t), version)
					gone(err)
					_, err = s.Load(bounded(t), "")
					gone(err)
				}
				if table != "reauth_claims" && table != "reauth_spending" {
					gone(s.Mark(bounded(t), provider, id, "token", reauth.Mark{
						At: time.Now(), Until: time.Now(), Of: digest("access 1"),
					}, time.Time{}))
				}
				_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
					assert.Fail(t, "nothing was read")
					return h.Entry, nil
				})
				gone(err)
			})
		})
	}
}

func TestEmptyMetaTableIsAnError(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s := d.store(t)
		mustExec(t, d.open(t), `DELETE FROM reauth_meta`)
		_, err := s.Load(bounded(t), "")
		require.ErrorContains(t, err, "the table reauth_meta is empty")
		_, err = reauth.NewSQLStore(bounded(t), d.open(t))
		require.ErrorContains(t, err, "the table reauth_meta is empty")
	})
}
