package integration

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The application and the store share one connection. During an exchange it is free for the
// application.
func TestNoConnectionIsHeldDuringAnExchange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		db := d.open(t)
		db.SetMaxOpenConns(1)
		mustExec(t, db, `CREATE TABLE host (n INTEGER)`)
		s, err := reauth.NewSQLStore(bounded(t), db)
		require.NoError(t, err)
		s.Claim = 1500 * time.Millisecond
		exchanges := 0
		fake := reauthtest.New(reauthtest.XAI)
		r := newRig(t, fake, s, func() {
			exchanges++
			// The other requests look at the store at the same time, which takes hardly any time.
			assert.Eventually(t, func() bool { return db.Stats().InUse == 0 }, patience, time.Millisecond)
			for range 10 { // longer than the claim, which the store renews meanwhile
				tx, err := db.BeginTx(bounded(t), nil)
				require.NoError(t, err)
				_, err = tx.ExecContext(bounded(t), `INSERT INTO host VALUES (1)`)
				require.NoError(t, err)
				time.Sleep(200 * time.Millisecond) // the work of the application
				require.NoError(t, tx.Commit())
			}
		})
		old, _ := r.login(t)
		fake.Expire(old)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { assert.Equal(t, 200, r.post(t)) })
		}
		all.Wait()
		assert.Equal(t, 1, exchanges)
		assert.EqualValues(t, 10, number(t, db, `SELECT count(*) FROM host`))
		assert.True(t, fake.Current(record(t, s).Credential.RefreshToken))
		require.NoError(t, r.pool.Close())
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`))
	})
}

// If an application keeps its only connection to itself, the store cannot work. Then there is no
// exchange, but no request hangs.
func TestConnectionThatTheApplicationKeeps(t *testing.T) {
	d := postgres(t)
	db := d.open(t)
	db.SetMaxOpenConns(1)
	s, err := reauth.NewSQLStore(bounded(t), db)
	require.NoError(t, err)
	fake := reauthtest.New(reauthtest.XAI)
	r := newRig(t, fake, s, nil)
	old, _ := r.login(t)
	tx, err := db.BeginTx(bounded(t), nil)
	require.NoError(t, err)
	assert.Equal(t, 200, r.post(t), "an accepted token needs no store")
	ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer stop()
	require.ErrorIs(t, r.pool.Refresh(ctx, provider, id), context.DeadlineExceeded)
	require.NoError(t, tx.Rollback())
	fake.Expire(old)
	r.eventually(t, "served", func() bool { return r.post(t) == 200 })
	assert.Equal(t, 1, fake.Exchanges())
}

// A pooler shares connections between transactions. With pgx, statements must not be prepared then.
func TestTransactionPooler(t *testing.T) {
	pooled := func(t testing.TB) database {
		root := database{"pgx", needEnv(t, "REAUTH_TEST_POSTGRES")}
		name := "d_" + strings.ToLower(rand.Text()) // the pooler does not pass search_path on
		db := root.open(t)
		mustExec(t, db, `CREATE DATABASE `+name)
		t.Cleanup(func() { mustExec(t, db, `DROP DATABASE `+name+` WITH (FORCE)`) })
		u, err := url.Parse(needEnv(t, "REAUTH_TEST_PGBOUNCER"))
		require.NoError(t, err)
		u.Path = "/" + name
		return database{"pgx", u.String()}
	}
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			d := pooled(t).with(t, "default_query_exec_mode", mode)
			reauthtest.TestStore(t, places(func(t testing.TB) database {
				return pooled(t).with(t, "default_query_exec_mode", mode)
			}), underSettings...)
			manyRotations(t, d, 10)
		})
	}
}

// Without that setting of pgx, the error says what to set.
func TestTransactionPoolerWithPreparedStatements(t *testing.T) {
	d := database{"pgx", needEnv(t, "REAUTH_TEST_PGBOUNCER")}.with(t, "statement_cache_capacity", "16")
	// The error comes as soon as two clients get the same connection of the server.
	require.Eventually(t, func() bool {
		_, err := reauth.NewSQLStore(bounded(t), d.open(t))
		return err != nil && assert.ErrorContains(t, err, "with pgx set default_query_exec_mode=exec")
	}, patience, time.Millisecond)
}

func TestContentionUnderStrictIsolation(t *testing.T) {
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			manyRotations(t, postgres(t).with(t, "default_transaction_isolation", level), 10)
		})
	}
}

// manyRotations lets eight pools use one login whose token expires again and again. Each pool has
// its own handle, as in a process of its own.
func manyRotations(t *testing.T, d database, rounds int) {
	t.Helper()
	fake := reauthtest.New(reauthtest.XAI)
	fake.TokenLatency = 20 * time.Millisecond
	rigs := make([]*rig, 8)
	for i := range rigs {
		rigs[i] = newRig(t, fake, d.store(t), nil)
	}
	_, refresh := rigs[0].login(t)
	for _, r := range rigs {
		r.eventually(t, "the login appears", func() bool { return r.state() != "" })
	}
	for round := range rounds {
		fake.Expire()
		var all sync.WaitGroup
		for _, r := range rigs {
			for range 4 {
				all.Go(func() { assert.Equal(t, 200, r.post(t)) })
			}
		}
		all.Wait()
		require.Equal(t, round+1, fake.Exchanges())
	}
	assert.Zero(t, fake.Reuses())
	assert.True(t, fake.Alive(refresh))
	for _, r := range rigs {
		assert.Zero(t, r.count(reauth.StoreFailed, reauth.RefreshFailed))
	}
}
