package reauth

import (
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// ClassifyError judges an error of an SDK, for clients whose answers the transport did not see: by
// the status that an error in its chain carries in a field or method StatusCode, or in Google's
// field Code, and by the body that its method RawJSON returns, else by its text; without a status
// by the text alone. A nil error is a Pass. The provider is not known here: only rules that hold
// everywhere apply.
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
	body := rawBody(err)
	if body == "" {
		body = bodyInText(msg)
	}
	return Classify("", &http.Response{StatusCode: status, Header: header}, []byte(body))
}

// rawBody returns the body that an error in err's tree keeps beside its text, as those of the
// official SDKs do.
func rawBody(err error) string {
	for e := range errorTree(err) {
		if r, ok := e.(interface{ RawJSON() string }); ok {
			if body := callRawJSON(r); body != "" {
				return body
			}
		}
	}
	return ""
}

// callRawJSON returns "" if the method panics: it may belong to an embedded pointer that is nil.
func callRawJSON(r interface{ RawJSON() string }) (body string) {
	defer func() { _ = recover() }()
	return r.RawJSON()
}

// statusOf returns the status that an error in err's tree carries, and the header of the response
// that it keeps.
func statusOf(err error) (status int, header http.Header) {
	for e := range errorTree(err) {
		if s, ok := e.(interface{ StatusCode() int }); ok {
			status = s.StatusCode()
		} else if f := fieldOf(e, "StatusCode"); f.IsValid() && f.CanInt() {
			status = int(f.Int())
		} else if f := fieldOf(e, "HTTPStatusCode"); f.IsValid() && f.CanInt() { // go-openai's spelling
			status = int(f.Int())
		} else if f := fieldOf(e, "Code"); f.IsValid() && f.CanInt() && f.Int() >= 400 {
			// Google's. With other SDKs a Code is no status, and smaller.
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

// fieldOf returns an exported field of a struct, or of the struct that a pointer points to. It
// returns the zero Value if there is none.
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

// errorTree yields err and the errors that it wraps, depth first, down to a depth of 16.
func errorTree(err error) iter.Seq[error] {
	return func(yield func(error) bool) { yieldErrors(err, 16, yield) }
}

// yieldErrors returns false once yield has.
func yieldErrors(err error, depth int, yield func(error) bool) bool {
	if err == nil || depth == 0 {
		return true
	}
	if !yield(err) {
		return false
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !yieldErrors(e, depth-1, yield) {
				return false
			}
		}
		return true
	}
	return yieldErrors(errors.Unwrap(err), depth-1, yield)
}

// spokenStatuses finds a status in an error's text, in the ways in which SDKs write it there.
// It is compiled when it is first needed.
var spokenStatuses = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:error code:|status code:?|status code \d{3} but got|status:?|` +
		`http(?:/\d(?:\.\d)?)?|\bapi error:?|^)\s*(?:code\s*)?\b([45]\d\d)\b`)
})

// spokenStatus returns the status that an error's text names, or 0.
func spokenStatus(msg string) int {
	m := spokenStatuses().FindStringSubmatch(msg)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // three digits
	return n
}

// bodyInText returns the JSON in an error's text, else the text.
func bodyInText(msg string) string {
	if i := strings.Index(msg, `{"`); i >= 0 {
		return msg[i:]
	}
	return msg
}

// classifySpoken judges a text without a status. Only codes count: words such as "unauthorized" are
// in too many errors.
func classifySpoken(msg string) Verdict {
	low := strings.ToLower(msg)
	if strings.Contains(low, "unauthenticated") && strings.Contains(low, "bad-credentials") {
		return Verdict{Kind: Rejected, Reason: "xai:bad-credentials"}
	}
	var said json.RawMessage
	if i := strings.Index(msg, `{"`); i >= 0 && json.NewDecoder(strings.NewReader(msg[i:])).Decode(&said) == nil {
		event := []byte(`{"type":"error","error":` + string(said) + `}`)
		return Classify("", &http.Response{StatusCode: http.StatusOK}, event)
	}
	return Verdict{}
}
