package reauth

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sqlRecord is a record in the JSON of reauth_records. Marks and Spending have tables of their own.
type sqlRecord struct {
	Provider     string            `json:"provider"`
	ID           string            `json:"id"`
	AccessToken  string            `json:"access_token,omitempty"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	Expiry       time.Time         `json:"expiry,omitzero"`
	AccountID    string            `json:"account_id,omitempty"`
	ClientID     string            `json:"client_id,omitempty"`
	Hosts        []string          `json:"hosts,omitempty"`
	Priority     int               `json:"priority,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Login        time.Time         `json:"login,omitzero"`
	Removed      bool              `json:"removed,omitempty"`
	Generation   int64             `json:"generation,omitempty"`
	Spent        []string          `json:"spent,omitempty"`
	LastRefresh  time.Time         `json:"last_refresh,omitzero"`
}

// newSQLRecord returns e as it is stored. A record of a removed credential has no tokens.
func newSQLRecord(e Entry) sqlRecord {
	c := e.Credential
	if e.Removed {
		c.AccessToken, c.RefreshToken, c.Expiry = "", "", time.Time{}
	}
	return sqlRecord{
		Provider: c.Provider, ID: c.ID, AccessToken: c.AccessToken, RefreshToken: c.RefreshToken,
		Expiry: stamp(c.Expiry), AccountID: c.AccountID, ClientID: c.ClientID, Hosts: c.Hosts, Priority: c.Priority,
		Metadata: c.Metadata, Login: stamp(e.Login), Removed: e.Removed, Generation: e.Generation, Spent: e.Spent,
		LastRefresh: stamp(e.LastRefresh),
	}
}

// entry returns the record without marks and Spending.
func (r *sqlRecord) entry() Entry {
	return Entry{
		Credential: Credential{
			Provider: r.Provider, ID: r.ID, AccessToken: r.AccessToken, RefreshToken: r.RefreshToken,
			Expiry: r.Expiry, AccountID: r.AccountID, ClientID: r.ClientID, Hosts: r.Hosts, Priority: r.Priority,
			Metadata: r.Metadata,
		},
		Login: r.Login, Removed: r.Removed, Generation: r.Generation, Spent: r.Spent, LastRefresh: r.LastRefresh,
	}
}

// sqlColumns are the columns of reauth_records that repeat what the record holds.
type sqlColumns struct {
	login, generation, removed  int64
	tokenOf, refreshOf, loginOf string
}

func columnsOf(e *Entry) sqlColumns {
	return sqlColumns{
		login: e.Login.UnixMicro(), generation: e.Generation, removed: int64(truth(e.Removed)),
		tokenOf: digest(e.Credential.AccessToken), refreshOf: digest(e.Credential.RefreshToken), loginOf: loginOf(e.Login),
	}
}

// sqlRow is a row of reauth_records as it was read, with its marks and its exchange.
type sqlRow struct {
	key      credentialKey
	found    bool
	position int64
	sqlColumns
	raw    string // the JSON
	entry  Entry
	broken error // why the record cannot be used; nil: it can. It holds no secret
}

// encode returns the JSON and the columns that store e in the place of the row. Members of the JSON
// that this program does not know stay.
func (r *sqlRow) encode(e Entry) (raw string, columns sqlColumns, err error) {
	record := newSQLRecord(e)
	b, err := overlay(json.RawMessage(r.raw), record)
	stored := record.entry()
	return string(b), columnsOf(&stored), err
}

