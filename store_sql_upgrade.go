package reauth

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// sqlOldRow is a row of reauth_credentials, of format 1, with its row of reauth_standings.
type sqlOldRow struct {
	key                  credentialKey
	position             int64
	credential, standing string
}

// openSchema makes the tables, or upgrades those of format 1. If several processes do so at once,
// one of them succeeds and the others find its tables.
func openSchema(ctx context.Context, db *sql.DB, d sqlDialect) error {
	return retryBusy(ctx, func() error {
		format, err := schemaFormat(ctx, db)
		switch {
		case err == nil:
			return adaptSchema(ctx, db, d, format)
		case isBusy(err):
			return err
		}
		made := makeSchema(ctx, db, d)
		if made == nil || isBusy(made) {
			return made
		}
		if format, err := schemaFormat(ctx, db); err == nil { // another process was faster
			return adaptSchema(ctx, db, d, format)
		}
		return fmt.Errorf("no tables of reauth are there (%w), and making them failed: %w", err, made)
	})
}

// adaptSchema upgrades tables of format 1, and refuses those that this program does not know.
func adaptSchema(ctx context.Context, db *sql.DB, d sqlDialect, format int) error {
	if format == 1 {
		return upgradeSchema(ctx, db, d)
	}
	return checkFormat(format)
}

// upgradeSchema turns the tables of format 1 into those of sqlFormat, in one transaction. Those of
// format 1 go, so that a program which still runs with them fails instead of writing. When several
// processes upgrade at once, the first does it, and the others find that it is done.
func upgradeSchema(ctx context.Context, db *sql.DB, d sqlDialect) error {
	err := transact(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, d.lock); err != nil {
			return err
		}
		format, err := schemaFormat(ctx, tx)
		if err != nil || format != 1 {
			return cmp.Or(err, checkFormat(format))
		}
		return upgrade(ctx, tx, d)
	})
	if err == nil || isBusy(err) {
		return err
	}
	if format, again := schemaFormat(ctx, db); again == nil && format != 1 { // another process was faster
		return checkFormat(format)
	}
	return fmt.Errorf("its tables have format 1, and upgrading them failed: %w", err)
}

// upgrade is the work of upgradeSchema. The triggers are made last: they would count each row.
func upgrade(ctx context.Context, tx *sql.Tx, d sqlDialect) error {
	list := append([]string{
		`ALTER TABLE reauth_meta ADD COLUMN nonce TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE reauth_meta ADD COLUMN identity TEXT NOT NULL DEFAULT ''`,
	}, sqlTables...)
	if err := execAll(ctx, tx, list); err != nil {
		return err
	}
	rows, err := readOldRows(ctx, tx)
	if err != nil {
		return err
	}
	if err := writeUpgraded(ctx, tx, rows); err != nil {
		return err
	}
	list = append([]string{`DROP TABLE reauth_credentials`, `DROP TABLE reauth_standings`}, d.triggers()...)
	if d.drop != "" {
		list = append(list, d.drop)
	}
	list = append(list, fmt.Sprintf(`UPDATE reauth_meta SET format = %d, version = version + 1, nonce = %s, identity = %s`,
		sqlFormat, d.random, d.random), sqlFirstLog)
	return execAll(ctx, tx, list)
}

func readOldRows(ctx context.Context, tx *sql.Tx) (list []sqlOldRow, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT c.provider, c.id, c.position, c.credential, COALESCE(s.standing, '')
		FROM reauth_credentials c LEFT JOIN reauth_standings s ON s.provider = c.provider AND s.id = c.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r sqlOldRow
		if err := rows.Scan(&r.key.provider, &r.key.id, &r.position, &r.credential, &r.standing); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// writeUpgraded writes the rows into the new tables, those of an alias under the provider's name.
func writeUpgraded(ctx context.Context, tx *sql.Tx, rows []sqlOldRow) error {
	there := make(map[credentialKey]bool, len(rows))
	for _, r := range rows {
		there[r.key] = true
	}
	var records, marks, spending [][]any
	for _, r := range rows {
		if key := canonicalKey(r.key.provider, r.key.id); !there[key] {
			there[key], r.key = true, key
		}
		raw, c, e := r.upgraded()
		records = append(records, []any{
			r.key.provider, r.key.id, r.position, c.login, c.generation, c.removed, c.tokenOf, c.refreshOf, c.loginOf, raw,
		})
		for key, m := range e.Marks {
			marks = append(marks, []any{
				r.key.provider, r.key.id, key, sqlTime(m.At), sqlTime(m.Until), m.Of, m.Reason,
			})
		}
		if sp := e.Spending; sp.Of != "" {
			spending = append(spending, []any{r.key.provider, r.key.id, sp.Of, sqlTime(sp.Since), sp.Holder})
		}
	}
	return cmp.Or(
		insertAll(ctx, tx, `reauth_records (provider, id, position, login, generation, removed, token_of, refresh_of,
			login_of, record)`, records),
		insertAll(ctx, tx, `reauth_marks (provider, id, key, at, until, of, reason)`, marks),
		insertAll(ctx, tx, `reauth_spending (provider, id, of, since, holder)`, spending))
}

// insertAll inserts rows, many by one statement.
func insertAll(ctx context.Context, tx *sql.Tx, into string, rows [][]any) error {
	for chunk := range slices.Chunk(rows, 50) { // SQLite may allow only 999 parameters
		var query strings.Builder
		query.WriteString(`INSERT INTO ` + into + ` VALUES `)
		var args []any
		for i, row := range chunk {
			if i > 0 {
				query.WriteString(", ")
			}
			for j := range row {
				separator := ", "
				if j == 0 {
					separator = "("
				}
				fmt.Fprintf(&query, "%s$%d", separator, len(args)+j+1)
			}
			query.WriteString(")")
			args = append(args, row...)
		}
		if _, err := tx.ExecContext(ctx, query.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

// upgraded returns the row for the new tables. One that cannot be read is kept as it stands, and
// Load tells that it is broken.
func (r *sqlOldRow) upgraded() (raw string, columns sqlColumns, e Entry) {
	e, err := r.entry()
	if err == nil {
		now := sqlRow{raw: r.credential}
		raw, columns, err = now.encode(e)
	}
	if err != nil {
		return r.credential, sqlColumns{}, Entry{}
	}
	return raw, columns, e
}

// entry returns the row as a record: of no known login, and of generation 0. What its standing says
// of another access token than its own is void.
func (r *sqlOldRow) entry() (Entry, error) {
	var old storedRecord
	if err := json.Unmarshal([]byte(r.credential), &old); err != nil {
		return Entry{}, err
	}
	old.Provider, old.ID = r.key.provider, r.key.id
	e, err := upgradeEntry(old.entry(), json.RawMessage(r.standing))
	if err != nil { // a standing that cannot be read says nothing
		e, err = upgradeEntry(old.entry(), nil)
	}
	return e, err
}
