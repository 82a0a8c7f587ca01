package verdict

import (
	"math/bits"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Limits are named after periods: tokens per minute, a daily limit, a 5-hour window. When an answer
// says nothing else, the limit lasts for the length of its period.

// namedPeriod returns the length of the window that the message names, else of the shortest period
// that a limit is named after, or 0. A billing reason has none: what is unpaid comes back with the
// money, not with the month.
func (e *evidence) namedPeriod(reason string) time.Duration {
	if strings.Contains(reason, "billing") {
		return 0
	}
	if d := namedWindow(e.text); d > 0 {
		return min(d, MaxReset)
	}
	found := periodsIn(e.text)
	for _, c := range e.codes {
		found |= periodsIn(c)
	}
	if found == 0 {
		return 0
	}
	return periods[bits.TrailingZeros8(uint8(found))].length
}

// periodSet is a set of indexes of periods.
type periodSet uint8

// periods are those that limits are named after, the shortest first.
var periods = [...]struct {
	length time.Duration
	name   string
	words  string // words that name the period
	stems  string // parts of such words in other languages, and expressions of those without spaces
}{
	{time.Second, "second", "", "每秒 1秒あたり 초당"},
	{time.Minute, "minute", "rpm tpm", "每分钟 每分鐘 毎分 分あたり 분당"},
	{time.Hour, "hour", "hourly", "stündlich 每小时 每小時 毎時 時間あたり 시간당"},
	{day, "day", "daily rpd tpd diario diaria quotidien quotidienne", "täglich diári ежедневн суточн" +
		" 每日 每天 单日 當日 当日 今日 毎日 1日あたり 日次 일일 하루 매일"},
	{week, "week", "weekly semanal hebdomadaire", "wöchentlich еженедельн недельн 每周 每週 周限额 本周 毎週 週間 주간 매주"},
	{month, "month", "monthly monatlich mensual mensal mensuel mensuelle", "ежемесячн месячн 每月 本月 当月 月度 毎月 月間 월간 매월"},
}

// periodWords are the words that name periods.
var periodWords = sync.OnceValue(func() map[string]periodSet {
	m := make(map[string]periodSet)
	for i, p := range periods {
		for w := range strings.FieldsSeq(p.words) {
			m[w] |= 1 << i
		}
	}
	return m
})

// periodsIn returns the periods that a text or a code names.
func periodsIn(text string) (found periodSet) {
	before := "" // the word before, if nothing but a space or a hyphen stands between
	for i := 0; i < len(text); {
		n := letters(text[i:])
		if n == 0 {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r != ' ' && r != '_' && r != '-' {
				before = ""
			}
			i += size
			continue
		}
		word := text[i : i+n]
		if isPer(before) {
			found |= periodOfUnit(word)
		}
		found |= periodOfWord(word)
		before = word
		i += n
	}
	if !isASCII(text) {
		found |= periodsElsewhere(text)
	}
	return found
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isPer reports whether a word before a unit says that a limit is one per such unit.
func isPer(word string) bool {
	switch word {
	case "per", "pro", "por", "par", "в", "за", "each", "every":
		return true
	}
	return false
}

// periodOfUnit returns the period of a unit's length. A letter alone may be anything.
func periodOfUnit(word string) periodSet {
	unit, n := readUnit(word)
	if n < 2 {
		return 0
	}
	for i := range periods {
		if n == len(word) && periods[i].length == unit {
			return 1 << i
		}
	}
	return 0
}

// periodOfWord returns the periods that a word names: daily, tpm, requestsperday, tpmlimitexceeded.
func periodOfWord(word string) (found periodSet) {
	found = periodWords()[word]
	if found != 0 || len(word) < len("rpmlimit") {
		return found
	}
	if rest, ok := strings.CutPrefix(word[len("rpm"):], "limit"); ok || strings.HasPrefix(rest, "rate") {
		found = periodWords()[word[:len("rpm")]]
	}
	_, per, _ := strings.Cut(word, "per")
	for i := range periods {
		p := &periods[i]
		first, _, _ := strings.Cut(p.words, " ")
		if strings.HasPrefix(per, p.name) || len(first) > len("rpm") && strings.Contains(word, first) {
			found |= 1 << i
		}
	}
	return found
}

func periodsElsewhere(text string) (found periodSet) {
	for i := range periods {
		for w := range strings.FieldsSeq(periods[i].stems) {
			if strings.Contains(text, w) {
				found |= 1 << i
			}
		}
	}
	return found
}

// namedWindow returns the length of a window: "24-hour window", "week allocated quota", "limit
// reached for the past 5 hours", "every 5 hours", 每5小时. It is 0 if text names none.
func namedWindow(text string) time.Duration {
	for i := 0; i < len(text); i++ {
		if c := text[i]; isDigit(c) {
			if d := windowAt(text, i); d > 0 {
				return d
			}
			for i+1 < len(text) && isDigit(text[i+1]) {
				i++
			}
		} else if c == 'q' && strings.HasPrefix(text[i:], "quota") {
			if d := quotaOf(text[:i]); d > 0 {
				return d
			}
		}
	}
	return 0
}

// windowAt reads the window whose number stands at i. A unit of one letter does not count: a limit of
// 5m may be one of millions.
func windowAt(text string, i int) time.Duration {
	number, n := readInt(text[i:], 4)
	if n == 0 || !standsFree(text[:i]) {
		return 0
	}
	rest := strings.TrimLeft(text[i+n:], " -")
	unit, n := readUnit(rest)
	if n == 0 || n == 1 && rest[0] != 'h' {
		return 0
	}
	if limits(rest[n:]) || isEvery(text[:i]) {
		return time.Duration(number) * unit
	}
	return 0
}

// limits reports whether a word for a limit stands behind a unit, near enough.
func limits(text string) bool {
	const gap = 13
	if isUnspacedText(strings.TrimLeft(text, " ")) {
		text = text[:min(len(text), 24)]
		for _, w := range [...]string{"限", "额", "額", "窗口", "用量", "枠", "한도", "제한"} {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	text = text[:min(len(text), gap+len("window"))]
	for i := 0; i < len(text) && i <= gap; i++ {
		c := text[i]
		if i > 0 && !isLetter(text[i-1]) && isLetter(c) {
			for _, w := range [...]string{"window", "limit", "quota", "period"} {
				if strings.HasPrefix(text[i:], w) {
					return true
				}
			}
		}
		if !isLetter(c) && strings.IndexByte(" ,-", c) < 0 {
			return false
		}
	}
	return false
}

// isEvery reports whether the words before a length say that a limit is one per such length.
func isEvery(text string) bool {
	text = strings.TrimRight(text[max(len(text)-48, 0):], " ")
	for _, w := range [...]string{
		" per", " every", " each", "每", " pro", " alle", " por", " par", " cada", " за", " каждые", "toutes les",
	} {
		if strings.HasSuffix(text, w) {
			return true
		}
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, " past"), " last")
	text, ok := strings.CutSuffix(strings.TrimSuffix(text, " the"), " for")
	text = strings.TrimSuffix(strings.TrimSuffix(text, " reached"), " exceeded")
	return ok && strings.HasSuffix(text, "limit")
}

// quotaOf returns the length of the period whose quota text speaks of in its last words: "week",
// "week allocated".
func quotaOf(text string) time.Duration {
	text = strings.TrimSuffix(strings.TrimRight(text, " "), " allocated")
	for i := range periods {
		p := &periods[i]
		if before, ok := strings.CutSuffix(text, p.name); ok && p.length >= time.Hour &&
			(before == "" || !isWordByte(before[len(before)-1])) {
			return p.length
		}
	}
	return 0
}
