package integration

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// After a failover the idle connections still lead to the old server, which only reads now.
func TestConnectionsThatOnlyRead(t *testing.T) {
	d := postgres(t)
	db := d.open(t)
	db.SetMaxIdleConns(8)
	s, err := reauth.NewSQLStore(bounded(t), db)
	require.NoError(t, err)
	save(t, s, pair(1, "1"))
	fail := func() {
		t.Helper()
		var list []*sql.Conn
		for range 8 {
			conn, err := db.Conn(bounded(t))
			require.NoError(t, err)
			_, err = conn.ExecContext(bounded(t), `SET default_transaction_read_only = on`)
			require.NoError(t, err)
			list = append(list, conn)
		}
		for _, conn := range list {
			require.NoError(t, conn.Close())
		}
		require.Equal(t, 8, db.Stats().Idle)
	}
	fail()
	require.NoError(t, s.Mark(bounded(t), provider, id, "token", markOf(digest("access 1"), noon), time.Time{}))
	assert.Contains(t, record(t, s).Marks, "token")
	fail()
	save(t, s, pair(2, "2"))
	_, err = s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		fail()
		require.NoError(t, h.Spend(bounded(t), reauth.Spending{Of: digest("refresh 2")}))
		fail()
		return pair(3, "3"), nil
	})
	require.NoError(t, err)
	assert.EqualValues(t, 3, record(t, s).Generation)
}

// A database that only reads is one all the same, and is told after a few tries.
func TestDatabaseThatOnlyReads(t *testing.T) {
	d := postgres(t)
	save(t, d.store(t), pair(1, "1"))
	s := d.with(t, "default_transaction_read_only", "on").store(t)
	assert.EqualValues(t, 1, record(t, s).Generation)
	begin := time.Now()
	_, err := s.Update(bounded(t), provider, id, keep)
	require.ErrorContains(t, err, "read-only transaction")
	require.ErrorContains(t, s.Mark(bounded(t), provider, id, "token", markOf(digest("access 1"), noon), time.Time{}),
		"read-only transaction")
	assert.Less(t, time.Since(begin), patience/3)

	f := sqlite(t)
	save(t, f.store(t), pair(1, "1"))
	s = f.with(t, "mode", "ro").store(t)
	_, err = s.Update(bounded(t), provider, id, keep)
	require.ErrorContains(t, err, "readonly database")
	assert.EqualValues(t, 1, record(t, s).Generation)
}
