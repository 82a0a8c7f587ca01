package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// format1 makes the tables of format 1, by the statements of the program that made them.
func format1(t testing.TB, d database) {
	t.Helper()
	db := d.open(t)
	for _, statement := range []string{
		`CREATE TABLE reauth_meta (one INTEGER PRIMARY KEY CHECK (one = 1), format BIGINT NOT NULL,
			version BIGINT NOT NULL)`,
		`CREATE TABLE reauth_credentials (provider TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL,
			version BIGINT NOT NULL, credential TEXT NOT NULL, PRIMARY KEY (provider, id))`,
		`CREATE TABLE reauth_standings (provider TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL,
			standing TEXT NOT NULL, PRIMARY KEY (provider, id))`,
		`CREATE TABLE reauth_claims (provider TEXT NOT NULL, id TEXT NOT NULL, holder TEXT NOT NULL,
			until BIGINT NOT NULL, PRIMARY KEY (provider, id))`,
		`INSERT INTO reauth_meta (one, format, version) VALUES (1, 1, 1)`,
	} {
		mustExec(t, db, statement)
	}
	triggers := []string{
		`CREATE FUNCTION reauth_count() RETURNS trigger LANGUAGE plpgsql
			AS 'BEGIN UPDATE reauth_meta SET version = version + 1; RETURN NULL; END'`,
		`CREATE TRIGGER reauth_count AFTER INSERT OR UPDATE OR DELETE ON reauth_credentials
			FOR EACH STATEMENT EXECUTE FUNCTION reauth_count()`,
		`CREATE TRIGGER reauth_count AFTER INSERT OR UPDATE OR DELETE ON reauth_standings
			FOR EACH STATEMENT EXECUTE FUNCTION reauth_count()`,
	}
	if d.driver == "sqlite" {
		triggers = nil
		for _, table := range []string{"reauth_credentials", "reauth_standings"} {
			for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
				triggers = append(triggers, fmt.Sprintf(`CREATE TRIGGER %[1]s_%[2]s AFTER %[2]s ON %[1]s
					BEGIN UPDATE reauth_meta SET version = version + 1; END`, table, change))
			}
		}
	}
	for _, statement := range triggers {
		mustExec(t, db, statement)
	}
	credential := func(provider, id string, position int, json string) {
		mustExec(t, db, `INSERT INTO reauth_credentials (provider, id, position, version, credential)
			VALUES ($1, $2, $3, $3, $4)`, provider, id, position, json)
	}
	standing := func(id, json string) {
		mustExec(t, db, `INSERT INTO reauth_standings (provider, id, at, standing) VALUES ('xai-oauth', $1, 1, $2)`, id, json)
	}
	credential("xai-oauth", "me", 3, `{"provider":"xai-oauth","id":"me","access_token":"access 1","refresh_token":"refresh 1",
		"expiry":"2026-06-01T12:00:00Z","hosts":["api.x.ai"],"priority":2,"newer":[1],
		"metadata":{"a":"b","reauth-spent":"spent1 login:spent2  spent3"}}`)
	standing("me", fmt.Sprintf(`{"aside_until":"2026-06-01T13:00:00.5Z","reason":"quota","last_refresh":"2026-06-01T11:00:00Z",
		"at":"2026-06-01T12:00:00.000000001Z","of":%q,"spending":%q}`, digest("access 1"), digest("refresh 1")))
	credential("xai-oauth", "retired", 1, `{"provider":"xai-oauth","id":"retired","access_token":"access 2"}`)
	standing("retired", fmt.Sprintf(`{"retired":true,"at":"2026-06-01T12:00:00Z","of":%q}`, digest("access 2")))
	credential("xai-oauth", "void", 2, `{"provider":"xai-oauth","id":"void","access_token":"access 3"}`)
	standing("void", `{"aside_until":"2026-06-01T13:00:00Z","at":"2026-06-01T12:00:00Z","of":"other","spending":"other"}`)
	credential("xai-oauth", "good", 4, `{"provider":"xai-oauth","id":"good","access_token":"access 4","refresh_token":"refresh 4"}`)
	standing("good", fmt.Sprintf(`{"at":"2026-06-01T12:00:00Z","of":%q,"last_refresh":"2026-06-01T11:00:00Z"}`, digest("access 4")))
	credential("xai", "alias", 5, `{"provider":"xai","id":"alias","access_token":"access 5"}`)
	credential("xai-oauth", "broken", 6, `{"access_token":"secret`)
	mustExec(t, db, `INSERT INTO reauth_claims (provider, id, holder, until) VALUES ('xai-oauth', 'claimed', 'old', 1)`)
}

