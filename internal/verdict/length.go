package verdict

import (
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	day   = 24 * time.Hour
	week  = 7 * day
	month = 30 * day
)

// unitWords are the units of length in languages that put spaces between words.
var unitWords = sync.OnceValue(func() map[string]time.Duration {
	m := make(map[string]time.Duration)
	for unit, words := range map[time.Duration]string{
		time.Millisecond: "ms msec msecs milli millis millisecond milliseconds milisegundo milisegundos" +
			" milissegundos millisekunden millisecondes мс миллисекунд",
		time.Second: "s sec secs second seconds sek sekunde sekunden seg segundo segundos seconde secondes" +
			" с сек секунда секунду секунды секунд",
		time.Minute: "m min mins minute minutes minuten minuto minutos мин минута минуту минуты минут",
		time.Hour: "h hr hrs hour hours std stunde stunden hora horas heure heures" +
			" ч час часа часов",
		day:   "d day days tag tage tagen día días dia dias jour jours д день дня дней сутки суток",
		week:  "w week weeks woche wochen semana semanas semaine semaines неделя неделю недели недель",
		month: "month months monat monate monaten mes meses mês mois месяц месяца месяцев",
	} {
		for word := range strings.FieldsSeq(words) {
			m[word] = unit
		}
	}
	return m
})

// unspacedUnits are the units in Chinese, Japanese and Korean. Of two with the same beginning, the
// longer one comes first.
var unspacedUnits = [...]struct {
	word string
	unit time.Duration
}{
	{"毫秒", time.Millisecond},
	{"ミリ秒", time.Millisecond},
	{"밀리초", time.Millisecond},
	{"秒钟", time.Second},
	{"秒鐘", time.Second},
	{"秒間", time.Second},
	{"秒", time.Second},
	{"초", time.Second},
	{"分钟", time.Minute},
	{"分鐘", time.Minute},
	{"分間", time.Minute},
	{"分", time.Minute},
	{"분", time.Minute},
	{"个小时", time.Hour},
	{"個小時", time.Hour},
	{"小时", time.Hour},
	{"小時", time.Hour},
	{"時間", time.Hour},
	{"시간", time.Hour},
	{"天", day},
	{"日間", day},
	{"日", day},
	{"일", day},
	{"个星期", week},
	{"個星期", week},
	{"星期", week},
	{"週間", week},
	{"周", week},
	{"週", week},
	{"주", week},
	{"个月", month},
	{"個月", month},
	{"か月", month},
	{"ヶ月", month},
	{"개월", month},
}

// isUnspaced reports whether a script does without spaces between words, or with few.
func isUnspaced(r rune) bool { return r >= 0x2e80 }

// readUnit reads the unit that s begins with and returns its length in s, which is 0 if there is
// none.
func readUnit(s string) (unit time.Duration, n int) {
	first, _ := utf8.DecodeRuneInString(s)
	if isUnspaced(first) {
		for i := range unspacedUnits {
			if u := &unspacedUnits[i]; strings.HasPrefix(s, u.word) {
				return u.unit, len(u.word)
			}
		}
		return 0, 0
	}
	n = letters(s)
	const longest = 24 // more than any unit has
	if n == 0 || n > longest {
		return 0, 0
	}
	var buf [2 * longest]byte
	low := buf[:0]
	for _, r := range s[:n] {
		low = utf8.AppendRune(low, unicode.ToLower(r))
	}
	unit, ok := unitWords()[string(low)]
	if !ok {
		return 0, 0
	}
	return unit, n
}

// letters returns the length of the letters that s begins with, of a script with spaces.
func letters(s string) int {
	for i, r := range s {
		if !unicode.IsLetter(r) || isUnspaced(r) {
			return i
		}
	}
	return len(s)
}

