package mask

import (
	"unicode"
	"unicode/utf8"
)

// view is a text as one may read the source: as it stands, or decoded. It holds no blanks and no line
// breaks, and only what is printable.
type view struct {
	text []byte
	at   []place // of each byte
}

// place says where in the source a byte comes from, and whether a gap is before it: a blank, a line
// break, or 0 for none.
type place struct {
	from, to int
	gap      byte
}

// plain is the source as it stands.
func plain(source string) view {
	raw := view{text: []byte(source), at: make([]place, len(source))}
	for i := range raw.at {
		raw.at[i] = place{from: i, to: i + 1}
	}
	return raw.readable(0)
}

func (v *view) add(b byte, at place) { v.text, v.at = append(v.text, b), append(v.at, at) }

// readable returns the printable part of what was decoded. Of random bytes, which a text that is not
// encoded decodes to, it drops the parts with fewer than least characters in a row.
func (v view) readable(least int) view {
	var out view
	var gap byte
	begin := 0 // of what is in a row
	for i, n := 0, 0; i < len(v.text); i += n {
		var r rune
		r, n = utf8.DecodeRune(v.text[i:])
		gap = wider(gap, v.at[i].gap)
		switch {
		case unicode.IsSpace(r):
			gap = wider(gap, gapOf(r))
			continue
		case !isPrint(r) && least == 0:
			continue
		case !isPrint(r):
			out.dropBelow(begin, least)
			begin, gap = len(out.text), wider(gap, ' ')
			continue
		}
		for k := i; k < i+n; k++ {
			out.add(v.text[k], place{v.at[k].from, v.at[k].to, gap})
			gap = 0
		}
	}
	out.dropBelow(begin, least)
	return out
}

// dropBelow drops what came since begin, if it is less than that.
func (v *view) dropBelow(begin, least int) {
	if len(v.text)-begin < least {
		v.text, v.at = v.text[:begin], v.at[:begin]
	}
}

// isPrint reports whether a character is shown. U+FFFD stands for bytes that are no text.
func isPrint(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }

// gapOf is the gap that white space leaves.
func gapOf(r rune) byte {
	switch r {
	case '\n', '\r', '\v', '\f', 0x85, 0x2028, 0x2029:
		return '\n'
	}
	return ' '
}

// wider returns the gap that two in a row make.
func wider(a, b byte) byte {
	if a == '\n' || b == 0 {
		return a
	}
	return b
}

// spaced returns the text with its gaps, and for each byte of it the one in v; for a gap the next.
func (v view) spaced() (text []byte, index []int) {
	for i, b := range v.text {
		if gap := v.at[i].gap; gap != 0 {
			text, index = append(text, gap), append(index, i)
		}
		text, index = append(text, b), append(index, i)
	}
	return text, index
}

// standsAlone reports whether the bytes from..to are no part of a longer word.
func (v view) standsAlone(from, to int) bool {
	begins := from == 0 || v.at[from].gap != 0 || !isLetterOrDigit(v.text[from-1])
	ends := to == len(v.text) || v.at[to].gap != 0 || !isLetterOrDigit(v.text[to])
	return begins && ends
}

func isLetterOrDigit(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= utf8.RuneSelf
}
