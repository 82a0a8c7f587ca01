package proxy

import (
	"io"
	"net/http"
	"sync"

	"github.com/reauth-go/reauth/internal/models"
	"github.com/reauth-go/reauth/internal/rewind"
)

// Affinity says by what the requests of one conversation are known, which are kept on one
// credential: see reauth.WithAffinity. The zero value says by nothing.
type Affinity struct {
	Header string // its first value; empty: no header is looked at
	// Members are those of a JSON body that are looked for when the header is not there; the first
	// that the body has is taken.
	Members []string
}

// SessionHeader is the header in which clients name a conversation.
const SessionHeader = "X-Session-Id"

// SessionMembers are the members by which requests name a conversation: OpenRouter's session_id,
// and prompt_cache_key of OpenAI's API.
func SessionMembers() []string { return []string{"session_id", "prompt_cache_key"} }

// affinity finds the conversation of a request. A body has to be read for it before it is sent.
// What is read is kept until it is sent, within the bounds of the bodies that are kept to be sent
// again; then the transport keeps it instead.
type affinity struct {
	Affinity
	most int64 // bytes of all bodies together; not positive: no body is read
	kept rewind.Budget
}

const (
	defaultBodyMemory = 256 << 20
	// maxAhead is how many bytes of a body are read before it is sent. The transport keeps no more
	// of one either.
	maxAhead = 32 << 20
)

// newAffinity returns what finds conversations, and how much of the memory for bodies is left to
// the transport: half of it, if bodies are read before they are sent.
func newAffinity(of Affinity, memory int64) (a *affinity, left int64) {
	a = &affinity{Affinity: of}
	if len(of.Members) == 0 || memory < 0 {
		return a, memory
	}
	if memory == 0 {
		memory = defaultBodyMemory
	}
	a.most = memory / 2
	return a, memory - a.most
}

// of returns the key of the request's conversation; empty: it names none. If it has read the body,
// it returns the one to send instead.
func (a *affinity) of(r *http.Request) (key string, instead io.ReadCloser) {
	if a.Header != "" {
		if key = r.Header.Get(a.Header); key != "" {
			return key, nil
		}
	}
	if a.most <= 0 || !rewind.HasBody(r) || !models.IsJSON(r.Header) {
		return "", nil
	}
	ahead := &aheadBody{rest: r.Body, kept: &a.kept, most: a.most}
	key = models.Member(readAhead{ahead, new(int)}, a.Members...)
	return key, ahead
}

// aheadBody is a body of which the beginning was read before it is sent. One goroutine reads it;
// another may close it meanwhile.
type aheadBody struct {
	rest io.ReadCloser
	// err is what ended the reading of the beginning; nil: the rest goes on behind it.
	err  error
	kept *rewind.Budget
	most int64

	mu     sync.Mutex
	pieces [][]byte // of the beginning, not sent yet
	held   int      // bytes of pieces, which kept counts
	closed bool
}

// readAhead reads the beginning. It ends where no more may be kept.
type readAhead struct {
	*aheadBody
	total *int
}

// Read implements io.Reader.
func (b readAhead) Read(p []byte) (int, error) {
	p = p[:min(len(p), maxAhead-*b.total)]
	if b.err != nil || len(p) == 0 || !b.kept.Take(int64(len(p)), b.most) {
		return 0, io.EOF
	}
	n, err := b.rest.Read(p)
	b.kept.Give(int64(len(p) - n))
	*b.total += n
	b.keep(p[:n])
	b.err = err
	return n, err
}

// keep keeps what was read of the beginning. Small pieces are put together.
func (b *aheadBody) keep(read []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += len(read)
	if last := len(b.pieces) - 1; last >= 0 && cap(b.pieces[last])-len(b.pieces[last]) >= len(read) {
		b.pieces[last] = append(b.pieces[last], read...)
		return
	}
	b.pieces = append(b.pieces, append(make([]byte, 0, max(len(read), 4<<10)), read...))
}

// Read implements io.Reader. What has been sent is not kept any longer: the transport keeps it now.
func (b *aheadBody) Read(p []byte) (int, error) {
	if n, err, done := b.next(p); done {
		return n, err
	}
	return b.rest.Read(p)
}

// next reads from the beginning. done: there was something of it, or nothing comes behind it.
func (b *aheadBody) next(p []byte) (n int, err error, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose, true
	case len(b.pieces) == 0:
		return 0, b.err, b.err != nil
	}
	n = copy(p, b.pieces[0])
	if b.pieces[0] = b.pieces[0][n:]; len(b.pieces[0]) == 0 {
		b.pieces[0] = nil
		b.pieces = b.pieces[1:]
	}
	b.held -= n
	b.kept.Give(int64(n))
	return n, nil, true
}

// Close implements io.Closer.
func (b *aheadBody) Close() error {
	b.mu.Lock()
	b.kept.Give(int64(b.held))
	b.pieces, b.held, b.closed = nil, 0, true
	b.mu.Unlock()
	return b.rest.Close()
}
