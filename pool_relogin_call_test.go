package reauth_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A call that ignores the end of its context is the only one for its credential until it returns.
func TestReloginAsksOnePersonAtATime(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		var now, most, asked atomic.Int32
		release := make(chan struct{})
		r.pool.Relogin = func(ctx context.Context, _ reauth.CredentialStatus) (reauth.Credential, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if asked.Add(1) == 1 {
				<-release
				return reauth.Credential{}, errors.New("nobody was there")
			}
			return p.answer()
		}
		got := make(chan map[int]int, 2)
		ask := func() {
			go func() { got <- r.atOnce(t, 5) }()
			time.Sleep(3 * time.Second)
		}
		ask()
		access, refresh := r.login(t, "me")
		require.Equal(t, map[int]int{200: 5}, <-got)
		r.fake.Expire(access)
		r.fake.Revoke(refresh)
		ask()
		require.NoError(t, r.pool.Reset(context.Background(), r.provider, "me"))
		ask()
		require.EqualValues(t, 1, asked.Load())
		close(release)
		require.Equal(t, map[int]int{200: 5}, <-got)
		require.Equal(t, map[int]int{200: 5}, <-got)
		require.EqualValues(t, 2, asked.Load())
		require.EqualValues(t, 1, most.Load())
	})
}

// An observer may call the pool when it is told that a person is asked, and wait for the answer; or end
// its goroutine.
func TestReloginIsObserved(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		var failed error
		waited := make(chan struct{})
		r.pool.Observe = func(ctx context.Context, e reauth.Event) {
			if e.Type == reauth.Refreshing && e.Reason == "relogin" {
				defer close(waited)
				c, err := r.pool.Token(ctx, r.provider)
				assert.NoError(t, err)
				failed = r.pool.Report(ctx, r.provider, "me", c.AccessToken, reauth.Verdict{Kind: reauth.Rejected})
			}
		}
		began := time.Now()
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		require.Less(t, time.Since(began), 2*time.Minute)
		<-waited
		require.NoError(t, failed)
		require.EqualValues(t, 1, p.asked.Load())
	})
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		p := withPerson(t, r)
		r.pool.Observe = func(_ context.Context, e reauth.Event) {
			if e.Type == reauth.Refreshing && e.Reason == "relogin" {
				runtime.Goexit()
			}
		}
		require.Equal(t, map[int]int{200: 5}, r.atOnce(t, 5))
		require.EqualValues(t, 1, p.asked.Load())
	})
}

// A call that ends its goroutine has failed, and the error names what it was.
func TestReloginEndsItsGoroutine(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		withPerson(t, r)
		r.pool.Relogin = func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
			runtime.Goexit()
			return reauth.Credential{}, nil
		}
		require.Equal(t, map[int]int{403: 5}, r.atOnce(t, 5))
		require.ErrorContains(t, r.events.all(reauth.GaveUp)[0].Err, "relogin ended its goroutine")
	})
}
