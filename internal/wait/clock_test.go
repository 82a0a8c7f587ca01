package wait_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/testrig/clock"
	"github.com/reauth-go/reauth/internal/wait"
)

func TestBothClocks(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		later time.Time
		gone  time.Duration
	}{
		"awake":     {now.Add(time.Minute), time.Minute},
		"asleep":    {clock.Asleep(now.Add(time.Minute), time.Hour), time.Hour + time.Minute},
		"set back":  {clock.Asleep(now.Add(time.Minute), -time.Hour), time.Minute},
		"one clock": {now.Add(time.Minute).Round(0), time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.gone, wait.Since(now, c.later))
			assert.True(t, wait.Ahead(now.Add(c.gone+1), c.later))
			assert.False(t, wait.Ahead(now.Add(c.gone), c.later))
		})
	}
}

// A reset that a provider names is an instant by the wall's clock. The monotonic clock ends it too.
func TestByBoth(t *testing.T) {
	now := time.Now()
	reset := now.Add(time.Hour).UTC().Round(0)
	both := wait.ByBoth(reset, now)
	assert.True(t, both.Round(0).Equal(reset))
	assert.True(t, wait.Ahead(both, now.Add(time.Hour-1)))
	assert.False(t, wait.Ahead(both, clock.Asleep(now, time.Hour)))
	assert.False(t, wait.Ahead(both, clock.Asleep(now.Add(time.Hour), -time.Hour)))
	assert.True(t, wait.ByBoth(time.Time{}, now).IsZero())
}

// Either clock shows that a wait took longer than it could.
func TestHeldUp(t *testing.T) {
	now := time.Now()
	assert.False(t, wait.HeldUp(now.Add(-50*time.Second), time.Minute))
	assert.True(t, wait.HeldUp(now.Add(-61*time.Second), time.Minute))
	assert.True(t, wait.HeldUp(now.Add(-61*time.Second).Round(0), time.Minute), "by the wall's clock")
}
