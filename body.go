package reauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Bodies. To *replay* is to send a request again, to *rewind* what happens to its body. A request with GetBody is rewound
// by it; without one, its bytes are kept while the base reads them.

var (
	errBodyClosed = errors.New("reauth: read of a closed body")
	errStaleBody  = errors.New("reauth: GetBody gives a body of another length than was sent; set GetBody together with Body")
	errNotKept    = errors.New("reauth: the body cannot be sent again: it has no GetBody and is larger than MaxBodyBuffer, or was given up half read")
)

// sentBody is the caller's own body on its way through the base. It notices when the base is done with it: some GetBody
// functions rewind one shared reader, which must not happen while it is still being read.
type sentBody struct {
	io.ReadCloser
	n    atomic.Int64 // bytes handed out
	eof  atomic.Bool
	over atomic.Bool // at its end, or closed

	closed atomic.Bool

	mu   sync.Mutex
	done chan struct{} // made when somebody waits
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if isEOF(err) {
		b.eof.Store(true)
		b.finish()
	}
	return n, err
}

// WriteTo keeps the short cut of bodies that are in memory.
func (b *sentBody) WriteTo(w io.Writer) (int64, error) {
	wt, ok := b.ReadCloser.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	n, err := wt.WriteTo(w)
	b.n.Add(n)
	if err == nil {
		b.eof.Store(true)
		b.finish()
	}
	return n, err
}

func (b *sentBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	err := b.ReadCloser.Close()
	b.finish()
	return err
}

func (b *sentBody) finish() {
	if b.over.Swap(true) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done != nil {
		close(b.done)
	}
}

// wait reports whether the base was done with the body within d and before ctx ended.
func (b *sentBody) wait(ctx context.Context, d time.Duration) bool {
	b.mu.Lock()
	if b.over.Load() {
		b.mu.Unlock()
		return true
	}
	if b.done == nil {
		b.done = make(chan struct{})
	}
	done := b.done
	b.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// isEOF reports whether a body ended well. An error that wraps io.EOF is one cut short.
func isEOF(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// exactBody makes sure that a rewound body is as long as the one that was sent before. A middleware above may have set
// another Body and forgotten GetBody; the last bytes are held back until it is known that nothing follows them, so that
// no server takes a wrong body for a whole one.
type exactBody struct {
	io.ReadCloser
	left int64
}

func (b *exactBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.left == 0 {
		return 0, b.atEnd()
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0 && (err == nil || isEOF(err)):
		if end := b.atEnd(); !isEOF(end) {
			return 0, end
		}
	case isEOF(err):
		return 0, errStaleBody
	}
	return n, err
}

// atEnd returns io.EOF if nothing more comes.
func (b *exactBody) atEnd() error {
	var one [1]byte
	for range 100 { // readers may return nothing and no error for a while
		n, err := b.ReadCloser.Read(one[:])
		switch {
		case n > 0:
			return errStaleBody
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// tape reads a source once and keeps what it read, so that readers can have it from the beginning. A read of the source
// runs in a goroutine of its own, so that a reader can leave it alone: a closed body must not go on blocking its reader,
// and what the abandoned read yields still belongs to the next one. None runs unless a reader waits.
type tape struct {
	src   io.ReadCloser
	limit int64 // bytes kept at most; more, and the beginning is forgotten
	hint  int64 // expected length; not positive: unknown

	mu     sync.Mutex
	chunks [][]byte // what is kept: bytes [start, size) of the source
	start  int64
	size   int64
	err    error         // what the source ended with
	busy   chan struct{} // while the source is being read; closed when that is over
	loose  bool          // nothing need be kept any more
	direct bool          // and what is not on the tape yet need not be put there
	closed bool
}

// read copies what the source holds at off, waiting for it unless stop ends first.
func (t *tape) read(p []byte, off int64, stop <-chan struct{}) (int, error) {
	for {
		t.mu.Lock()
		switch {
		case off < t.start:
			t.mu.Unlock()
			return 0, errNotKept
		case off < t.size:
			n := t.copyAt(p, off)
			t.forget(off + int64(n))
			t.mu.Unlock()
			return n, nil
		case t.err != nil:
			defer t.mu.Unlock()
			return 0, t.err
		}
		if t.busy == nil {
			t.busy = make(chan struct{})
			go t.fill(t.space())
		}
		busy := t.busy
		t.mu.Unlock()
		select {
		case <-busy:
		case <-stop:
			return 0, errBodyClosed
		}
	}
}

// copyAt copies from the chunks. t.mu is held and start <= off < size.
func (t *tape) copyAt(p []byte, off int64) (n int) {
	at := t.start
	for _, c := range t.chunks {
		if end := at + int64(len(c)); off < end {
			k := copy(p[n:], c[off-at:])
			n += k
			off += int64(k)
			if n == len(p) {
				return n
			}
		}
		at += int64(len(c))
	}
	return n
}

// forget drops what lies before off once it need not be kept. t.mu is held.
func (t *tape) forget(off int64) {
	if t.size > t.limit {
		t.loose = true
	}
	if !t.loose {
		return
	}
	for len(t.chunks) > 0 && t.start+int64(len(t.chunks[0])) <= off {
		first := t.chunks[0]
		switch {
		case len(t.chunks) > 1:
			t.chunks = t.chunks[1:]
		case t.busy == nil:
			t.chunks[0] = first[:0] // its memory serves again
		default:
			return // it is being written to
		}
		t.start += int64(len(first))
		if len(first) == 0 {
			return
		}
	}
}

const maxChunk = 64 << 10

// space returns the free end of the last chunk, or a new one. t.mu is held.
func (t *tape) space() []byte {
	if k := len(t.chunks); k > 0 {
		if c := t.chunks[k-1]; len(c) < cap(c) {
			return c[len(c):cap(c)]
		}
	}
	n := min(max(t.size, 4<<10), maxChunk)
	if left := t.hint - t.size; t.hint > 0 && left >= 0 {
		n = min(max(left, 512), maxChunk)
	}
	c := make([]byte, 0, n)
	t.chunks = append(t.chunks, c)
	return c[:n]
}

// fill reads the source once, into memory that no reader looks at yet.
func (t *tape) fill(space []byte) {
	n, err := t.src.Read(space)
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.chunks) - 1
	t.chunks[last] = t.chunks[last][:len(t.chunks[last])+n]
	t.size += int64(n)
	t.err = err
	close(t.busy)
	t.busy = nil
}

// whole reports whether everything from the beginning is kept and the source can still yield the rest.
func (t *tape) whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.start == 0 && t.size <= t.limit && (!t.closed || t.err != nil) && (t.err == nil || isEOF(t.err))
}

// let says that nothing need be kept any more.
func (t *tape) let() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loose = true
}

// pass is let for a source whose Close ends its Read, as that of a response does, and that has one reader: what has not been
// read yet goes straight to it.
func (t *tape) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loose, t.direct = true, true
}

// straight reports whether the reader at off may read the source itself.
func (t *tape) straight(off int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.direct && t.busy == nil && t.err == nil && off == t.size
}

// close closes the source once.
func (t *tape) close() error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return nil
	}
	return t.src.Close()
}

