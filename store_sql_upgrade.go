package reauth

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// sqlOldRow is a row of reauth_credentials, of format 1, with its row of reauth_standings.
type sqlOldRow struct {
	key                  credentialKey
	position             int64
	credential, standing string
}

// sqlOldStanding is the JSON of reauth_standings.
type sqlOldStanding struct {
	AsideUntil  time.Time `json:"aside_until"`
	Retired     bool      `json:"retired"`
	Reason      string    `json:"reason"`
	LastRefresh time.Time `json:"last_refresh"`
	At          time.Time `json:"at"`
	Of          string    `json:"of"`
	Spending    string    `json:"spending"`
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
	there := make(map[credentialKey]bool, len(rows))
	for _, r := range rows {
		there[r.key] = true
	}
	for _, r := range rows {
		if key := canonicalKey(r.key.provider, r.key.id); !there[key] {
			there[key], r.key = true, key
		}
		if err := r.upgrade(ctx, tx); err != nil {
			return err
		}
	}
	list = append([]string{`DROP TABLE reauth_credentials`, `DROP TABLE reauth_standings`}, d.triggers...)
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

// upgrade writes the row into the new tables. A row that cannot be read is kept as it stands, and
// Load tells that it is broken.
func (r *sqlOldRow) upgrade(ctx context.Context, tx *sql.Tx) error {
	now := sqlRow{key: r.key, raw: r.credential}
	raw, columns := r.credential, sqlColumns{}
	e, err := r.entry()
	if err == nil {
		raw, columns, err = now.encode(e)
	}
	if err != nil {
		raw, e = r.credential, Entry{}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO reauth_records (provider, id, position, login, generation, removed,
		token_of, refresh_of, login_of, record) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.key.provider, r.key.id, r.position, columns.login, columns.generation, columns.removed,
		columns.tokenOf, columns.refreshOf, columns.loginOf, raw); err != nil {
		return err
	}
	for key, m := range e.Marks {
		if _, err := tx.ExecContext(ctx, `INSERT INTO reauth_marks (provider, id, key, at, until, of, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			r.key.provider, r.key.id, key, sqlTime(m.At), sqlTime(m.Until), m.Of, m.Reason); err != nil {
			return err
		}
	}
	if e.Spending.Of == "" {
		return nil
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO reauth_spending (provider, id, of, since, holder) VALUES ($1, $2, $3, $4, '')`,
		r.key.provider, r.key.id, e.Spending.Of, sqlTime(e.Spending.Since))
	return err
}

// entry returns the row as a record: of no known login, and of generation 0. What its standing says
// of another access token than its own is void.
func (r *sqlOldRow) entry() (Entry, error) {
	var old sqlRecord
	if err := json.Unmarshal([]byte(r.credential), &old); err != nil {
		return Entry{}, err
	}
	old.Provider, old.ID = r.key.provider, r.key.id
	e := old.entry()
	e.Spent = withSpent(nil, strings.Fields(e.Credential.Metadata[oldSpentKey])...)
	delete(e.Credential.Metadata, oldSpentKey)
	var s sqlOldStanding
	if r.standing == "" || json.Unmarshal([]byte(r.standing), &s) != nil {
		return e, nil // a standing that cannot be read says nothing
	}
	e.LastRefresh = s.LastRefresh
	if s.Retired {
		s.AsideUntil = forever
	}
	if !s.AsideUntil.IsZero() && s.Of != "" && s.Of == digest(e.Credential.AccessToken) {
		e.Marks = map[string]Mark{tokenMark: {Until: s.AsideUntil, At: s.At, Reason: s.Reason, Of: s.Of}}
	}
	if s.Spending != "" && s.Spending == digest(e.Credential.RefreshToken) {
		e.Spending = Spending{Of: s.Spending, Since: s.At}
	}
	return e, nil
}
