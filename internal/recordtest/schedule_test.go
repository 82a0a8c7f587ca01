package recordtest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is printed can be played again.
func TestProgramsCanBeRead(t *testing.T) {
	for seed := range uint64(100) {
		s := newSchedule(seed)
		read, err := parseSchedule("# found by chance\n" + s.String())
		require.NoError(t, err)
		assert.Equal(t, s, read)
	}
}

// A model that finds nothing in a broken store proves nothing.
func TestBrokenStoresAreFound(t *testing.T) {
	for name, open := range map[string]func(*memoryPlace) Handle{
		"its claims exclude nobody":         func(s *memoryPlace) Handle { return &claimless{memoryHandle{place: s}} },
		"it does not tell that it has gone": func(s *memoryPlace) Handle { return &emptied{memoryHandle{place: s}} },
		"its versions come back":            func(s *memoryPlace) Handle { return &sameVersions{memoryHandle{place: s}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := Kind{Make: func(t testing.TB, seed uint64) Place {
				return &brokenPlace{Memory().Make(t, seed).(*memoryPlace), open}
			}}
			for seed := range uint64(1000) {
				if len(kind.play(t, newSchedule(seed)).broken) > 0 {
					return
				}
			}
			t.Error("nothing was found in 1,000 schedules")
		})
	}
}

// brokenPlace is a place whose handles break a promise.
type brokenPlace struct {
	*memoryPlace
	open func(*memoryPlace) Handle
}

func (s *brokenPlace) Open(testing.TB) Handle { return s.open(s.memoryPlace) }

// claimless gives every claim back before its function runs.
type claimless struct{ memoryHandle }

func (h *claimless) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return h.memoryHandle.Update(ctx, provider, id, func(holding reauth.Holding) (reauth.Entry, error) {
		h.place.mu.Lock()
		key := memoryKey{provider, id}
		h.place.free(key, h.place.claims[key])
		h.place.mu.Unlock()
		return fn(holding)
	})
}

// emptied tells an empty store where the place is away.
type emptied struct{ memoryHandle }

func (h *emptied) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	if h.place.Snapshot() == nil {
		return reauth.Snapshot{Version: "empty"}, nil
	}
	return h.memoryHandle.Load(ctx, version)
}

// sameVersions tells that nothing has changed whenever there are as many records as before.
type sameVersions struct{ memoryHandle }

func (h *sameVersions) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	snap, err := h.memoryHandle.Load(ctx, "")
	if err != nil || version == "" || len(snap.Entries) == 0 {
		return snap, err
	}
	return reauth.Snapshot{Delta: true, Identity: snap.Identity, Version: version}, nil
}
