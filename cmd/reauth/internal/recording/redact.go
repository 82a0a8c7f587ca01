package recording

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
)

// The redaction replaces whatever identifies somebody, or gives access, by a text that is obviously
// not real: EXAMPLE, example.com (RFC 2606), 192.0.2.1 (RFC 5737), 2001:db8::1 (RFC 3849).
//
// What follows the name of a secret, a scheme of authorization or the prefix of a key is replaced
// whatever it looks like, and so is what is long. The vocabulary stays, because the rules read
// words. The redaction does not recognize a name inside a sentence, so a person must read the
// result.

// replacement replaces one kind of text. find matches it, and with returns what to write for a
// match; that can be the match itself.
type replacement struct {
	find func() *regexp.Regexp
	with func(match string) string
}

// with returns a function that replaces every match by s.
func with(s string) func(string) string { return func(string) string { return s } }

// keyed replaces what follows the prefix of a key, such as "sk-", which tells people what it was.
// It keeps words, as in "xai-oauth".
func keyed(match string) string {
	i := strings.IndexAny(match, "-_") + 1
	return match[:i] + unlessWords(match[i:], 0)
}

// prefixed replaces an id but keeps its prefix. It keeps everything if the rest is a word, as in
// "user-agent".
func prefixed(match string) string {
	id, dots := withoutDots(match)
	i := strings.IndexAny(id, "-_") + 1
	rest := id[i:]
	isSecret := slices.Contains([]string{"sess", "at", "rt", "key", "ak", "ant", "cred"}, strings.ToLower(id[:i-1]))
	if random(rest) || isSecret && !areWords(rest, 4) {
		rest = "EXAMPLE"
	}
	return id[:i] + rest + dots
}

// withoutDots cuts off the full stop that ends a sentence, which the patterns take too.
func withoutDots(match string) (text, dots string) {
	text = strings.TrimRight(match, ".")
	return text, match[len(text):]
}

// random reports whether s looks like an id or a key and not like words. It does if s is masked
// with asterisks, or if a run of letters and digits in it
//
//   - mixes letters and digits, from 6 characters on,
//   - is a number of 9 digits or more, or
//   - changes from lower to upper case more often than CamelCase does, from 12 characters on.
func random(s string) bool {
	if strings.Contains(s, "**") {
		return true
	}
	for _, run := range strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		var digits, lower, upper, changes int
		for i, r := range run {
			switch {
			case unicode.IsDigit(r):
				digits++
			case unicode.IsUpper(r):
				upper++
				if i > 0 && unicode.IsLower(rune(run[i-1])) {
					changes++
				}
			default:
				lower++
			}
		}
		letters := lower + upper
		// The words of a CamelCase name have three letters and more on average.
		if len(run) >= 6 && digits > 0 && letters > 0 ||
			len(run) >= 9 && digits == len(run) ||
			len(run) >= 12 && len(run) < 3*(changes+1) {
			return true
		}
	}
	return false
}

// long replaces what is random in a long run of characters, and in one of 20 and more everything
// but words, numbers and dates. Model names and paths stay.
func long(match string) string {
	if duration().MatchString(match) {
		return match
	}
	for _, run := range separators().Split(match, -1) {
		if len(run) >= 10 && random(run) && !date().MatchString(run) {
			return "EXAMPLE"
		}
	}
	if len(match) < 20 {
		return match
	}
	return mask(match, isNoSecretIn(false))
}

// address replaces in a URL what is no word. In its host and path it keeps short words of any kind,
// such as the names of a repository.
func address(match string) string {
	path, query, _ := strings.Cut(match, "?")
	return mask(path, isNoSecretIn(true)) + mask(match[len(path):len(match)-len(query)]+query, isNoSecretIn(false))
}

// isNoSecretIn returns a function that reports whether a part of a long text is no part of a
// secret. Its second argument says whether the part before is a word.
func isNoSecretIn(path bool) func(part string, behindWord bool) bool {
	return func(part string, behindWord bool) bool {
		return isWord(part) || date().MatchString(part) ||
			isNumber(part, 8) && (behindWord || len(part) <= 4) || len(part) <= 3 && behindWord ||
			path && (isNumber(part, 10) || len(part) <= 15 && pathWord().MatchString(part))
	}
}

