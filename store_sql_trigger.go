package reauth

import "fmt"

// Triggers count the version of the content and log what has changed, so that every change is one
// statement: a process that is suspended in the middle of a transaction would keep all others
// waiting, and somebody who changes a row by hand need not know about versions. All writers change
// the one row of reauth_meta last, so changes become visible in the order of their versions.
//
// Triggers also take away what a change of a record makes void: its marks, and the exchange that
// was under way.

const (
	randomOfPostgreSQL = `CAST(gen_random_uuid() AS text)`
	randomOfSQLite     = `lower(hex(randomblob(16)))`
)

// maxLog is how many versions the log goes back.
const maxLog = 1024

// sqlVoid says which marks k are void for the record r. It is Entry.binds in SQL.
const sqlVoid = `(r.removed = 1 OR k.of = '' OR k.of NOT IN (r.token_of, r.refresh_of, r.login_of))`

// sqlPlaces numbers the marks of a record in the order in which they stay when there are too many.
// It is endsFirst in SQL.
const sqlPlaces = `row_number() OVER (PARTITION BY k.provider, k.id
	ORDER BY CASE WHEN k.key IN ('token', 'login') OR %s THEN 0 ELSE 1 END, k.until DESC, k.key DESC)`

// triggersOfPostgreSQL returns triggers that run once per statement: the row of reauth_meta would
// have as many dead versions as a statement changes rows. "changed" are those rows.
func triggersOfPostgreSQL() (list []string) {
	clean := fmt.Sprintf(`
		DELETE FROM reauth_marks k USING changed r WHERE k.provider = r.provider AND k.id = r.id AND %s;
		DELETE FROM reauth_spending s USING changed r WHERE s.provider = r.provider AND s.id = r.id;`, sqlVoid)
	gone := `
		DELETE FROM reauth_marks k USING changed r WHERE k.provider = r.provider AND k.id = r.id;
		DELETE FROM reauth_spending s USING changed r WHERE s.provider = r.provider AND s.id = r.id;
		IF EXISTS (SELECT 1 FROM changed WHERE removed = 0) THEN DELETE FROM reauth_log; END IF;`
	evict := fmt.Sprintf(`
		DELETE FROM reauth_marks k USING changed c, reauth_records r WHERE k.provider = c.provider AND k.id = c.id
			AND r.provider = c.provider AND r.id = c.id AND %s;
		DELETE FROM reauth_marks USING (SELECT k.provider, k.id, k.key, %s AS place FROM reauth_marks k
				LEFT JOIN changed n ON n.provider = k.provider AND n.id = k.id AND n.key = k.key
				WHERE EXISTS (SELECT 1 FROM changed c WHERE c.provider = k.provider AND c.id = k.id)) p
			WHERE p.place > %d AND reauth_marks.provider = p.provider AND reauth_marks.id = p.id
			AND reauth_marks.key = p.key;`, sqlVoid, fmt.Sprintf(sqlPlaces, `n.key IS NOT NULL`), maxMarks)
	for _, t := range []struct{ table, event, rows, work string }{
		{"reauth_records", "INSERT", "NEW", clean},
		{"reauth_records", "UPDATE", "NEW", clean},
		{"reauth_records", "DELETE", "OLD", gone},
		{"reauth_marks", "INSERT", "NEW", evict},
		{"reauth_marks", "UPDATE", "NEW", evict},
		{"reauth_marks", "DELETE", "OLD", ""},
	} {
		name := t.table + "_" + t.event
		list = append(list, fmt.Sprintf(`CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $reauth$
			DECLARE v bigint; n text;
			BEGIN
				IF NOT EXISTS (SELECT 1 FROM changed) THEN RETURN NULL; END IF; %s
				UPDATE reauth_meta SET version = version + 1, nonce = %s RETURNING version, nonce INTO v, n;
				DELETE FROM reauth_log WHERE version <= v - %d OR version >= v;
				INSERT INTO reauth_log (version, nonce, provider, id) SELECT DISTINCT v, n, provider, id FROM changed;
				RETURN NULL;
			END $reauth$`, name, t.work, randomOfPostgreSQL, maxLog),
			fmt.Sprintf(`CREATE TRIGGER %[1]s AFTER %[2]s ON %[3]s REFERENCING %[4]s TABLE AS changed
				FOR EACH STATEMENT EXECUTE FUNCTION %[1]s()`, name, t.event, t.table, t.rows))
	}
	return list
}

// triggersOfSQLite returns triggers that run for each row, as SQLite has no others. None writes the
// table that it watches but the eviction of marks, which deletes: so recursive_triggers changes
// nothing.
func triggersOfSQLite() (list []string) {
	clean := fmt.Sprintf(`
		DELETE FROM reauth_marks WHERE provider = NEW.provider AND id = NEW.id AND key IN (SELECT k.key
			FROM reauth_marks k JOIN reauth_records r ON r.provider = k.provider AND r.id = k.id
			WHERE k.provider = NEW.provider AND k.id = NEW.id AND %s);
		DELETE FROM reauth_spending WHERE provider = NEW.provider AND id = NEW.id;`, sqlVoid)
	gone := `
		DELETE FROM reauth_marks WHERE provider = OLD.provider AND id = OLD.id;
		DELETE FROM reauth_spending WHERE provider = OLD.provider AND id = OLD.id;
		DELETE FROM reauth_log WHERE OLD.removed = 0;`
	evict := fmt.Sprintf(`
		DELETE FROM reauth_marks WHERE provider = NEW.provider AND id = NEW.id AND key IN (SELECT k.key
			FROM reauth_marks k JOIN reauth_records r ON r.provider = k.provider AND r.id = k.id
			WHERE k.provider = NEW.provider AND k.id = NEW.id AND %s);
		DELETE FROM reauth_marks WHERE provider = NEW.provider AND id = NEW.id AND key IN (SELECT p.key
			FROM (SELECT k.key, %s AS place FROM reauth_marks k
				WHERE k.provider = NEW.provider AND k.id = NEW.id) p WHERE p.place > %d);`,
		sqlVoid, fmt.Sprintf(sqlPlaces, `k.key = NEW.key`), maxMarks)
	for _, t := range []struct{ table, event, row, work string }{
		{"reauth_records", "INSERT", "NEW", clean},
		{"reauth_records", "UPDATE", "NEW", clean},
		{"reauth_records", "DELETE", "OLD", gone},
		{"reauth_marks", "INSERT", "NEW", evict},
		{"reauth_marks", "UPDATE", "NEW", evict},
		{"reauth_marks", "DELETE", "OLD", ""},
	} {
		list = append(list, fmt.Sprintf(`CREATE TRIGGER %[1]s_%[2]s AFTER %[2]s ON %[1]s BEGIN %[3]s
			UPDATE reauth_meta SET version = version + 1, nonce = %[4]s;
			DELETE FROM reauth_log WHERE version <= (SELECT version - %[5]d FROM reauth_meta)
				OR version >= (SELECT version FROM reauth_meta);
			INSERT INTO reauth_log (version, nonce, provider, id)
				SELECT version, nonce, %[6]s.provider, %[6]s.id FROM reauth_meta;
			END`, t.table, t.event, t.work, randomOfSQLite, maxLog, t.row))
	}
	return list
}
