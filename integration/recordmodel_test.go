package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sqlitedriver "modernc.org/sqlite"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/recordtest"
)

// The schedules of internal/recordtest over SQLite. They are played in bubbles of testing/synctest,
// so a driver between replaces the database's clock in each statement by the bubble's.
func TestRecordInSQLite(t *testing.T) {
	recordtest.Run(t, recordtest.Kind{Make: newModelPlace, ClaimLasts: 45 * time.Second},
		recordtest.Sized(5, 40, 1_000))
}

// modelPlace is a SQLite database as a place of the model.
type modelPlace struct {
	path   string
	copies atomic.Int64
	hidden atomic.Bool
}

func newModelPlace(t testing.TB, _ uint64) recordtest.Place {
	base := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm" // syncing takes no time there
	}
	dir, err := os.MkdirTemp(base, "recordmodel-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &modelPlace{path: filepath.Join(dir, "reauth.db")}
}

// Open implements recordtest.Place.
func (p *modelPlace) Open(testing.TB) recordtest.Handle {
	h := &modelHandle{place: p}
	h.db = sql.OpenDB(modelConnector{h})
	return h
}

// onConn runs f on a connection of the driver itself.
func (p *modelPlace) onConn(f func(conn any) error) {
	db, err := sql.Open("sqlite", sqliteURI(p.path))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err == nil {
		err = conn.Raw(f)
		_ = conn.Close()
	}
	if err != nil {
		panic(err)
	}
}

// Snapshot implements recordtest.Place. It returns the path of a backup.
func (p *modelPlace) Snapshot() any {
	if p.hidden.Load() {
		return nil
	}
	path := fmt.Sprintf("%s.%d", p.path, p.copies.Add(1))
	p.onConn(func(conn any) error {
		content, err := conn.(interface{ Serialize() ([]byte, error) }).Serialize()
		return errors.Join(err, os.WriteFile(path, content, 0o600))
	})
	return path
}

// PutBack implements recordtest.Place. The claims go back, too, as with any backup.
func (p *modelPlace) PutBack(snapshot any) {
	p.onConn(func(conn any) error {
		for {
			b, err := conn.(interface {
				NewRestore(string) (*sqlitedriver.Backup, error)
			}).NewRestore(sqliteURI(snapshot.(string)))
			if err != nil {
				return err
			}
			_, err = b.Step(-1)
			if err = errors.Join(err, b.Finish()); err == nil || !strings.Contains(err.Error(), "locked") {
				return err
			}
		}
	})
}

// Hide implements recordtest.Place: the database does not answer.
func (p *modelPlace) Hide() { p.hidden.Store(true) }

// Show implements recordtest.Place.
func (p *modelPlace) Show() { p.hidden.Store(false) }

// Delete implements recordtest.Place. Nobody makes the tables of a program that runs anew.
func (p *modelPlace) Delete() {}

// modelHandle is the SQLStore of a process.
type modelHandle struct {
	place *modelPlace
	db    *sql.DB
	fails atomic.Bool
	dead  atomic.Bool

	mu    sync.Mutex
	store *reauth.SQLStore // guarded by mu; nil: the database has not answered yet
}

// open returns the store, made when the database answers first.
func (h *modelHandle) open(ctx context.Context) (*reauth.SQLStore, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.store != nil {
		return h.store, nil
	}
	s, err := reauth.NewSQLStore(ctx, h.db)
	h.store = s
	return s, err
}

// Load implements reauth.Store.
func (h *modelHandle) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	s, err := h.open(ctx)
	if err != nil {
		return reauth.Snapshot{}, err
	}
	return s.Load(ctx, version)
}

// Update implements reauth.Store.
func (h *modelHandle) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	s, err := h.open(ctx)
	if err != nil {
		return reauth.Entry{}, err
	}
	return s.Update(ctx, provider, id, fn)
}

// Mark implements reauth.Store.
func (h *modelHandle) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	s, err := h.open(ctx)
	if err != nil {
		return err
	}
	return s.Mark(ctx, provider, id, key, m, seen)
}

// FailSaves implements recordtest.Handle.
func (h *modelHandle) FailSaves(fail bool) { h.fails.Store(fail) }

// Kill implements recordtest.Handle. The process's claim runs out.
func (h *modelHandle) Kill() {
	h.dead.Store(true)
	_ = h.db.Close() // what is under way ends by itself
}

// refuse returns why a statement of the process fails.
func (h *modelHandle) refuse(query string) error {
	switch {
	case h.dead.Load():
		return errors.New("the process has died")
	case h.place.hidden.Load():
		return errors.New("the database does not answer")
	case h.fails.Load() && (strings.Contains(query, "UPDATE reauth_records") ||
		strings.Contains(query, "INSERT INTO reauth_records")):
		return errors.New("the disk is full")
	}
	return nil
}

// modelConnector makes connections that fail as the process's database does, and that have the time
// of the bubble.
type modelConnector struct{ h *modelHandle }

func (c modelConnector) Driver() driver.Driver { return new(sqlitedriver.Driver) }

func (c modelConnector) Connect(context.Context) (driver.Conn, error) {
	if err := c.h.refuse(""); err != nil {
		return nil, err
	}
	conn, err := c.Driver().Open(sqliteURI(c.h.place.path))
	if err != nil {
		return nil, err
	}
	return modelConn{conn.(sqliteConn), c.h}, nil
}

// sqliteConn is what the driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type modelConn struct {
	sqliteConn
	h *modelHandle
}

func (c modelConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.h.refuse(query); err != nil {
		return nil, err
	}
	return c.sqliteConn.ExecContext(ctx, atBubbleTime(query), args)
}

func (c modelConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.h.refuse(query); err != nil {
		return nil, err
	}
	return c.sqliteConn.QueryContext(ctx, atBubbleTime(query), args)
}

// atBubbleTime replaces the database's clock.
func atBubbleTime(query string) string {
	now := time.Now().UTC().Format("'2006-01-02 15:04:05.000'")
	return strings.ReplaceAll(query, "'now'", now)
}
