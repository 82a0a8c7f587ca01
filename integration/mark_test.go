package integration

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

var (
	noon  = time.Date(2026, 6, 1, 12, 0, 0, 123456789, time.UTC)
	login = noon.Add(-time.Hour)
)

// markable returns a record that marks can be about.
func markable() reauth.Entry {
	e := pair(1, "1")
	e.Login = login
	return e
}

func markOf(of string, at time.Time) reauth.Mark {
	return reauth.Mark{At: at, Until: at.Add(time.Hour), Reason: "because", Of: of}
}

func TestMarkIsComparedAndSet(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other := d.store(t), d.store(t)
		save(t, s, markable())
		first, second := markOf(digest("access 1"), noon), markOf(digest("refresh 1"), noon.Add(1))
		forLogin := reauth.Mark{At: noon, Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), Of: login.Format(time.RFC3339Nano)}
		mark := func(key string, m reauth.Mark, seen time.Time) error {
			return s.Mark(bounded(t), "xai", id, key, m, seen)
		}
		require.NoError(t, mark("token", first, noon.Add(-time.Minute)), "nothing stands there any more")
		require.NoError(t, mark("login", forLogin, time.Time{}))
		require.Equal(t, map[string]reauth.Mark{"token": first, "login": forLogin}, record(t, other).Marks)

		version := look(t, s, "").Version
		require.ErrorIs(t, mark("token", second, time.Time{}), reauth.ErrMarked)
		require.ErrorIs(t, mark("token", second, noon.Add(time.Nanosecond)), reauth.ErrMarked)
		require.NoError(t, mark("token", markOf("another", noon), noon), "a void mark is dropped")
		require.NoError(t, mark("token", markOf("", noon), noon))
		require.NoError(t, s.Mark(bounded(t), provider, "nobody", "token", first, noon))
		assert.Equal(t, version, look(t, s, version).Version, "nothing was written")
		assert.Equal(t, first, record(t, other).Marks["token"])

		require.NoError(t, mark("token", second, noon))
		assert.Equal(t, second, record(t, other).Marks["token"])
		require.NoError(t, mark("token", reauth.Mark{At: noon.Add(2), Of: second.Of}, noon.Add(1)))
		assert.Equal(t, reauth.Mark{At: noon.Add(2), Of: second.Of}, record(t, other).Marks["token"], "lifted")
		assert.Equal(t, forLogin, record(t, other).Marks["login"])
	})
}

func TestMarksThatBecomeVoidGo(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, markable())
		forLogin := markOf(login.Format(time.RFC3339Nano), noon)
		for key, m := range map[string]reauth.Mark{
			"token": markOf(digest("access 1"), noon), "login": forLogin, "model:a": forLogin,
			"model:b": markOf(digest("refresh 1"), noon),
		} {
			require.NoError(t, s.Mark(bounded(t), provider, id, key, m, time.Time{}))
		}
		e := pair(2, "2")
		e.Login = login
		e.Marks = map[string]reauth.Mark{"model:c": forLogin}
		stored := save(t, s, e)
		assert.Equal(t, map[string]reauth.Mark{"login": forLogin, "model:a": forLogin}, stored.Marks)
		assert.Equal(t, stored, record(t, s))
		assert.EqualValues(t, 2, number(t, db, `SELECT count(*) FROM reauth_marks`))

		// Written by a statement that was under way when the tokens changed.
		mustExec(t, db, `INSERT INTO reauth_marks (provider, id, key, at, until, of, reason)
			SELECT provider, id, 'token', at, until, 'old', '' FROM reauth_marks WHERE key = 'login'`)
		assert.NotContains(t, record(t, s).Marks, "token")
		m := markOf(digest("access 2"), noon)
		require.NoError(t, s.Mark(bounded(t), provider, id, "token", m, time.Time{}), "a void mark is as good as none")
		assert.Equal(t, m, record(t, s).Marks["token"])

		e.Login = noon
		assert.Contains(t, save(t, s, e).Marks, "token")
		assert.Len(t, record(t, s).Marks, 1, "another login")
	})
}

func TestTooManyMarks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, markable())
		of := digest("access 1")
		mark := func(key string, until time.Time) {
			require.NoError(t, s.Mark(bounded(t), provider, id, key, reauth.Mark{At: noon, Until: until, Of: of}, time.Time{}))
		}
		mark("token", noon.Add(-time.Hour))
		mark("login", time.Time{})
		for i := range 60 {
			mark(fmt.Sprintf("model:%02d", i), noon.Add(time.Duration(100-i)*time.Minute))
		}
		mark("model:lifted", time.Time{})
		mark("model:ended", noon.Add(-2*time.Hour))
		require.Len(t, record(t, s).Marks, 64)
		gone := func(keys ...string) {
			marks := record(t, s).Marks
			assert.Len(t, marks, 64)
			for _, key := range append([]string{"token", "login"}, keys...) {
				_, there := marks[key]
				assert.Equal(t, key == "token" || key == "login", there, key)
			}
			assert.EqualValues(t, 64, number(t, db, `SELECT count(*) FROM reauth_marks`))
		}
		mark("model:x", noon.Add(500*time.Minute))
		gone("model:lifted")
		mark("model:y", noon.Add(500*time.Minute))
		gone("model:lifted", "model:ended")
		mark("model:z", noon.Add(-5*time.Hour)) // the new one stays
		gone("model:lifted", "model:ended", "model:59")
		mark("model:zz", noon.Add(500*time.Minute))
		gone("model:z")
	})
}

// A mark does not wait for an Update, whoever is inside.
func TestMarkDoesNotWait(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other := d.store(t), d.store(t)
		save(t, s, markable())
		m := markOf(login.Format(time.RFC3339Nano), noon)
		got, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			require.NoError(t, s.Mark(bounded(t), provider, id, "token", m, time.Time{}))
			require.NoError(t, other.Mark(bounded(t), provider, id, "login", m, time.Time{}))
			e := pair(2, "2")
			e.Login = login
			return e, nil
		})
		require.NoError(t, err)
		assert.Equal(t, map[string]reauth.Mark{"token": m, "login": m}, got.Marks)
	})
}

// Of many who mark one key one succeeds; marks of other keys do not disturb it.
func TestManyMarkAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		save(t, d.store(t), markable())
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			s := d.store(t)
			m := markOf(digest("access 1"), noon.Add(time.Duration(i)))
			all.Go(func() {
				if err := s.Mark(context.Background(), provider, id, "token", m, time.Time{}); err == nil {
					won.Add(1)
				} else {
					assert.ErrorIs(t, err, reauth.ErrMarked)
				}
				assert.NoError(t, s.Mark(context.Background(), provider, id, fmt.Sprintf("model:%d", i), m, time.Time{}))
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, won.Load())
		assert.Len(t, record(t, d.store(t)).Marks, 9)
	})
}
