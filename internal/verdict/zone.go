package verdict

import (
	"strings"
	"time"
	"unicode/utf8"
)

// readZone reads a zone behind a time: z, utc, +08:00, +0800 cst, gmt+8, (utc), pst, 北京时间,
// (asia/shanghai). It returns other and 0 if there is none that is known.
func readZone(s string, other *time.Location) (zone *time.Location, n int) {
	rest := strings.TrimPrefix(s, " ")
	open := strings.HasPrefix(rest, "(")
	rest = strings.TrimPrefix(rest, "(")
	zone, size := readZoneName(rest, other)
	if size == 0 {
		return other, 0
	}
	rest = rest[size:]
	if open {
		closed := strings.IndexByte(rest, ')')
		if closed < 0 || closed > 24 {
			return zone, len(s) - len(rest)
		}
		rest = rest[closed+1:]
	}
	return zone, len(s) - len(rest)
}

func readZoneName(s string, other *time.Location) (zone *time.Location, n int) {
	if seconds, n := readOffset(s); n > 0 {
		if name := letters(s[min(n+1, len(s)):]); strings.HasPrefix(s[n:], " ") && name >= 2 && name <= 4 {
			n += 1 + name // the name of the offset: +0800 cst
		}
		return time.FixedZone("", seconds), n
	}
	if r, size := utf8.DecodeRuneInString(s); isUnspaced(r) && size > 0 {
		for _, name := range [...]string{"北京时间", "北京時間"} {
			if strings.HasPrefix(s, name) {
				return time.FixedZone("", 8*60*60), len(name)
			}
		}
		return other, 0
	}
	n = letters(s)
	if strings.HasPrefix(s[n:], "/") {
		return readPlace(s, other)
	}
	hours, ok := zoneHours(s[:n])
	if !ok {
		return other, 0
	}
	if hours == 0 {
		if seconds, size := readOffset(s[n:]); size > 0 {
			return time.FixedZone("", seconds), n + size
		}
		return time.UTC, n
	}
	if strings.HasPrefix(s[n:], " time") {
		n += len(" time")
	}
	return time.FixedZone("", int(hours*60*60)), n
}

// zoneHours returns how many hours a zone of that name is ahead of UTC. Names that several zones
// have, such as CST, are not known. A name that holds in summer and in winter is taken for the
// later one: a reset that comes too late costs less than one that never helps.
func zoneHours(name string) (hours float64, ok bool) {
	switch name {
	case "z", "utc", "gmt":
		return 0, true
	case "pst", "pt", "pacific":
		return -8, true
	case "pdt":
		return -7, true
	case "est", "et", "eastern":
		return -5, true
	case "edt":
		return -4, true
	case "cet", "mez":
		return 1, true
	case "cest", "mesz":
		return 2, true
	case "msk":
		return 3, true
	case "beijing", "sgt", "hkt":
		return 8, true
	case "jst", "kst":
		return 9, true
	}
	return 0, false
}

// readOffset reads +08:00, +0800, +08 and +8, in seconds.
func readOffset(s string) (seconds, n int) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, 0
	}
	figures := digits(s[1:])
	minute := 0
	n = 1 + figures
	hour, _ := readInt(s[1:n], 4)
	switch {
	case figures == 4:
		hour, minute = hour/100, hour%100
	case figures == 0 || figures > 2:
		return 0, 0
	case n < len(s) && s[n] == ':':
		m, size := readInt(s[n+1:], 2)
		if size != 2 {
			return 0, 0
		}
		minute, n = m, n+1+size
	}
	if hour > 14 || minute > 59 {
		return 0, 0
	}
	seconds = hour*3600 + minute*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, n
}

// readPlace reads the name of a zone in the IANA database, such as asia/shanghai.
func readPlace(s string, other *time.Location) (zone *time.Location, n int) {
	name := []byte(s[:min(len(s), 40)])
	begin := true
	for n < len(name) && (isLetter(name[n]) || name[n] == '/' || name[n] == '_') {
		if begin {
			name[n] &^= 0x20
		}
		begin = !isLetter(name[n])
		n++
	}
	zone, err := time.LoadLocation(string(name[:n]))
	if err != nil {
		return other, 0
	}
	return zone, n
}
