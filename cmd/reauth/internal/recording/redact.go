package recording

import (
	"regexp"
	"strings"
	"unicode"
)

// Whatever identifies somebody, or lets somebody in, is replaced by what obviously is not real:
// EXAMPLE, example.com, 192.0.2.1. Words are left, for the rules read words. A name inside a
// sentence is not recognized: a person must read the result.

// replacement is one kind of text and what stands in its place.
type replacement struct {
	find *regexp.Regexp
	with func(match string) string
}

func with(s string) func(string) string { return func(string) string { return s } }

// prefixed keeps the telling prefix of an id or a key, up to its first hyphen or underscore, if
// what follows is not a word.
func prefixed(match string) string {
	match, dots := strings.TrimRight(match, "."), match[len(strings.TrimRight(match, ".")):]
	if i := strings.IndexAny(match, "-_"); random(match[i+1:]) {
		match = match[:i+1] + "EXAMPLE"
	}
	return match + dots
}

// random tells an id from words: somewhere in it a run of letters and digits mixes the two, or
// cases, or is masked.
func random(s string) bool {
	if strings.Contains(s, "**") {
		return true
	}
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
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
		if len(run) >= 6 && digits > 0 && letters > 0 || len(run) >= 9 && digits == len(run) || len(run) >= 12 && len(run) < 3*(changes+1) { // CamelCase has longer humps
			return true
		}
	}
	return false
}

// long replaces a long run that is no word.
func long(match string) string {
	for _, run := range strings.FieldsFunc(match, func(r rune) bool { return r == '-' || r == '_' || r == '/' || r == '.' || r == '=' || r == '+' }) {
		if len(run) >= 10 && random(run) && !date.MatchString(run) {
			return "EXAMPLE"
		}
	}
	return match
}

var date = regexp.MustCompile(`^20[0-9]{6}$|^20[0-9]{2}-?[01][0-9]-?[0-3][0-9]T`)

// Members of a JSON body whose value is about somebody, whatever it looks like.
const personal = `e-?mail(?:_?address)?|(?:user|account|org|organization|team|project|workspace|tenant|customer|member|client|session|request|trace|subscription|billing_account|api_key|key)_?(?:id|uuid|name|hash)|` +
	`user|account|organization|org|team|project|tenant|sub|subject|username|first_?name|last_?name|full_?name|display_?name|phone(?:_number)?|ip(?:_address)?|client_ip|cf-ray|ray_?id|` +
	`access_token|refresh_token|id_token|api_key|apikey|token|secret|password|authorization|cookie`

var replacements = []replacement{ //nolint:gochecknoglobals // a table
	{regexp.MustCompile(`(?i)("(?:` + personal + `)"\s*:\s*)"(?:[^"\\]|\\.)*"`), func(m string) string {
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `"`)] + `"EXAMPLE"`
	}},
	{regexp.MustCompile(`(?i)(\\"(?:` + personal + `)\\"\s*:\s*)\\"[^"\\]*\\"`), func(m string) string { // JSON inside JSON
		i := strings.Index(m, ":")
		return m[:i] + m[i:i+strings.Index(m[i:], `\"`)] + `\"EXAMPLE\"`
	}},
	{regexp.MustCompile(`(?i)("(?:` + personal + `)"\s*:\s*)[0-9]{4,}`), func(m string) string { return strings.TrimRight(m, "0123456789") + "1" }},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,4}`), with("JWT-EXAMPLE")},
	{regexp.MustCompile(`(?i)[a-z0-9._%+*-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`), with("user@example.com")},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), with("EXAMPLE")},
	{regexp.MustCompile(`(?i)([?&;](?:[a-z_-]*(?:key|token|secret|sig|signature|code|password|email|user|account|org|team|project)[a-z_-]*)=)[^&\s"'<>\\]+`), func(m string) string {
		return m[:strings.IndexByte(m, '=')+1] + "EXAMPLE"
	}},
	{regexp.MustCompile(`(?i)\bbearer\s+[a-z0-9._~+/=*-]{8,}`), func(m string) string {
		if !random(m[6:]) {
			return m
		}
		return m[:6] + " EXAMPLE"
	}},
	{regexp.MustCompile(`(?i)\b(?:sk|pk|rk|xai|gsk|hf|nvapi|tgp|tgp_v1|csk|fw|r8|ghp|gho|ghu|ghs|github_pat|sess|at|rt|key|ak|ant|or|org|proj|req|acct|account|user|cus|team|ws|wrk|wrkspc|workspace|project|resp|msg|chatcmpl|cmpl|conv|session|sub|tid|cred|ray|gen|run|thread|asst|file|ft|batch)[-_][a-z0-9*_.-]{4,}`), prefixed},
	{regexp.MustCompile(`\b(?:AIza|ya29\.|AKIA|ASIA)[A-Za-z0-9_.-]{8,}`), with("EXAMPLE")},
	{regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`), with("192.0.2.1")},
	{regexp.MustCompile(`(?i)\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})+\b|\b(?:[0-9a-f]{1,4}:){2,6}:(?:[0-9a-f]{1,4}:?)*\b`), with("2001:db8::1")},
	{regexp.MustCompile(`(?i)\b(projects?|organizations?|orgs?|accounts?|users?|teams?|workspaces?|subscriptions?|tenants?|consumers?|project_number)([/: #=]+|\s+id[: ]+)['"]?[a-z]*[-_]?[a-z0-9-]*[0-9][a-z0-9-]{3,}`), func(m string) string {
		i := strings.LastIndexAny(m, "/: #=\"'") + 1
		return m[:i] + "EXAMPLE"
	}},
	{regexp.MustCompile(`[A-Za-z0-9+/_=.-]{16,}`), long},
}

// Redact replaces secrets and what tells who somebody is.
func Redact(text string) string {
	for _, r := range replacements {
		text = r.find.ReplaceAllStringFunc(text, r.with)
	}
	return text
}
