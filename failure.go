package reauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/sse"
)

// A refusal can hide in a 2xx: as the first event of a stream, as a frame of a websocket, or as a body with a status of
// its own. Only structure tells; the words of a success are never looked at, they may be a conversation about errors.

// readFailure returns what a failure inside a 2xx says, and false for a success.
func readFailure(provider string, header http.Header, body []byte) (*evidence, bool) {
	body = bytes.TrimSpace(body)
	name, payload := "", body
	stream := sse.Begins(body)
	if stream {
		name, payload = firstEvent(body)
	}
	top, ok := loosejson.Object(payload)
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

func isFailure(provider, event string, stream bool, top map[string]json.RawMessage) bool {
	kind := loosejson.Text(top["type"])
	switch {
	case event == "error", kind == "error", kind == "response.failed", kind == "response.error":
		return true
	case stream && loosejson.Present(top["error"]):
		return true
	case hides200(provider, "base_resp") && loosejson.Present(top["base_resp"]):
		var base struct {
			StatusCode json.Number `json:"status_code"`
		}
		return json.Unmarshal(top["base_resp"], &base) == nil && base.StatusCode != "" && base.StatusCode != "0"
	case hides200(provider, "success") && string(top["success"]) == "false":
		return loosejson.Present(top["code"])
	case hides200(provider, "code") && !loosejson.Present(top["output"]) && !loosejson.Present(top["choices"]):
		return loosejson.Text(top["code"]) != "" && loosejson.Present(top["message"])
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

// preludeEvents may stand before an error without anything having been said yet.
var preludeEvents = []string{"response.created", "response.in_progress", "response.queued", "ping", "message_start"}

// firstEvent returns the name and the data of the first event that is not a prelude.
func firstEvent(body []byte) (string, []byte) {
	for name, data := range sse.Events(body) {
		top, _ := loosejson.Object(data)
		if !slices.Contains(preludeEvents, name) && !slices.Contains(preludeEvents, loosejson.Text(top["type"])) {
			return name, data
		}
	}
	return "", nil
}
