package fleettest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Serve lets workers send requests for the time d, and until there were at least fewest expiries, while
// the access token expires every second. No request may fail, and each expiry may cost one exchange at
// most, whichever worker makes it.
func (f *Fleet) Serve(t *testing.T, workers int, d time.Duration, fewest int) {
	t.Helper()
	const id = "me"
	require.NoError(t, f.Login(id))
	f.Job.Pace, f.Job.Senders = 100*time.Millisecond, 2
	started := make([]*Worker, workers)
	var starting sync.WaitGroup
	for i := range started {
		job := f.Job
		job.Worker, job.ID = fmt.Sprintf("worker-%d", i), id
		starting.Go(func() {
			w, err := f.Start(job)
			if !assert.NoError(t, err) {
				return
			}
			started[i] = w
			t.Cleanup(func() { _ = w.Kill() })
		})
	}
	starting.Wait()
	require.NotContains(t, started, (*Worker)(nil))
	for _, w := range started {
		w.Tell("serve")
	}
	expiries := f.Provider.ExpireEvery(time.Second, d, fewest)
	var all Counts
	for _, w := range started {
		w.Tell("stop")
		assert.NoError(t, w.stdin.Close())
	}
	for _, w := range started {
		c := w.End(t)
		assert.NotZero(t, c.Requests, "%s did nothing", w.Name)
		all.Requests += c.Requests
		all.Exchanges += c.Exchanges
		all.Adopted += c.Adopted
		all.Failures = append(all.Failures, c.Failures...)
		all.StoreFailed = append(all.StoreFailed, c.StoreFailed...)
		all.Refused = append(all.Refused, c.Refused...)
	}
	t.Logf("%d processes, %v: %d expiries, %d exchanges, %d requests, %d adopted, %d failures",
		workers, d, expiries, f.Provider.Exchanges(), all.Requests, all.Adopted, len(all.Failures))
	assert.GreaterOrEqual(t, expiries, fewest)
	assert.LessOrEqual(t, f.Provider.Exchanges(), expiries, "exchanges")
	assert.Equal(t, f.Provider.Exchanges(), all.Exchanges, "every exchange has an event")
	assert.Equal(t, f.Provider.TokenRequests(), f.Provider.Exchanges(), "no exchange was refused")
	assert.Zero(t, f.Provider.Reuses())
	assert.Empty(t, all.Failures)
	assert.Empty(t, all.StoreFailed)
	assert.Empty(t, all.Refused)
	e, err := f.Stored(id)
	require.NoError(t, err)
	assert.True(t, f.Provider.Current(e.Credential.RefreshToken), "the store holds the newest pair")
	assert.Empty(t, e.Spending)
}
