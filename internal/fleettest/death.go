package fleettest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// At these steps the provider holds the worker.
const (
	stepExchange = "exchange" // the refresh token was sent
	stepAnswer   = "answer"   // the token is spent, and the new pair has not arrived
)

// DieAtEachStep kills a worker at each step of a refresh while another worker wants the same
// refresh. Only a death between exchange and persist may cost the login. It may delay the other
// worker by at most maxDelay. A busy machine may delay it too, but hardly three times in a row.
func (f *Fleet) DieAtEachStep(t *testing.T, maxDelay time.Duration) {
	t.Helper()
	for _, step := range []struct {
		name  string
		lost  bool
		spent int // exchanges of both workers
	}{
		{StepLock, false, 1},
		{StepReread, false, 1},
		{StepMark, false, 1},
		{stepExchange, false, 1},
		{stepAnswer, true, 1},
		{StepPersist, true, 1},
		{StepPublish, false, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			var delays []time.Duration
			for range 3 {
				id := fmt.Sprintf("dies-at-%s-%d", step.name, len(delays))
				delay := f.dieAt(t, id, step.name, step.lost, step.spent)
				if delay < maxDelay {
					return
				}
				delays = append(delays, delay)
			}
			t.Errorf("a death delays the next exchange by %v, and may delay it by %v", delays, maxDelay)
		})
	}
}

// dieAt kills a worker at a step of its refresh of a new credential, and returns how long the other
// worker had to wait for its own.
func (f *Fleet) dieAt(t *testing.T, id, step string, lost bool, spent int) (delay time.Duration) {
	t.Helper()
	require.NoError(t, f.Login(id))
	p := f.Provider
	exchanges, reuses := p.Exchanges(), p.Reuses()
	dying := f.MustStart(t, "dying-of-"+id, id, step)
	next := f.MustStart(t, "next-of-"+id, id, "")
	var hold *Hold
	if step == stepExchange || step == stepAnswer {
		hold = p.Hold(dying.Name, step == stepAnswer)
	}
	dying.Tell("refresh")
	if hold != nil {
		<-hold.Arrived
	} else {
		require.Equal(t, step, dying.Must(t, "at").Step)
	}
	next.Tell("refresh")
	begin := time.Now()
	require.NoError(t, dying.Kill())
	r := next.Must(t, "refresh")
	delay = time.Since(begin)
	t.Logf("%v until the next one had its refresh, %q", delay.Round(time.Millisecond), r.Err)
	assert.Equal(t, lost, r.Lost, r.Err)
	assert.Equal(t, spent, p.Exchanges()-exchanges)
	if lost {
		assert.Equal(t, 1, p.Reuses()-reuses, "the next worker cannot know that the token is spent")
		assert.Contains(t, r.Err, "died, or was cut off, while it exchanged this token at")
		require.NoError(t, f.Login(id))
		next.End(t)
		next = f.MustStart(t, "after-login-of-"+id, id, "")
	} else {
		require.Empty(t, r.Err)
		assert.Zero(t, p.Reuses()-reuses)
	}
	next.Tell("request")
	assert.Equal(t, 200, next.Must(t, "request").Status)
	next.End(t)
	e, err := f.Stored(id)
	require.NoError(t, err)
	assert.True(t, p.Current(e.Credential.RefreshToken), "the store holds the newest pair")
	return delay
}
