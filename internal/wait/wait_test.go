package wait_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/wait"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		assert.True(t, wait.For(ctx, time.Second))
		assert.Equal(t, time.Second, time.Since(begin))
		assert.False(t, wait.For(ctx, time.Hour))
		assert.Equal(t, time.Minute, time.Since(begin), "it waits no longer than its context")
		assert.False(t, wait.For(ctx, time.Hour), "which has ended")
		assert.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestDoubled(t *testing.T) {
	for _, c := range []struct {
		first, most time.Duration
		times       int
		want        time.Duration
	}{
		{time.Second, time.Minute, -1, time.Second},
		{time.Second, time.Minute, 0, time.Second},
		{time.Second, time.Minute, 1, 2 * time.Second},
		{time.Second, time.Minute, 5, 32 * time.Second},
		{time.Second, time.Minute, 6, time.Minute},
		{time.Second, time.Minute, math.MaxInt, time.Minute},
		{30 * time.Second, 5 * time.Minute, 3, 4 * time.Minute},
		{30 * time.Second, 5 * time.Minute, 4, 5 * time.Minute},
		{4, 9, 1, 8}, // half of an odd bound is no whole number
		{5, 9, 1, 9},
		{time.Hour, time.Minute, 0, time.Minute},
		{1, math.MaxInt64, 62, 1 << 62},
		{1, math.MaxInt64, 63, math.MaxInt64},
		{3, math.MaxInt64, 64, math.MaxInt64},
		{0, time.Minute, math.MaxInt, 0},
	} {
		assert.Equal(t, c.want, wait.Doubled(c.first, c.most, c.times), "%v", c)
	}
}

func TestJittered(t *testing.T) {
	const d = 100 * time.Millisecond
	least, most := wait.Jittered(d), wait.Jittered(d)
	for range 1000 {
		j := wait.Jittered(d)
		least, most = min(least, j), max(most, j)
	}
	assert.GreaterOrEqual(t, least, d/2)
	assert.Less(t, most, 3*d/2)
	assert.Greater(t, most-least, d/2, "it spreads")
}
