package verdict

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/sse"
)

// evidence is what a response says, freed from its envelope: a nested object, a flat one, a root
// array, JSON inside a JSON string, an event of a stream, plain text and a page of HTML look alike
// here, so that a rule need not know them.
type evidence struct {
	provider Provider
	status   int         // of the response, or the one in an event inside a 2xx; 0: an event that carries none
	header   http.Header // never nil
	codes    []string    // codes, types and reasons, in lower case
	text     string      // messages, in lower case, white space folded
	fields   []field     // values that may tell a reset time
	page     string      // a page of HTML, in lower case; then text is empty

	texts []string // the messages that fold makes text of
	nest  int      // JSON texts inside JSON texts
}

// field is one value of the body under its folded key.
type field struct{ key, value string }

const (
	maxNest  = 3       // JSON inside a JSON string, inside a JSON string
	maxText  = 8 << 10 // bytes of messages kept
	maxItems = 96      // codes and fields kept
)

// readEvidence collects what the response says. body is the decoded beginning of its body.
func readEvidence(p Provider, status int, header http.Header, body []byte) *evidence {
	e := &evidence{provider: p, status: status, header: header}
	if e.header == nil {
		e.header = http.Header{}
	}
	e.readHeader()
	e.readBody(body)
	e.fold()
	if status == 400 || status == 404 {
		e.dropEchoes()
	}
	return e
}

// dropEchoes removes quotations from the message: a provider explains a bad request in the words of
// the request. A message that names a parameter, or begins with the path of a field, is about the
// request as a whole.
func (e *evidence) dropEchoes() {
	if name, ok := e.field("param"); ok && name != "" {
		e.code("names-param")
	}
	if fieldPath.MatchString(e.text) {
		e.code("field-path")
	}
	e.text = quoted.ReplaceAllString(e.text, "$1…$2")
}

var (
	fieldPath = regexp.MustCompile(`^[a-z_]+(\.([0-9]+|[a-z_]+))+: `) // messages.0.content.1.text: …
	quoted    = regexp.MustCompile(
		"(^|[\\s(\\[:=,])(?:'[^']{1,400}'|\"[^\"]{1,400}\"|`[^`]{1,400}`)([\\s.,;:!?)\\]]|$)")
)

// readHeader collects what headers say. Bearer challenges become codes that begin with
// "challenge:".
func (e *evidence) readHeader() {
	// The header of Amazon's REST JSON protocol carries the error's name, sometimes followed by
	// ":<namespace>".
	if name, _, _ := strings.Cut(e.header.Get("X-Amzn-Errortype"), ":"); name != "" {
		e.code(name)
	}
	// Codex may say in headers what its body leaves out.
	if code := e.header.Get("X-Openai-Authorization-Error"); isCode(code) {
		e.code(code)
	}
	if b, err := base64.StdEncoding.DecodeString(e.header.Get("X-Error-Json")); err == nil && len(b) > 0 {
		e.readBody(b[:min(len(b), maxText)])
	}
	for _, challenge := range e.header.Values("WWW-Authenticate") {
		for _, m := range challengeError.FindAllStringSubmatch(challenge, -1) {
			e.code("challenge:" + m[1])
		}
	}
}

// challengeError finds RFC 6750 §3's error attribute, quoted or not.
var challengeError = regexp.MustCompile(`(?i)(?:^|[\s,])error\s*=\s*"?([a-z_]+)`)

func (e *evidence) readBody(body []byte) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) // a byte order mark
	switch {
	case len(body) == 0:
	case body[0] == '<':
		e.readMarkup(string(body))
	case sse.Begins(body) && e.nest < maxNest: // an event's data may look like a stream again
		_, payload := tellingEvent(body)
		e.nest++
		e.readBody(payload)
		e.nest--
	case looksLikeJSON(body):
		e.readJSON(body)
	default:
		e.readText(string(body))
	}
}

// looksLikeJSON tells an object, a string, and an array of anything but numbers from prose in
// brackets, such as "[1308][Usage …]". b is not empty.
func looksLikeJSON(b []byte) bool {
	rest := bytes.TrimLeft(b[1:], " \t\r\n")
	switch b[0] {
	case '"':
		return true
	case '{':
		return len(rest) == 0 || rest[0] == '"' || rest[0] == '}'
	case '[':
		return len(rest) == 0 || bytes.IndexByte([]byte(`{["]`), rest[0]) >= 0
	}
	return false
}

// readJSON reads the first JSON value of body. The rest of a value that is cut off or malformed
// counts as text.
func (e *evidence) readJSON(body []byte) {
	read, err := loosejson.Walk(body, e.visit)
	if err != nil {
		e.addText(strings.Map(spaceForPunctuation, string(body[read:])))
		return
	}
	if sse.Begins(bytes.TrimSpace(body[read:])) {
		e.code("json-then-event") // a gateway that had begun to stream its upstream's answer
	}
}

// spaceForPunctuation takes JSON's punctuation out of the tail of a truncated document.
func spaceForPunctuation(r rune) rune {
	if strings.ContainsRune(`"\{}[]`, r) {
		return ' '
	}
	return r
}

