// Package version1 is for tests: what a program refuses that knows only version 1 of the stored
// record. The functions parseDocument, checkFileVersion and checkSchema, with what they call, are
// those of commit 413fff5, the last one that wrote version 1, word for word; the types are cut down
// to what is read. No later change belongs here.
package version1

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// CheckFile returns the error of a FileStore of version 1 about the content of its file, without
// the name of the file. Each of its methods begins so.
func CheckFile(content []byte) error {
	_, err := parseDocument(content)
	return err
}

// CheckTables returns the error of a SQLStore of version 1 when it is opened in a database in which
// there are tables, without the name of the store.
func CheckTables(ctx context.Context, db *sql.DB) error {
	there, err := checkSchema(ctx, db)
	if !there {
		return errors.Join(errors.New("it would make its tables"), err)
	}
	return err
}

// These are the only formats that the program knows.
const (
	fileVersion = 1
	sqlFormat   = 1
)

// Credential is a credential.
type Credential struct {
	Provider     string
	ID           string
	AccessToken  string
	RefreshToken string
	Expiry       time.Time
	AccountID    string
	ClientID     string
	Hosts        []string
	Priority     int
	Metadata     map[string]string
}

// Standing is how a credential stands.
type Standing struct {
	AsideUntil  time.Time
	Retired     bool
	Reason      string
	LastRefresh time.Time
	At          time.Time
	Of          string
	Spending    string
}

// Entry is a credential, and how it stands.
type Entry struct {
	Credential Credential
	Standing   Standing
}

// storedCredential is a credential in the JSON of the durable stores.
type storedCredential struct {
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
}

// storedStanding is a standing in the JSON of the durable stores.
type storedStanding struct {
	AsideUntil  time.Time `json:"aside_until,omitzero"`
	Retired     bool      `json:"retired,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	LastRefresh time.Time `json:"last_refresh,omitzero"`
	At          time.Time `json:"at,omitzero"`
	Of          string    `json:"of,omitempty"`
	Spending    string    `json:"spending,omitempty"`
}

// fileDocument is the content of a FileStore's file. It keeps the members that it does not know.
type fileDocument struct {
	members map[string]json.RawMessage // of the file's one object
	entries []fileEntry
}

// fileEntry is one element of the member "credentials".
type fileEntry struct {
	Entry
	raw json.RawMessage // as the file has it; nil: the file does not have it yet
}

// fileEntryJSON is what a fileEntry is read from.
type fileEntryJSON struct {
	storedCredential
	Standing *storedStanding `json:"standing,omitempty"`
}

// parseDocument reads the content of a file; nil stands for a file that is not there. Its errors
// name the place where the file is wrong and never quote it.
func parseDocument(b []byte) (*fileDocument, error) {
	d := &fileDocument{members: make(map[string]json.RawMessage)}
	if b == nil {
		return d, nil
	}
	var typed struct {
		Version     *int            `json:"version"`
		Credentials []fileEntryJSON `json:"credentials"`
	}
	if err := json.Unmarshal(b, &typed); err != nil {
		return nil, errorAtOffset(b, err)
	}
	if err := checkFileVersion(typed.Version); err != nil {
		return nil, err
	}
	var raw struct {
		Credentials []json.RawMessage `json:"credentials"`
	}
	if err := errors.Join(json.Unmarshal(b, &d.members), json.Unmarshal(b, &raw)); err != nil {
		return nil, errorAtOffset(b, err)
	}
	for i, e := range typed.Credentials {
		entry := e.entry(raw.Credentials[i])
		if err := d.check(i, entry.Credential); err != nil {
			return nil, err
		}
		d.entries = append(d.entries, entry)
	}
	return d, nil
}

// checkFileVersion refuses a file that is not of this format: what another version means is not to
// be guessed.
func checkFileVersion(v *int) error {
	switch {
	case v == nil:
		return errors.New(`no credential store of reauth: it has no "version"; ` +
			`it may be another program's file, so choose another path`)
	case *v != fileVersion:
		return fmt.Errorf("format version %d is not known here, only %d; update the program", *v, fileVersion)
	}
	return nil
}

// entry returns a decoded credential of the file, beside the JSON that it was decoded from.
func (e *fileEntryJSON) entry(raw json.RawMessage) fileEntry {
	entry := fileEntry{raw: raw}
	entry.Credential = Credential(e.storedCredential)
	entry.Credential.Provider = vendors.Canonical(e.Provider) // a person may have written an alias
	if e.Standing != nil {
		entry.Standing = Standing(*e.Standing)
	}
	return entry
}

// check refuses the i-th credential of a file if its provider and ID do not identify it.
func (d *fileDocument) check(i int, c Credential) error {
	switch {
	case c.Provider == "":
		return fmt.Errorf(`credentials[%d] names no provider; give it a "provider"`, i)
	case c.ID == "":
		return fmt.Errorf(`credentials[%d], of %s, has no ID; give it an "id" of its own`, i, c.Provider)
	case d.find(c.Provider, c.ID) != nil:
		return fmt.Errorf("credentials[%d] has the same ID as another of %s, %q; remove one of them",
			i, c.Provider, c.ID)
	}
	return nil
}

// errorAtOffset says where the JSON is broken. Its words hold nothing of the content, which is full
// of secrets.
func errorAtOffset(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset, what := int64(len(b)), "broken JSON"
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		what = "the file is empty"
	case errors.As(err, &syntax):
		offset = syntax.Offset
		if offset >= int64(len(b)) {
			what = "the JSON breaks off"
		}
	case errors.As(err, &kind):
		member := strings.ReplaceAll(kind.Field, "storedCredential.", "")
		offset, what = kind.Offset, fmt.Sprintf("%s cannot be a JSON %s", member, kind.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "the JSON breaks off"
	default:
		what = "a value cannot be read"
	}
	line := 1 + bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n"))
	return fmt.Errorf("%s at offset %d, line %d; mend it, or move it away and log in again", what, offset, line)
}

func (d *fileDocument) index(provider, id string) int {
	return slices.IndexFunc(d.entries, func(e fileEntry) bool {
		return e.Credential.Provider == provider && e.Credential.ID == id
	})
}

// find returns the entry of a credential, or nil.
func (d *fileDocument) find(provider, id string) *fileEntry {
	i := d.index(provider, id)
	if i < 0 {
		return nil
	}
	return &d.entries[i]
}

// checkSchema reports whether the tables are there. If they are, err says whether they are of
// another format.
func checkSchema(ctx context.Context, db *sql.DB) (there bool, err error) {
	var format int
	err = db.QueryRowContext(ctx, `SELECT format FROM reauth_meta`).Scan(&format)
	switch {
	case err != nil:
		return false, err
	case format != sqlFormat:
		return true, fmt.Errorf("its tables have format %d, only %d is known here; update the program",
			format, sqlFormat)
	}
	return true, nil
}
