package integration

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestSQLStoreKeepsItsWord(t *testing.T) {
	for name, d := range databases {
		t.Run(name, func(t *testing.T) {
			made := make(map[string]database)
			open := placesIn(made, d)
			reauthtest.TestStore(t, open, slices.DeleteFunc(reauthtest.StorePromises(), func(promise string) bool {
				// A minute on SQLite under the race detector; TestRemovedCredentials does it in a second.
				return name == "SQLite" && promise == "oldest_of_more_than_1000_removals_go"
			})...)
			reauthtest.TestStoreMembers(t, open,
				func(t *testing.T, place, provider, id string, change func(map[string]any)) {
					edit(t, made[place], provider, id, change)
				})
		})
	}
}

// underSettings are the promises that settings of a database, of its driver and of a pooler could
// break: those in which statements meet, fail or bring other types.
var underSettings = []string{
	"load_returns_what_changed_since_a_version", "deltas_leave_nothing_out_while_others_write",
	"one_at_a_time_is_inside_update", "methods_may_be_called_from_several_goroutines", "fields_of_the_result_are_stored",
	"newer_record_is_not_replaced", "removals_are_entries_too", "mark_writes_one_mark_of_a_record",
	"one_of_several_writers_wins", "spend_outlives_an_update_that_fails",
	"claim_stays_when_a_result_after_a_spend_is_not_stored",
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
			t.Parallel() // each has databases of its own
			reauthtest.TestStore(t, places(func(t testing.TB) database { return postgres(t).with(t, settings...) }),
				underSettings...)
		})
	}
	for name, pragma := range map[string]string{
		"SQLiteWAL":     "journal_mode(wal)",
		"SQLiteTimeout": "busy_timeout(5000)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reauthtest.TestStore(t, places(func(t testing.TB) database { return sqlite(t).with(t, "_pragma", pragma) }),
				underSettings...)
		})
	}
}

// places returns the open of reauthtest.TestStore. Each place is a database of its own.
func places(fresh func(testing.TB) database) func(*testing.T, string) reauth.Store {
	return placesIn(make(map[string]database), fresh)
}

// placesIn is places. The databases are put into made, by place.
func placesIn(made map[string]database, fresh func(testing.TB) database) func(*testing.T, string) reauth.Store {
	return func(t *testing.T, place string) reauth.Store {
		t.Helper()
		d, ok := made[place]
		if !ok {
			d = fresh(t)
			made[place] = d
		}
		return d.store(t)
	}
}

// edit changes the stored JSON of a credential.
func edit(t *testing.T, d database, provider, id string, change func(map[string]any)) {
	t.Helper()
	db := d.open(t)
	var members map[string]any
	raw := text(t, db, `SELECT record FROM reauth_records WHERE provider = $1 AND id = $2`, provider, id)
	require.NoError(t, json.Unmarshal([]byte(raw), &members))
	change(members)
	b, err := json.Marshal(members)
	require.NoError(t, err)
	mustExec(t, db, `UPDATE reauth_records SET record = $1 WHERE provider = $2 AND id = $3`, string(b), provider, id)
}