// pathWord matches a word in the path of a URL: in lower case, or in CamelCase with words of three
// letters and more.
var pathWord = pattern.Lazy(`^(?:[A-Z]?[a-z]{2,})+$`)

// separators are what stands between the parts of a long text.
var separators = pattern.Lazy(`%[0-9A-Fa-f]{2}|[^A-Za-z0-9]+`)

// mask replaces the parts of a text that keep does not report, neighbours together.
func mask(text string, keep func(part string, behindWord bool) bool) string {
	var b strings.Builder
	behindWord, masked := false, false
	gap := "" // between the part before and this one
	take := func(part string) {
		switch {
		case part == "":
			b.WriteString(gap)
		case keep(part, behindWord):
			b.WriteString(gap + part)
			behindWord, masked = isWord(part), false
		default:
			if !masked {
				b.WriteString(gap + "EXAMPLE")
			}
			behindWord, masked = false, true
		}
	}
	begin := 0
	for _, at := range separators().FindAllStringIndex(text, -1) {
		take(text[begin:at[0]])
		gap, begin = text[at[0]:at[1]], at[1]
	}
	take(text[begin:])
	return b.String()
}

// date matches 20250929, as model names have it, and the beginning of an RFC 3339 time.
var date = pattern.Lazy(`^20[0-9]{6}$|^20[0-9]{2}-?[01][0-9]-?[0-3][0-9]T`)

// personal matches the names of JSON members whose value is about somebody, whatever it looks like.
const personal = `e-?mail(?:_?address)?|` +
	`(?:user|account|org|organization|team|project|workspace|tenant|customer|member|client|session|request|trace|` +
	`subscription|billing_account|api_key|key)_?(?:id|uuid|name|hash)|` +
	`user|account|organization|org|team|project|tenant|sub|subject|username|` +
	`first_?name|last_?name|full_?name|display_?name|` +
	`phone(?:_number)?|ip(?:_address)?|client_ip|cf-ray|ray_?id|` +
	`access_token|refresh_token|id_token|api_key|apikey|token|secret|password|authorization|cookie`

// specific are applied first, in this order, each to the result of the one before.
var specific = []replacement{ //nolint:gochecknoglobals // a table
	// The user part of a URL is left out. A password may have a slash in it.
	{pattern.Lazy(`://(?:[^\s/@"'<>\\]+|[^\s/@"'<>\\]*:[^\s@"'<>\\]*)@`), with("://")},
	// A personal member with a string.
	{pattern.Lazy(`(?i)("(?:` + personal + `)"\s*:\s*)"(?:[^"\\]|\\.)*"`), func(m string) string {
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `"`)] + `"EXAMPLE"`
	}},
	// The same in JSON that is a string of JSON.
	{pattern.Lazy(`(?i)(\\"(?:` + personal + `)\\"\s*:\s*)\\"[^"\\]*\\"`), func(m string) string {
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `\"`)] + `\"EXAMPLE\"`
	}},
	// A personal member with a number of four digits or more. A shorter number identifies nobody.
	{pattern.Lazy(`(?i)("(?:` + personal + `)"\s*:\s*)[0-9]{4,}`), func(m string) string {
		return strings.TrimRight(m, "0123456789") + "1"
	}},
	// JWTs: eyJ is the Base64 of {".
	{pattern.Lazy(`\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}`), with("JWT-EXAMPLE")},
	// E-mail addresses, also masked ones.
	{pattern.Lazy(`(?i)[a-z0-9._%+*-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`), with("user@example.com")},
	// UUIDs.
	{pattern.Lazy(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), with("EXAMPLE")},
	// Keys that providers begin with a prefix.
	{pattern.Lazy(`(?i)\b(?:sk|pk|rk|xai|gsk|hf|nvapi|tgp|tgp_v1|csk|fw|r8|pplx|gh[opusr]|github_pat|glpat|xox[a-z])` +
		`[-_][a-z0-9*_.-]{3,}`), keyed},
	// Parameters of a URL's query that are about somebody.
	{
		pattern.Lazy(`(?i)([?&;](?:[a-z_-]*(?:email|user|account|org|team|project)[a-z_-]*)=)[^&\s"'<>\\]+`),
		func(m string) string { return m[:strings.IndexByte(m, '=')+1] + "EXAMPLE" },
	},
	{cookie, submatches(cookie, func(_, value string) string { return unlessWords(value, 0) })},
}

