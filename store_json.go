package reauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// fileVersion is the version of the file's format. What a newer one means is not to be guessed.
const fileVersion = 1

// fileDocument is the content of a FileStore's file. What it does not know it keeps.
type fileDocument struct {
	members map[string]json.RawMessage // of the file's one object, other than credentials
	entries []fileEntry
}

type fileEntry struct {
	Entry
	raw json.RawMessage // as it stands in the file
}

// fileEntryJSON is a credential with its standing.
type fileEntryJSON struct {
	storedCredential
	Standing *storedStanding `json:"standing,omitempty"`
}

// parseDocument reads the file's content; nil is a file that is not there. Its errors name the place, and never quote it.
func parseDocument(b []byte) (*fileDocument, error) {
	d := &fileDocument{members: make(map[string]json.RawMessage)}
	if b == nil {
		return d, nil
	}
	var typed struct {
		Version     *int            `json:"version"`
		Credentials []fileEntryJSON `json:"credentials"`
	}
	var raw struct {
		Credentials []json.RawMessage `json:"credentials"`
	}
	err := json.Unmarshal(b, &typed)
	switch {
	case err != nil:
		return nil, errorAtOffset(b, err)
	case typed.Version == nil:
		return nil, errors.New(`no credential store of reauth: it has no "version"; it may be another program's file, so choose another path`)
	case *typed.Version != fileVersion:
		return nil, fmt.Errorf("format version %d is not known here, only %d; update the program", *typed.Version, fileVersion)
	}
	if err := errors.Join(json.Unmarshal(b, &d.members), json.Unmarshal(b, &raw)); err != nil {
		return nil, errorAtOffset(b, err)
	}
	for i, e := range typed.Credentials {
		entry := fileEntry{raw: raw.Credentials[i]}
		entry.Credential = Credential(e.storedCredential)
		entry.Credential.Provider = canonicalName(e.Provider) // a person may have written an alias
		if e.Standing != nil {
			entry.Standing = Standing(*e.Standing)
		}
		if err := d.check(i, entry.Credential); err != nil {
			return nil, err
		}
		d.entries = append(d.entries, entry)
	}
	return d, nil
}

// check refuses entries that nobody could address.
func (d *fileDocument) check(i int, c Credential) error {
	switch {
	case c.Provider == "":
		return fmt.Errorf(`credentials[%d] names no provider; give it a "provider"`, i)
	case c.ID == "":
		return fmt.Errorf(`credentials[%d], of %s, has no ID; give it an "id" of its own`, i, c.Provider)
	case d.find(c.Provider, c.ID) != nil:
		return fmt.Errorf("credentials[%d] has the same ID as another of %s, %q; remove one of them", i, c.Provider, c.ID)
	}
	return nil
}

// errorAtOffset says where the JSON is broken, in words that hold nothing of it: it is full of secrets.
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
		offset, what = kind.Offset, fmt.Sprintf("%s cannot be a JSON %s", strings.ReplaceAll(kind.Field, "storedCredential.", ""), kind.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "the JSON breaks off"
	default:
		what = "a value cannot be read"
	}
	line := 1 + bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n"))
	return fmt.Errorf("%s at offset %d, line %d; mend it, or move it away and log in again", what, offset, line)
}

// find returns the entry of a credential, or nil.
func (d *fileDocument) find(provider, id string) *fileEntry {
	i := slices.IndexFunc(d.entries, func(e fileEntry) bool { return e.Credential.Provider == provider && e.Credential.ID == id })
	if i < 0 {
		return nil
	}
	return &d.entries[i]
}

// put writes a credential and keeps its standing.
func (d *fileDocument) put(c Credential) {
	e := d.find(c.Provider, c.ID)
	if e == nil {
		d.entries = append(d.entries, fileEntry{})
		e = &d.entries[len(d.entries)-1]
	}
	e.Credential = c
}

// remove takes a credential out; it reports whether it was there.
func (d *fileDocument) remove(provider, id string) bool {
	n := len(d.entries)
	d.entries = slices.DeleteFunc(d.entries, func(e fileEntry) bool { return e.Credential.Provider == provider && e.Credential.ID == id })
	return len(d.entries) < n
}

// encode returns the file's content, indented for people.
func (d *fileDocument) encode() ([]byte, error) {
	list := make([]json.RawMessage, 0, len(d.entries))
	for _, e := range d.entries {
		j := fileEntryJSON{storedCredential: toStored(e.Credential)}
		raw, err := overlay(e.raw, j.storedCredential)
		if err != nil {
			return nil, err
		}
		if raw, err = withStanding(raw, e.Standing); err != nil {
			return nil, err
		}
		list = append(list, raw)
	}
	members := make(map[string]any, len(d.members)+2)
	for name, value := range d.members {
		members[name] = value
	}
	members["version"], members["credentials"] = fileVersion, list
	b, err := json.MarshalIndent(members, "", "\t")
	return append(b, '\n'), err
}

// withStanding writes a standing into an entry's JSON.
func withStanding(raw json.RawMessage, s Standing) (json.RawMessage, error) {
	var entry map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entry); err != nil {
		return nil, err
	}
	standing, err := overlay(entry["standing"], toStoredStanding(s))
	if err != nil {
		return nil, err
	}
	entry["standing"] = standing
	if string(standing) == "{}" {
		delete(entry, "standing")
	}
	return json.Marshal(entry)
}

// storedCredential is a credential as the durable stores write it.
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

// storedStanding is a standing as the durable stores write it.
type storedStanding struct {
	AsideUntil  time.Time `json:"aside_until,omitzero"`
	Retired     bool      `json:"retired,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	LastRefresh time.Time `json:"last_refresh,omitzero"`
	At          time.Time `json:"at,omitzero"`
	Of          string    `json:"of,omitempty"`
	Spending    string    `json:"spending,omitempty"`
}

// toStored returns what is written of c. Stamps go without the monotonic clock and in UTC: they are read elsewhere.
func toStored(c Credential) storedCredential {
	s := storedCredential(c.clone())
	s.Expiry = stamp(s.Expiry)
	return s
}

func toStoredStanding(s Standing) storedStanding {
	s.AsideUntil, s.LastRefresh, s.At = stamp(s.AsideUntil), stamp(s.LastRefresh), stamp(s.At)
	return storedStanding(s)
}

// stamp makes a time fit for JSON, which knows the years up to 9999 only.
func stamp(t time.Time) time.Time {
	if t.IsZero() || t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// overlay writes v, a struct, over the JSON object that stood in its place, and keeps the members it does not know: a newer
// version of this package, or a person, may have put them there.
func overlay(old json.RawMessage, v any) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	if len(old) > 0 {
		if err := json.Unmarshal(old, &members); err != nil {
			return nil, err
		}
	}
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(members, name) // what is empty now is not written
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
