package verdict

import (
	"iter"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainText returns a message as a person reads it: xAI has sent whole messages percent-encoded, and
// some have typographic quotation marks.
func plainText(s string) string {
	if strings.Contains(s, "%20") {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		} else {
			s = strings.ReplaceAll(s, "%20", " ")
		}
	}
	if strings.ContainsAny(s, "’‘“”\u00a0") {
		s = strings.Map(plainRune, s)
	}
	return s
}

// foldText returns s in lower case, with plain quotation marks, and with one space for each piece of
// white space between words.
func foldText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	var buf [128]byte // the builder takes memory in pieces: a call per byte costs more than all the rest
	part := buf[:0]
	space, begun := false, false
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		i += size
		if isSpace(r) {
			space = begun
			continue
		}
		if len(part) > len(buf)-1-utf8.UTFMax {
			b.Write(part)
			part = buf[:0]
		}
		if space {
			part = append(part, ' ')
			space = false
		}
		begun = true
		part = utf8.AppendRune(part, foldRune(r))
	}
	b.Write(part)
	return b.String()
}

func isSpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || r >= '\t' && r <= '\r'
	}
	return unicode.IsSpace(r)
}

// foldRune returns r in lower case, as plain as can be.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(plainRune(r))
}

// plainRune takes typography out of a message.
func plainRune(r rune) rune {
	switch r {
	case '’', '‘':
		return '\''
	case '“', '”':
		return '"'
	case '\u00a0':
		return ' '
	}
	return r
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isWordByte reports whether c may stand in a name: it is a letter, a digit or an underscore.
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

// spokenCodes yields the codes that stand in a sentence: in xAI's and Z.ai's brackets, and in
// MiniMax's parentheses.
func spokenCodes(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); i++ {
			if text[i] != '[' && text[i] != '(' {
				continue
			}
			if code := bracketed(text[i:]); code != "" {
				if !yield(code) {
					return
				}
				i += len(code) + 1
			}
		}
	}
}

// bracketed returns the code in the brackets that s begins with, or "".
func bracketed(s string) string {
	end := byte(']')
	if s[0] == '(' {
		end = ')'
	}
	inside := s[1:]
	tag := strings.HasPrefix(s, "[wke=")
	if tag {
		inside = s[len("[wke="):]
	}
	for n, c := range []byte(inside) {
		switch {
		case c == end:
			if n == 0 || !tag && n != 4 {
				return ""
			}
			return inside[:n]
		case isDigit(c):
		case tag && (isWordByte(c) || c == ':' || c == '.' || c == '-'):
		default:
			return ""
		}
	}
	return ""
}

// challengeErrors yields the values of RFC 6750 §3's error attribute, quoted or not.
func challengeErrors(challenge string) iter.Seq[string] {
	return func(yield func(string) bool) {
		const name = "error"
		for i := 0; i+len(name) < len(challenge); i++ {
			if i > 0 && challenge[i-1] != ',' && challenge[i-1] != ' ' && challenge[i-1] != '\t' ||
				!strings.EqualFold(challenge[i:i+len(name)], name) {
				continue
			}
			value, ok := strings.CutPrefix(strings.TrimLeft(challenge[i+len(name):], " \t"), "=")
			if !ok {
				continue
			}
			value = strings.TrimPrefix(strings.TrimLeft(value, " \t"), `"`)
			n := 0
			for n < len(value) && (isLetter(value[n]) || value[n] == '_') {
				n++
			}
			if n > 0 && !yield(value[:n]) {
				return
			}
		}
	}
}

// xmlErrors yields the name and the text of each element of an XML error that has no other element
// inside it.
func xmlErrors(s string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for {
			i := strings.IndexByte(s, '<')
			if i < 0 {
				return
			}
			s = s[i+1:]
			name := xmlName(s)
			if name == "" {
				continue
			}
			rest := s[len(name)+1:]
			n := strings.IndexByte(rest, '<')
			if n > 0 && strings.HasPrefix(rest[n:], "</") && utf8.RuneCountInString(rest[:min(n, 4*512)]) <= 512 {
				if !yield(name, rest[:n]) {
					return
				}
			}
			s = rest[max(n, 0):]
		}
	}
}

// xmlName returns the name of a tag behind its <, if it is one that tells something, else "".
func xmlName(s string) string {
	for _, name := range [...]string{"code", "message", "details"} {
		if len(s) > len(name) && s[len(name)] == '>' && strings.EqualFold(s[:len(name)], name) {
			return s[:len(name)]
		}
	}
	return ""
}
