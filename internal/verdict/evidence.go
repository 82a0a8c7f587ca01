package verdict

import (
	"bytes"
	"encoding/base64"
	"net/http"
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
	header   http.Header // may be nil
	codes    []string    // codes, types and reasons, in lower case
	text     string      // messages, in lower case, white space folded
	fields   []field     // values that may tell a reset time
	page     string      // a page of HTML, in lower case; then text is empty

	texts []string // the messages that fold makes text of
	raw   []string // codes as they were written
	nest  int      // JSON texts inside JSON texts
	known knownKey // the key that was looked up last
	see   func(within, key string, depth int, v loosejson.Value)

	// Most answers fit into these, so that no memory is taken for the lists.
	someCodes  [8]string
	someTexts  [4]string
	someFields [8]field
	someRaw    [8]string
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
	e.codes, e.texts, e.fields, e.raw = e.someCodes[:0], e.someTexts[:0], e.someFields[:0], e.someRaw[:0]
	e.known, e.see = lookUpKey(""), e.visit
	e.readHeader()
	e.readBody(body)
	e.fold()
	if status == 400 || status == 404 {
		e.dropEchoes()
	}
	return e
}

// readHeader collects what headers say. Bearer challenges become codes that begin with
// "challenge:".
func (e *evidence) readHeader() {
	// The header of Amazon's REST JSON protocol carries the error's name, sometimes followed by
	// ":<namespace>".
	if len(e.header) == 0 {
		return
	}
	if name, _, _ := strings.Cut(e.header.Get("X-Amzn-Errortype"), ":"); name != "" {
		e.code(name)
	}
	// Codex may say in headers what its body leaves out.
	if code := e.header.Get("X-Openai-Authorization-Error"); isCode(code) {
		e.code(code)
	}
	if s := e.header.Get("X-Error-Json"); s != "" {
		if b, err := base64.StdEncoding.DecodeString(s); err == nil && len(b) > 0 {
			e.readBody(b[:min(len(b), maxText)])
		}
	}
	for _, challenge := range e.header["Www-Authenticate"] {
		for code := range challengeErrors(challenge) {
			e.code("challenge:" + code)
		}
	}
}

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
		e.readJSON(string(body))
	default:
		e.readText(string(body))
	}
}

// looksLikeJSON tells an object, a string, and an array of anything but numbers from prose in
// brackets, such as "[1308][Usage …]". b is not empty.
func looksLikeJSON[T string | []byte](b T) bool {
	next := byte(0)
	for i := 1; i < len(b) && next == 0; i++ {
		if c := b[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			next = c
		}
	}
	switch b[0] {
	case '"':
		return true
	case '{':
		return next == 0 || next == '"' || next == '}'
	case '[':
		return next == 0 || next == '{' || next == '[' || next == '"' || next == ']'
	}
	return false
}

// readJSON reads the first JSON value of body. The rest of a value that is cut off or malformed
// counts as text.
func (e *evidence) readJSON(body string) {
	read, err := loosejson.Scan(body, e.see)
	if err != nil {
		rest := strings.TrimLeft(body[read:], punctuation+" \t\r\n")
		e.addText(strings.Map(spaceForPunctuation, rest[:min(len(rest), maxText)]))
		return
	}
	if sse.Begins(strings.TrimSpace(body[read:])) {
		e.code("json-then-event") // a gateway that had begun to stream its upstream's answer
	}
}

// punctuation is that of JSON.
const punctuation = `"\{}[]`

// spaceForPunctuation takes JSON's punctuation out of the tail of a truncated document.
func spaceForPunctuation(r rune) rune {
	if strings.ContainsRune(punctuation, r) {
		return ' '
	}
	return r
}

// visit files one name or value of a JSON text.
func (e *evidence) visit(within, key string, _ int, v loosejson.Value) {
	if key != e.known.written {
		e.known = lookUpKey(key)
	}
	if key == "model" && v.Kind == loosejson.KindString && (within == "quotaDimensions" || within == "metadata") {
		e.addField(quotaModel, v.Text)
	}
	switch v.Kind {
	case loosejson.KindName:
		if e.known.tells != "" {
			e.code(e.known.tells)
		}
	case loosejson.KindString, loosejson.KindNumber:
		e.leaf(e.known, v.Text)
	case loosejson.KindBool:
		e.addField(e.known.name, v.Text)
	case loosejson.KindNull:
	}
}

// readText takes plain text, and JSON that stands in it.
func (e *evidence) readText(s string) {
	if i := strings.Index(s, `{"`); i >= 0 && e.nest < maxNest {
		e.addText(s[:i])
		e.nest++
		e.readJSON(s[i:])
		e.nest--
		return
	}
	e.addText(s)
}

// readMarkup tells a page from the XML error of an API: Amazon's and Google's storage dialects.
func (e *evidence) readMarkup(s string) {
	if !strings.Contains(strings.ToLower(s[:min(len(s), 512)]), "<html") {
		found := 0
		for name, value := range xmlErrors(s) {
			e.leaf(lookUpKey(name), value)
			if found++; found == 8 {
				break
			}
		}
		if found > 0 {
			return
		}
	}
	e.page = strings.ToLower(s[:min(len(s), maxText)])
}

// leaf files one string or number of the body under its key.
func (e *evidence) leaf(key knownKey, value string) {
	value = strings.TrimSpace(value)
	if value == "" {
		return
	}
	e.addField(key.name, value)
	if key.holds&forCode != 0 && isCode(value) {
		e.code(value)
		if key.name == "code" || key.name == "type" {
			return
		}
	}
	if key.holds&forWords == 0 || len(e.texts) >= maxText/2 { // of more, fold would take none
		return
	}
	if e.nest < maxNest && value[0] != '"' && looksLikeJSON(value) {
		e.nest++
		e.readJSON(value)
		e.nest--
		return
	}
	e.readText(value)
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
	if len(s) > 96 {
		return false
	}
	for _, c := range []byte(s) {
		if !isWordByte(c) && strings.IndexByte("-.:/#", c) < 0 {
			return false
		}
	}
	return true
}

// code adds a code, without the namespace that Amazon puts before it:
// com.amazon.coral.service#ThrottlingException.
func (e *evidence) code(s string) {
	if _, after, ok := strings.Cut(s, "#"); ok {
		s = after
	}
	if s != "" && len(e.codes) < maxItems {
		e.codes = append(e.codes, strings.ToLower(s))
		e.raw = append(e.raw, s)
	}
}

// addText keeps a message. A page of HTML inside it is a page.
func (e *evidence) addText(s string) {
	s = plainText(s)
	if i := pageAt(s); i >= 0 {
		e.page, s = strings.ToLower(s[i:min(len(s), i+maxText)]), s[:i]
	}
	if s = strings.TrimSpace(s); s != "" && !strings.EqualFold(s, http.StatusText(e.status)) {
		e.texts = append(e.texts, s)
	}
}

// pageAt returns where a page of HTML begins in s, or -1.
func pageAt(s string) int {
	const begin = "<html"
	for i := 0; ; i++ {
		n := strings.IndexByte(s[i:], '<')
		if n < 0 {
			return -1
		}
		if i += n; len(s)-i >= len(begin) && strings.EqualFold(s[i:i+len(begin)], begin) {
			return i
		}
	}
}

// fold makes one searchable text of all messages.
func (e *evidence) fold() {
	s := strings.Join(e.texts, "\n")
	e.text = foldText(s[:min(len(s), maxText)])
	spoken := 0
	for code := range spokenCodes(e.text) {
		if e.code(code); spoken == 7 {
			break
		}
		spoken++
	}
}
