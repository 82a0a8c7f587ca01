package integration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/storetest"
)

func TestSQLStoreKeepsItsWord(t *testing.T) {
	for name, d := range databases {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(d(t)) })
		})
	}
}

// The store must not depend on the settings that the owner of the database has chosen.
func TestSQLStoreKeepsItsWordUnderAnySetting(t *testing.T) {
	for name, settings := range map[string][]string{
		"RepeatableRead": {"default_transaction_isolation", "repeatable read"},
		"Serializable":   {"default_transaction_isolation", "serializable"},
		"ModeExec":       {"default_query_exec_mode", "exec"},
		"ModeSimple":     {"default_query_exec_mode", "simple_protocol"},
		"ModeDescribe":   {"default_query_exec_mode", "describe_exec"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each has a database of its own
			storetest.Run(t, func(t *testing.T) storetest.Backend { return backend(postgres(t).with(t, settings...)) })
		})
	}
	for name, pragma := range map[string]string{
		"SQLiteWAL":     "journal_mode(wal)",
		"SQLiteTimeout": "busy_timeout(5000)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Backend {
				return backend(sqlite(t).with(t, "_pragma", pragma))
			})
		})
	}
}

// backend lets the tests of package storetest open the store of a database, and change the stored
// JSON of a credential.
func backend(d database) storetest.Backend {
	return storetest.Backend{
		Open: func(t testing.TB) reauth.Store { return d.store(t) },
		Edit: func(t testing.TB, provider, id string, change func(map[string]any)) {
			db := d.open(t)
			var text string
			const query = `SELECT credential FROM reauth_credentials WHERE provider = $1 AND id = $2`
			require.NoError(t, db.QueryRowContext(bounded(t), query, provider, id).Scan(&text))
			var members map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &members))
			change(members)
			b, err := json.Marshal(members)
			require.NoError(t, err)
			mustExec(t, db, `UPDATE reauth_credentials SET credential = $1 WHERE provider = $2 AND id = $3`,
				string(b), provider, id)
		},
	}
}
