package verdict

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/sse"
	"github.com/reauth-go/reauth/internal/vendors"
)

// A refusal can hide in a 2xx: as the first event of a stream, as a frame of a websocket, or as a
// body with a status of its own. Only structure tells. The words of a success are never looked at,
// because they may be a conversation about errors.

// readHidden returns the evidence in a failure inside a 2xx, and false for a success.
func readHidden(p Provider, header http.Header, body []byte) (*evidence, bool) {
	body = bytes.TrimSpace(body)
	event, payload := "", body
	stream := sse.Begins(body)
	if stream {
		event, payload = tellingEvent(body)
	}
	members, ok := loosejson.Object(payload)
	if !ok || !tellsFailure(event, stream, members) && !p.tellsRefusal(members) {
		return nil, false
	}
	e := readEvidence(p, 0, header, payload)
	for _, key := range []string{"statuscode", "status", "code"} {
		if n := e.number(key); n >= 400 && n < 600 {
			e.status = n
			break
		}
	}
	return e, true
}

// number returns the integer under a folded key, or 0.
func (e *evidence) number(key string) int {
	v, _ := e.field(key)
	n, _ := strconv.Atoi(v)
	return n
}

// tellsFailure reports whether an object is a failure in the forms that no success has with any
// provider. event is the name of the event that holds it.
func tellsFailure(event string, stream bool, members map[string]json.RawMessage) bool {
	kind := loosejson.Text(members["type"])
	switch {
	case event == "error", kind == "error", kind == "response.failed", kind == "response.error":
		return true
	}
	return stream && loosejson.Present(members["error"])
}

// tellsRefusal reports whether an object is a refusal in the form that this provider hides in a
// 200.
func (p Provider) tellsRefusal(members map[string]json.RawMessage) bool {
	switch p.Hides {
	case vendors.HidesInBaseResp:
		var base struct {
			StatusCode json.Number `json:"status_code"`
		}
		return loosejson.Present(members["base_resp"]) &&
			json.Unmarshal(members["base_resp"], &base) == nil && base.StatusCode != "" && base.StatusCode != "0"
	case vendors.HidesInSuccess:
		return string(members["success"]) == "false" && loosejson.Present(members["code"])
	case vendors.HidesInCode:
		return !loosejson.Present(members["output"]) && !loosejson.Present(members["choices"]) &&
			loosejson.Text(members["code"]) != "" && loosejson.Present(members["message"])
	}
	return false
}

// preludes are the events that may stand before an error: they say nothing yet.
var preludes = []string{"response.created", "response.in_progress", "response.queued", "ping", "message_start"}

// tellingEvent returns the name and the data of the first event of a stream that is no prelude.
func tellingEvent(stream []byte) (string, []byte) {
	for name, data := range sse.Events(stream) {
		members, _ := loosejson.Object(data) // no object: no type
		if !slices.Contains(preludes, name) && !slices.Contains(preludes, loosejson.Text(members["type"])) {
			return name, data
		}
	}
	return "", nil
}