// parseLength reads a length at the beginning of s: 408ms, 24.3525s, 1h5m25.152s, 2hr 38min, 3
// days, 1 hour and 5 minutes, 1小时30分钟. It returns -1 when there is none.
func parseLength(s string) (d time.Duration, rest string) {
	d = -1
	for rest = s; ; {
		part := strings.TrimLeft(rest, " ,")
		if d >= 0 {
			part = withoutAnd(part)
		}
		number, n := readNumber(part)
		if n == 0 {
			return d, rest
		}
		word := strings.TrimLeft(part[n:], " ")
		unit, n := readUnit(word)
		if n == 0 {
			return d, rest
		}
		d = max(d, 0) + time.Duration(min(number*float64(unit), float64(10*MaxReset)))
		rest = word[n:]
		if d > 10*MaxReset {
			return 10 * MaxReset, rest
		}
	}
}

// withoutAnd returns s without the word that joins the parts of a length.
func withoutAnd(s string) string {
	for _, and := range [...]string{"and ", "und ", "et ", "y ", "e ", "и "} {
		if rest, ok := strings.CutPrefix(s, and); ok {
			return rest
		}
	}
	return s
}

// readNumber reads digits with a point among them. n is 0 if s begins with no number.
func readNumber(s string) (number float64, n int) {
	points, figures := 0, 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '.') {
		if s[n] == '.' {
			points++
		} else {
			figures++
		}
		n++
	}
	text := strings.TrimRight(s[:n], ".")
	if figures == 0 || points > 1 && len(text) == n {
		return 0, 0
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, 0
	}
	return number, n
}

// parseISO reads a duration of ISO 8601 at the beginning of s, such as PT1H30M or P1DT2H. n is 0 if
// there is none.
func parseISO(s string) (d time.Duration, n int) {
	if s == "" || s[0]|0x20 != 'p' {
		return 0, 0
	}
	n = 1
	clock := false // behind the T stand hours, minutes and seconds
	for i := n; i < len(s); i = n {
		if s[i]|0x20 == 't' && !clock {
			clock = true
			i++
		}
		number, size := readNumber(s[i:])
		if size == 0 || i+size == len(s) {
			break
		}
		unit := isoUnit(s[i+size]|0x20, clock)
		if unit == 0 {
			break
		}
		d += time.Duration(min(number*float64(unit), float64(MaxReset)))
		n = i + size + 1
	}
	if n == 1 || n < len(s) && isWordByte(s[n]) {
		return 0, 0
	}
	return min(d, 10*MaxReset), n
}

func isoUnit(letter byte, clock bool) time.Duration {
	switch {
	case letter == 'h' && clock:
		return time.Hour
	case letter == 'm' && clock:
		return time.Minute
	case letter == 's' && clock:
		return time.Second
	case letter == 'y' && !clock:
		return 365 * day
	case letter == 'm' && !clock:
		return month
	case letter == 'w' && !clock:
		return week
	case letter == 'd' && !clock:
		return day
	}
	return 0
}

// parseSpan reads .NET's TimeSpan at the beginning of s: 3.01:02:03 is 3 days, 1 hour, 2 minutes and
// 3 seconds. n is 0 if there is none.
func parseSpan(s string) (d time.Duration, n int) {
	days, size := readInt(s, 2)
	if size > 0 && strings.HasPrefix(s[size:], ".") {
		n = size + 1
	} else {
		days = 0
	}
	d = time.Duration(days) * day
	for i, unit := range [...]time.Duration{time.Hour, time.Minute, time.Second} {
		if i > 0 {
			if !strings.HasPrefix(s[n:], ":") {
				return 0, 0
			}
			n++
		}
		number, size := readInt(s[n:], 2)
		if size != 2 {
			return 0, 0
		}
		n += size
		d += time.Duration(number) * unit
	}
	if n < len(s) && isWordByte(s[n]) {
		return 0, 0
	}
	return d, n
}

// digits returns how many digits s begins with.
func digits(s string) int {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return i
		}
	}
	return len(s)
}

// readInt reads an integer of at most that many digits. n is 0 if s begins with none, or with a
// longer one.
func readInt(s string, most int) (number, n int) {
	for n < len(s) && isDigit(s[n]) {
		if n == most {
			return 0, 0
		}
		number = number*10 + int(s[n]-'0')
		n++
	}
	return number, n
}
