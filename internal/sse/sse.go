// Package sse reads the beginning of a stream of server-sent events, as the WHATWG HTML standard
// defines them in section 9.2.6, "Interpreting an event stream".
//
// It differs from the standard in three ways. A lone carriage return does not end a line. Each data
// field counts as an event of its own: no provider is known that spreads a refusal over several.
// And Events does not wait for the blank line behind an event, because the text may be cut off.
package sse

import (
	"bytes"
	"iter"
	"mime"
	"net/http"
	"strings"
)

// IsStream reports whether resp is an event stream whose bytes can be read as they are.
func IsStream(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" && !resp.Uncompressed {
		return false
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // a bad parameter leaves the type
	return kind == "text/event-stream"
}

// Begins reports whether b begins as an event stream does, for bodies whose header does not say
// what they are.
func Begins[T string | []byte](b T) bool {
	begin := string(b[:min(len(b), len("event:"))])
	for _, field := range [...]string{"data:", "event:", ":", "id:", "retry:"} {
		if strings.HasPrefix(begin, field) {
			return true
		}
	}
	return false
}

// Events yields the name and the data of each event in b, without the space around them. The name
// is "" if the event has none. The data is a part of b.
func Events(b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		name := ""
		for l := range lines(b) {
			switch string(l.field) {
			case "event":
				name = string(bytes.TrimSpace(l.value))
			case "data":
				if !yield(name, bytes.TrimSpace(l.value)) {
					return
				}
				name = ""
			}
		}
	}
}

// End returns where the first event in b ends, behind its blank line, or 0 if b holds no whole
// event. A block of lines without data is no event: a comment that keeps the connection alive, or a
// retry time.
func End(b []byte) int {
	data := false
	for l := range lines(b) {
		switch {
		case !l.whole:
			return 0
		case l.blank && data:
			return l.end
		case string(l.field) == "data":
			data = true
		}
	}
	return 0
}

// line is one line of a stream. Its value keeps the space behind the colon.
type line struct {
	field, value []byte
	end          int  // the offset in the stream behind the line and its end
	whole        bool // the line has an end; only the last one may lack it
	blank        bool
}

func lines(b []byte) iter.Seq[line] {
	return func(yield func(line) bool) {
		end := 0
		for raw := range bytes.Lines(b) {
			end += len(raw)
			text, whole := bytes.CutSuffix(raw, []byte("\n"))
			text = bytes.TrimSuffix(text, []byte("\r"))
			field, value, _ := bytes.Cut(text, []byte(":"))
			if !yield(line{field: field, value: value, end: end, whole: whole, blank: len(text) == 0}) {
				return
			}
		}
	}
}
