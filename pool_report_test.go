package reauth_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The pool keeps digests of spent refresh tokens in a credential's Metadata. Neither a refresher
// nor a caller of Token gets them.
func TestSpentTokensAreNotHandedOut(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		var handed reauth.Credential
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				handed = c
				return reauth.Credential{AccessToken: c.AccessToken + "+", RefreshToken: c.RefreshToken + "+"}, nil
			})
		})
		for range 3 {
			require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		}
		c, err := r.pool.Token(context.Background(), r.provider)
		require.NoError(t, err)
		assert.Empty(t, c.Metadata)
		assert.Empty(t, handed.Metadata)
	})
}

func TestTokenForOtherClients(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		ctx := context.Background()
		access, _ := r.loginUntil(t, "me", time.Now().Add(-time.Second))
		c, err := r.pool.Token(ctx, "grok")
		require.NoError(t, err)
		assert.NotEqual(t, access, c.AccessToken, "Token refreshes an expired token first")
		assert.Equal(t, "me", c.ID)

		time.Sleep(2 * time.Minute) // from this age on, a rejection proves that the token has ended
		r.fake.Expire()
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, c.AccessToken, reauth.Verdict{Kind: reauth.Rejected}))
		next, err := r.pool.Token(ctx, "xai")
		require.NoError(t, err)
		assert.NotEqual(t, c.AccessToken, next.AccessToken, "Report of a rejection renews the token")
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, c.AccessToken, reauth.Verdict{Kind: reauth.Rejected}))
		assert.Equal(t, 2, r.fake.Exchanges(), "a late report about a replaced token does nothing")

		reset := time.Now().Add(time.Hour)
		exhausted := reauth.Verdict{Kind: reauth.Exhausted, Reset: reset}
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, exhausted))
		assert.WithinDuration(t, reset, r.status(t, "me").AsideUntil, 0)
		time.Sleep(time.Second)
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, reauth.Verdict{}))
		assert.Equal(t, reauth.Good, r.status(t, "me").State, "a success lifts the mark")
		require.NoError(t, r.pool.Report(ctx, "xai", c.ID, next.AccessToken, reauth.Verdict{Kind: reauth.Forbidden}))
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		require.ErrorContains(t, r.pool.Report(ctx, "xai", "nobody", "x", reauth.Verdict{}), "no credential")
	})
}

// Nothing can renew a rejected key: Report says so, and puts the key aside.
func TestReportOfARejectedKey(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		rejected := reauth.Verdict{Kind: reauth.Rejected, Reason: "test"}
		err := r.pool.Report(context.Background(), "xai", "a", "key-a", rejected)
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
		c, err := r.pool.Token(context.Background(), "xai")
		require.NoError(t, err)
		assert.Equal(t, "b", c.ID)
	})
}

func TestTokenHonoursItsContext(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = time.Second
		r.loginUntil(t, "", time.Now().Add(-time.Second))
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := r.pool.Token(ctx, "xai")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
	})
}

func TestStatus(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		expiry := time.Now().Add(time.Hour).Truncate(time.Second)
		access := jwt(fmt.Sprintf(`{"sub":"user-1","exp":%d}`, expiry.Unix()))
		r.add(t, reauth.Credential{AccountID: "acct", AccessToken: access, RefreshToken: "rt", Priority: 3})
		r.add(t, reauth.Credential{ID: "b", AccessToken: "key-b", Priority: 1})
		list := r.pool.Status()
		require.Len(t, list, 2)
		assert.Equal(t, "b", list[0].ID, "by priority")
		s := list[1]
		assert.Equal(t, "acct:user-1", s.ID)
		assert.Equal(t, "acct", s.AccountID)
		assert.Equal(t, reauth.Good, s.State)
		assert.WithinDuration(t, expiry, s.Expiry, 0)
		assert.Len(t, s.Fingerprint, 8)
		assert.NotContains(t, access, s.Fingerprint)
		assert.Zero(t, s.LastRefresh)
	})
}

func TestLastRefreshIsTold(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		time.Sleep(time.Hour)
		require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.WithinDuration(t, time.Now(), r.status(t, "me").LastRefresh, 0)
	})
}
