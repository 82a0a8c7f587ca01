package rewind

import (
	"bytes"
	"io"
	"sync"
)

// KeptBody is a body that its caller cannot make again. It keeps the bytes while a transport reads
// them, and closes the caller's body only when no rewind can need it any more.
type KeptBody struct {
	tape *Tape

	mu       sync.Mutex
	current  *Reader // the reader that Rewind returned last
	open     bool    // current is not closed yet
	released bool
}

// NewKeptBody returns a KeptBody of body, which has length bytes (not positive: unknown). A body of
// more than limit bytes cannot be rewound, nor can one with which budget would hold more than most.
func NewKeptBody(body io.ReadCloser, length, limit int64, budget *Budget, most int64) *KeptBody {
	t := NewTape(body, length, limit)
	t.budget, t.most = budget, most
	return &KeptBody{tape: t}
}

// Rewind returns a reader of the body from its beginning, and ends the reader before it, if any.
// The first call cannot fail; later ones fail with ErrNotKept when the beginning was not kept.
func (k *KeptBody) Rewind() (io.ReadCloser, error) {
	k.mu.Lock()
	old := k.current
	k.mu.Unlock()
	if old != nil {
		_ = old.Close() // the source stays open, so there is no error to see
		if !k.tape.Whole() {
			return nil, ErrNotKept
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var r *Reader
	r = k.tape.NewReader(func() error { return k.readerClosed(r) })
	k.current, k.open = r, true
	return r, nil
}

// SoFar returns a reader of what has been sent of the body by now, as far as its beginning was kept. It
// waits for nothing.
func (k *KeptBody) SoFar() io.Reader { return bytes.NewReader(k.tape.soFar()) }

// Whole reports whether Rewind would succeed now.
func (k *KeptBody) Whole() bool { return k.tape.Whole() }

// readerClosed is called when r was closed. It closes the caller's body once nobody needs that.
func (k *KeptBody) readerClosed(r *Reader) error {
	k.mu.Lock()
	if k.current == r {
		k.open = false
	}
	over := k.released && !k.open
	k.mu.Unlock()
	if over {
		return k.end()
	}
	return nil
}

// end closes the caller's body and lets go of what was kept.
func (k *KeptBody) end() error {
	k.tape.Drop()
	return k.tape.Close()
}

// Release says that there will be no further Rewind. The bytes need not be kept from here on, and
// the caller's body is closed as soon as the transport has closed its reader.
func (k *KeptBody) Release() {
	k.tape.Release()
	k.mu.Lock()
	k.released = true
	over := !k.open
	k.mu.Unlock()
	if over {
		_ = k.end() // the transport has its answer, so nobody is left to be told
	}
}
