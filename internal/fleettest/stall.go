package fleettest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// stallTime is how long something must take to be noted as a stall that takes hardly any time.
const stallTime = 100 * time.Millisecond

// What has stalled.
const (
	stallOfProcess = "the process"
	stallOfStore   = "the store"
)

// stall is a time in which a process could not go on, or the store took long.
type stall struct {
	worker   string // empty: the process of the test
	what     string // one of the constants above
	from, to time.Time
}

// stalls are those of a fleet so far.
type stalls struct {
	mu   sync.Mutex
	list []stall
}

func (s *stalls) add(st stall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, st)
}

// within returns how much of a time was lost to the stalls that count. What several lose at once is lost
// once.
func (s *stalls) within(from, to time.Time, counts func(stall) bool) (lost time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.list, func(a, b stall) int { return a.from.Compare(b.from) })
	for _, st := range s.list {
		begin, end := maxTime(st.from, from), minTime(st.to, to)
		if counts(st) && end.After(begin) {
			lost += end.Sub(begin)
			from = end
		}
	}
	return lost
}

// watchMachine notes, until stop is called, when the machine takes long for what takes hardly any time:
// to let this process go on, and to bring a few bytes to the disk. The store has no part in it.
func (s *stalls) watchMachine(t testing.TB) (stop func()) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "beat"))
	require.NoError(t, err)
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(stallTime / 2)
		defer ticker.Stop()
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-ticker.C:
			case <-done:
				return
			}
			_, err := file.WriteAt([]byte("beat"), 0)
			if err := errors.Join(err, file.Sync()); err != nil {
				t.Errorf("watching the disk: %v", err)
				return
			}
			if now := time.Now(); now.Sub(last) > stallTime {
				s.add(stall{what: stallOfProcess, from: last, to: now})
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
		_ = file.Close() // nobody reads it
	}
}

// watchClock tells when the machine did not let this worker run.
func (w *worker) watchClock() {
	last := time.Now()
	for range time.Tick(stallTime / 2) {
		w.tellStall(stallOfProcess, last)
		last = time.Now()
	}
}

// tellStall tells that something which takes hardly any time has taken long since it began.
func (w *worker) tellStall(what string, began time.Time) {
	if time.Since(began) > stallTime {
		w.note(Note{What: noteStalled, Begin: began, Text: what})
	}
}

// note reports a note.
func (w *worker) note(n Note) {
	n.At = time.Now()
	w.report(Report{Did: "note", Note: &n})
}

// stallStore is a store that tells when it takes long to write.
type stallStore struct {
	reauth.Store
	w *worker
}

// Update implements reauth.Store.
func (s *stallStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	var over time.Time
	e, err := s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		spend := h.Spend
		h.Spend = func(ctx context.Context, sp reauth.Spending) error {
			began := time.Now()
			defer func() { s.w.tellStall(stallOfStore, began) }()
			return spend(ctx, sp)
		}
		defer func() { over = time.Now() }()
		return fn(h)
	})
	if !over.IsZero() {
		s.w.tellStall(stallOfStore, over)
	}
	return e, err
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
