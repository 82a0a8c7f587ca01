package reauthtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// asked is what of a request decides how the model answers.
type asked struct {
	Stream        bool   `json:"stream"`
	Model         string `json:"model"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// readAsked reads the body of a request. Without JSON the request asks for nothing. A request that
// names no model is answered by "example".
func readAsked(content []byte) (q asked) {
	_ = json.Unmarshal(content, &q) // what it has read so far is enough
	q.Model = cmp.Or(q.Model, "example")
	return q
}

// quote returns a client's text as JSON.
func quote(text string) string {
	b, _ := json.Marshal(text) // a string has a form in JSON
	return string(b)
}

// succeed answers as a model would: with a completion, with a stream if the request asks for one,
// with the receipt of a file, or with an echo of the request.
func (p *Provider) succeed(w http.ResponseWriter, r *http.Request, content []byte, size int64) {
	q := readAsked(content)
	switch path := r.URL.Path; {
	case isUpgrade(r):
		talk(w, r)
	case p.Dialect == Gemini:
		succeedAsGoogle(w, r, size)
	case q.Stream:
		p.stream(w, path, q)
	case strings.HasSuffix(path, "/files"):
		p.receipt(w, size)
	default:
		answer(w, r, q, size)
	}
}

// answer sends a whole answer of the API at the request's path.
func answer(w http.ResponseWriter, r *http.Request, q asked, size int64) {
	all := strings.Join(words, "")
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/chat/completions"):
		reply(w,
			`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":%s,"choices":[{"index":0,`+
				`"finish_reason":"stop","logprobs":null,"message":{"role":"assistant","content":%q,"refusal":null}}],`+
				`"usage":%s}`,
			quote(q.Model), all, completionUsage)
	case strings.HasSuffix(path, "/responses"):
		reply(w, "%s", responseBody(q.Model, completed))
	case strings.HasSuffix(path, "/messages"):
		reply(w,
			`{"id":"msg_1","type":"message","role":"assistant","model":%s,"content":[{"type":"text","text":%q}],`+
				`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":6}}`,
			quote(q.Model), all)
	case strings.HasSuffix(path, "/messages/count_tokens"):
		reply(w, `{"input_tokens":1}`)
	case strings.HasSuffix(path, "/models"):
		reply(w, `{"object":"list","data":[{"id":"example","object":"model","created":1,"owned_by":"reauthtest"}]}`)
	default:
		reply(w, `{"ok":true,"method":%q,"path":%q,"bytes":%d}`, r.Method, path, size)
	}
}

// receipt answers the upload of a file.
func (p *Provider) receipt(w http.ResponseWriter, size int64) {
	if p.Dialect == Anthropic {
		reply(w,
			`{"id":"file_1","type":"file","filename":"upload","mime_type":"text/plain","size_bytes":%d,`+
				`"created_at":"2026-01-01T00:00:00Z","downloadable":false}`,
			size)
		return
	}
	reply(w, `{"id":"file-1","object":"file","bytes":%d,"created_at":1,"filename":"upload","purpose":"assistants"}`,
		size)
}
