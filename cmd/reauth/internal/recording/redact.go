package recording

import (
	"regexp"
	"strings"
	"unicode"
)

// The redaction replaces whatever identifies somebody, or gives access, by a text that is obviously
// not real: EXAMPLE, example.com (RFC 2606), 192.0.2.1 (RFC 5737), 2001:db8::1 (RFC 3849). It keeps
// words, because the rules read words. It does not recognize a name inside a sentence, so a person
// must read the result.

// replacement replaces one kind of text. find matches it, and with returns what to write for a
// match; that can be the match itself.
type replacement struct {
	find *regexp.Regexp
	with func(match string) string
}

// with returns a function that replaces every match by s.
func with(s string) func(string) string { return func(string) string { return s } }

// prefixed replaces an id or a key but keeps its prefix, such as "sk-", which tells people what it
// was. It keeps everything if the rest is a word, as in "user-agent".
func prefixed(match string) string {
	// The pattern also takes the full stop that ends a sentence.
	match, dots := strings.TrimRight(match, "."), match[len(strings.TrimRight(match, ".")):]
	if i := strings.IndexAny(match, "-_"); random(match[i+1:]) {
		match = match[:i+1] + "EXAMPLE"
	}
	return match + dots
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

// long replaces a long run of characters if a part of it looks random. Model names and paths stay,
// as do dates, which the search for a reset time reads.
func long(match string) string {
	for _, run := range strings.FieldsFunc(match, func(r rune) bool {
		return r == '-' || r == '_' || r == '/' || r == '.' || r == '=' || r == '+'
	}) {
		if len(run) >= 10 && random(run) && !date.MatchString(run) {
			return "EXAMPLE"
		}
	}
	return match
}

// date matches 20250929, as model names have it, and the beginning of an RFC 3339 time.
var date = regexp.MustCompile(`^20[0-9]{6}$|^20[0-9]{2}-?[01][0-9]-?[0-3][0-9]T`)

// personal matches the names of JSON members whose value is about somebody, whatever it looks like.
const personal = `e-?mail(?:_?address)?|` +
	`(?:user|account|org|organization|team|project|workspace|tenant|customer|member|client|session|request|trace|` +
	`subscription|billing_account|api_key|key)_?(?:id|uuid|name|hash)|` +
	`user|account|organization|org|team|project|tenant|sub|subject|username|` +
	`first_?name|last_?name|full_?name|display_?name|` +
	`phone(?:_number)?|ip(?:_address)?|client_ip|cf-ray|ray_?id|` +
	`access_token|refresh_token|id_token|api_key|apikey|token|secret|password|authorization|cookie`

// replacements are applied in this order, each to the result of the one before. Specific patterns
// come first, because the last one takes any long run.
var replacements = []replacement{ //nolint:gochecknoglobals // a table
	// A personal member with a string.
	{regexp.MustCompile(`(?i)("(?:` + personal + `)"\s*:\s*)"(?:[^"\\]|\\.)*"`), func(m string) string {
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `"`)] + `"EXAMPLE"`
	}},
	// The same in JSON that is a string of JSON.
	{regexp.MustCompile(`(?i)(\\"(?:` + personal + `)\\"\s*:\s*)\\"[^"\\]*\\"`), func(m string) string {
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `\"`)] + `\"EXAMPLE\"`
	}},
	// A personal member with a number of four digits or more. A shorter number identifies nobody.
	{regexp.MustCompile(`(?i)("(?:` + personal + `)"\s*:\s*)[0-9]{4,}`), func(m string) string {
		return strings.TrimRight(m, "0123456789") + "1"
	}},
	// JWTs: eyJ is the Base64 of {".
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}`), with("JWT-EXAMPLE")},
	// E-mail addresses, also masked ones.
	{regexp.MustCompile(`(?i)[a-z0-9._%+*-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`), with("user@example.com")},
	// UUIDs.
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), with("EXAMPLE")},
	// Parameters of a URL's query.
	{regexp.MustCompile(`(?i)([?&;](?:[a-z_-]*` +
		`(?:key|token|secret|sig|signature|code|password|email|user|account|org|team|project)` +
		`[a-z_-]*)=)[^&\s"'<>\\]+`), func(m string) string {
		return m[:strings.IndexByte(m, '=')+1] + "EXAMPLE"
	}},
	// Authorization headers that an error message quotes.
	{regexp.MustCompile(`(?i)\bbearer\s+[a-z0-9._~+/=*-]{8,}`), func(m string) string {
		if !random(m[6:]) {
			return m
		}
		return m[:6] + " EXAMPLE"
	}},
	// Ids and keys that providers begin with a prefix.
	{regexp.MustCompile(`(?i)\b(?:` +
		`sk|pk|rk|xai|gsk|hf|nvapi|tgp|tgp_v1|csk|fw|r8|ghp|gho|ghu|ghs|github_pat|sess|at|rt|key|ak|ant|or|` +
		`org|proj|req|acct|account|user|cus|team|ws|wrk|wrkspc|workspace|project|` +
		`resp|msg|chatcmpl|cmpl|conv|session|sub|tid|cred|ray|gen|run|thread|asst|file|ft|batch` +
		`)[-_][a-z0-9*_.-]{4,}`), prefixed},
	// Keys of Google and AWS, whose prefixes have no separator.
	{regexp.MustCompile(`\b(?:AIza|ya29\.|AKIA|ASIA)[A-Za-z0-9_.-]{8,}`), with("EXAMPLE")},
	// IPv4 addresses.
	{regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`), with("192.0.2.1")},
	// IPv6 addresses.
	{regexp.MustCompile(`(?i)\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})+\b|` +
		`\b(?:[0-9a-f]{1,4}:){2,6}:(?:[0-9a-f]{1,4}:?)*\b`), with("2001:db8::1")},
	// Ids behind a word that says whose they are, as in "projects/my-corp-4711".
	{regexp.MustCompile(`(?i)\b(projects?|organizations?|orgs?|accounts?|users?|teams?|workspaces?|subscriptions?|` +
		`tenants?|consumers?|project_number)([/: #=]+|\s+id[: ]+)` +
		`['"]?[a-z]*[-_]?[a-z0-9-]*[0-9][a-z0-9-]{3,}`), func(m string) string {
		i := strings.LastIndexAny(m, "/: #=\"'") + 1
		return m[:i] + "EXAMPLE"
	}},
	// Whatever else is long and looks random.
	{regexp.MustCompile(`[A-Za-z0-9+/_=.-]{16,}`), long},
}

// Redact returns text without secrets and without what identifies somebody. It works by patterns: a
// person must check the result before it is published.
func Redact(text string) string {
	for _, r := range replacements {
		text = r.find.ReplaceAllStringFunc(text, r.with)
	}
	return text
}
