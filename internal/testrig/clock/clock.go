// Package clock makes times at which the two clocks of a machine disagree. The standard library
// offers no way to: the tests of what a laptop does after its sleep need them.
package clock

import (
	"time"
	"unsafe"
)

// layout is that of time.Time with a reading of the monotonic clock, as the source of package time
// describes it: one flag, 33 bits of seconds by the wall's clock, 30 bits of nanoseconds.
type layout struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// Asleep returns the time that time.Now would return after t if the machine had been asleep for d, a
// whole number of seconds: the wall's clock has gone on, the monotonic one has not. A negative d is a
// wall's clock that was set back.
func Asleep(t time.Time, d time.Duration) time.Time {
	later := t
	l := (*layout)(unsafe.Pointer(&later))
	l.wall += uint64(d/time.Second) << 30 // a negative one wraps around as it should
	if later.Sub(t) != 0 || later.Round(0).Sub(t.Round(0)) != d {
		panic("clock: time.Time has another layout, or no reading of the monotonic clock")
	}
	return later
}
