package verdict

import (
	"strings"
	"unicode/utf8"
)

// dropEchoes removes quotations from the message: a provider explains a bad request in the words of
// the request. A message that names a parameter, or begins with the path of a field, is about the
// request as a whole.
func (e *evidence) dropEchoes() {
	if name, ok := e.field("param"); ok && name != "" {
		e.code("names-param")
	}
	if beginsWithPath(e.text) {
		e.code("field-path")
	}
	e.text = withoutQuotations(e.text)
}

// beginsWithPath reports whether text begins with the path of a field, such as
// "messages.0.content.1.text: ".
func beginsWithPath(text string) bool {
	path, _, ok := strings.Cut(text, ": ")
	first, rest, dots := strings.Cut(path, ".")
	if !ok || !dots || !isName(first) {
		return false
	}
	for part := range strings.SplitSeq(rest, ".") {
		if !isName(part) && !isNumber(part) {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return s != ""
}

func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if !isDigit(c) {
			return false
		}
	}
	return s != ""
}

// maxQuotation is how many characters a quotation may have. A longer one is no quotation but two
// marks that belong to something else.
const maxQuotation = 400

// withoutQuotations returns text with … for each quotation.
func withoutQuotations(text string) string {
	if !strings.ContainsAny(text, "'\"`") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	kept := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\'' && c != '"' && c != '`' || kept > 0 && i == kept+1 { // in "msg":"text", the text is none
			continue
		}
		if n := quotation(text, i); n > 0 {
			b.WriteString(text[kept:i])
			b.WriteString("…")
			kept = i + n
			i = kept - 1
		}
	}
	b.WriteString(text[kept:])
	return b.String()
}

// quotation returns the length of the quotation that the mark at i begins, or 0. Outside of it
// stands a space or punctuation: else the mark is an apostrophe.
func quotation(text string, i int) int {
	if i > 0 && strings.IndexByte(" ([:=,", text[i-1]) < 0 {
		return 0
	}
	inside := text[i+1:]
	n := strings.IndexByte(inside[:min(len(inside), maxQuotation*utf8.UTFMax+1)], text[i])
	if n <= 0 || utf8.RuneCountInString(inside[:n]) > maxQuotation {
		return 0
	}
	if n+1 < len(inside) && strings.IndexByte(" .,;:!?)]", inside[n+1]) < 0 {
		return 0
	}
	return n + 2
}