// visit files one name or value of a JSON text.
func (e *evidence) visit(_, key string, _ int, tok json.Token) {
	key = foldKey(key)
	switch v := tok.(type) {
	case loosejson.Name:
		if tellingKeys[key] {
			e.code("has:" + key)
		}
	case string:
		e.leaf(key, v)
	case json.Number:
		e.leaf(key, v.String())
	case bool:
		e.addField(key, strconv.FormatBool(v))
	}
}

// readText takes plain text, and JSON that stands in it.
func (e *evidence) readText(s string) {
	if i := strings.Index(s, `{"`); i >= 0 && e.nest < maxNest {
		e.addText(s[:i])
		e.nest++
		e.readJSON([]byte(s[i:]))
		e.nest--
		return
	}
	e.addText(s)
}

// readMarkup tells a page from the XML error of an API: Amazon's and Google's storage dialects.
func (e *evidence) readMarkup(s string) {
	found := xmlError.FindAllStringSubmatch(s, 8)
	if found != nil && !strings.Contains(strings.ToLower(s[:min(len(s), 512)]), "<html") {
		for _, m := range found {
			e.leaf(strings.ToLower(m[1]), m[2])
		}
		return
	}
	e.page = strings.ToLower(s)
}

var xmlError = regexp.MustCompile(`(?i)<(code|message|details)>([^<]{1,512})</`)

// foldKey makes error_code, errorCode, error-code and Error.Code one key.
func foldKey(k string) string {
	if len(k) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == '_' || r == '-' || r == '.' || r == ' ':
			return -1
		}
		return r
	}, k)
}

// Keys under which providers put a code, and keys under which they put words for people. Anything
// else may be an echo of the user's own input and is not looked at.
var (
	codeKeys = keySet("code type errortype errorcode errcode status reason error errors subcode limitsource limitname" +
		" notificationid statuscode quotaid ratelimittype")
	textKeys = keySet("message msg error errors detail details description errordescription errormessage errmsg" +
		" statusmsg statusmessage title reason code type")
)

// tellingKeys are the members whose mere presence tells something: OpenRouter's notes on an input
// that was flagged, and Cloudflare's own error object.
var tellingKeys = keySet("flaggedinput cloudflareerror reasons")

func keySet(s string) map[string]bool {
	set := make(map[string]bool)
	for k := range strings.FieldsSeq(s) {
		set[k] = true
	}
	return set
}

// leaf files one string or number of the body under its folded key.
func (e *evidence) leaf(key, value string) {
	value = strings.TrimSpace(value)
	if value == "" {
		return
	}
	e.addField(key, value)
	if codeKeys[key] && isCode(value) {
		e.code(value)
		if key == "code" || key == "type" {
			return
		}
	}
	if key != "" && !textKeys[key] {
		return
	}
	switch {
	case e.nest < maxNest && value[0] != '"' && looksLikeJSON([]byte(value)):
		e.nest++
		e.readJSON([]byte(value))
		e.nest--
	default:
		e.readText(value)
	}
}

func (e *evidence) addField(key, value string) {
	if key != "" && len(e.fields) < maxItems && len(value) <= 128 {
		e.fields = append(e.fields, field{key, value})
	}
}

// field returns the first value under a folded key.
func (e *evidence) field(key string) (string, bool) {
	for _, f := range e.fields {
		if f.key == key {
			return f.value, true
		}
	}
	return "", false
}

// isCode tells a code from a sentence: some providers put prose into a field named code.
func isCode(s string) bool {
	return len(s) <= 96 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("_-.:/#", r)
	})
}

// code adds a code, without the namespace that Amazon puts before it:
// com.amazon.coral.service#ThrottlingException.
func (e *evidence) code(s string) {
	if _, after, ok := strings.Cut(s, "#"); ok {
		s = after
	}
	if s != "" && len(e.codes) < maxItems {
		e.codes = append(e.codes, strings.ToLower(s))
	}
}

func (e *evidence) addText(s string) {
	if s = strings.TrimSpace(s); s != "" {
		e.texts = append(e.texts, s)
	}
}

// spokenCode finds codes that stand in a sentence: in xAI's and Z.ai's brackets, and in MiniMax's
// parentheses.
var spokenCode = regexp.MustCompile(`\[wke=([a-z0-9:_.-]+)\]|\[(\d{4})\]|\((\d{4})\)`)

// plainMarks takes typography out of a message.
var plainMarks = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "\u00a0", " ")

// fold makes one searchable text of all messages.
func (e *evidence) fold() {
	s := strings.Join(e.texts, "\n")
	s = s[:min(len(s), maxText)]
	if strings.Contains(s, "%20") { // xAI has sent whole messages percent-encoded
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		} else {
			s = strings.ReplaceAll(s, "%20", " ")
		}
	}
	e.text = strings.Join(strings.Fields(strings.ToLower(plainMarks.Replace(s))), " ")
	for _, m := range spokenCode.FindAllStringSubmatch(e.text, 8) {
		e.code(m[1] + m[2] + m[3])
	}
}
