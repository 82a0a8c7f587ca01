package reauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

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
	record := toStoredRecord(e)
	b, err := overlay(json.RawMessage(r.raw), record)
	stored := record.entry()
	return string(b), columnsOf(&stored), err
}

// decode reads the row's JSON. The error does not wrap that of the JSON, which may quote a token.
func (r *sqlRow) decode() error {
	var record storedRecord
	if json.Unmarshal([]byte(r.raw), &record) != nil || record.Provider == "" {
		return errors.New("its row in reauth_records holds no JSON of reauth; delete that row and log in again")
	}
	e := record.entry()
	columns := columnsOf(&e) // before what cannot be sent is left out
	e.dropUnfit()
	switch err := e.check(); {
	case credentialKey{e.Credential.Provider, e.Credential.ID} != r.key, columns != r.sqlColumns,
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
		r.broken = &RecordError{Provider: r.key.provider, ID: r.key.id, Err: newRedactedError(r.broken)}
		r.entry = Entry{}
	default:
		r.entry.Marks = r.entry.boundMarks()
	}
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
