package rewind

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// MemoryCopy is a copy of a body that is in memory: of its reader, not of its bytes. Whoever reads the
// copy leaves the original where it is, so that a GetBody that rewinds the original may be called
// meanwhile. net/http knows that the copy is in memory, and so sends it in one write with the header.
//
// The zero value is ready for use, once.
type MemoryCopy struct {
	bytes   bytes.Reader
	strings strings.Reader
}

// Of returns a body to send that the request's GetBody does not disturb, or nil when the request's body
// is not known to be in memory. It is the body itself where http.NewRequest has made GetBody, which
// returns a new reader each time; else it is the copy. Only what io.NopCloser returns for a
// *bytes.Reader, a *bytes.Buffer or a *strings.Reader is known to be in memory: net/http knows no other
// either, and its Close does nothing.
func (c *MemoryCopy) Of(req *http.Request) io.ReadCloser {
	left := c.left(req)
	switch {
	case left == nil:
		return nil
	case isOwnGetBody(req):
		return req.Body
	}
	return io.NopCloser(left)
}

// InMemory returns a reader of what is left of a request's body, without moving the body; nil: it is not
// known to be in memory. The request is not being sent yet.
func InMemory(req *http.Request) io.Reader { return new(MemoryCopy).left(req) }

// left copies the reader of a request's body, and returns the copy; nil: the body is not known to be in
// memory.
func (c *MemoryCopy) left(req *http.Request) io.Reader {
	switch r := readerOf(req.Body).(type) {
	case *bytes.Reader:
		c.bytes = *r
		return &c.bytes
	case *bytes.Buffer:
		c.bytes.Reset(r.Bytes())
		return &c.bytes
	case *strings.Reader:
		c.strings = *r
		return &c.strings
	}
	return nil
}

// readerOf returns the reader that io.NopCloser was given; nil: it did not make the body.
func readerOf(body io.ReadCloser) any {
	if !slices.Contains(nopClosers(), reflect.TypeOf(body)) {
		return nil
	}
	return reflect.ValueOf(body).Field(0).Interface()
}

// isOwnGetBody reports whether http.NewRequest has made the GetBody of the request.
func isOwnGetBody(req *http.Request) bool {
	return slices.Contains(ownGetBodies(), reflect.ValueOf(req.GetBody).Pointer())
}

// The types that io.NopCloser returns, and where the functions are that http.NewRequest makes as GetBody.
//
//nolint:gochecknoglobals // never changed
var (
	nopClosers = sync.OnceValue(func() []reflect.Type {
		return []reflect.Type{
			opened(io.NopCloser(nil)),
			opened(io.NopCloser(struct {
				io.Reader
				io.WriterTo
			}{})),
		}
	})

	ownGetBodies = sync.OnceValue(func() []uintptr {
		return []uintptr{
			getBodyFor(strings.NewReader("0")), getBodyFor(bytes.NewReader([]byte{0})),
			getBodyFor(bytes.NewBuffer([]byte{0})),
		}
	})
)

// opened returns the type of a body, or nil if the type does not show the reader in it. Both types do in
// Go 1.26.
func opened(body io.ReadCloser) reflect.Type {
	t := reflect.TypeOf(body)
	if t.Kind() != reflect.Struct || t.NumField() != 1 || t.Field(0).Name != "Reader" {
		return nil
	}
	return t
}

// getBodyFor returns where the code of the GetBody is that http.NewRequest makes for a reader.
func getBodyFor(r io.Reader) uintptr {
	req, err := http.NewRequest(http.MethodPost, "http://localhost/", r) //nolint:noctx // it is not sent
	if err != nil || req.GetBody == nil {
		return 0
	}
	return reflect.ValueOf(req.GetBody).Pointer()
}
