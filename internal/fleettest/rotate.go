package fleettest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// RotateKeys replaces the key of a sealed store under load, while the access tokens of two credentials
// expire all the time: workers with the old key alone give way, half of them at a time, to workers that
// seal with the next key and open with both; then all records are sealed anew, and workers with the next
// key alone follow. No request may fail, and no login may be lost. A worker with the old key goes on
// with the credential that it can open, and says which one it cannot.
func (f *Fleet) RotateKeys(t *testing.T, workers int, old, next []byte) {
	t.Helper()
	x := &rotation{Fleet: f, t: t, next: "sealed with the key " + reauth.SealingKeyID(next)}
	for _, id := range []string{"a", "b"} {
		require.NoError(t, f.Login(id))
	}
	bare, shut, err := f.open(t.Context(), f.Job)
	require.NoError(t, err)
	defer func() { assert.NoError(t, shut()) }()
	both, err := reauth.NewSealedStore(bare, next, old)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	expiries := make(chan int, 1)
	go func() { expiries <- f.Provider.ExpireServed(ctx, time.Second) }()

	half := workers / 2
	one, other := x.start("old-1", half, old), x.start("old-2", workers-half, old)
	x.exchanges(1)
	one = x.relieve(one, "both-1", next, old)
	reseal(t, both, "a") // if none of the exchanges has done so: it depends on who comes first
	x.exchanges(2)       // while both kinds serve
	other = x.relieve(other, "both-2", next, old)
	assert.NotZero(t, x.told, "a worker with the old key says what it cannot open")
	reseal(t, both, "a", "b")
	require.Equal(t, map[string]int{reauth.SealingKeyID(next): 2}, sealedBy(t, bare))
	one, other = x.relieve(one, "next-1", next), x.relieve(other, "next-2", next)
	x.exchanges(1)
	x.end(one)
	x.end(other)
	stop()
	t.Logf("%d processes at a time, %d in all: %d requests, %d expiries, %d exchanges, %d times told what does not open",
		workers, x.started, x.requests, <-expiries, f.Provider.Exchanges(), x.told)
	x.judge(both)
}

// rotation is a running RotateKeys.
type rotation struct {
	*Fleet
	t    *testing.T
	next string // what is said of a record that is sealed with the next key

	started, requests, told int
}

// watch is a group of workers with the same keys.
type watch struct {
	workers []*Worker
	old     bool // they have the old key alone
}

// start starts workers, which serve at once.
func (x *rotation) start(name string, n int, keys ...[]byte) watch {
	x.t.Helper()
	w := watch{workers: make([]*Worker, n), old: bytes.Equal(keys[0], x.Job.Keys[0])}
	var starting sync.WaitGroup
	for i := range w.workers {
		job := x.Job
		job.Worker, job.Keys = fmt.Sprintf("%s-%d", name, i), keys
		job.Pace, job.Senders = 200*time.Millisecond, 1
		starting.Go(func() {
			worker, err := x.Start(job)
			if !assert.NoError(x.t, err) {
				return
			}
			w.workers[i] = worker
			x.t.Cleanup(func() { _ = worker.Kill() }) // without effect after its end
			worker.Tell("serve")
		})
	}
	starting.Wait()
	require.NotContains(x.t, w.workers, (*Worker)(nil))
	x.started += n
	return w
}

// relieve starts as many workers with other keys, and ends those that were there.
func (x *rotation) relieve(was watch, name string, keys ...[]byte) watch {
	x.t.Helper()
	now := x.start(name, len(was.workers), keys...)
	x.end(was)
	return now
}

// end ends workers. Nothing has failed for them, but that one with the old key alone may have found a
// record that it could not open.
func (x *rotation) end(w watch) {
	x.t.Helper()
	for _, worker := range w.workers {
		worker.Tell("stop")
		c := worker.End(x.t)
		x.requests += c.Requests
		assert.NotZero(x.t, c.Requests, "%s did nothing", worker.Name)
		assert.Empty(x.t, c.Failures, worker.Name)
		if !w.old {
			assert.Empty(x.t, c.StoreFailed, worker.Name)
			assert.Empty(x.t, c.Refused, worker.Name)
		}
		for _, text := range c.StoreFailed {
			assert.Contains(x.t, text, x.next, worker.Name)
			x.told++
		}
	}
}

// exchanges waits for some more exchanges.
func (x *rotation) exchanges(n int) {
	x.t.Helper()
	n += x.Provider.Exchanges()
	require.Eventually(x.t, func() bool { return x.Provider.Exchanges() >= n }, patience, 20*time.Millisecond)
}

// judge checks that both logins are alive and in the store.
func (x *rotation) judge(s reauth.Store) {
	x.t.Helper()
	assert.Zero(x.t, x.Provider.Reuses())
	assert.Equal(x.t, x.Provider.TokenRequests(), x.Provider.Exchanges(), "no exchange was refused")
	snap, err := s.Load(x.t.Context(), "")
	require.NoError(x.t, err)
	assert.Empty(x.t, snap.Broken)
	assert.Len(x.t, snap.Entries, 2)
	for _, e := range snap.Entries {
		assert.True(x.t, x.Provider.Current(e.Credential.RefreshToken), "the store holds the newest pair of %s", e.Credential.ID)
	}
}

// sealedBy returns how many records are sealed with each key.
func sealedBy(t *testing.T, bare reauth.Store) map[string]int {
	t.Helper()
	snap, err := bare.Load(t.Context(), "")
	require.NoError(t, err)
	keys := make(map[string]int)
	for _, e := range snap.Entries {
		keys[e.SealedWith()]++
	}
	return keys
}

// reseal seals records anew, as they are.
func reseal(t *testing.T, s reauth.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := s.Update(t.Context(), ProviderName, id,
			func(h reauth.Holding) (reauth.Entry, error) { return h.Entry, nil })
		require.NoError(t, err)
	}
}
