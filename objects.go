package reauth

import (
	"container/list"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/loosejson"
	"github.com/reauth-go/reauth/internal/sse"
)

// Tracking objects, for providers that ask for it (Provider.TrackObjects): which credential made the file, response, batch
// or container that a request mentions is learned from the answers, as they pass by.

// objects remembers the credential that each of the last objects belongs to. The zero value remembers none.
type objects struct {
	mu     sync.Mutex
	byName map[string]*list.Element
	recent list.List // of owned, the oldest first
}

type owned struct{ name, owner string }

// add remembers who owns an object, and forgets the oldest ones above the limit.
func (o *objects) add(name, owner string, limit int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = make(map[string]*list.Element)
	}
	if old := o.byName[name]; old != nil {
		old.Value = owned{name, owner}
		o.recent.MoveToBack(old)
		return
	}
	o.byName[name] = o.recent.PushBack(owned{name, owner})
	for o.recent.Len() > limit {
		oldest := o.recent.Remove(o.recent.Front()).(owned)
		delete(o.byName, oldest.name)
	}
}

// ownerOf returns the ID of the credential that owns the object, or "".
func (o *objects) ownerOf(name string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.byName[name]; e != nil {
		o.recent.MoveToBack(e)
		return e.Value.(owned).owner
	}
	return ""
}

func (o *objects) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.byName) == 0
}

// ownerIn returns the owner of what a text names: an object's name, or a path or URL that ends with it ("files/abc").
func (o *objects) ownerIn(text string) string {
	if owner := o.ownerOf(text); owner != "" {
		return owner
	}
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return ""
	}
	if owner := o.ownerOf(text[i+1:]); owner != "" {
		return owner
	}
	return o.ownerOf(text[strings.LastIndexByte(text[:i], '/')+1:])
}

// mentionedBy returns the owner of the first object that the request mentions, in its path or in a JSON body. A body is
// read through GetBody, which some SDKs make rewind the one reader they have: then the body returned must be sent.
func (o *objects) mentionedBy(req *http.Request) (owner string, body io.ReadCloser) {
	if o.empty() {
		return "", nil
	}
	for path := req.URL.Path; path != ""; {
		if owner := o.ownerIn(path); owner != "" {
			return owner, nil
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	if !hasBody(req) || req.GetBody == nil || !isJSON(req.Header) || req.Header.Get("Content-Encoding") != "" {
		return "", nil
	}
	copied, err := req.GetBody()
	if err != nil {
		return "", nil
	}
	eachString(io.LimitReader(copied, maxScan), func(s string) bool {
		owner = o.ownerIn(s)
		return owner == ""
	})
	_ = copied.Close() // it has been read as far as needed
	fresh, err := req.GetBody()
	if err != nil {
		fresh = errorBody{err} // the caller's own body may be at its end by now
	}
	return owner, &bodyInstead{ReadCloser: fresh, of: req.Body}
}

// bodyInstead stands in for the caller's body, and is closed with it.
type bodyInstead struct {
	io.ReadCloser
	of io.Closer
}

func (b *bodyInstead) Close() error {
	err := b.ReadCloser.Close()
	if of := b.of.Close(); err == nil {
		err = of
	}
	return err
}

// WriteTo keeps the short cut of bodies that are in memory.
func (b *bodyInstead) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, b.ReadCloser) }

type errorBody struct{ err error }

func (b errorBody) Read([]byte) (int, error) { return 0, b.err }
func (errorBody) Close() error               { return nil }

const (
	maxScan = 32 << 20 // bytes of a request body looked at
	maxName = 128      // bytes of an object's name
)

// eachString calls f with the strings of a JSON text that may be names, until it returns false. Nothing is kept of the text
// but the string at hand, and a text that is not JSON does no harm.
func eachString(r io.Reader, f func(string) bool) {
	var (
		buf              [16 << 10]byte
		name             []byte
		inside, skip     bool // a string; up to its end
		escaped, control bool
	)
	for {
		n, err := r.Read(buf[:])
		for _, c := range buf[:n] {
			control = c < ' '
			switch {
			case escaped:
				escaped = false
			case !inside:
				if inside = c == '"'; inside {
					name, skip = name[:0], false
				}
			case c == '\\':
				escaped, skip = true, true
			case c == '"':
				inside = false
				if !skip && len(name) > 0 && !f(string(name)) {
					return
				}
			case skip:
			case control || c == ' ' || len(name) == maxName:
				skip = true
			default:
				name = append(name, c)
			}
		}
		if err != nil {
			return
		}
	}
}

func isJSON(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type")) // a bad parameter leaves the type
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// track makes the answer tell which objects belong to m. Its body is handed on as it comes, wrapped.
func (g *group) track(s *spec, req *http.Request, resp *http.Response, m *member) {
	if s.TrackObjects <= 0 || resp.StatusCode < 200 || resp.StatusCode > 299 || resp.Body == http.NoBody ||
		resp.Header.Get("Content-Encoding") != "" && !resp.Uncompressed {
		return
	}
	stream := sse.IsStream(resp)
	if !stream && !isJSON(resp.Header) {
		return
	}
	_, names := s.bound.of(req.URL.Path)
	resp.Body = &trackedBody{ReadCloser: resp.Body, stream: stream, learn: func(b []byte) {
		for _, name := range objectNames(b, stream, names) {
			g.objects.add(name, m.id, s.TrackObjects)
		}
	}}
}

// trackedBody keeps the beginning of a body that passes by, until something has been learned from it.
type trackedBody struct {
	io.ReadCloser
	stream bool
	learn  func([]byte)

	mu   sync.Mutex // Read and Close may be called at the same time
	seen []byte
	told bool // the first event was read
	over bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return n, err
	}
	b.seen = append(b.seen, p[:min(n, maxPeek-len(b.seen))]...)
	switch {
	case err != nil || len(b.seen) == maxPeek:
		b.finish()
	case b.stream && !b.told && sse.End(b.seen) > 0: // a response is polled, or cancelled, while it streams
		b.told = true
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
	if !b.over {
		b.over = true
		b.learn(b.seen)
		b.seen = nil
	}
}

// objectNames returns the names of objects in the beginning of an answer; own says that the answer is about such objects,
// so that a plain "id" is one.
func objectNames(b []byte, stream, own bool) []string {
	w := &nameWalker{own: own}
	if !stream {
		w.read(b)
		return w.names
	}
	for _, data := range sse.Events(b) {
		w.read(data)
	}
	return w.names
}

type nameWalker struct {
	own   bool
	names []string
}

func (w *nameWalker) read(b []byte) {
	_, _ = loosejson.Walk(b, w.visit) // an error is the end of what there is
}

func (w *nameWalker) visit(within, key string, depth int, tok json.Token) {
	if s, ok := tok.(string); ok && len(s) <= maxName && w.isName(within, key, s, depth) {
		w.names = append(w.names, s)
	}
}

// isName tells an object's name: what the keys of several APIs say is one, and in an answer about objects also its own
// "id", that of what it wraps or lists (response.id, data[].id), and Google's "name": "files/abc".
func (w *nameWalker) isName(within, key, value string, depth int) bool {
	switch key {
	case "file_id", "container_id", "response_id", "batch_id", "vector_store_id":
		return true
	case "id":
		return within == "container" || w.own && depth <= 3
	case "name":
		return w.own && depth <= 3 && strings.Contains(value, "/")
	}
	return false
}