// decode reads the row's JSON. The error does not wrap that of the JSON, which may quote a token.
func (r *sqlRow) decode() error {
	var record sqlRecord
	if json.Unmarshal([]byte(r.raw), &record) != nil || record.Provider == "" {
		return errors.New("its row in reauth_records holds no JSON of reauth; delete that row and log in again")
	}
	e := record.entry()
	switch err := e.check(); {
	case credentialKey{e.Credential.Provider, e.Credential.ID} != r.key, columnsOf(&e) != r.sqlColumns,
		canonicalKey(r.key.provider, r.key.id) != r.key:
		return errors.New("its row in reauth_records has columns that contradict the JSON in it; " +
			"delete that row and log in again")
	case err != nil:
		return fmt.Errorf("its row in reauth_records is out of bounds: %w; delete that row and log in again", err)
	}
	e.Marks, e.Spending = r.entry.Marks, r.entry.Spending // their tables may have been read first
	r.entry = e
	return nil
}

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
	partKnown = `CASE WHEN EXISTS (SELECT 1 FROM reauth_log l
		WHERE l.version = CAST($1 AS BIGINT) AND l.nonce = CAST($2 AS TEXT)) THEN 1 ELSE 0 END`
	partRecords = ` UNION ALL SELECT 1, r.provider, r.id, CAST(r.position AS BIGINT), CAST(r.login AS BIGINT),
		CAST(r.generation AS BIGINT), CAST(r.removed AS BIGINT), r.token_of, r.refresh_of, r.login_of, r.record, ''
		FROM reauth_records r`
	partMarks    = ` UNION ALL SELECT 2, r.provider, r.id, 0, 0, 0, 0, r.key, r.at, r.until, r.of, r.reason FROM reauth_marks r`
	partSpending = ` UNION ALL SELECT 3, r.provider, r.id, 0, 0, 0, 0, r.of, r.since, r.holder, '', '' FROM reauth_spending r`
	ofKey        = ` WHERE r.provider = $1 AND r.id = $2`
	// Written since the version $1. The log is small, so this costs the same at any number of records.
	touched   = `WITH touched AS (SELECT DISTINCT provider, id FROM reauth_log WHERE version > CAST($1 AS BIGINT)) `
	ofTouched = ` JOIN touched t ON t.provider = r.provider AND t.id = r.id`
)

// head returns the statement for what reauth_meta holds, and whether the version $1, $2 is known.
func (d sqlDialect) head() string { return fmt.Sprintf(partMeta, d.now, partKnown) }

func (d sqlDialect) viewOfAll() string {
	return fmt.Sprintf(partMeta, d.now, `0`) + partRecords + partMarks + partSpending
}

func (d sqlDialect) viewOfKey() string {
	return fmt.Sprintf(partMeta, d.now, `0`) + partRecords + ofKey + partMarks + ofKey + partSpending + ofKey
}

func (d sqlDialect) viewSince() string {
	return touched + d.head() + partRecords + ofTouched + partMarks + ofTouched + partSpending + ofTouched
}

// view runs the statement of a view.
func (s *SQLStore) view(ctx context.Context, query string, args ...any) (v *sqlView, err error) {
	err = retryBusy(ctx, func() error {
		rows, err := s.db.QueryContext(ctx, query, args...)
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

func (r *sqlRow) addMark(key, at, until, of, reason string) error {
	m := Mark{Of: of, Reason: reason}
	var err1, err2 error
	m.At, err1 = parseSQLTime(at)
	m.Until, err2 = parseSQLTime(until)
	if err := cmp.Or(err1, err2); err != nil {
		return fmt.Errorf("its mark %q in reauth_marks holds no instant: %w; delete that row", key, err)
	}
	if r.entry.Marks == nil {
		r.entry.Marks = make(map[string]Mark)
	}
	r.entry.Marks[key] = m
	return nil
}

func (r *sqlRow) setSpending(of, since, holder string) (err error) {
	if of == "" {
		return nil
	}
	r.entry.Spending = Spending{Of: of, Holder: holder}
	if r.entry.Spending.Since, err = parseSQLTime(since); err != nil {
		return fmt.Errorf("its row in reauth_spending holds no instant: %w; delete that row", err)
	}
	return nil
}

// finish completes a row of which all lines are read.
func (r *sqlRow) finish() {
	switch {
	case !r.found:
		r.entry, r.broken = Entry{}, nil // marks of nothing are void
	case r.broken != nil:
		r.broken = &RecordError{Provider: r.key.provider, ID: r.key.id, Err: r.broken}
		r.entry = Entry{}
	default:
		r.entry.Marks = r.entry.boundMarks()
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

// sqlTimeLayout is how an instant stands in a column: exact, and in the order of time.
const sqlTimeLayout = "2006-01-02T15:04:05.000000000Z"

// sqlTime returns t for a column; zero is the empty text.
func sqlTime(t time.Time) string {
	t = t.UTC()
	switch {
	case t.IsZero(), t.Year() < 0:
		return ""
	case t.Year() > forever.Year():
		t = forever
	}
	return t.Format(sqlTimeLayout)
}

func parseSQLTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(sqlTimeLayout, text)
}
