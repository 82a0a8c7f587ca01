package proxy

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

const (
	// maxSmall is how many bytes of a body may be read before it is sent. Bodies of that size do
	// not count for the memory of bodies.
	maxSmall = 16 << 10
	// soon is how long their sending may wait for them. They come with the header, or in the next
	// packet.
	soon = 5 * time.Millisecond
)

// isSmall reports whether the body of r may be read before it is sent. It may not if the client has
// asked to be told first whether the provider wants it (RFC 9110, section 10.1.1).
func (b *body) isSmall(r *http.Request) bool {
	return b != nil && r.ContentLength > 0 && r.ContentLength <= maxSmall && r.Header["Expect"] == nil
}

// sendWhole reads the body of r before it is sent, if all of it comes soon: net/http then writes it
// together with the header, and the transport need not keep what it reads. Otherwise the body is
// sent while it comes, as large ones are.
func (b *body) sendWhole(r *http.Request) {
	whole := make([]byte, r.ContentLength)
	n, err := b.readSoon(whole)
	if err != nil {
		r.Body = &begun{io.MultiReader(bytes.NewReader(whole[:n]), r.Body), r.Body}
		return
	}
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
	r.Body, _ = again()
	r.GetBody = again
}

// unwrapWhole takes a body that was read whole out of what ReverseProxy has put around it: net/http
// would not see that it is in memory.
func unwrapWhole(out *http.Request) {
	if out.GetBody == nil { // the server makes none
		return
	}
	if whole, err := out.GetBody(); err == nil {
		out.Body = whole
	}
}

// begun is a body of which the beginning was read.
type begun struct {
	io.Reader
	io.Closer
}

// readSoon fills p, or fails when the rest does not come soon. It may come later: how long the
// client may send nothing counts from its last byte here, or from the beginning.
func (b *body) readSoon(p []byte) (n int, err error) {
	last := time.Now()
	// Only the recorder of a test has no deadlines.
	_ = b.control.SetReadDeadline(last.Add(soon))
	for n < len(p) && err == nil {
		var more int
		more, err = b.ReadCloser.Read(p[n:])
		if n += more; more > 0 && n < len(p) {
			last = time.Now()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done = n == len(p); b.done {
		return n, nil
	}
	b.last = last
	_ = b.control.SetReadDeadline(time.Time{})
	return n, err
}
