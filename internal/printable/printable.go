// Package printable makes the texts of others fit for a terminal. IDs, reasons and errors come from
// providers, from files of other programs, and from stores that other programs write. An escape
// sequence in one could take over the terminal, a line break could forge a line of the command, and
// a bidirectional control could show an account as another one.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns text as one line of printable characters. A line break, a tab and any other white
// space becomes a space. What else is not printable, such as ESC, U+202E and what is no UTF-8, is
// left out.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) && r != '\r':
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
}

// Lines is Line for a text that may have several lines: it keeps the line breaks.
func Lines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Line(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Prose is a text of the command's own with several lines. Args keeps its line breaks.
type Prose string

// Args returns the arguments of a Printf with each string as Line returns it. An error, like a
// Prose, may have several lines, as the command adds advice on a line of its own.
func Args(args []any) []any {
	clean := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			clean[i] = Line(v)
		case Prose:
			clean[i] = Lines(string(v))
		case error:
			clean[i] = Lines(v.Error())
		default:
			clean[i] = arg
		}
	}
	return clean
}

// JSON returns a JSON text in which every character that is not printable is escaped as \uXXXX (RFC
// 8259 §7). It means the same as before. encoding/json escapes only some of them.
func JSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			const hex = "0123456789abcdef"
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(hex[unit>>shift&0xf])
			}
		}
	}
	return b.String()
}
