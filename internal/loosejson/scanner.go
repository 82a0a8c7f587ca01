package loosejson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSkip is how deep values are followed that nobody looks into. It bounds the stack.
const maxSkip = 256

// scanner reads one JSON text. After an error, at is where the token begins that could not be read.
type scanner struct {
	text     string
	at       int
	maxDepth int
	visit    func(within, key string, depth int, v Value) // nil: the text is only checked
}

// next skips white space and returns the byte behind it, or 0 at the end.
func (w *scanner) next() byte {
	for ; w.at < len(w.text); w.at++ {
		if c := w.text[w.at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// rest reports whether anything but white space follows.
func (w *scanner) rest() bool {
	w.next()
	return w.at < len(w.text)
}

// value reads one value, with all that is in it.
func (w *scanner) value(within, key string, depth int) error {
	v := Value{}
	var err error
	switch c := w.next(); c {
	case '{':
		if depth > w.maxDepth {
			w.at++
			return errTooDeep
		}
		return w.elements(c, func() error { return w.member(key, depth+1) })
	case '[':
		if depth > w.maxDepth {
			w.at++
			return errTooDeep
		}
		return w.elements(c, func() error { return w.value(within, key, depth+1) })
	case '"':
		v.Kind = KindString
		v.Text, err = w.string()
	case 't', 'f', 'n':
		v.Kind, v.Text, err = w.word()
	default:
		v.Kind = KindNumber
		v.Text, err = w.number()
	}
	if err == nil && w.visit != nil {
		w.visit(within, key, depth, v)
	}
	return err
}

// elements reads the array or object that open begins. read reads one element or member.
func (w *scanner) elements(open byte, read func() error) error {
	w.at++
	end := open + 2 // in ASCII, ] and } stand two places behind [ and {
	for first := true; w.next() != end; first = false {
		if !first {
			if err := w.skip(','); err != nil {
				return err
			}
		}
		if err := read(); err != nil {
			return err
		}
	}
	w.at++
	return nil
}

// skip skips the white space before c, and c.
func (w *scanner) skip(c byte) error {
	if w.next() != c {
		return errSyntax
	}
	w.at++
	return nil
}

// member reads a member's name and its value.
func (w *scanner) member(within string, depth int) error {
	name, err := w.name()
	if err != nil {
		return err
	}
	if w.visit != nil {
		w.visit(within, name, depth, Value{Kind: KindName})
	}
	if err := w.skip(':'); err != nil {
		return err
	}
	return w.value(within, name, depth)
}

// raw checks a member, and returns its name and where its value begins.
func (w *scanner) raw() (name string, begin int, err error) {
	if name, err = w.name(); err != nil {
		return "", 0, err
	}
	if err = w.skip(':'); err != nil {
		return "", 0, err
	}
	w.next()
	begin = w.at
	return name, begin, w.value("", "", 1)
}

func (w *scanner) name() (string, error) {
	if w.next() != '"' {
		return "", errSyntax
	}
	return w.string()
}

// word reads true, false or null.
func (w *scanner) word() (Kind, string, error) {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(w.text[w.at:], word) {
			w.at += len(word)
			if word == "null" {
				return KindNull, word, nil
			}
			return KindBool, word, nil
		}
	}
	return 0, "", errSyntax
}

// number reads a number and returns it as it is written.
func (w *scanner) number() (string, error) {
	s := w.text[w.at:]
	n := 0
	if strings.HasPrefix(s, "-") {
		n = 1
	}
	whole := digits(s[n:])
	if whole > 1 && s[n] == '0' { // a number ends behind a leading zero
		whole = 1
	}
	ok := whole > 0
	n += whole
	if ok && n < len(s) && s[n] == '.' {
		part := digits(s[n+1:])
		n, ok = n+1+part, part > 0
	}
	if ok && n < len(s) && s[n]|0x20 == 'e' {
		n++
		if n < len(s) && (s[n] == '+' || s[n] == '-') {
			n++
		}
		part := digits(s[n:])
		n, ok = n+part, part > 0
	}
	if !ok {
		return "", errSyntax
	}
	w.at += n
	return s[:n], nil
}

// digits returns how many digits s begins with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// string reads the string whose opening quote is at w.at. The result is a part of the text if
// nothing in it must be replaced.
func (w *scanner) string() (string, error) {
	s := w.text[w.at+1:]
	plain := true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			text := s[:i]
			if !plain {
				var ok bool
				if text, ok = unescape(text); !ok {
					return "", errSyntax
				}
			}
			w.at += i + 2
			return text, nil
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			plain = false
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			plain = plain && (r != utf8.RuneError || size > 1)
			i += size - 1
		}
	}
	return "", errSyntax
}

// unescape returns the text between the quotes of a string: without its escapes, and with U+FFFD for
// each byte that is no UTF-8. It returns false for an escape that JSON does not have.
func unescape(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for {
		n := strings.IndexByte(s, '\\')
		if n < 0 {
			writeValid(&b, s)
			return b.String(), true
		}
		writeValid(&b, s[:n])
		s = s[n:]
		if len(s) == 1 {
			return "", false
		}
		if s[1] != 'u' {
			c := plainEscape(s[1])
			if c == 0 {
				return "", false
			}
			b.WriteByte(c)
			s = s[2:]
			continue
		}
		r, size := unicodeEscape(s)
		if size == 0 {
			return "", false
		}
		b.WriteRune(r)
		s = s[size:]
	}
}

// writeValid writes s to b, with U+FFFD for each byte that is no UTF-8.
func writeValid(b *strings.Builder, s string) {
	if utf8.ValidString(s) {
		b.WriteString(s)
		return
	}
	for _, r := range s {
		b.WriteRune(r)
	}
}

// plainEscape returns the character that stands behind a backslash for another one, or 0.
func plainEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair. A lone surrogate is U+FFFD.
// size is 0 if s begins with anything else.
func unicodeEscape(s string) (r rune, size int) {
	r, ok := hexadecimal(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hexadecimal(s[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hexadecimal reads \uXXXX.
func hexadecimal(s string) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(s[2:6]) {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return r, true
}