// checkUpgraded looks for what format1 has stored.
func checkUpgraded(t *testing.T, d database) {
	t.Helper()
	snap := look(t, d.store(t), "")
	assert.NotEmpty(t, snap.Identity)
	require.Len(t, snap.Broken, 1)
	assert.ErrorContains(t, snap.Broken[0], "record xai-oauth/broken: ")
	assert.NotContains(t, snap.Broken[0].Error(), "secret")
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := func(id, access, refresh string) reauth.Credential {
		return reauth.Credential{Provider: "xai-oauth", ID: id, AccessToken: access, RefreshToken: refresh}
	}
	full := c("me", "access 1", "refresh 1")
	full.Expiry, full.Hosts, full.Priority, full.Metadata = at, []string{"api.x.ai"}, 2, map[string]string{"a": "b"}
	assert.Equal(t, []reauth.Entry{
		{Credential: c("retired", "access 2", ""), Marks: map[string]reauth.Mark{"token": {
			Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), At: at, Of: digest("access 2"),
		}}},
		{Credential: c("void", "access 3", "")},
		{
			Credential: full, Spent: []string{"spent1", "login:spent2", "spent3"}, LastRefresh: at.Add(-time.Hour),
			Marks: map[string]reauth.Mark{"token": {
				Until: at.Add(time.Hour + time.Second/2), At: at.Add(1), Reason: "quota", Of: digest("access 1"),
			}},
			Spending: reauth.Spending{Of: digest("refresh 1"), Since: at.Add(1)},
		},
		{Credential: c("good", "access 4", "refresh 4"), LastRefresh: at.Add(-time.Hour)},
		{Credential: c("alias", "access 5", "")},
	}, snap.Entries)
	db := d.open(t)
	assert.Contains(t, text(t, db, `SELECT record FROM reauth_records WHERE id = 'me'`), `"newer":[1]`)
	assert.NotContains(t, text(t, db, `SELECT record FROM reauth_records WHERE id = 'me'`), `reauth-spent`)
	assert.EqualValues(t, 2, number(t, db, `SELECT format FROM reauth_meta`))
}

func TestFormat1IsUpgraded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		db := d.open(t)
		old := number(t, db, `SELECT version FROM reauth_meta`)
		s := d.store(t)
		checkUpgraded(t, d)
		assert.Greater(t, number(t, db, `SELECT version FROM reauth_meta`), old)
		assert.EqualValues(t, 1, number(t, db, `SELECT count(*) FROM reauth_claims`), "claims stay")
		for _, statement := range []string{ // of a program that is still running
			`UPDATE reauth_credentials SET credential = ''`, `DELETE FROM reauth_credentials`, `DELETE FROM reauth_standings`,
		} {
			_, err := db.ExecContext(bounded(t), statement)
			require.Error(t, err)
		}
		version := look(t, s, "").Version
		e := named("new", 1)
		save(t, s, e)
		snap := look(t, s, version)
		assert.True(t, snap.Delta)
		assert.Equal(t, []string{"new"}, ids(snap))
		all := ids(look(t, s, ""))
		assert.Equal(t, "new", all[len(all)-1])
		checkSchemaIsNew(t, d)
	})
}

