package reauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// ClassifyError judges an error of an SDK, for clients whose answers the transport did not see: by the status that an
// error in its chain carries in a field or method StatusCode, or in Google's field Code, and by the body that its method
// RawJSON returns, else by its text; without a status by the text alone. A nil error is a Pass. The provider is not known here: only rules that hold everywhere apply.
func ClassifyError(err error) Verdict {
	if err == nil {
		return Verdict{}
	}
	msg := err.Error()
	status, header := statusOf(err)
	if status == 0 {
		status = spokenStatus(msg)
	}
	if status == 0 {
		return classifySpoken(msg)
	}
	body := rawIn(err)
	if body == "" {
		body = bodyIn(msg)
	}
	return Classify("", &http.Response{StatusCode: status, Header: header}, []byte(body))
}

// rawIn returns the body that an error in err's chain keeps beside its text, as those of the official SDKs do.
func rawIn(err error) string {
	for e := range chain(err) {
		if r, ok := e.(interface{ RawJSON() string }); ok {
			if body := rawOf(r); body != "" {
				return body
			}
		}
	}
	return ""
}

func rawOf(r interface{ RawJSON() string }) (body string) {
	defer func() { _ = recover() }() // a method of a nil pointer that is embedded: no body
	return r.RawJSON()
}

// statusOf looks through err's chain for a status, and for the response it came from.
func statusOf(err error) (status int, header http.Header) {
	for e := range chain(err) {
		if s, ok := e.(interface{ StatusCode() int }); ok {
			status = s.StatusCode()
		} else if f := fieldOf(e, "StatusCode"); f.IsValid() && f.CanInt() {
			status = int(f.Int())
		} else if f := fieldOf(e, "HTTPStatusCode"); f.IsValid() && f.CanInt() { // go-openai's spelling
			status = int(f.Int())
		} else if f := fieldOf(e, "Code"); f.IsValid() && f.CanInt() && f.Int() >= 400 { // Google's; elsewhere a code of another kind
			status = int(f.Int())
		}
		if status < 100 || status > 599 {
			status = 0
			continue
		}
		if f := fieldOf(e, "Response"); f.IsValid() && f.CanInterface() {
			if resp, ok := f.Interface().(*http.Response); ok && resp != nil {
				header = resp.Header
			}
		}
		return status, header
	}
	return 0, nil
}

// fieldOf returns an exported field of a struct, or of what a pointer points to.
func fieldOf(e error, name string) reflect.Value {
	v := reflect.ValueOf(e)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	f, ok := v.Type().FieldByName(name)
	if !ok || !f.IsExported() {
		return reflect.Value{}
	}
	if g, err := v.FieldByIndexErr(f.Index); err == nil { // not through a nil embedded pointer
		return g
	}
	return reflect.Value{}
}

// chain yields err and everything it wraps, depth first.
func chain(err error) func(func(error) bool) {
	return func(yield func(error) bool) { walkChain(err, 16, yield) }
}

func walkChain(err error, depth int, yield func(error) bool) bool {
	if err == nil || depth == 0 {
		return true
	}
	if !yield(err) {
		return false
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !walkChain(e, depth-1, yield) {
				return false
			}
		}
		return true
	}
	return walkChain(errors.Unwrap(err), depth-1, yield)
}

// The ways in which SDKs write a status into an error's text.
var spokenStatuses = regexp.MustCompile(`(?i)(?:error code:|status code:?|status code \d{3} but got|status:?|http(?:/\d(?:\.\d)?)?|\bapi error:?|^)\s*(?:code\s*)?\b([45]\d\d)\b`)

func spokenStatus(msg string) int {
	m := spokenStatuses.FindStringSubmatch(msg)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // three digits
	return n
}

// bodyIn returns the JSON in an error's text, else the text.
func bodyIn(msg string) string {
	if i := strings.Index(msg, `{"`); i >= 0 {
		return msg[i:]
	}
	return msg
}

// classifySpoken judges a text without a status: only what a code says counts, words such as "unauthorized" are in too
// many errors.
func classifySpoken(msg string) Verdict {
	low := strings.ToLower(msg)
	if strings.Contains(low, "unauthenticated") && strings.Contains(low, "bad-credentials") {
		return Verdict{Kind: Rejected, Reason: "xai:bad-credentials"}
	}
	var said json.RawMessage
	if i := strings.Index(msg, `{"`); i >= 0 && json.NewDecoder(strings.NewReader(msg[i:])).Decode(&said) == nil {
		return Classify("", &http.Response{StatusCode: http.StatusOK}, []byte(`{"type":"error","error":`+string(said)+`}`))
	}
	return Verdict{}
}
