package reauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// fileFrame is a FileStore's file taken apart: its members, and where each record stands in it. It
// shares the content.
type fileFrame struct {
	content            []byte
	members            []fileMember // but for "credentials"
	open, end          int          // of the list of credentials: behind its "[", and at its "]"; both 0: there is none
	records            []fileSpan
	version            int
	identity           string
	credentialsIsAList bool
}

// fileMember is a member of the file's one object, with its value as it stands.
type fileMember struct {
	name  string
	value []byte
}

// fileSpan is where a record stands in the content.
type fileSpan struct{ from, to int }

// errBrokenJSON says that scanning found what cannot be JSON. The words come from encoding/json.
var errBrokenJSON = errors.New("broken JSON")

// frameFile takes the content of a file apart. guess says how long the record at an offset is if it
// is one that is known, which saves reading it; else 0. The errors of frameFile name the place where
// the file is wrong and never quote it.
func frameFile(content []byte, guess func(from int) int) (*fileFrame, error) {
	f := &fileFrame{content: content}
	if err := f.scan(guess); err != nil {
		return nil, brokenFile(content, err)
	}
	if err := f.identify(); err != nil {
		return nil, err
	}
	return f, nil
}

// scan finds the members of the one object.
func (f *fileFrame) scan(guess func(int) int) error {
	s := &jsonScanner{b: f.content}
	if !s.next('{') {
		return errBrokenJSON
	}
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return errBrokenJSON
		}
		name, err := s.name()
		if err != nil {
			return err
		}
		if err := f.scanMember(s, name, guess); err != nil {
			return err
		}
	}
	s.space()
	if s.at != len(s.b) {
		return errBrokenJSON
	}
	return nil
}

// scanMember finds the value of a member, and the records if it has them.
func (f *fileFrame) scanMember(s *jsonScanner, name string, guess func(int) int) error {
	if name == "credentials" && f.credentialsIsAList {
		return errors.New(`it has two lists "credentials"; join them`)
	}
	if name == "credentials" && s.next('[') {
		f.credentialsIsAList = true
		return f.scanRecords(s, guess)
	}
	value, err := s.value()
	if err != nil {
		return err
	}
	if !json.Valid(value) {
		return errBrokenJSON
	}
	f.members = append(f.members, fileMember{name, value})
	return nil
}

// scanRecords finds the records of the list behind whose "[" the scanner stands.
func (f *fileFrame) scanRecords(s *jsonScanner, guess func(int) int) error {
	f.open = s.at
	for first := true; !s.next(']'); first = false {
		if !first && !s.next(',') {
			return errBrokenJSON
		}
		s.space()
		from := s.at
		if n := guess(from); n > 0 {
			s.at += n
		} else if _, err := s.value(); err != nil {
			return err
		}
		f.records = append(f.records, fileSpan{from, s.at})
	}
	f.end = s.at - 1
	return nil
}

// identify refuses a file that is not of this format: what another program's file means, or that of
// another version, is not to be guessed.
func (f *fileFrame) identify() error {
	format, hasFormat := f.text("format")
	version, hasVersion := f.member("version")
	identity, hasIdentity := f.member("identity")
	_ = json.Unmarshal(version, &f.version) // 0 is no version
	switch ours := hasFormat && format == fileFormat; {
	case !hasVersion && !ours:
		return notOurs(`it has no "version"`)
	case hasFormat && !ours:
		return notOurs(`its "format" is another`)
	case !hasFormat && f.version != fileVersion1:
		return notOurs(`it has no "format"`)
	case !hasFormat && !f.credentialsIsAList:
		return notOurs(`it has no list "credentials"`)
	case f.version < fileVersion1, !hasFormat != (f.version == fileVersion1):
		return errors.New(`its "version" cannot be read; mend it`)
	case f.version > fileVersion:
		return fmt.Errorf("format version %d is not known here, only %d; update the program", f.version, fileVersion)
	}
	if _, credentials := f.member("credentials"); credentials {
		return errors.New(`"credentials" is no list; mend it, or move the file away and log in again`)
	}
	if hasIdentity && json.Unmarshal(identity, &f.identity) != nil {
		return errors.New(`its "identity" cannot be read; mend it`)
	}
	return nil
}

func notOurs(why string) error {
	return fmt.Errorf("no credential store of reauth: %s; it may be another program's file, so choose another path", why)
}

