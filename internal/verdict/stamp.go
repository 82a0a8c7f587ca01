package verdict

import (
	"strings"
	"time"
)

// A stamp is an instant in the words of a calendar and a clock. Those who read one here get text in
// lower case, and return its length in the text, which is 0 if the text begins with none.

// civil is a date without a time zone. A year of 0 means the next such date.
type civil struct {
	year  int
	month time.Month
	day   int
}

// wall is a time of the day. It is sure if no number can be meant: it has "am" or "pm".
type wall struct {
	hour, minute, second, nano int
	sure                       bool
}

// parseStamp reads a date, with or without a time, that is all of s. A stamp that names no zone is
// in zone. The result is zero if s is none.
func parseStamp(s string, zone *time.Location) time.Time {
	s = strings.ToLower(strings.TrimSpace(s))
	if t, n, _ := readStamp(s, zone); n > 0 && n == len(s) {
		return t
	}
	return time.Time{}
}

// readStamp reads 2026-11-26 21:30:00, with or without the time and a zone. timed reports whether
// there is a time.
func readStamp(s string, zone *time.Location) (t time.Time, n int, timed bool) {
	date, n := readDate(s)
	if n == 0 {
		return time.Time{}, 0, false
	}
	t, size, timed := readRest(date, s[n:], zone)
	return t, n + size, timed
}

// readRest reads what stands behind a date: a time and a zone.
func readRest(date civil, s string, zone *time.Location) (t time.Time, n int, timed bool) {
	gap := timeGap(s)
	clock, size := readWall(s[gap:])
	if size == 0 {
		return date.at(wall{}, zone), 0, false
	}
	n = gap + size
	zone, size = readZone(s[n:], zone)
	return date.at(clock, zone), n + size, true
}

// timeGap returns the length of what stands between a date and a time.
func timeGap(s string) int {
	for _, gap := range [...]string{", at ", " at ", ", um ", " um ", ", ", "，", " ", "t"} {
		if strings.HasPrefix(s, gap) {
			return len(gap)
		}
	}
	return 0
}

func (d civil) at(w wall, zone *time.Location) time.Time {
	return time.Date(d.year, d.month, d.day, w.hour, w.minute, w.second, w.nano, zone)
}

// exists reports whether the calendar has the date.
func (d civil) exists() bool {
	year := d.year
	if year == 0 {
		year = 2000 // a leap year
	}
	return d.month >= 1 && d.month <= 12 && d.day >= 1 && time.Date(year, d.month, d.day, 0, 0, 0, 0, time.UTC).Day() == d.day
}

// readDate reads 2026-11-26, 2026/11/26 and 2026年11月26日.
func readDate(s string) (d civil, n int) {
	marks := [...]string{"-", "-", ""}
	year, size := readInt(s, 4)
	if size != 4 || year == 0 {
		return d, 0
	}
	n = size
	switch {
	case strings.HasPrefix(s[n:], "/"):
		marks = [...]string{"/", "/", ""}
	case strings.HasPrefix(s[n:], "年"):
		marks = [...]string{"年", "月", "日"}
	}
	var part [2]int
	for i := range part {
		if !strings.HasPrefix(s[n:], marks[i]) {
			return d, 0
		}
		n += len(marks[i])
		if part[i], size = readInt(s[n:], 2); size == 0 || size == 1 && marks[i] == "-" {
			return d, 0
		}
		n += size
	}
	if !strings.HasPrefix(s[n:], marks[2]) {
		return d, 0
	}
	n += len(marks[2])
	d = civil{year, time.Month(part[0]), part[1]}
	if !d.exists() {
		return d, 0
	}
	return d, n
}

// readWall reads 21:30, 21:30:00.5, 9:30 pm, 3pm and 21时30分.
func readWall(s string) (w wall, n int) {
	hour, n := readInt(s, 2)
	if n == 0 {
		return w, 0
	}
	w.hour = hour
	colon := false
	for _, mark := range [...]string{":", "时", "點", "点"} {
		if !strings.HasPrefix(s[n:], mark) {
			continue
		}
		minute, size := readInt(s[n+len(mark):], 2)
		if size != 2 {
			return w, 0
		}
		w.minute, colon = minute, true
		n += len(mark) + size
		if mark != ":" && strings.HasPrefix(s[n:], "分") {
			n += len("分")
		}
		break
	}
	if colon {
		n += w.readSecond(s[n:])
	}
	size := w.readHalf(s[n:])
	n += size
	if !colon && size == 0 || w.hour > 23 || w.minute > 59 || w.second > 59 || n < len(s) && isWordByte(s[n]) && s[n] != 'z' {
		return w, 0
	}
	return w, n
}

