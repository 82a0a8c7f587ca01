package reauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// slowMarks is a store to which writing a mark takes a second.
type slowMarks struct {
	reauth.Store
	written []reauth.Standing
}

func (s *slowMarks) Mark(ctx context.Context, provider, id string, st reauth.Standing) error {
	time.Sleep(time.Second)
	s.written = append(s.written, st) // one at a time, says the race detector
	return s.Store.Mark(ctx, provider, id, st)
}

func TestStormOfRefusalsIsNoneForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowMarks{Store: reauth.NewMemStore()}
		fleet(t, 1, store, func(t *testing.T, rigs []*rig) {
			r := rigs[0]
			r.key(t, "a", "key-a")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			store.written = nil
			r.fake.Exhaust(noReset, "key-a")
			for range 200 {
				r.mustPost(t)
				time.Sleep(time.Millisecond) // each refusal is a new mark: it was sent after the last
			}
			last := r.status(t, "a")
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Len(t, store.written, 2, "the first one, and the newest of those that came meanwhile")
			assert.WithinDuration(t, last.AsideUntil, store.written[1].AsideUntil, 0)
		})
	})
}

// A refresh token that was not exchanged because the store took no mark is not said to be spent later on.
func TestMarkThatFailedLeavesNothingBehind(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		r.login(t, "me")
		synctest.Wait()
		store.fail("mark spending", errors.New("disk full"))
		require.Error(t, r.pool.Refresh(t.Context(), "xai", "me"))
		require.Zero(t, r.fake.TokenRequests())
		require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
		entries, _, err := store.Load(t.Context(), "")
		require.NoError(t, err)
		assert.Empty(t, entries[0].Standing.Spending)
	})
}
