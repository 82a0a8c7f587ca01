package models

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"sync"
)

// Member returns the text of a member of the JSON object that a stream begins with: of the first
// that has one of the names. Members of objects within it do not count. A text that is cut off, or
// longer than 768 bytes as it is written, is none. It reads no further than it must, and keeps
// nothing of what it has read.
func Member(body io.Reader, names ...string) string {
	in := buffers.Get().(*bufio.Reader)
	in.Reset(body)
	defer func() {
		in.Reset(nil)
		buffers.Put(in)
	}()
	s := memberScanner{in: in}
	for {
		switch c := s.next(); c {
		case 0:
			return ""
		case '"':
			text, whole := s.text()
			if !whole {
				return ""
			}
			if s.depth == 1 && s.expectsName && slices.Contains(names, text) {
				return s.value()
			}
		case '{', '[':
			s.depth++
			s.expectsName = c == '{'
			s.lists = append(s.lists, c == '[')
		case '}', ']':
			if s.depth--; s.depth <= 0 {
				return ""
			}
			s.lists = s.lists[:s.depth]
		case ':':
			s.expectsName = false
		case ',':
			s.expectsName = s.depth > 0 && !s.lists[s.depth-1]
		}
		if s.depth > maxDepth {
			return ""
		}
	}
}

const maxDepth = 256

// buffers are kept between bodies: each is larger than most bodies, and many requests a second would make
// as much garbage.
//
//nolint:gochecknoglobals // a pool
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// memberScanner reads JSON as far as the bounds of texts, objects and lists tell it apart.
type memberScanner struct {
	in          *bufio.Reader
	depth       int
	lists       []bool // of the objects and lists around: whether it is a list
	expectsName bool   // the next text is the name of a member
}

// next returns the next byte that is no white space; 0 at the end.
func (s *memberScanner) next() byte {
	for {
		c, err := s.in.ReadByte()
		switch {
		case err != nil:
			return 0
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			return c
		}
	}
}

// text reads the rest of a text, whose quote has been read. A long one, which is no name, is returned
// empty. It returns false when the text is cut off.
func (s *memberScanner) text() (text string, whole bool) {
	var raw []byte
	for slashes := 0; ; {
		part, err := s.in.ReadSlice('"')
		if err != nil && err != bufio.ErrBufferFull { //nolint:errorlint // ReadSlice returns it as it is
			return "", false
		}
		if len(raw) <= maxRaw {
			raw = append(raw, part[:min(len(part), maxRaw+1)]...)
		}
		if err != nil {
			slashes = trailing(part, slashes)
		} else if trailing(part[:len(part)-1], slashes)%2 == 0 { // else the quote is escaped
			break
		} else {
			slashes = 0
		}
	}
	if len(raw) > maxRaw || json.Unmarshal(append([]byte{'"'}, raw...), &text) != nil {
		return "", true
	}
	return text, true
}

// maxRaw is how long a name is at most as it is written, with escapes and the quote.
const maxRaw = 6*maxName + 1

// trailing counts the backslashes at the end of a part, which follows so many.
func trailing(part []byte, before int) int {
	rest := bytes.TrimRight(part, `\`)
	if n := len(part) - len(rest); len(rest) > 0 {
		return n
	}
	return before + len(part)
}

// value reads the member's text behind its name.
func (s *memberScanner) value() string {
	if s.next() != ':' || s.next() != '"' {
		return ""
	}
	text, _ := s.text() // a text that is cut off is ""
	return text
}
