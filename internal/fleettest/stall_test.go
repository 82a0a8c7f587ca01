package fleettest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What several stalls lose at once is lost once, and only what is lost in the time counts.
func TestTimeLostToStalls(t *testing.T) {
	zero := time.Now()
	at := func(seconds float64) time.Time { return zero.Add(time.Duration(seconds * float64(time.Second))) }
	var s stalls
	for _, st := range []stall{
		{worker: "a", from: at(5), to: at(6)},
		{worker: "b", from: at(5.5), to: at(7)},
		{worker: "a", from: at(0), to: at(2)},
		{worker: "a", from: at(9), to: at(11)},
		{worker: "b", from: at(5.2), to: at(5.4)},
		{worker: "b", from: at(12), to: at(13)},
	} {
		s.add(st)
	}
	all := func(stall) bool { return true }
	assert.Equal(t, 4*time.Second, s.within(at(1), at(10), all))
	assert.Equal(t, 3*time.Second, s.within(at(1), at(10), func(st stall) bool { return st.worker == "a" }))
	assert.Zero(t, s.within(at(3), at(4), all))
	assert.Equal(t, 100*time.Millisecond, s.within(at(5.6), at(5.7), all))
}
