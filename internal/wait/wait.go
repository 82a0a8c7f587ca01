// Package wait has the waiting and the backing off of code that tries again.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits for d. It returns true when d has gone by, and false when ctx ended before.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Doubled returns first, doubled so many times, but at most most. No number of times overflows.
func Doubled(first, most time.Duration, times int) time.Duration {
	for range min(times, 63) { // a Duration has 63 bits: one that is positive has passed most by then
		if first > most/2 {
			return most
		}
		first *= 2
	}
	return min(first, most)
}

// Jittered returns a random duration between half of d and one and a half of d, so that clients
// which failed at the same time do not try again at the same time. d must be positive.
func Jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }
