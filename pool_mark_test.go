package reauth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A reset in the future counts as it is. Without one the reason decides. A reset in the past counts
// as a rate limit at most.
func TestExhaustedUntil(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		v    Verdict
		want time.Duration
	}{
		{Verdict{Reason: "rate-limit"}, time.Minute},
		{Verdict{Reason: "usage-limit"}, 15 * time.Minute},
		{Verdict{Reason: "status:402:billing"}, time.Hour},
		{Verdict{Reason: "a caller's own"}, 15 * time.Minute},
		{Verdict{Reason: "billing", Reset: now.Add(time.Second)}, time.Second},
		{Verdict{Reason: "billing", Reset: now.Add(-time.Hour)}, time.Minute},
	} {
		assert.Equal(t, now.Add(c.want), exhaustedUntil(c.v, now), "%+v", c.v)
	}
}
