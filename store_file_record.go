package reauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// The versions of the format of a FileStore's file. The first one is read, and upgraded by the first
// write. A newer one is refused, because nobody can know what its members mean.
const (
	fileVersion1 = 1
	fileVersion  = 2
)

// fileFormat is the member "format" of a FileStore's file. Other programs' files have a "version"
// too.
const fileFormat = "reauth"

// fileRecordJSON is an element of the member "credentials".
type fileRecordJSON struct {
	storedRecord
	Marks    map[string]json.RawMessage `json:"marks,omitempty"`
	Standing json.RawMessage            `json:"standing,omitempty"` // of version 1
}

// parseFileRecord reads one element of the member "credentials". The error names what is wrong and
// quotes nothing. The entry has the key, as far as it can be read, also with an error.
func parseFileRecord(raw []byte) (Entry, error) {
	var r fileRecordJSON
	if !utf8.Valid(raw) {
		return keyOf(raw), errors.New("it is no valid UTF-8")
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return keyOf(raw), wrongKind(err)
	}
	e, err := r.entry()
	if err == nil {
		e, err = upgradeEntry(e, r.Standing)
	}
	switch {
	case err != nil:
		return keyOf(raw), err
	case e.Credential.Provider == "":
		return e, errors.New(`it names no provider; give it a "provider"`)
	case e.Credential.ID == "":
		return e, errors.New(`it has no ID; give it an "id" of its own`)
	}
	e.dropUnfit()
	return e, e.check()
}

// entry returns the record without what only version 1 has.
func (r *fileRecordJSON) entry() (Entry, error) {
	e := r.storedRecord.entry()
	e.Credential.Provider = canonicalName(r.Provider) // a person may have written an alias
	if len(r.Marks) > 0 {
		e.Marks = make(map[string]Mark, len(r.Marks))
	}
	for key, raw := range r.Marks {
		var m storedMark
		if err := json.Unmarshal(raw, &m); err != nil {
			return e, fmt.Errorf("the mark %q cannot be read", key)
		}
		e.Marks[key] = Mark(m)
	}
	return e, nil
}

// keyOf returns an entry with the key of a record that cannot be read otherwise.
func keyOf(raw []byte) (e Entry) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // without it the key stays unknown
	_ = json.Unmarshal(members["provider"], &e.Credential.Provider)
	_ = json.Unmarshal(members["id"], &e.Credential.ID)
	e.Credential.Provider = canonicalName(e.Credential.Provider)
	return e
}

// withoutTypes takes the names of our types out of the path of a member.
func withoutTypes(path string) string {
	return strings.NewReplacer("storedRecord.", "", "storedCredential.", "").Replace(path)
}

// wrongKind says which member has a value of a wrong kind. Its words hold nothing of the content,
// which is full of secrets. Other errors are returned as they are if they are about the syntax.
func wrongKind(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return err
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s cannot be a JSON %s", withoutTypes(kind.Field), kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("it is a JSON %s and no object", kind.Value)
	}
	return errors.New("a value cannot be read")
}

// encodeFileRecord returns the entry as an element of the member "credentials", indented for people.
// It keeps the members of old, the element as it was, that it does not know. Spending is kept beside
// the file.
func encodeFileRecord(old []byte, e Entry) ([]byte, error) {
	var was fileRecordJSON
	if old != nil {
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, wrongKind(err)
		}
	}
	r := fileRecordJSON{storedRecord: toStoredRecord(e), Standing: unknownStanding(was.Standing)}
	var err error
	if r.Marks, err = encodeMarks(was.Marks, e.Marks); err != nil {
		return nil, err
	}
	raw, err := overlay(old, r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, raw, "\t\t", "\t")
	return b.Bytes(), err
}

// encodeMarks returns the marks as JSON. One that did not change stays as it was.
func encodeMarks(was map[string]json.RawMessage, marks map[string]Mark) (map[string]json.RawMessage, error) {
	encoded := make(map[string]json.RawMessage, len(marks))
	for key, m := range marks {
		raw, err := json.Marshal(toStoredMark(m))
		if err != nil {
			return nil, err
		}
		if old, ok := was[key]; ok && sameMark(old, toStoredMark(m)) {
			raw = old
		}
		encoded[key] = raw
	}
	return encoded, nil
}

func sameMark(raw json.RawMessage, m storedMark) bool {
	var was storedMark
	return json.Unmarshal(raw, &was) == nil && was.Until.Equal(m.Until) && was.At.Equal(m.At) &&
		was.Reason == m.Reason && was.Of == m.Of
}

// unknownStanding returns the members of a standing of version 1 that it never had; nil if none.
func unknownStanding(standing json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(standing, &members) != nil {
		return nil
	}
	for field := range reflect.TypeFor[oldStanding]().Fields() {
		delete(members, field.Tag.Get("json"))
	}
	if len(members) == 0 {
		return nil
	}
	rest, _ := json.Marshal(members) // what was decoded can be encoded
	return rest
}
