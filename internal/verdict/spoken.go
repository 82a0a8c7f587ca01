package verdict

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"
)

// spoken is what a text says about the end of a limit: of each form, the first statement.
type spoken struct {
	text   string
	clock  resetClock
	zone   *time.Location // of stamps that name none
	stamp  time.Time      // a date with a time, or the name of a month
	epoch  time.Time      // "usage limit reached|1746388800"
	hour   time.Time      // a time of the day
	length time.Duration  // 0: none
	seen   int            // how many times the text names, of whatever meaning
}

// resetInText returns when a sentence says that the limit ends. An instant is more precise than a
// length.
func resetInText(e *evidence, c resetClock) time.Time {
	s := spoken{text: e.text, clock: c, zone: cmp.Or(e.provider.Zone, time.UTC)}
	for i := 0; i < len(s.text) && s.stamp.IsZero() && s.seen < maxSpoken; {
		if !isDigit(s.text[i]) {
			i++
			continue
		}
		n := digits(s.text[i:])
		i += max(n, s.readAt(i, n))
	}
	s.readMidnight()
	switch t := cmp.Or(s.stamp, s.epoch, s.hour); {
	case !t.IsZero():
		return t
	case s.length > 0 && !c.daily:
		return c.after(s.length.Seconds())
	}
	return time.Time{}
}

// maxSpoken is how many times a text may name before it counts as one that speaks of something else.
const maxSpoken = 64

// readAt reads the statement whose first number stands at i, with that many digits, and returns the
// length of what it has read behind i.
func (s *spoken) readAt(i, digits int) (n int) {
	if digits == 10 && s.readEpoch(i) {
		return digits
	}
	if begin := isoBegin(s.text, i); begin < i {
		d, size := parseISO(s.text[begin:])
		s.addLength(d, begin, begin+size)
		return max(begin+size-i, 0)
	}
	if !mayBeTime(s.text, i, i+digits) {
		return 0
	}
	defer func() {
		if n > 0 {
			s.seen++
		}
	}()
	for _, read := range [...]func(*spoken, int) int{
		(*spoken).readStamp, (*spoken).readNamed, (*spoken).readClock, (*spoken).readSpan, (*spoken).readLength,
	} {
		if n = read(s, i); n > 0 {
			return n
		}
	}
	return 0
}

// mayBeTime reports whether the number between begin and end may be a part of a time: it stands
// free, and a unit, another number of a date or a clock, or the name of a month stands beside it.
func mayBeTime(text string, begin, end int) bool {
	if !standsFree(text[:begin]) {
		return false
	}
	for end < len(text) && (text[end] == '.' || text[end] == ' ' || isDigit(text[end]) && text[end-1] == '.') {
		end++
	}
	if end < len(text) && (isLetter(text[end]) || text[end] >= utf8.RuneSelf || strings.IndexByte(":-/", text[end]) >= 0) {
		return true
	}
	before := strings.TrimRight(text[:begin], " ")
	return before != "" && len(before) < begin && (isLetter(before[len(before)-1]) || before[len(before)-1] == '.')
}

// readEpoch reads an instant in seconds behind a bar.
func (s *spoken) readEpoch(i int) bool {
	end := i + 10
	if i == 0 || s.text[i-1] != '|' || end < len(s.text) && isWordByte(s.text[end]) {
		return false
	}
	s.epoch = cmp.Or(s.epoch, s.clock.value(s.text[i:end], time.Second))
	return true
}

func (s *spoken) readSpan(i int) (n int) {
	d, n := parseSpan(s.text[i:])
	s.addLength(d, i, i+n)
	return n
}

func (s *spoken) readLength(i int) (n int) {
	d, rest := parseLength(s.text[i:])
	n = len(s.text) - i - len(rest)
	s.addLength(d, i, i+n)
	return n
}

// standsFree reports whether a number behind text is one of its own: no part of a word, a version,
// another number, a path, and no price.
func standsFree(text string) bool {
	if text == "" {
		return true
	}
	if c := text[len(text)-1]; c < utf8.RuneSelf {
		return !isWordByte(c) && strings.IndexByte("-+.,#/$@", c) < 0
	}
	r, _ := utf8.DecodeLastRuneInString(text)
	return !strings.ContainsRune("€£¥￥＄₽₩–", r)
}

// isoBegin returns where the duration of ISO 8601 begins whose first digit stands at i, or i.
func isoBegin(text string, i int) int {
	begin := i
	if begin > 0 && text[begin-1] == 't' {
		begin--
	}
	if begin == 0 || text[begin-1] != 'p' || begin > 1 && isWordByte(text[begin-2]) {
		return i
	}
	return begin - 1
}

// addLength takes a length that stands between begin and end, if the words around it say that the
// limit ends then.
func (s *spoken) addLength(d time.Duration, begin, end int) {
	if d > 0 && s.length == 0 && (s.announced(begin, lengthAnnouncers) || s.followed(end)) {
		s.length = d
	}
}

// readStamp reads 2026-11-26 21:30:00. A date without a time counts only directly behind a
// preposition: else it may be the version of a model.
func (s *spoken) readStamp(i int) (n int) {
	t, n, timed := readStamp(s.text[i:], s.zoneBefore(i))
	switch {
	case n == 0:
		return 0
	case !s.announced(i, stampAnnouncers) && !recovers(s.text[i+n:]):
	case timed || s.hasPreposition(i) && !t.Before(s.clock.now.Add(-day)):
		s.stamp = t
	}
	return n
}