// checkSchemaIsNew compares the schema with that of a new database.
func checkSchemaIsNew(t *testing.T, d database) {
	t.Helper()
	fresh := sqlite(t)
	query := `SELECT group_concat(type || ' ' || name, ';') FROM (SELECT type, name FROM sqlite_schema ORDER BY 1, 2)`
	if d.driver != "sqlite" {
		fresh = postgres(t)
		query = `SELECT string_agg(what, ';' ORDER BY what) FROM (
			SELECT table_name || '.' || column_name || ' ' || data_type || is_nullable AS what
			FROM information_schema.columns WHERE table_schema = current_schema()
			UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(current_schema())
			UNION ALL SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
				WHERE relnamespace = to_regnamespace(current_schema())
			UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()) x`
	}
	fresh.store(t)
	assert.Equal(t, text(t, fresh.open(t), query), text(t, d.open(t), query))
}

func TestManyUpgradeAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		var all sync.WaitGroup
		for range 20 {
			db := d.open(t)
			all.Go(func() {
				_, err := reauth.NewSQLStore(bounded(t), db)
				assert.NoError(t, err)
			})
		}
		// Programs of format 1 that write meanwhile: each write comes before the upgrade, or fails.
		var written sync.Map
		for i := range 4 {
			db := d.open(t)
			all.Go(func() {
				for n := range 50 {
					id := fmt.Sprintf("late %d %d", i, n)
					_, err := db.ExecContext(context.Background(), `INSERT INTO reauth_credentials (provider, id, position,
						version, credential) VALUES ('xai-oauth', $1, 100, 1, $2)`, id,
						fmt.Sprintf(`{"provider":"xai-oauth","id":%q,"access_token":"x"}`, id))
					if err == nil {
						written.Store(id, true)
					}
				}
			})
		}
		all.Wait()
		there := ids(look(t, d.store(t), ""))
		n := 5
		written.Range(func(id, _ any) bool {
			n++
			return assert.Contains(t, there, id)
		})
		assert.Len(t, there, n)
	})
}

func TestProcessesUpgradeAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		openInProcesses(t, d)
		checkUpgraded(t, d)
	})
}

func TestManyUpgradeAtOnceUnderAnySetting(t *testing.T) {
	for _, settings := range [][]string{
		{"default_transaction_isolation", "serializable"},
		{"default_transaction_isolation", "repeatable read"},
		{"default_query_exec_mode", "exec"},
		{"default_query_exec_mode", "simple_protocol"},
	} {
		t.Run(settings[1], func(t *testing.T) {
			d := postgres(t).with(t, settings...)
			format1(t, d)
			openAtOnce(t, d, 10)
			checkUpgraded(t, d)
		})
	}
}

// An upgrade that fails leaves format 1 as it was.
func TestUpgradeThatFails(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		db := d.open(t)
		mustExec(t, db, `CREATE TABLE reauth_log (mine TEXT)`)
		_, err := reauth.NewSQLStore(bounded(t), d.open(t))
		require.ErrorContains(t, err, "its tables have format 1, and upgrading them failed")
		require.ErrorContains(t, err, "reauth_log")
		assert.EqualValues(t, 1, number(t, db, `SELECT format FROM reauth_meta`))
		assert.EqualValues(t, 6, number(t, db, `SELECT count(*) FROM reauth_credentials`))
		mustExec(t, db, `DROP TABLE reauth_log`)
		checkUpgraded(t, d)
	})
}

// Opening many records of format 1 takes seconds.
func TestManyRecordsAreUpgraded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		format1(t, d)
		db := d.open(t)
		const n = 5000
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf(`('xai-oauth', 'n%[1]d', %[1]d, 1,
				'{"provider":"xai-oauth","id":"n%[1]d","access_token":"access %[1]d"}')`, 10+i))
		}
		mustExec(t, db, `INSERT INTO reauth_credentials (provider, id, position, version, credential) VALUES `+
			strings.Join(values, ","))
		begin := time.Now()
		s := d.store(t)
		t.Logf("%d records in %v", n, time.Since(begin))
		list := ids(look(t, s, ""))
		require.Len(t, list, n+5)
		assert.Equal(t, fmt.Sprint("n", 9+n), list[n+4])
	})
}
