package proxy

import (
	"sync"
	"time"
)

// deadline is the deadline of the reads or the writes of a connection. net/http sets and clears
// several for each request that hardly ever run out, and each costs a change of a timer. So the
// timer of the connection below is moved at once only where it must ring earlier. One that rings
// too early is set anew, by early, and the read or the write goes on.
type deadline struct {
	arm func(time.Time) error // sets the deadline of the connection below

	mu sync.Mutex
	// until is what was asked for, and armed what the connection below has; zero: none.
	until, armed time.Time
}

// set asks for a deadline; zero: none. It holds for a read or a write that is waiting, too.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = t
	return d.ringBy(t)
}

// within makes the connection below ring at a time at the latest, without asking for that deadline;
// zero: never.
func (d *deadline) within(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ringBy(t)
}

// ringBy moves the timer if it rings after t. The caller holds the lock.
func (d *deadline) ringBy(t time.Time) error {
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return nil
	}
	return d.move(t)
}

// move moves the timer. The caller holds the lock.
func (d *deadline) move(t time.Time) error {
	d.armed = t
	return d.arm(t)
}

// early reports whether the timer has rung before both the deadline that was asked for and another
// one, or zero. It then sets the timer to the earlier of them.
func (d *deadline) early(other time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.until
	if next.IsZero() || !other.IsZero() && other.Before(next) {
		next = other
	}
	return (next.IsZero() || next.After(time.Now())) && d.move(next) == nil
}
