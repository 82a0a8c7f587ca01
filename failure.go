package reauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A refusal can hide in a 2xx: as the first event of a stream, as a frame of a websocket, or as a body with a status of
// its own. Only structure tells; the words of a success are never looked at, they may be a conversation about errors.

// readFailure returns what a failure inside a 2xx says, and false for a success.
func readFailure(provider string, header http.Header, body []byte) (*evidence, bool) {
	body = bytes.TrimSpace(body)
	name, payload := "", body
	stream := isStream(body)
	if stream {
		name, payload = firstEvent(body)
	}
	top, ok := topLevel(payload)
	if !ok {
		return nil, false
	}
	if !isFailure(provider, name, stream, top) {
		return nil, false
	}
	e := readEvidence(provider, 0, header, payload)
	for _, key := range []string{"statuscode", "status", "code"} {
		if n := e.number(key); n >= 400 && n < 600 {
			e.status = n
			break
		}
	}
	return e, true
}

func (e *evidence) number(key string) int {
	v, _ := e.field(key)
	n, _ := strconv.Atoi(v)
	return n
}

// topLevel returns the members of the first JSON object of b.
func topLevel(b []byte) (map[string]json.RawMessage, bool) {
	var top map[string]json.RawMessage
	err := json.NewDecoder(bytes.NewReader(b)).Decode(&top)
	return top, err == nil && top != nil
}

func isFailure(provider, event string, stream bool, top map[string]json.RawMessage) bool {
	kind := text(top["type"])
	switch {
	case event == "error", kind == "error", kind == "response.failed", kind == "response.error":
		return true
	case stream && present(top["error"]):
		return true
	case hides200(provider, "base_resp") && present(top["base_resp"]):
		var base struct {
			StatusCode json.Number `json:"status_code"`
		}
		return json.Unmarshal(top["base_resp"], &base) == nil && base.StatusCode != "" && base.StatusCode != "0"
	case hides200(provider, "success") && string(top["success"]) == "false":
		return present(top["code"])
	case hides200(provider, "code") && !present(top["output"]) && !present(top["choices"]):
		return text(top["code"]) != "" && present(top["message"])
	}
	return false
}

// hidingPlaces says which providers answer 200 to a refused request, and by which member of the body it is told.
var hidingPlaces = map[string][]string{
	"base_resp": {"minimax-oauth", "minimax-cn"},
	"success":   {"zai"},
	"code":      {"alibaba", "alibaba-coding-plan", "qwen-oauth"},
}

func hides200(provider, member string) bool {
	return slices.Contains(hidingPlaces[member], provider)
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // not a string: empty
	return s
}

func present(raw json.RawMessage) bool {
	s := string(raw)
	return s != "" && s != "null" && s != `""` && s != "{}" && s != "[]"
}

// isStream reports whether body begins as a stream of server-sent events.
func isStream(body []byte) bool {
	for _, p := range []string{"data:", "event:", ":", "id:", "retry:"} {
		if bytes.HasPrefix(body, []byte(p)) {
			return true
		}
	}
	return false
}

// preludeEvents may stand before an error without anything having been said yet.
var preludeEvents = []string{"response.created", "response.in_progress", "response.queued", "ping", "message_start"}

// firstEvent returns the name and the data of the first event that is not a prelude.
func firstEvent(body []byte) (name string, data []byte) {
	for line := range bytes.Lines(body) {
		field, value, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		value = strings.TrimSpace(value)
		switch field {
		case "event":
			name = value
		case "data":
			top, _ := topLevel([]byte(value))
			if !slices.Contains(preludeEvents, name) && !slices.Contains(preludeEvents, text(top["type"])) {
				return name, []byte(value)
			}
			name = ""
		}
	}
	return "", nil
}