// general are applied last, in this order. The last pattern takes any long run.
var general = []replacement{ //nolint:gochecknoglobals // a table
	{announced, submatches(announced, func(_, value string) string {
		if isForeign(value) {
			return value
		}
		return unlessWords(value, 4)
	})},
	// Ids that providers begin with a prefix, and keys whose prefix is a word of others too.
	{pattern.Lazy(`(?i)\b(?:sess|at|rt|key|ak|ant|or|` +
		`org|proj|req|acct|account|user|cus|team|ws|wrk|wrkspc|workspace|project|` +
		`resp|msg|chatcmpl|cmpl|conv|session|sub|tid|cred|ray|gen|run|thread|asst|file|ft|batch` +
		`)[-_][a-z0-9*_.-]{4,}`), prefixed},
	// Keys of Google and AWS, whose prefixes have no separator.
	{pattern.Lazy(`\b(?:AIza|ya29\.|AKIA|ASIA)[A-Za-z0-9_.-]{8,}`), with("EXAMPLE")},
	// IPv4 addresses.
	{pattern.Lazy(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`), with("192.0.2.1")},
	// IPv6 addresses.
	{pattern.Lazy(`(?i)\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})+\b|` +
		`\b(?:[0-9a-f]{1,4}:){2,6}:(?:[0-9a-f]{1,4}:?)*\b`), with("2001:db8::1")},
	// Ids behind a word that says whose they are, as in "projects/my-corp-4711".
	{pattern.Lazy(`(?i)\b(projects?|organizations?|orgs?|accounts?|users?|teams?|workspaces?|subscriptions?|` +
		`tenants?|consumers?|project_number)([/: #=]+|\s+id[: ]+)` +
		`['"]?[a-z]*[-_]?[a-z0-9-]*[0-9][a-z0-9-]{3,}`), func(m string) string {
		i := strings.LastIndexAny(m, "/: #=\"'") + 1
		return m[:i] + "EXAMPLE"
	}},
	// URLs, and whatever else is long.
	{pattern.Lazy(`https?://[^\s"'<>\\)]+|[A-Za-z0-9+/_=.~%-]{16,}`), func(m string) string {
		if strings.HasPrefix(m, "http") && strings.Contains(m, "://") {
			return address(m)
		}
		return long(m)
	}},
}

// unescaped writes the characters plain that some servers escape in JSON without need: a slash, and
// letters and signs as \u002b. An escape in the middle of a secret would hide its halves, and one
// in the middle of a word would look like a secret.
func unescaped(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		c, size := escapedRune(text[i:])
		b.WriteString(c)
		i += size - 1
	}
	return b.String()
}

// escapedRune returns what the escape that s begins with stands for, and its length: the escape
// itself if it is needed.
func escapedRune(s string) (plain string, size int) {
	if s[1] == '/' {
		return "/", 2
	}
	if s[1] != 'u' || len(s) < 6 {
		return s[:2], 2
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil || n == '"' || n == '\\' || !unicode.IsPrint(rune(n)) {
		return s[:2], 2
	}
	return string(rune(n)), 6
}

// Redact returns text without secrets and without what identifies somebody. It works by patterns: a
// person must check the result before it is published.
func Redact(text string) string {
	if text == "" {
		return ""
	}
	text, breaks := withoutBreaks(unescaped(text))
	text = members(text)
	for _, r := range specific {
		text = r.find().ReplaceAllStringFunc(text, r.with)
	}
	text = assignments(text)
	for _, r := range general {
		text = r.find().ReplaceAllStringFunc(text, r.with)
	}
	return withBreaks(text, breaks)
}