// readSecond reads the seconds of a time and their fraction.
func (w *wall) readSecond(s string) (n int) {
	if !strings.HasPrefix(s, ":") {
		return 0
	}
	second, size := readInt(s[1:], 2)
	if size != 2 {
		return 0
	}
	w.second = second
	n = 1 + size
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		unit := int(time.Second / 10)
		for n++; n < len(s) && isDigit(s[n]); n++ {
			w.nano += int(s[n]-'0') * unit
			unit /= 10
		}
	}
	return n
}

// readHalf reads the half of the day.
func (w *wall) readHalf(s string) (n int) {
	rest := strings.TrimPrefix(s, " ")
	for _, half := range [...]string{"am", "pm", "a.m.", "p.m."} {
		if !strings.HasPrefix(rest, half) || len(rest) > len(half) && isWordByte(rest[len(half)]) ||
			w.hour < 1 || w.hour > 12 {
			continue
		}
		w.hour %= 12
		if half[0] == 'p' {
			w.hour += 12
		}
		w.sure = true
		return len(s) - len(rest) + len(half)
	}
	return 0
}

var monthNames = [...]string{
	"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
	"december",
}

// readMonth reads the name of a month, whole or its first letters.
func readMonth(s string) (m time.Month, n int) {
	n = letters(s)
	if n < 3 {
		return 0, 0
	}
	for i, name := range monthNames {
		if s[:n] == name || n <= 4 && (s[:n] == name[:3] || s[:n] == "sept" && i == 8) {
			if strings.HasPrefix(s[n:], ".") {
				n++
			}
			return time.Month(i + 1), n
		}
	}
	return 0, 0
}

// readNamedDate reads november 30, 2026 and 30 nov 2026, with or without the year, a time and a
// zone.
func readNamedDate(s string, zone *time.Location) (t time.Time, n int, date civil) {
	date.month, n = readMonth(s)
	if first := n > 0; first {
		size := 0
		n += spaces(s[n:])
		if date.day, size = readDay(s[n:]); size == 0 {
			return t, 0, date
		}
		n += size
	} else {
		if date.day, n = readDay(s); n == 0 {
			return t, 0, date
		}
		for _, gap := range [...]string{" of ", " ", "-"} {
			if strings.HasPrefix(s[n:], gap) {
				n += len(gap)
				break
			}
		}
		size := 0
		if date.month, size = readMonth(s[n:]); size == 0 {
			return t, 0, date
		}
		n += size
	}
	n += date.readYear(s[n:])
	if !date.exists() {
		return t, 0, date
	}
	t, size, _ := readRest(date, s[n:], zone)
	return t, n + size, date
}

// readDay reads the day of a month: 1, 01, 1st.
func readDay(s string) (number, n int) {
	number, n = readInt(s, 2)
	if n == 0 {
		return 0, 0
	}
	for _, end := range [...]string{"st", "nd", "rd", "th", "."} {
		if strings.HasPrefix(s[n:], end) {
			n += len(end)
			break
		}
	}
	if n < len(s) && (isWordByte(s[n]) || s[n] == ':') {
		return 0, 0
	}
	return number, n
}

// readYear reads the year behind a day and a month.
func (d *civil) readYear(s string) (n int) {
	gap := len(s) - len(strings.TrimLeft(s, " ,-"))
	year, n := readInt(s[gap:], 4)
	if gap == 0 || n != 4 || year < 2000 || strings.HasPrefix(s[gap+n:], ":") {
		return 0
	}
	d.year = year
	return gap + n
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// nextDate returns the next instant at a time of a day and month, where t is one of them. One that
// has gone by less than a day ago counts: the provider's clock may be behind.
func nextDate(t, now time.Time) time.Time {
	for _, year := range [...]int{now.Year(), now.Year() + 1} {
		next := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, t.Location())
		if next.After(now.Add(-day)) {
			return next
		}
	}
	return time.Time{}
}

// nextTime returns the next instant at which clocks of the zone show w.
func nextTime(w wall, zone *time.Location, now time.Time) time.Time {
	today := now.In(zone)
	for days := range 3 {
		date := civil{today.Year(), today.Month(), today.Day() + days}
		if t := date.at(w, zone); t.After(now) {
			return t
		}
	}
	return time.Time{}
}
