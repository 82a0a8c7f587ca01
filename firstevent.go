package reauth

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"time"
)

// Some providers say 200, begin a stream, and refuse in its first event. Provider.FirstEvent has the transport look at that
// event, and at no other, before the answer goes to the caller.

// isEventStream reports whether resp is a stream of server-sent events that can be read as it is.
func isEventStream(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" && !resp.Uncompressed {
		return false
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // a bad parameter leaves the type
	return kind == "text/event-stream"
}

// peekEvent is peek for a stream: it reads until the first event is there, for at most d. A stream that is slower than
// that goes to the caller as it comes; nothing of it has been changed.
func peekEvent(ctx context.Context, cancel <-chan struct{}, resp *http.Response, d time.Duration) *refusal {
	r := peekUntil(ctx, cancel, resp, d, hasEvent)
	if end := eventEnd(r.prefix); end > 0 || r.rest != nil { // else it ended in its first event
		r.judged = r.prefix[:end] // what else has come by now does not count: it might as well have come later
	}
	return r
}

func hasEvent(b []byte) bool { return eventEnd(b) > 0 }

// eventEnd returns where the first event in b ends that has data, behind its fields and a blank line, or 0. What has no data is
// no event: a comment that keeps the connection alive, or a retry time (WHATWG HTML, section 9.2.6). A lone carriage return
// does not end a line here; of a stream that is written so the deadline decides.
func eventEnd(b []byte) (end int) {
	data := false
	for line := range bytes.Lines(b) {
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole {
			return 0
		}
		end += len(line)
		text = bytes.TrimSuffix(text, []byte("\r"))
		switch name, _, _ := bytes.Cut(text, []byte(":")); {
		case len(text) == 0 && data:
			return end
		case string(name) == "data":
			data = true
		}
	}
	return 0
}
