package objects

import (
	"io"
	"iter"
)

// maxName is how many bytes the name of an object may have.
const maxName = 128

// words yields the strings of a JSON text that may be names: they are not empty, have at most
// maxName bytes, and hold no space, control character or escape. Of the text, only the string at
// hand is kept. A text that is not JSON does no harm.
func words(r io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		var (
			buf     [16 << 10]byte
			scanner wordScanner
		)
		for {
			n, err := r.Read(buf[:])
			for word, rest := scanner.next(buf[:n]); word != ""; word, rest = scanner.next(rest) {
				if !yield(word) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// wordScanner goes through a JSON text piece by piece. The zero value stands before the text.
type wordScanner struct {
	place place
	word  []byte // what has been read of a string
}

// place is where in the text a scanner stands.
type place uint8

const (
	between   place = iota // outside of strings
	inWord                 // in a string that may be a word
	inOther                // in a string that is none, up to its end
	inEscaped              // behind a backslash in a string that is none
)

// next goes on through b, up to the end of the next word. It returns the word, or "" if none ends
// in b, and what is left of b.
func (s *wordScanner) next(b []byte) (word string, rest []byte) {
	for i, c := range b {
		switch {
		case s.place == between:
			if c == '"' {
				s.place, s.word = inWord, s.word[:0]
			}
		case s.place == inEscaped:
			s.place = inOther
		case c == '\\':
			s.place = inEscaped
		case c == '"':
			ended := s.place
			s.place = between
			if ended == inWord && len(s.word) > 0 {
				return string(s.word), b[i+1:]
			}
		case s.place == inOther:
		case c <= ' ' || len(s.word) == maxName:
			s.place = inOther
		default:
			s.word = append(s.word, c)
		}
	}
	return "", nil
}
