package objects

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/sse"
)

// Track returns a body for resp from which learn gets the names of the objects in the answer, while
// the caller reads it. The bytes and the errors are those of resp.Body. ofObjects says that the
// request was for a path of objects: a plain "id" in the answer is an object's then.
//
// Track returns resp.Body itself if nothing can be learned from it: the answer is no success, no
// JSON and no event stream, or is compressed.
func Track(resp *http.Response, ofObjects bool, learn func(name string)) io.ReadCloser {
	if resp.StatusCode < 200 || resp.StatusCode > 299 || resp.Body == http.NoBody ||
		resp.Header.Get("Content-Encoding") != "" && !resp.Uncompressed {
		return resp.Body
	}
	stream := sse.IsStream(resp)
	if !stream && !isJSON(resp.Header) {
		return resp.Body
	}
	return &trackedBody{ReadCloser: resp.Body, stream: stream, learn: func(b []byte) {
		for _, name := range namesIn(b, stream, ofObjects) {
			learn(name)
		}
	}}
}

// maxSeen is how many bytes of an answer's body are kept to learn from.
const maxSeen = 64 << 10

// trackedBody keeps the beginning of a body that passes by, until it has been learned from.
type trackedBody struct {
	io.ReadCloser
	stream bool
	learn  func([]byte)

	mu    sync.Mutex // Read and Close may be called at the same time
	seen  []byte
	begun bool // the first event of a stream has been learned from
	done  bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return n, err
	}
	b.seen = append(b.seen, p[:min(n, maxSeen-len(b.seen))]...)
	switch {
	case err != nil || len(b.seen) == maxSeen:
		b.finish()
	case b.stream && !b.begun && sse.End(b.seen) > 0:
		// A response is polled, or cancelled, while it streams: its name must be known before the
		// end.
		b.begun = true
		b.learn(b.seen)
	}
	return n, err
}

func (b *trackedBody) Close() error {
	b.mu.Lock()
	b.finish()
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

// finish learns from what has passed. b.mu is held.
func (b *trackedBody) finish() {
	if !b.done {
		b.done = true
		b.learn(b.seen)
		b.seen = nil
	}
}

// namesIn returns the names of objects in the beginning of an answer.
func namesIn(b []byte, stream, ofObjects bool) []string {
	f := nameFinder{ofObjects: ofObjects}
	if !stream {
		f.read(b)
		return f.names
	}
	for _, data := range sse.Events(b) {
		f.read(data)
	}
	return f.names
}

type nameFinder struct {
	ofObjects bool
	names     []string
}

func (f *nameFinder) read(b []byte) {
	_, _ = loosejson.Walk(b, f.visit) // an error is the end of what there is
}

func (f *nameFinder) visit(within, key string, depth int, tok json.Token) {
	if s, ok := tok.(string); ok && len(s) <= maxName && f.isName(within, key, s, depth) {
		f.names = append(f.names, s)
	}
}

// isName reports whether a value is an object's name. The keys of several APIs say that it is one.
// In an answer about objects, it is one too as the answer's own "id", as the id of what the answer
// wraps or lists (response.id, data[].id), and as Google's "name": "files/abc".
func (f *nameFinder) isName(within, key, value string, depth int) bool {
	switch key {
	case "file_id", "container_id", "response_id", "batch_id", "vector_store_id":
		return true
	case "id":
		return within == "container" || f.ofObjects && depth <= 3
	case "name":
		return f.ofObjects && depth <= 3 && strings.Contains(value, "/")
	}
	return false
}
