package integration

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// named returns a record of a credential.
func named(name string, generation int64) reauth.Entry {
	e := pair(generation, fmt.Sprint(name, generation))
	e.Credential.Provider, e.Credential.ID = provider, name
	return e
}

func ids(snap reauth.Snapshot) (list []string) {
	for _, e := range snap.Entries {
		list = append(list, e.Credential.ID)
	}
	return list
}

func TestDelta(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, db := d.store(t), d.store(t), d.open(t)
		first := look(t, s, "")
		assert.False(t, first.Delta)
		assert.NotEmpty(t, first.Identity)
		for _, name := range []string{"a", "b", "c"} {
			save(t, s, named(name, 1))
		}
		since := func(version string, want ...string) string {
			t.Helper()
			snap := look(t, other, version)
			assert.True(t, snap.Delta)
			assert.Equal(t, first.Identity, snap.Identity)
			assert.Equal(t, want, ids(snap))
			return snap.Version
		}
		v := since(first.Version, "a", "b", "c")
		assert.Equal(t, v, since(v))
		save(t, s, named("b", 2))
		w := since(v, "b")
		require.NoError(t, s.Mark(bounded(t), provider, "a", "token", markOf(digest("access a1"), noon), time.Time{}))
		since(w, "a")
		x := since(v, "a", "b")
		mustExec(t, db, `DELETE FROM reauth_marks`)
		x = since(x, "a")
		mustExec(t, db, `UPDATE reauth_records SET position = 99 WHERE id = 'c'`)
		x = since(x, "c")
		e := named("c", 3)
		e.Removed = true
		save(t, s, e)
		x = since(x, "c")

		for _, unknown := range []string{"", "1", "-", "x-y", x + "0", "0" + x, "7-" + strings.SplitN(x, "-", 2)[1]} {
			snap := look(t, other, unknown)
			if unknown != "0"+x {
				assert.False(t, snap.Delta, unknown)
				assert.Len(t, snap.Entries, 3)
			}
			assert.Equal(t, x, snap.Version)
		}
		mustExec(t, db, `DELETE FROM reauth_records WHERE id = 'b'`)
		snap := look(t, other, x)
		assert.False(t, snap.Delta, "a delta cannot tell that a record is gone")
		assert.Equal(t, []string{"a", "c"}, ids(snap))
		assert.True(t, look(t, other, snap.Version).Delta)

		fill(t, d, 1025)
		v = look(t, other, snap.Version).Version
		assert.False(t, look(t, other, snap.Version).Delta, "too much has changed")
		mustExec(t, db, `UPDATE reauth_records SET position = position WHERE position < 1000`)
		assert.True(t, look(t, other, v).Delta)
	})
}

func TestLogGoesBack1024Writes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, named("a", 1))
		save(t, s, named("b", 1))
		v := look(t, s, "").Version
		count := func(n int) {
			tx, err := db.BeginTx(bounded(t), nil)
			require.NoError(t, err)
			for range n {
				_, err := tx.ExecContext(bounded(t), `UPDATE reauth_records SET position = position WHERE id = 'a'`)
				require.NoError(t, err)
			}
			require.NoError(t, tx.Commit())
		}
		count(1023)
		snap := look(t, s, v)
		assert.True(t, snap.Delta)
		assert.Equal(t, []string{"a"}, ids(snap))
		count(1)
		snap = look(t, s, v)
		assert.False(t, snap.Delta)
		assert.Len(t, snap.Entries, 2)
		assert.LessOrEqual(t, number(t, db, `SELECT count(*) FROM reauth_log`), int64(1024))
	})
}

// putBack returns what puts a store back to the state it has now.
type putBack func(t *testing.T, d database) (restore func() database)

// bySQL puts the tables back by statements, under whatever triggers there are.
func bySQL(t *testing.T, d database) func() database {
	db := d.open(t)
	for _, table := range tables {
		mustExec(t, db, `CREATE TABLE kept_`+table+` AS SELECT * FROM `+table)
	}
	return func() database {
		insist(t, func() error {
			tx, err := db.BeginTx(bounded(t), nil)
			require.NoError(t, err)
			defer func() { _ = tx.Rollback() }()
			for _, table := range []string{"reauth_records", "reauth_marks", "reauth_spending", "reauth_claims", "reauth_log", "reauth_meta"} {
				for _, query := range []string{`DELETE FROM ` + table, `INSERT INTO ` + table + ` SELECT * FROM kept_` + table} {
					if table == "reauth_meta" {
						query = `UPDATE reauth_meta SET version = (SELECT version FROM kept_reauth_meta),
							nonce = (SELECT nonce FROM kept_reauth_meta)`
					}
					if _, err := tx.ExecContext(bounded(t), query); err != nil {
						return err
					}
				}
			}
			return tx.Commit()
		})
		return d
	}
}