// member returns the value of a member; the last one counts, as encoding/json has it.
func (f *fileFrame) member(name string) (value []byte, ok bool) {
	for _, m := range f.members {
		if m.name == name {
			value, ok = m.value, true
		}
	}
	return value, ok
}

func (f *fileFrame) text(name string) (text string, ok bool) {
	value, ok := f.member(name)
	_ = json.Unmarshal(value, &text) // no text is none that is known
	return text, ok
}

// others returns the members that this version does not know, as lines of JSON.
func (f *fileFrame) others() []byte {
	var b bytes.Buffer
	for _, m := range f.members {
		switch m.name {
		case "format", "version", "identity", "stamp":
			continue
		}
		name, _ := json.Marshal(m.name) // a string can be encoded
		fmt.Fprintf(&b, "\t%s: %s,\n", name, m.value)
	}
	return b.Bytes()
}

// brokenFile says where the JSON is broken, if it is. Its words hold nothing of the content, which is
// full of secrets. What does not look like a store gets no advice how to mend it.
func brokenFile(b []byte, cause error) error {
	if text := bytes.TrimSpace(b); len(text) > 0 && (text[0] != '{' || !namesItself(b)) {
		return notOurs("it holds something else")
	}
	var value json.RawMessage
	if err := json.Unmarshal(b, &value); err != nil {
		return errorAtOffset(b, err)
	}
	return cause
}

// namesItself reports whether the content has a word that a store's file has.
func namesItself(b []byte) bool {
	return bytes.Contains(b, []byte(`"credentials"`)) || bytes.Contains(b, []byte(`"`+fileFormat+`"`))
}

// errorAtOffset says where the JSON is broken, and what to do.
func errorAtOffset(b []byte, err error) error {
	var syntax *json.SyntaxError
	offset, what := int64(len(b)), "broken JSON"
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		what = "the file is empty"
	case errors.As(err, &syntax):
		offset = syntax.Offset
		if offset >= int64(len(b)) {
			what = "the JSON breaks off"
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "the JSON breaks off"
	}
	line := 1 + bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n"))
	return fmt.Errorf("%s at offset %d, line %d; mend it, or move it away and log in again", what, offset, line)
}

// jsonScanner finds where values of JSON end. It reads no more of a value than it must: a value
// that it accepts may still be no JSON.
type jsonScanner struct {
	b  []byte
	at int
}

// space skips white space.
func (s *jsonScanner) space() {
	at := s.at
	for at < len(s.b) && (s.b[at] == ' ' || s.b[at] == '\n' || s.b[at] == '\t' || s.b[at] == '\r') {
		at++
	}
	s.at = at
}

// next skips white space, and c if it stands there. It reports whether it does.
func (s *jsonScanner) next(c byte) bool {
	s.space()
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// name reads the name of a member and the colon.
func (s *jsonScanner) name() (name string, err error) {
	s.space()
	from := s.at
	if s.at == len(s.b) || s.b[s.at] != '"' || !s.text() {
		return "", errBrokenJSON
	}
	if json.Unmarshal(s.b[from:s.at], &name) != nil || !s.next(':') {
		return "", errBrokenJSON
	}
	return name, nil
}

// text skips the string that begins here, and reports whether it ends.
func (s *jsonScanner) text() bool {
	for at := s.at + 1; ; {
		n := bytes.IndexByte(s.b[at:], '"')
		if n < 0 {
			return false
		}
		at += n + 1
		escapes := 0
		for i := at - 2; s.b[i] == '\\'; i-- { // ends at the quote where the string begins
			escapes++
		}
		if escapes%2 == 0 {
			s.at = at
			return true
		}
	}
}

// value skips a value and returns it.
func (s *jsonScanner) value() ([]byte, error) {
	s.space()
	from, depth := s.at, 0
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case '"':
			if !s.text() {
				return nil, errBrokenJSON
			}
			if depth == 0 {
				return s.b[from:s.at], nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return s.b[from:s.at], nil
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return s.scalar(from)
			}
		}
		if depth < 0 { // the end of what holds the value
			return s.scalar(from)
		}
		s.at++
	}
	return nil, errBrokenJSON
}

// scalar returns the number or the word that ends here.
func (s *jsonScanner) scalar(from int) ([]byte, error) {
	if s.at == from {
		return nil, errBrokenJSON
	}
	return s.b[from:s.at], nil
}