// tapeReader reads a tape from an offset. Read and Close may be called at the same time; Close ends a waiting Read.
type tapeReader struct {
	t       *tape
	off     int64
	beyond  bool // the source's own reads have begun
	stop    chan struct{}
	once    sync.Once
	onClose func() error
}

func newTapeReader(t *tape, onClose func() error) *tapeReader {
	return &tapeReader{t: t, stop: make(chan struct{}), onClose: onClose}
}

func (r *tapeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	select {
	case <-r.stop:
		return 0, errBodyClosed
	default:
	}
	if r.beyond || r.t.straight(r.off) {
		r.beyond = true
		return r.t.src.Read(p)
	}
	n, err := r.t.read(p, r.off, r.stop)
	r.off += int64(n)
	return n, err
}

func (r *tapeReader) Close() (err error) {
	r.once.Do(func() {
		close(r.stop)
		err = r.onClose()
	})
	return err
}

// keptBody is a caller's body without GetBody: its bytes are kept while the base reads them, and its Close is put off
// until it is known that no replay needs it.
type keptBody struct {
	t *tape

	mu       sync.Mutex
	reader   *tapeReader // the one handed out last
	open     bool        // it is not closed yet
	released bool
}

func newKeptBody(body io.ReadCloser, length, limit int64) *keptBody {
	return &keptBody{t: &tape{src: body, hint: length, limit: limit}}
}

// rewind returns a reader from the beginning. The one before it, if any, ends.
func (k *keptBody) rewind() (io.ReadCloser, error) {
	k.mu.Lock()
	old := k.reader
	k.mu.Unlock()
	if old != nil {
		_ = old.Close() // it returns nothing of interest: the source stays open
		if !k.t.whole() {
			return nil, errNotKept
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var r *tapeReader
	r = newTapeReader(k.t, func() error { return k.closed(r) })
	k.reader, k.open = r, true
	return r, nil
}

// closed is called by a reader's Close.
func (k *keptBody) closed(r *tapeReader) error {
	k.mu.Lock()
	if k.reader == r {
		k.open = false
	}
	end := k.released && !k.open
	k.mu.Unlock()
	if end {
		return k.t.close()
	}
	return nil
}

// release says that there will be no further replay: bytes need not be kept, and the caller's body is closed as soon as
// the base is done with it.
func (k *keptBody) release() {
	k.t.let()
	k.mu.Lock()
	k.released = true
	end := !k.open
	k.mu.Unlock()
	if end {
		_ = k.t.close() // nobody is left to be told
	}
}

// hasBody reports whether req sends a body at all.
func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }
