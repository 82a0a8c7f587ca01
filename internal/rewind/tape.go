package rewind

import (
	"bytes"
	"context"
	"io"
	"runtime/debug"
	"sync"
)

// Tape reads a source once and keeps what it has read, so that several readers can have the source
// from its beginning, one after the other.
//
// Each read of the source runs in a goroutine of its own. So a reader that is closed need not wait
// for the source, and the bytes of the read that it leaves alone are on the tape for the next
// reader. No such goroutine is started unless a reader waits for it.
type Tape struct {
	src   io.ReadCloser
	limit int64 // bytes kept at most; beyond it the tape forgets the beginning
	hint  int64 // the expected length of the source; not positive: unknown

	budget *Budget // of all tapes like this one; nil: none
	most   int64   // bytes that the budget holds at most

	mu       sync.Mutex
	chunks   [][]byte // the bytes [start, size) of the source
	start    int64
	size     int64
	at       int64         // where the present reader is
	charged  int64         // bytes taken from the budget
	err      error         // what the source ended with
	reading  chan struct{} // not nil while the source is being read; closed after that
	released bool          // nothing need be kept any more
	direct   bool          // the reader may read the source itself
	dropped  bool          // no reader is left
	closed   bool
}

// NewTape returns a tape of src, which has length bytes (not positive: unknown). Once the tape
// holds more than limit bytes it keeps no byte that was read from it.
func NewTape(src io.ReadCloser, length, limit int64) *Tape {
	return &Tape{src: src, hint: length, limit: limit}
}

// read copies the bytes of the source from off on. It waits for the source unless stop ends first.
func (t *Tape) read(p []byte, off int64, stop <-chan struct{}) (int, error) {
	for {
		n, reading, err := t.take(p, off)
		if reading == nil {
			return n, err
		}
		select {
		case <-reading:
		case <-stop:
			return 0, errClosed
		}
	}
}

// take copies what the tape holds from off on. When it holds nothing there yet, take has the source
// read, and returns the channel that is closed after that read.
func (t *Tape) take(p []byte, off int64) (n int, reading <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case off < t.start, t.dropped:
		return 0, nil, ErrNotKept
	case off < t.size:
		n = t.copyAt(p, off)
		t.at = off + int64(n)
		t.forget()
		return n, nil, nil
	case t.err != nil:
		return 0, nil, t.err
	}
	if t.reading == nil {
		t.reading = make(chan struct{})
		go t.fill(t.space())
	}
	return 0, t.reading, nil
}

// copyAt copies from the chunks. t.mu is held and start <= off < size.
func (t *Tape) copyAt(p []byte, off int64) (n int) {
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

// forget drops the chunks that the reader has read, if they need not be kept. t.mu is held.
func (t *Tape) forget() {
	if t.size > t.limit {
		t.released = true
	}
	if !t.released {
		return
	}
	t.pay(0) // what is left is one chunk or two, whatever the length of the body
	for len(t.chunks) > 0 && t.start+int64(len(t.chunks[0])) <= t.at {
		first := t.chunks[0]
		switch {
		case len(t.chunks) > 1:
			t.chunks[0] = nil // what lies before the slice would keep it
			t.chunks = t.chunks[1:]
		case t.err != nil:
			t.chunks = nil
		case t.reading == nil:
			t.chunks[0] = first[:0] // its memory serves the next read
		default:
			return // fill is writing to it
		}
		t.start += int64(len(first))
		if len(first) == 0 {
			return
		}
	}
}

// reserve pays for a chunk of n bytes that is to be kept. The first one pays for the whole body where
// the length is known: of many bodies that do not fit together some are then kept as a whole, instead
// of the beginning of each. t.mu is held.
func (t *Tape) reserve(n int64) bool {
	held := n
	for _, c := range t.chunks {
		held += int64(cap(c))
	}
	if t.hint <= t.limit {
		held = max(held, t.hint)
	}
	return t.pay(max(held, t.charged))
}

// pay brings what the tape has taken from the budget to n bytes. It returns false, and leaves what
// was, when the budget does not have them. t.mu is held.
func (t *Tape) pay(n int64) bool {
	switch {
	case t.budget == nil || n == t.charged:
		return true
	case n < t.charged:
		t.budget.Give(t.charged - n)
	case !t.budget.Take(n-t.charged, t.most):
		return false
	}
	t.charged = n
	return true
}

// The sizes of chunks, in bytes. Without a known length each chunk doubles the whole.
const (
	minChunk   = 512
	firstChunk = 4 << 10
	maxChunk   = 64 << 10
)

// space returns the free end of the last chunk, or a new chunk. t.mu is held.
func (t *Tape) space() []byte {
	if k := len(t.chunks); k > 0 {
		if c := t.chunks[k-1]; len(c) < cap(c) {
			return c[len(c):cap(c)]
		}
	}
	n := min(max(t.size, firstChunk), maxChunk)
	if left := t.hint - t.size; t.hint > 0 && left >= 0 {
		n = min(max(left, minChunk), maxChunk)
	}
	if !t.released && !t.reserve(n) {
		t.limit = 0 // sent, but not kept
		t.forget()
	}
	c := make([]byte, 0, n)
	t.chunks = append(t.chunks, c)
	return c[:n]
}

// fill reads the source once, into the end of the last chunk, which no reader looks at yet.
func (t *Tape) fill(space []byte) {
	n, err := readGuarded(t.src, space)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		close(t.reading)
		t.reading = nil
	}()
	if t.err = err; t.dropped {
		return
	}
	last := len(t.chunks) - 1
	t.chunks[last] = t.chunks[last][:len(t.chunks[last])+n]
	t.size += int64(n)
}

// PanicError is the panic of a source, which was read in a goroutine of the tape: it must not end the
// program. Readers get it as the source's error.
type PanicError struct {
	Value any
	Stack []byte
}

// Error does not tell the value, which may hold a secret.
func (e *PanicError) Error() string { return "reauth: the Read of the body panicked" }

// readGuarded reads the source once. Its panic is an error.
func readGuarded(src io.Reader, space []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, &PanicError{r, debug.Stack()}
		}
	}()
	return src.Read(space)
}

// Err returns what the source ended with, as far as it was read.
func (t *Tape) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Peek returns up to n bytes of the source from off on. It stops earlier when ctx ends, and when
// enough reports that it has seen enough (nil: never). ended reports whether the source ended well
// within those bytes. What Peek reads stays on the tape, unless the tape was released.
func (t *Tape) Peek(ctx context.Context, off int64, n int, enough func([]byte) bool) (b []byte, ended bool) {
	b = make([]byte, 0, minChunk)
	for len(b) < n {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		k, err := t.read(b[len(b):min(cap(b), n)], off+int64(len(b)), ctx.Done())
		b = b[:len(b)+k]
		switch {
		case err != nil:
			return b, isEOF(err)
		case enough != nil && enough(b):
			return b, false
		}
	}
	k, err := t.read(make([]byte, 1), off+int64(len(b)), ctx.Done()) // does the source end here?
	return b, k == 0 && isEOF(err)
}

// soFar returns a copy of what the tape holds, if that is the beginning of the source.
func (t *Tape) soFar() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start > 0 {
		return nil
	}
	return bytes.Join(t.chunks, nil)
}

// Whole reports whether a new reader can have everything: the tape has kept the beginning, and the
// source has ended well or can still be read.
func (t *Tape) Whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.start == 0 && t.size <= t.limit
	return kept && (isEOF(t.err) || t.err == nil && !t.closed)
}

// Release says that nobody will read the tape from its beginning again, so that it can forget what
// has been read.
func (t *Tape) Release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released = true
	t.forget()
}

// Drop says that nobody will read the tape any more.
func (t *Tape) Drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released, t.dropped = true, true
	t.chunks, t.start = nil, t.size
	t.pay(0)
}

// Direct is Release for a source whose Close ends a waiting Read, as that of a response body does.
// From here on the one reader reads the source itself, once it is past what the tape holds.
func (t *Tape) Direct() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released, t.direct = true, true
}

// mayBypass reports whether the reader at off may read the source itself.
func (t *Tape) mayBypass(off int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.direct && t.reading == nil && t.err == nil && off == t.size
}

// Close closes the source, once.
func (t *Tape) Close() error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return nil
	}
	return t.src.Close()
}

// Reader reads a tape from its beginning. Read and Close may be called at the same time; Close ends
// a waiting Read.
type Reader struct {
	tape      *Tape
	off       int64
	bypassing bool // the reader has begun to read the source itself
	stop      chan struct{}
	once      sync.Once
	onClose   func() error
}

// NewReader returns a reader whose Close calls onClose, once, and returns its error.
func (t *Tape) NewReader(onClose func() error) *Reader {
	t.mu.Lock()
	t.at = 0
	t.mu.Unlock()
	return &Reader{tape: t, stop: make(chan struct{}), onClose: onClose}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	select {
	case <-r.stop:
		return 0, errClosed
	default:
	}
	if r.bypassing || r.tape.mayBypass(r.off) {
		r.bypassing = true
		return r.tape.src.Read(p)
	}
	n, err := r.tape.read(p, r.off, r.stop)
	r.off += int64(n)
	return n, err
}

// Close implements io.Closer.
func (r *Reader) Close() (err error) {
	r.once.Do(func() {
		close(r.stop)
		err = r.onClose()
	})
	return err
}