// byTool puts the tables back with the database's own tool.
func byTool(t *testing.T, d database) func() database {
	file := filepath.Join(t.TempDir(), "backup")
	if d.driver == "sqlite" {
		mustExec(t, d.open(t), `VACUUM INTO '`+file+`'`)
		return func() database { return sqliteIn(file) }
	}
	root := needEnv(t, "REAUTH_TEST_POSTGRES")
	schema := text(t, d.open(t), `SELECT current_schema()`)
	run := func(name string, args ...string) {
		out, err := exec.CommandContext(bounded(t), name, append(args, "-d", root)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("pg_dump", "-n", schema, "-Fc", "-f", file)
	return func() database {
		run("pg_restore", "--clean", "--if-exists", file)
		return d
	}
}

// A version that was seen before the store was put back does not come back when the versions are
// counted up again.
func TestStoreThatWasPutBack(t *testing.T) {
	for name, keep := range map[string]putBack{"BySQL": bySQL, "ByTool": byTool} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				s := d.store(t)
				for _, name := range []string{"a", "b"} {
					save(t, s, named(name, 1))
				}
				require.NoError(t, s.Mark(bounded(t), provider, "a", "token", markOf(digest("access a1"), noon), time.Time{}))
				before := look(t, s, "")
				restore := keep(t, d)
				save(t, s, named("a", 2))
				save(t, s, named("b", 2))
				seen := look(t, s, "")
				s = restore().store(t)
				back := look(t, s, seen.Version)
				assert.False(t, back.Delta)
				assert.Equal(t, before.Entries, back.Entries)
				assert.Equal(t, before.Identity, back.Identity)
				if name == "ByTool" {
					assert.Equal(t, before.Version, back.Version)
				}
				for n := range 12 { // over the version that was seen
					name := []string{"b", "c"}[n%2]
					save(t, s, named(name, int64(5+n)))
					snap := look(t, s, seen.Version)
					require.False(t, snap.Delta, "%s after %s", snap.Version, seen.Version)
					require.Contains(t, ids(snap), "a")
					require.NotEqual(t, seen.Version, snap.Version)
				}
			})
		})
	}
}

// follower applies what Load tells, as a pool does.
type follower struct {
	s       reauth.Store
	version string
	entries map[string]reauth.Entry
}

func (f *follower) look(t testing.TB) {
	snap, err := f.s.Load(context.Background(), f.version)
	if !assert.NoError(t, err) {
		return
	}
	was := f.entries
	if !snap.Delta {
		f.entries = make(map[string]reauth.Entry)
	} else {
		f.entries = maps.Clone(was)
	}
	for _, e := range snap.Entries {
		name := e.Credential.ID
		assert.GreaterOrEqual(t, e.Generation, was[name].Generation, "never an older row")
		f.entries[name] = e
	}
	for name := range was {
		assert.Contains(t, f.entries, name)
	}
	f.version = snap.Version
}

// Whoever follows the versions, however many write at once, misses nothing.
func TestFollowingMissesNothing(t *testing.T) {
	settings := map[string]func(testing.TB) database{
		"SQLite": sqlite,
		"SQLiteRecursive": func(t testing.TB) database {
			return sqlite(t).with(t, "_pragma", "recursive_triggers(1)", "_pragma", "journal_mode(wal)")
		},
	}
	for key, values := range map[string][]string{
		"default_transaction_isolation": {"read committed", "repeatable read", "serializable"},
		"default_query_exec_mode":       {"exec", "simple_protocol", "describe_exec"},
	} {
		for _, value := range values {
			settings[value] = func(t testing.TB) database { return postgres(t).with(t, key, value) }
		}
	}
	for name, d := range settings {
		t.Run(name, func(t *testing.T) {
			d := d(t)
			var writers, followers sync.WaitGroup
			stop := make(chan struct{})
			var followed []*follower
			for range 3 {
				f := &follower{s: d.store(t)}
				followed = append(followed, f)
				followers.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(2 * time.Millisecond): // SQLite has no queue; readers starve writers
							f.look(t)
						}
					}
				})
			}
			for w := range 4 {
				s := d.store(t)
				writers.Go(func() {
					for range 15 {
						name := string(rune('a' + rand.IntN(8)))
						_, err := s.Update(context.Background(), provider, name, func(h reauth.Holding) (reauth.Entry, error) {
							e := named(name, h.Entry.Generation+1)
							e.Login = login
							return e, nil
						})
						assert.NoError(t, err)
						err = s.Mark(context.Background(), provider, name, fmt.Sprintf("model:%d", w),
							markOf(login.Format(time.RFC3339Nano), time.Now()), time.Time{})
						if err != nil {
							assert.ErrorIs(t, err, reauth.ErrMarked)
						}
					}
				})
			}
			writers.Wait()
			close(stop)
			followers.Wait()
			want := make(map[string]reauth.Entry)
			for _, e := range look(t, d.store(t), "").Entries {
				want[e.Credential.ID] = e
			}
			for _, f := range followed {
				f.look(t)
				assert.Equal(t, want, f.entries)
			}
		})
	}
}