// readNamed reads a date with the name of its month, which may stand before or behind the day.
func (s *spoken) readNamed(i int) (n int) {
	begin := i
	if before := strings.TrimRight(s.text[max(i-16, 0):i], " "); before != "" {
		word := strings.LastIndexByte(before, ' ') + 1
		if _, size := readMonth(before[word:]); size > 0 && size == len(before)-word {
			begin = max(i-16, 0) + word
		}
	}
	t, n, date := readNamedDate(s.text[begin:], s.zoneBefore(begin))
	if n == 0 {
		return 0
	}
	if s.announced(begin, stampAnnouncers) {
		if date.year == 0 {
			t = nextDate(t, s.clock.now)
		}
		s.stamp = t
	}
	return begin + n - i
}

// readClock reads a time of the day. Without a half of the day or a zone it must stand behind a
// preposition: else it may be a length, or two numbers.
func (s *spoken) readClock(i int) (n int) {
	w, n := readWall(s.text[i:])
	if n == 0 {
		return 0
	}
	zone, size := readZone(s.text[i+n:], s.zoneBefore(i))
	isSpan := strings.Count(s.text[i:i+n], ":") > 1 && s.endsWith(i, "after") // retry after 00:00:30
	if w.sure || size > 0 || s.hasPreposition(i) && !isSpan {
		if s.hour.IsZero() && s.announced(i, stampAnnouncers) {
			s.hour = nextTime(w, zone, s.clock.now)
		}
		return n + size
	}
	return 0
}

// readMidnight reads "resets at midnight (UTC)".
func (s *spoken) readMidnight() {
	const midnight = "midnight"
	i := strings.Index(s.text, midnight)
	if i < 0 || !s.hour.IsZero() || !s.announced(i, stampAnnouncers) {
		return
	}
	zone, _ := readZone(s.text[i+len(midnight):], s.zone)
	s.hour = nextTime(wall{}, zone, s.clock.now)
}

// maxAnnounced is how many bytes without a digit may stand between a word that announces the end of
// a limit and the statement.
const maxAnnounced = 28

// before returns the text of the same sentence that may hold such a word before i.
func (s *spoken) before(i int) string {
	begin := i
	for begin > 0 && begin > i-maxAnnounced-24 && !isDigit(s.text[begin-1]) {
		begin--
	}
	before := s.text[begin:i]
	for _, end := range [...]string{". ", "。"} {
		if n := strings.LastIndex(before, end); n >= 0 {
			before = before[n+len(end):]
		}
	}
	return before
}

// announced reports whether one of the words stands before i, near enough.
func (s *spoken) announced(i int, words func() []string) bool {
	before := s.before(i)
	if len(before) < len("в") {
		return false
	}
	for _, w := range words() {
		if strings.Contains(before[max(len(before)-maxAnnounced-len(w), 0):], w) {
			return true
		}
	}
	return false
}

// hasPreposition reports whether a word for a point in time stands directly before i.
func (s *spoken) hasPreposition(i int) bool {
	return s.endsWith(i, prepositions[:]...)
}

var prepositions = [...]string{
	"at", "after", "until", "till", "by", "from", "on", "um", "ab", "bis", "am", "à", "às", "las", "в", "с", "до",
	"将于", "将在", "请在", "请于", "直到", "于",
}

// endsWith reports whether one of the words stands directly before i.
func (s *spoken) endsWith(i int, words ...string) bool {
	before := strings.TrimRight(s.text[max(i-16, 0):i], " :(~")
	for _, w := range words {
		if rest, ok := strings.CutSuffix(before, w); ok {
			r, _ := utf8.DecodeLastRuneInString(rest)
			if first, _ := utf8.DecodeRuneInString(w); rest == "" || isUnspaced(first) || letters(string(r)) == 0 {
				return true
			}
		}
	}
	return false
}

// zoneBefore returns the zone of a stamp at i that names none behind it.
func (s *spoken) zoneBefore(i int) *time.Location {
	before := s.before(i)
	if strings.Contains(before, "北京时间") || strings.Contains(before, "北京時間") || strings.Contains(before, "beijing time") {
		return time.FixedZone("", 8*60*60)
	}
	return s.zone
}

// followed reports whether the words behind a length say that the limit ends after it: 12
// 分钟后重置, 30초 후에 다시, 5 minutes before trying again.
func (s *spoken) followed(end int) bool {
	rest := strings.TrimLeft(s.text[end:], " ")
	for _, after := range [...]string{
		"后", "後", "之后", "之後", "以后", "以後", "후", "뒤", "until", "till", "before", "left until", "remaining until",
	} {
		if behind, ok := strings.CutPrefix(rest, after); ok {
			return recovers(behind) || isUnspacedText(after) && s.announced(end, recoveries)
		}
	}
	return false
}

func isUnspacedText(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return isUnspaced(r)
}

// recovers reports whether text begins with a clause that speaks of the end of a limit.
func recovers(text string) bool {
	text = text[:min(len(text), 48)]
	if i := strings.IndexAny(text, ".;。；\n"); i >= 0 {
		text = text[:i]
	}
	for _, w := range recoveries() {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
