package verdict

import (
	"bytes"
	"cmp"
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
	v, ok := readEnvelope(payload)
	if !ok || !v.tellsFailure(event, stream) && !v.tellsRefusal(p.Hides) && !reportsFailure(string(payload)) {
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

// envelope holds the members of an object that tell a refusal from a success, as they are written.
type envelope struct {
	kind, error, baseResp, success, code, message, output, choices string
}

// readEnvelope returns false if the body does not begin with a whole object.
func readEnvelope(body []byte) (v envelope, ok bool) {
	if len(body) == 0 || body[0] != '{' {
		return v, false
	}
	ok = loosejson.Members(string(body), func(name, raw string) {
		switch name {
		case "type", "event":
			v.kind = cmp.Or(v.kind, loosejson.Text(raw))
		case "error":
			v.error = raw
		case "base_resp":
			v.baseResp = raw
		case "success":
			v.success = raw
		case "code":
			v.code = raw
		case "message":
			v.message = raw
		case "output":
			v.output = raw
		case "choices":
			v.choices = raw
		}
	})
	return v, ok
}

// tellsFailure reports whether an object is a failure in the forms that no success has with any
// provider. event is the name of the event that holds it.
func (v *envelope) tellsFailure(event string, stream bool) bool {
	switch {
	case event == "error", v.kind == "error", v.kind == "response.failed", v.kind == "response.error":
		return true
	}
	return stream && loosejson.Present(v.error)
}

// tellsRefusal reports whether an object is a refusal in the form that a provider hides in a 200.
func (v *envelope) tellsRefusal(hides vendors.Hides) bool {
	switch hides {
	case vendors.HidesInBaseResp:
		failed := false
		loosejson.Members(v.baseResp, func(name, raw string) {
			if name == "status_code" {
				n, ok := loosejson.Number(raw)
				failed = ok && n != 0
			}
		})
		return failed
	case vendors.HidesInSuccess:
		return v.success == "false" && loosejson.Present(v.code)
	case vendors.HidesInCode:
		return !loosejson.Present(v.output) && !loosejson.Present(v.choices) &&
			loosejson.Text(v.code) != "" && loosejson.Present(v.message)
	}
	return false
}

// reportsFailure reports whether an object has the form in which servers of any kind report a failure
// in a 200: a number that is not zero, with words, and nothing that a request could have been for.
func reportsFailure(object string) bool {
	failed, words, other, inner := false, false, false, ""
	ok := loosejson.Members(object, func(name, raw string) {
		switch name {
		case "error_code", "errcode", "code", "status":
			n, isNumber := loosejson.Number(raw)
			failed = failed || isNumber && n != 0 && n != 1 && (n < 200 || n >= 300)
		case "message", "msg", "error_msg", "errmsg":
			words = words || loosejson.Present(raw)
		case "success", "request_id", "requestId", "RequestId", "sid", "trace_id", "timestamp", "type", "log_id":
		case "header", "Response": // the envelopes of iFlytek and of Tencent Cloud
			inner = raw
		case "Error":
			failed, words = true, true
		default:
			other = other || loosejson.Present(raw)
		}
	})
	switch {
	case !ok || other:
		return false
	case inner != "":
		return reportsFailure(inner)
	}
	return failed && words
}

// preludes are the events that may stand before an error: they say nothing yet.
var preludes = []string{"response.created", "response.in_progress", "response.queued", "ping", "message_start"}

// tellingEvent returns the name and the data of the first event of a stream that is no prelude.
func tellingEvent(stream []byte) (string, []byte) {
	for name, data := range sse.Events(stream) {
		if slices.Contains(preludes, name) {
			continue
		}
		if v, _ := readEnvelope(data); !slices.Contains(preludes, v.kind) { // no object: no type
			return name, data
		}
	}
	return "", nil
}
