package verdict

import (
	"bytes"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reader cuts texts into clauses. Its buffers serve one answer after the other.
type reader struct {
	v       *vocabulary
	text    string
	clause  clause
	heard   *heard // is told what each clause says
	scratch []byte

	someTokens [maxTokens]token // no memory is taken for the lists
	someBytes  [64]byte
}

// maxTokens is how many words that say something a clause may have. A longer text is no sentence.
const maxTokens = 48

// read cuts text into clauses.
func (r *reader) read(text string, code bool) {
	r.text = text
	r.begin(code)
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case unspaced(c):
			i += r.script(i, c, size)
		case isWordRune(c):
			i += r.word(i)
		case !code && r.quotes(&i, c):
		default:
			switch {
			case !code && r.ends(i, c, size):
				r.finish()
				r.begin(code)
			case c == ',' || c == '(' || c == ')' || c == '-' && i > 0 && text[i-1] == ' ':
				r.clause.words += 2 // what stands on the other side is about something else
			case c == '=':
				i += strings.IndexAny(text[i:]+" ", " ,)&;\n") - 1 // the value of a name
			}
			i += size
		}
	}
	r.finish()
}

// quotes skips a short quotation at i: a name that somebody gave.
func (r *reader) quotes(i *int, c rune) bool {
	if c != '"' && c != '`' {
		return false
	}
	rest := r.text[*i+1:]
	n := strings.IndexRune(rest[:min(len(rest), 48)], c)
	if n < 0 || *i == 0 {
		return false
	}
	r.clause.words++
	*i += n + 2
	return true
}

func isWordRune(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '\'' }

// ends reports whether the punctuation at i ends a clause.
func (r *reader) ends(i int, c rune, size int) bool {
	switch c {
	case '\n': // one alone only wraps a line
		return strings.HasPrefix(strings.TrimLeft(r.text[i+1:], " \t\r"), "\n")
	case ';', '!', '?', '。', '；', '！', '？', '|', '，':
		return true
	case '.', ':':
		if n := len(r.clause.tokens); c == ':' && n > 0 && r.clause.tokens[n-1].says&because != 0 {
			return false
		}
		next, _ := utf8.DecodeRuneInString(r.text[i+size:])
		return i+size >= len(r.text) || unicode.IsSpace(next) || next == '"'
	case ',', '(', ')':
		return r.adviceFollows(i + size)
	}
	return false
}

// adviceFollows reports whether the words after i begin advice.
func (r *reader) adviceFollows(i int) bool {
	rest := strings.TrimLeft(r.text[i:], " ")
	n := strings.IndexFunc(rest, func(c rune) bool { return !isWordRune(c) })
	if n < 0 {
		n = len(rest)
	}
	for _, e := range r.v.exact[strings.ToLower(rest[:n])] {
		if e.says&advice != 0 && len(e.rest) == 0 {
			return true
		}
	}
	return false
}

func (r *reader) begin(code bool) {
	r.clause.tokens = r.clause.tokens[:0]
	r.clause.scoped = [subjects]bool{}
	r.clause.code, r.clause.advice, r.clause.words, r.clause.text = code, false, 0, r.text
}

func (r *reader) finish() {
	if len(r.clause.tokens) > 0 {
		r.clause.report(r.heard)
	}
}

func (r *reader) note(says concept, begin, end int) {
	if says&advice != 0 && r.clause.words == 0 {
		r.clause.advice = true
	}
	if len(r.clause.tokens) == maxTokens {
		code := r.clause.code
		r.finish()
		r.begin(code)
	}
	r.clause.tokens = append(r.clause.tokens, token{says: says, at: r.clause.words, begin: begin, end: end})
}

// script reads an expression of a language without spaces, and returns its length.
func (r *reader) script(i int, first rune, size int) int {
	best := scriptEntry{}
	for _, e := range r.v.runes[first] {
		if len(e.text) > len(best.text) && strings.HasPrefix(r.text[i:], e.text) {
			best = e
		}
	}
	if best.text == "" {
		r.clause.words++
		return size
	}
	says := best.says
	for _, e := range r.v.runes[first] {
		if e.text == best.text {
			says |= e.says
		}
	}
	r.note(says, i, i+len(best.text))
	r.clause.words++
	return len(best.text)
}

// word reads the word or the expression at i, and returns its length.
func (r *reader) word(i int) int {
	n := wordEnd(r.text[i:])
	if isDigit(r.text[i]) {
		r.clause.words++
		return n
	}
	w := r.lower(r.text[i : i+n])
	r.noteModel(w, i, i+n)
	end, says := i+n, concept(0)
	for _, e := range r.v.exact[string(w)] {
		if stop, ok := r.follows(i+n, e.rest); ok && (stop > end || says == 0 && stop == end) {
			end, says = stop, e.says
		}
	}
	if says == 0 && r.clause.code {
		if parts := r.v.compound(string(w)); parts != nil {
			for _, p := range parts {
				if p&^noise != 0 {
					r.note(p, i, end)
				}
				r.clause.words++
			}
			return end - i
		}
	}
	if says == 0 {
		if owner, ok := bytes.CutSuffix(w, []byte("'s")); ok {
			w, says = owner, r.v.word(string(owner))
		}
	}
	if says == 0 {
		says = r.stem(w)
	}
	if strings.HasPrefix(r.text[end:], "=") { // the name of a value
		says = 0
	}
	if says&^noise != 0 {
		r.note(says, i, end)
	}
	r.clause.words++
	return end - i
}

// wordEnd returns where the word ends that s begins with: at a sign, or in camelCase before the next
// capital.
func wordEnd(s string) int {
	var before rune
	for i, c := range s {
		upper := unicode.IsUpper(c) && unicode.IsLower(before)
		if !upper && unicode.IsUpper(before) && unicode.IsUpper(c) { // XMLError: the last capital begins a word
			rest := s[i+utf8.RuneLen(c):]
			next, _ := utf8.DecodeRuneInString(rest)
			upper = unicode.IsLower(next) && len(s[:i]) > 1
		}
		if i > 0 && (!isWordRune(c) || upper || unspaced(c)) {
			return i
		}
		before = c
	}
	return len(s)
}

// follows reports whether the words of rest stand behind i, and where they end.
func (r *reader) follows(i int, rest []string) (end int, ok bool) {
	for _, want := range rest {
		for i < len(r.text) && strings.IndexByte(" _-\n\t", r.text[i]) >= 0 {
			i++
		}
		n := len(want)
		if i+n > len(r.text) || !strings.EqualFold(r.text[i:i+n], want) {
			return 0, false
		}
		i += n
		if c, _ := utf8.DecodeRuneInString(r.text[i:]); i < len(r.text) && isWordRune(c) && unicode.IsLower(c) {
			return 0, false
		}
	}
	return i, true
}

// stem returns what the longest known beginning of the word says.
func (r *reader) stem(w []byte) concept {
	if len(w) < minStem {
		return 0
	}
	lengths := r.v.heads[string(w[:minStem])] & (1<<(len(w)+1) - 1)
	for lengths != 0 {
		n := bits.Len64(lengths) - 1
		if says, ok := r.v.stems[string(w[:n])]; ok {
			return says
		}
		lengths &^= 1 << n
	}
	return 0
}

// lower returns the word in lower case. The result holds until the next call.
func (r *reader) lower(w string) []byte {
	r.scratch = r.scratch[:0]
	for _, c := range w {
		r.scratch = utf8.AppendRune(r.scratch, unicode.ToLower(c))
	}
	return r.scratch
}
