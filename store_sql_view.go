package reauth

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sqlView is what one statement has seen, so that everything in it is of one version.
type sqlView struct {
	version  int64
	nonce    string
	identity string
	now      time.Time // by the database's clock
	known    bool      // the version that was asked for is in the log
	rows     map[credentialKey]*sqlRow
}

// sqlLine is one line of a view. Which of its fields mean something depends on its kind.
type sqlLine struct {
	kind         int
	provider, id string
	n            [4]int64
	t            [5]string
}

const (
	lineMeta = iota
	lineRecord
	lineMark
	lineSpending
)

// The parts of the statement of a view. $1 and $2 are a version, or the key of a record. The
// condition of the first part is always true: it makes a lost table an error.
const (
	partMeta = `SELECT 0, '', '', m.version, %s, %s, 0, m.nonce, m.identity, '', '', '' FROM reauth_meta m
		WHERE m.one = 1 OR EXISTS (SELECT 1 FROM reauth_records) OR EXISTS (SELECT 1 FROM reauth_marks)
		OR EXISTS (SELECT 1 FROM reauth_spending) OR EXISTS (SELECT 1 FROM reauth_log)`
	partKnown = `CASE WHEN EXISTS (SELECT 1 FROM reauth_log l WHERE l.version = CAST($1 AS BIGINT)
		AND l.nonce = CAST($2 AS TEXT) AND l.version > m.version - %d) %s THEN 1 ELSE 0 END`
	partRecords = ` UNION ALL SELECT 1, r.provider, r.id, CAST(r.position AS BIGINT), CAST(r.login AS BIGINT),
		CAST(r.generation AS BIGINT), CAST(r.removed AS BIGINT), r.token_of, r.refresh_of, r.login_of, r.record, ''
		FROM reauth_records r`
	partMarks    = ` UNION ALL SELECT 2, r.provider, r.id, 0, 0, 0, 0, r.key, r.at, r.until, r.of, r.reason FROM reauth_marks r`
	partSpending = ` UNION ALL SELECT 3, r.provider, r.id, 0, 0, 0, 0, r.of, r.since, r.holder, '', '' FROM reauth_spending r`
	ofKey        = ` WHERE r.provider = $1 AND r.id = $2`
	// What was written since the version $1. The limit tells the planner that this is little, however
	// many records there are; one statement may have written many.
	touched = `WITH recent AS (SELECT provider, id FROM reauth_log WHERE version > CAST($1 AS BIGINT)
		ORDER BY version LIMIT %d), touched AS (SELECT DISTINCT provider, id FROM recent) `
	fewTouched = ` AND (SELECT count(*) FROM recent) <= %d`
	ofTouched  = ` JOIN touched t ON t.provider = r.provider AND t.id = r.id`
)

// head returns the statement for what reauth_meta holds, and whether the version $1, $2 is known.
func (d sqlDialect) head() string {
	return fmt.Sprintf(partMeta, d.now, fmt.Sprintf(partKnown, maxLog, ""))
}

func (d sqlDialect) viewOfAll() string {
	return fmt.Sprintf(partMeta, d.now, `0`) + partRecords + partMarks + partSpending
}

func (d sqlDialect) viewOfKey() string {
	return fmt.Sprintf(partMeta, d.now, `0`) + partRecords + ofKey + partMarks + ofKey + partSpending + ofKey
}

func (d sqlDialect) viewSince() string {
	known := fmt.Sprintf(partKnown, maxLog, fmt.Sprintf(fewTouched, maxLog))
	return fmt.Sprintf(touched, maxLog+1) + fmt.Sprintf(partMeta, d.now, known) + partRecords + ofTouched +
		partMarks + ofTouched + partSpending + ofTouched
}

// view runs the statement of a view.
func (db sqlDB) view(ctx context.Context, query string, args ...any) (v *sqlView, err error) {
	err = retryBusy(ctx, func() error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		v, err = readView(rows)
		return err
	})
	return v, err
}

func readView(rows *sql.Rows) (*sqlView, error) {
	v := &sqlView{rows: make(map[credentialKey]*sqlRow)}
	for rows.Next() {
		var l sqlLine
		err := rows.Scan(&l.kind, &l.provider, &l.id, &l.n[0], &l.n[1], &l.n[2], &l.n[3],
			&l.t[0], &l.t[1], &l.t[2], &l.t[3], &l.t[4])
		if err != nil {
			return nil, err
		}
		v.add(&l)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if v.nonce == "" {
		return nil, errNoMeta
	}
	for _, r := range v.rows {
		r.finish()
	}
	return v, nil
}

// add takes one line into the view.
func (v *sqlView) add(l *sqlLine) {
	if l.kind == lineMeta {
		v.version, v.now, v.known = l.n[0], time.UnixMilli(l.n[1]).UTC(), l.n[2] != 0
		v.nonce, v.identity = l.t[0], l.t[1]
		return
	}
	key := credentialKey{l.provider, l.id}
	r, ok := v.rows[key]
	if !ok {
		r = &sqlRow{key: key}
		v.rows[key] = r
	}
	switch l.kind {
	case lineRecord:
		r.found, r.position, r.raw = true, l.n[0], l.t[3]
		r.sqlColumns = sqlColumns{l.n[1], l.n[2], l.n[3], l.t[0], l.t[1], l.t[2]}
		r.broken = cmp.Or(r.broken, r.decode())
	case lineMark:
		r.broken = cmp.Or(r.broken, r.addMark(l.t[0], l.t[1], l.t[2], l.t[3], l.t[4]))
	case lineSpending:
		r.broken = cmp.Or(r.broken, r.setSpending(l.t[0], l.t[1], l.t[2]))
	}
}

// row returns the row of a key, whether or not it is there.
func (v *sqlView) row(key credentialKey) *sqlRow {
	if r := v.rows[key]; r != nil {
		return r
	}
	return &sqlRow{key: key}
}

// snapshot returns the view as Load returns it.
func (v *sqlView) snapshot(delta bool) Snapshot {
	list := make([]*sqlRow, 0, len(v.rows))
	for _, r := range v.rows {
		if r.found {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *sqlRow) int {
		return cmp.Or(cmp.Compare(a.position, b.position),
			strings.Compare(a.key.provider, b.key.provider), strings.Compare(a.key.id, b.key.id))
	})
	snap := Snapshot{Delta: delta, Identity: v.identity, Version: strconv.FormatInt(v.version, 10) + "-" + v.nonce}
	snap.Entries = slices.Grow(snap.Entries, len(list))
	for _, r := range list {
		if r.broken != nil {
			snap.Broken = append(snap.Broken, r.broken)
			continue
		}
		snap.Entries = append(snap.Entries, r.entry)
	}
	return snap
}

// parseSQLVersion returns the parts of a Snapshot's Version.
func parseSQLVersion(version string) (n int64, nonce string, ok bool) {
	number, nonce, found := strings.Cut(version, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	return n, nonce, found && err == nil && nonce != ""
}
