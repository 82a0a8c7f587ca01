package recording

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
)

// secretWords are what the folded name of a secret holds.
var secretWords = []string{ //nolint:gochecknoglobals // a table
	"secret", "token", "key", "verifier", "passw", "passphrase", "passcode", "pwd", "credential", "cookie",
	"authorization", "signature", "assertion", "jwt", "session", "challenge",
}

var (
	// noSecret matches words that hold one of those, or "code", and mean something else.
	noSecret = pattern.Lazy(`tokens|codex|keyword`)
	// errorCode matches the folded names under which providers put codes of errors.
	errorCode = pattern.Lazy(`^(?:error|err|status|sub|http|ret|result|biz|business|reason|exit|inner|provider|` +
		`upstream|response|api|grpc)*code$`)
	// duration matches how headers and bodies write when a limit ends.
	duration = pattern.Lazy(`^(?:[0-9.]+(?:ns|us|µs|ms|s|m|h|d))+$`)
)

// isSecretName reports whether a member, a parameter or a header of that folded name holds a
// secret.
func isSecretName(folded string) bool {
	if folded == "tokens" || folded == "sig" {
		return true
	}
	folded = noSecret().ReplaceAllString(folded, "")
	return strings.HasSuffix(folded, "code") || slices.ContainsFunc(secretWords, func(word string) bool {
		return strings.Contains(folded, word)
	})
}

// fold makes access_token, accessToken and Access-Token one name.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// hide returns a value as a fixture may tell it, by the name that stands in front of it. Of an
// error code the words and a number of at most five digits stay. "code" may be an error's or that
// of an authorization, so the same goes for it; a sentence is neither.
func hide(name, value string) string {
	switch folded := fold(name); {
	case errorCode().MatchString(folded) && strings.Contains(value, " "):
		return value
	case errorCode().MatchString(folded):
		return mask(value, func(part string, _ bool) bool { return isWord(part) || isNumber(part, 5) })
	case isSecretName(folded):
		return unlessWords(value, 0)
	}
	return value
}

// unlessWords returns EXAMPLE instead of a value, and the value itself if it is nothing but words,
// numbers of at most so many digits, a duration, or a URL, which has rules of its own.
func unlessWords(value string, digits int) string {
	text, dots := withoutDots(value)
	if areWords(text, digits) || duration().MatchString(text) || strings.HasPrefix(text, "https://") {
		return value
	}
	return "EXAMPLE" + dots
}

// What stands in front of a secret in a sentence and in a header with cookies. Each has three
// groups: the name, what stands between, and the secret.
var (
	// cookie matches a header with cookies, up to the end of the line.
	cookie = pattern.Lazy(`(?i)\b((?:set-)?cookies?)(\s*[:=]\s*)([^\r\n"'\x{F0000}-\x{FFFFD}]+)`)
	// announced matches a secret in a sentence, and behind a scheme of authorization.
	announced = pattern.Lazy(`(?i)\b(secret|token|key|code|verifier|password|passwd|passphrase|passcode|` +
		`credential|cookie|session|signature|bearer|basic|digest|negotiate|dpop|apikey)` +
		"(\\s+(?:(?:is|was|of|provided|given|with|id):?\\s+)?[\"'`(]?)" + `([!#$%*+./0-9:=?@A-Z^_a-z|~\pL-]+)`)
)

// submatches returns a function that gives the second and the third group of a match to replace,
// and puts its result in place of the third.
func submatches(find func() *regexp.Regexp, replace func(name, value string) string) func(match string) string {
	return func(match string) string {
		m := find().FindStringSubmatch(match)
		return m[1] + m[2] + replace(m[1], m[3])
	}
}

// member matches the name of a JSON member and the quote that begins its value. Python's quotes are
// taken too, and those of JSON in a string of JSON.
var member = pattern.Lazy(`["']([A-Za-z0-9_. -]{1,64})\\*["']\s*:\s*(\\*)["']`)

// members hides the values of JSON members with the name of a secret.
func members(text string) string {
	var b strings.Builder
	for {
		at := member().FindStringSubmatchIndex(text)
		if at == nil {
			return b.String() + text
		}
		name, begin := text[at[2]:at[3]], at[1]
		end := begin + valueEnd(text[begin:], text[begin-1], at[5]-at[4])
		value := text[begin:end]
		if hidden := hide(name, value); hidden != value {
			b.WriteString(text[:begin] + hidden)
			text = text[end:]
			continue
		}
		b.WriteString(text[:begin]) // the value may be JSON
		text = text[begin:]
	}
}

// assignment matches the name in name=value, name: value and <name>value, as in a query, a header
// and XML, with what stands between name and value.
var assignment = pattern.Lazy("([A-Za-z0-9_.-]+)[\"'`]?\\s*[=:>]{1,2}\\s*[\\[(\"'`]*")

// assignments hides the values that stand behind the name of a secret.
func assignments(text string) string {
	var b strings.Builder
	for {
		at := assignment().FindStringSubmatchIndex(text)
		if at == nil {
			return b.String() + text
		}
		b.WriteString(text[:at[1]])
		name, rest := text[at[2]:at[3]], text[at[1]:]
		end := strings.IndexFunc(rest, endsValue)
		if end < 0 {
			end = len(rest)
		}
		if hidden := hide(name, rest[:end]); hidden != rest[:end] {
			b.WriteString(hidden)
			rest = rest[end:]
		}
		text = rest // a value that stays may hold another name
	}
}

// endsValue reports whether a value without quotes ends in front of a character.
func endsValue(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\"'`<>&;,\\{}[]()", r) || r >= firstBreak
}

// valueEnd returns where the string at the beginning of text ends. quote begins and ends it, and so
// many backslashes stand in front of either.
func valueEnd(text string, quote byte, backslashes int) int {
	found := 0
	for i := range len(text) {
		switch {
		case text[i] == '\\':
			found++
			continue
		case text[i] == quote && (found <= backslashes || backslashes == 0 && found%2 == 0):
			return i - min(found, backslashes)
		}
		found = 0
	}
	return len(text)
}

// escapedBreak matches a line break or a tab as JSON writes it. It ends in a letter, which must not
// join the word behind it. Characters of private use stand for it meanwhile.
var escapedBreak = pattern.Lazy(`\\+[nrt]|[\x{F0000}-\x{FFFFD}]`)

const (
	firstBreak = 0xF0000
	mostBreaks = 0xFFFD
)

// withoutBreaks returns a text with a character of private use for each escaped line break, and the
// breaks in their order.
func withoutBreaks(text string) (plain string, breaks []string) {
	next := rune(firstBreak)
	plain = escapedBreak().ReplaceAllStringFunc(text, func(m string) string {
		if len(breaks) == mostBreaks {
			return " "
		}
		breaks = append(breaks, m)
		next++
		return string(next - 1)
	})
	return plain, breaks
}

// withBreaks puts the breaks back.
func withBreaks(plain string, breaks []string) string {
	var b strings.Builder
	for _, r := range plain {
		if i := int(r) - firstBreak; i >= 0 && i < len(breaks) {
			b.WriteString(breaks[i])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
