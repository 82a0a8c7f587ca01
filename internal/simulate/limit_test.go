package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// noon is the beginning of the worlds of these tests.
func noon() time.Time { return time.Date(2026, time.November, 2, 12, 0, 0, 0, time.UTC) }

func TestWindowIsGivenBackWhole(t *testing.T) {
	begin, left := noon(), new(Leftover)
	w := &window{span: fiveHours, size: 10, opens: true, left: left}
	w.roll(begin.Add(time.Hour))
	assert.True(t, w.resets.IsZero(), "it begins with a request")
	w.take(4, begin.Add(time.Hour))
	assert.Equal(t, begin.Add(6*time.Hour), w.resets)
	w.take(7, begin.Add(2*time.Hour))
	assert.False(t, w.admits(1))
	w.roll(begin.Add(6*time.Hour - 1))
	assert.False(t, w.admits(1))
	w.roll(begin.Add(6 * time.Hour))
	assert.True(t, w.admits(1))
	assert.True(t, w.resets.IsZero(), "the next one begins with a request, too")
	assert.Equal(t, Leftover{Left: 0, Size: 10}, *left)
}

func TestWeekFollowsWeek(t *testing.T) {
	begin, left := noon(), new(Leftover)
	w := &window{span: aWeek, size: 10, used: 4, resets: begin, left: left}
	w.roll(begin.Add(aWeek))
	assert.Equal(t, begin.Add(2*aWeek), w.resets)
	assert.Equal(t, Leftover{Left: 6 + 10, Size: 20}, *left)
	assert.InDelta(t, 0.8, left.Share(), 1e-9)
	assert.True(t, math.IsNaN(new(Leftover).Share()))
}

func TestBucketFillsEvenly(t *testing.T) {
	begin := noon()
	b := &bucket{size: 60, free: 60, at: begin}
	b.take(50, begin)
	assert.False(t, b.admits(20))
	assert.Equal(t, 10*time.Second, b.fills(20))
	b.roll(begin.Add(9 * time.Second))
	assert.False(t, b.admits(20))
	b.roll(begin.Add(10 * time.Second))
	assert.True(t, b.admits(20))
	b.roll(begin.Add(time.Hour))
	assert.InDelta(t, 60, b.free, 1e-9, "it does not overflow")
	assert.Zero(t, b.fills(60))
}
