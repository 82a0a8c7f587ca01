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

	"github.com/reauth-go/reauth/internal/vendors"
)

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

// toStored returns c as it is stored.
func toStored(c Credential) storedCredential {
	s := storedCredential(c.clone())
	s.Expiry = stamp(s.Expiry)
	return s
}

// toStoredStanding returns s as it is stored.
func toStoredStanding(s Standing) storedStanding {
	s.AsideUntil, s.LastRefresh, s.At = stamp(s.AsideUntil), stamp(s.LastRefresh), stamp(s.At)
	return storedStanding(s)
}

// stamp returns t as it is stored: in UTC and without the monotonic clock, because other processes
// read it. A year that JSON cannot have (beyond 9999) makes it zero.
func stamp(t time.Time) time.Time {
	if t.IsZero() || t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// overlay returns the JSON object old with the members of v, a struct, in it. It keeps the members
// that v does not know, because a newer version of this package, or a person, may have put them
// there. It drops those that v knows and leaves out.
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
		delete(members, name)
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

// fileVersion is the version of the format of a FileStore's file. A newer version is refused,
// because we cannot know what its members mean.
const fileVersion = 1

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

// put writes a credential and keeps its standing.
func (d *fileDocument) put(c Credential) {
	e := d.find(c.Provider, c.ID)
	if e == nil {
		d.entries = append(d.entries, fileEntry{})
		e = &d.entries[len(d.entries)-1]
	}
	e.Credential = c
}

// remove takes a credential out, and reports whether it was there.
func (d *fileDocument) remove(provider, id string) bool {
	i := d.index(provider, id)
	if i < 0 {
		return false
	}
	d.entries = slices.Delete(d.entries, i, i+1)
	return true
}

// encode returns the content of the file, indented for people.
func (d *fileDocument) encode() ([]byte, error) {
	list := make([]json.RawMessage, 0, len(d.entries))
	for _, e := range d.entries {
		raw, err := e.encode()
		if err != nil {
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

// encode returns the entry as JSON, in which a good standing is left out.
func (e *fileEntry) encode() (json.RawMessage, error) {
	raw, err := overlay(e.raw, toStored(e.Credential))
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	standing, err := overlay(members["standing"], toStoredStanding(e.Standing))
	if err != nil {
		return nil, err
	}
	members["standing"] = standing
	if string(standing) == "{}" {
		delete(members, "standing")
	}
	return json.Marshal(members)
}
