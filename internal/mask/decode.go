package mask

import (
	"html"
	"strconv"
)

// decoders are the ways to read a view otherwise. Each returns what it finds, at every alignment.
//
//nolint:gochecknoglobals // a table
var decoders = []func(view) []view{unescape, fromBase64, fromHex, fromNumbers}

// unescape reads the escapes of JSON, Go, URLs and HTML once.
func unescape(v view) []view {
	var raw view
	changed := false
	for i := 0; i < len(v.text); {
		decoded, n := escapeAt(v.text[i:])
		if n == 0 {
			raw.add(v.text[i], v.at[i])
			i++
			continue
		}
		changed = true
		for k := range len(decoded) {
			at := place{from: v.at[i].from, to: v.at[i+n-1].to}
			if k == 0 {
				at.gap = v.at[i].gap
			}
			raw.add(decoded[k], at)
		}
		i += n
	}
	if !changed {
		return nil
	}
	return []view{raw.readable(0)}
}

// escapeAt decodes the escape with which text begins, and returns its length: 0 if there is none.
func escapeAt(text []byte) (decoded string, n int) {
	switch text[0] {
	case '\\':
		return backslashAt(text)
	case '%':
		return codeAt(text, 1, 2, 16)
	case '&':
		for i := 2; i < min(len(text), 12); i++ {
			if text[i] != ';' {
				continue
			}
			entity := string(text[:i+1])
			if s := html.UnescapeString(entity); s != entity {
				return s, i + 1
			}
			return "", 0
		}
	}
	return "", 0
}

// backslashAt decodes an escape of JSON or of Go.
func backslashAt(text []byte) (decoded string, n int) {
	if len(text) < 2 {
		return "", 0
	}
	switch c := text[1]; c {
	case 'u':
		return codeAt(text, 2, 4, 16)
	case 'U':
		return codeAt(text, 2, 8, 16)
	case 'x':
		return codeAt(text, 2, 2, 16)
	case '0', '1', '2', '3':
		return codeAt(text, 1, 3, 8)
	case 'n', 'r':
		return "\n", 2
	case 't':
		return "\t", 2
	case '/', '"', '\\', '\'', '&', '=', '-', '_', '.':
		return string(c), 2
	}
	return "", 0
}

// codeAt decodes a character that is given by so many digits after the first bytes of an escape. Two
// digits give a byte.
func codeAt(text []byte, first, digits, base int) (decoded string, n int) {
	if len(text) < first+digits {
		return "", 0
	}
	code, err := strconv.ParseInt(string(text[first:first+digits]), base, 32)
	switch {
	case err != nil || code < 0:
		return "", 0
	case digits < 4:
		return string([]byte{byte(code & 0xff)}), first + digits
	}
	return string(rune(code)), first + digits
}

// fromBase64 reads every run of Base64's characters, of the standard alphabet and of that for URLs, as
// if it began at each of four characters: one of them is right.
func fromBase64(v view) (list []view) {
	for skip := range 4 {
		var raw view
		for i := 0; i < len(v.text); {
			j := i
			for j < len(v.text) && sextet(v.text[j]) >= 0 && (j == i || v.at[j].gap != ' ') {
				j++
			}
			if 6*(j-i-skip) >= 8*shortest {
				raw.addBase64(v, i+skip, j)
			}
			i = max(j, i+1)
		}
		list = append(list, raw.readable(shortest))
	}
	return list
}

// addBase64 adds what the bytes from..to of v decode to, and an end.
func (v *view) addBase64(of view, from, to int) {
	bits, have := 0, 0
	at := place{} // of the next byte
	for i := from; i < to; i++ {
		if have == 0 {
			at = place{from: of.at[i].from}
		}
		at.gap = wider(at.gap, of.at[i].gap)
		bits, have = bits<<6|sextet(of.text[i]), have+6
		if have < 8 {
			continue
		}
		have -= 8
		v.add(byte(bits>>have&0xff), place{at.from, of.at[i].to, at.gap})
		bits &= 1<<have - 1
		at = place{from: of.at[i].from}
	}
	v.add(0, place{})
}

// sextet is the value of a character of Base64; -1 if it is none.
func sextet(b byte) int {
	switch {
	case b >= 'A' && b <= 'Z':
		return int(b - 'A')
	case b >= 'a' && b <= 'z':
		return int(b-'a') + 26
	case b >= '0' && b <= '9':
		return int(b-'0') + 52
	case b == '+', b == '-':
		return 62
	case b == '/', b == '_':
		return 63
	}
	return -1
}

// fromHex reads runs of hexadecimal digits at both alignments.
func fromHex(v view) (list []view) {
	runs := hexRuns(v)
	for skip := range 2 {
		var raw view
		for _, digits := range runs {
			for i := skip; i+1 < len(digits); i += 2 {
				high, low := digits[i], digits[i+1]
				b := hexDigit(v.text[high])<<4 | hexDigit(v.text[low])
				raw.add(byte(b&0xff), place{from: v.at[high].from, to: v.at[low].to})
			}
			raw.add(0, place{})
		}
		list = append(list, raw.readable(shortest))
	}
	return list
}

// hexRuns returns the indices of the digits of each run. Separators between the digits, and 0x before
// them, do not end it.
func hexRuns(v view) (runs [][]int) {
	var digits []int
	for i, b := range v.text {
		switch n := len(digits); {
		case b == ',', b == ':', b == '-':
		case b|0x20 == 'x' && n > 0 && digits[n-1] == i-1 && v.text[i-1] == '0':
			digits = digits[:n-1]
		case hexDigit(b) >= 0:
			digits = append(digits, i)
		case n >= 2*shortest:
			runs, digits = append(runs, digits), nil
		default:
			digits = digits[:0]
		}
	}
	return append(runs, digits)
}

// hexDigit is the value of a hexadecimal digit; -1 if it is none.
func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}

// fromNumbers reads lists of bytes in decimal, as fmt prints a []byte.
func fromNumbers(v view) []view {
	var raw view
	for i := 0; i < len(v.text); {
		j, n := i, 0
		for j < len(v.text) && j < i+4 && v.text[j] >= '0' && v.text[j] <= '9' && (j == i || v.at[j].gap == 0) {
			n = n*10 + int(v.text[j]-'0')
			j++
		}
		switch {
		case j > i && n < 256:
			raw.add(byte(n), place{from: v.at[i].from, to: v.at[j-1].to})
		case j > i, v.text[i] != ',':
			raw.add(0, place{})
		}
		i = max(j, i+1)
	}
	return []view{raw.readable(shortest)}
}
