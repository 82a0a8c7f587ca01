// Package objects remembers which account of a provider a file, a response, a batch or a container
// belongs to. It learns their names from answers as they pass by, and finds the names in requests.
package objects

import (
	"container/list"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/reauth-go/reauth/internal/rewind"
)

// Memory holds the names of the objects that were used last, each with its account. Any string will
// do for an account. The zero value is an empty memory; its methods may be called from several
// goroutines at once.
type Memory struct {
	mu     sync.Mutex
	byName map[string]*list.Element
	recent list.List // of object, the one used longest ago first
}

type object struct{ name, account string }

// Add remembers whose object it is, and forgets the one used longest ago while there are more than
// limit.
func (m *Memory) Add(name, account string, limit int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName == nil {
		m.byName = make(map[string]*list.Element)
	}
	if known := m.byName[name]; known != nil {
		known.Value = object{name, account}
		m.recent.MoveToBack(known)
		return
	}
	m.byName[name] = m.recent.PushBack(object{name, account})
	for m.recent.Len() > limit {
		oldest := m.recent.Remove(m.recent.Front()).(object)
		delete(m.byName, oldest.name)
	}
}

// accountOf returns the account of the object, or "".
func (m *Memory) accountOf(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byName[name]; e != nil {
		m.recent.MoveToBack(e)
		return e.Value.(object).account
	}
	return ""
}

func (m *Memory) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.byName) == 0
}

// MentionedBy returns the account of the first object that the request mentions, in its path or in
// a JSON body, or "". A body is read through GetBody. Some SDKs have a GetBody that rewinds the one
// reader they have, so that req.Body is at its end then: if body is not nil, send it in req.Body's
// place. Its Close closes req.Body too.
func (m *Memory) MentionedBy(req *http.Request) (account string, body io.ReadCloser) {
	if m.empty() {
		return "", nil
	}
	if account = m.inPath(req.URL.Path); account != "" || !readable(req) {
		return account, nil
	}
	return m.inBody(req)
}

// readable reports whether the request's body can be read before it is sent, and is JSON.
func readable(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody != nil &&
		isJSON(req.Header) && req.Header.Get("Content-Encoding") == ""
}

func isJSON(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type")) // a bad parameter leaves the type
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// inPath looks for an object that the path, or the path above it, ends with.
func (m *Memory) inPath(path string) string {
	for path != "" {
		if account := m.inText(path); account != "" {
			return account
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return ""
}

// inText returns the account of the object that a text names: the text is an object's name, or a
// path or URL that ends with it ("files/abc").
func (m *Memory) inText(text string) string {
	if account := m.accountOf(text); account != "" {
		return account
	}
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return ""
	}
	if account := m.accountOf(text[i+1:]); account != "" {
		return account
	}
	return m.accountOf(text[strings.LastIndexByte(text[:i], '/')+1:])
}

// maxScan is how many bytes of a request's body are looked at.
const maxScan = 32 << 20

// inBody looks through a copy of the request's body, and returns the body to send in its place.
func (m *Memory) inBody(req *http.Request) (account string, body io.ReadCloser) {
	copied, err := req.GetBody()
	if err != nil {
		return "", nil
	}
	for s := range words(io.LimitReader(copied, maxScan)) {
		if account = m.inText(s); account != "" {
			break
		}
	}
	_ = copied.Close() // it has been read as far as needed
	fresh, err := req.GetBody()
	return account, rewind.InPlaceOf(req.Body, fresh, err)
}
