package reauth

import (
	"context"
	"sync"
	"time"
)

// workers counts the goroutines that work for a pool, so that Close can wait for them.
type workers struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{} // made by close; the last worker closes it
	stop    chan struct{} // closed when Close no longer waits
	once    sync.Once
	ctx     context.Context    //nolint:containedctx // of what ends as soon as the pool is to be closed
	end     context.CancelFunc // ends ctx
	crashed func(r any)        // told when a worker has panicked, with the value of that
}

// begin makes w ready for use.
func (w *workers) begin(crashed func(r any)) {
	w.stop, w.crashed = make(chan struct{}), crashed
	w.ctx, w.end = context.WithCancel(context.Background())
}

// start runs f in a goroutine. It returns false, and does not run f, when the pool is closed.
func (w *workers) start(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.run(f)
	return true
}

// startFromWorker is start for a caller that is itself a worker: it succeeds also while Close
// waits for that worker, because the caller's work is not done before f has run.
func (w *workers) startFromWorker(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && w.running == 0 {
		return false
	}
	w.run(f)
	return true
}

// run counts and starts a worker. w.mu is held.
func (w *workers) run(f func()) {
	w.running++
	go func() {
		defer w.uncount()
		defer w.rescue()
		f()
	}()
}

// rescue keeps a panic in a worker from ending the program.
func (w *workers) rescue() {
	if r := recover(); r != nil {
		w.crashed(r)
	}
}

// uncount notes the end of a worker. The last one tells close.
func (w *workers) uncount() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.running == 0 && w.idle != nil {
		close(w.idle)
	}
}

// close refuses new workers and reports whether all running ones ended within d.
func (w *workers) close(d time.Duration) bool {
	idle := w.closing()
	defer w.once.Do(func() { close(w.stop) })
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// closing refuses new workers, ends what need not be waited for, and returns a channel that is
// closed when none is left.
func (w *workers) closing() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.end()
	if w.idle == nil {
		w.idle = make(chan struct{})
		if w.running == 0 {
			close(w.idle)
		}
	}
	return w.idle
}
