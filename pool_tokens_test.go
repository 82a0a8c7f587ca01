package reauth_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestExpiredByTheClockIsRefreshedFirst(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		access, _ := r.loginUntil(t, "me", time.Now().Add(-time.Minute))
		r.fake.Expire(access)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, []int{200}, r.statuses(), "the provider never saw the old token")
	})
}

func TestExpiredTokenThatCannotBeRefreshedIsSentAllTheSame(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		access, _ := r.loginUntil(t, "me", time.Now().Add(-time.Minute))
		r.fake.Fail(reauthtest.Unavailable(), reauthtest.Unavailable())
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "the provider decides, not our clock")
		assert.Equal(t, []string{access}, r.tokens())
	})
}

func TestTokenAboutToExpireServesWhileItIsRefreshed(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 10 * time.Second
		access, _ := r.loginUntil(t, "me", time.Now().Add(time.Hour))
		r.mustPost(t)
		synctest.Wait()
		require.Zero(t, r.fake.TokenRequests(), "no token is refreshed long before its expiry")
		time.Sleep(59 * time.Minute)
		begin := time.Now()
		assert.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		assert.Equal(t, begin, time.Now(), "no request waited for the refresh")
		time.Sleep(11 * time.Second)
		assert.Equal(t, 1, r.fake.Exchanges())
		r.mustPost(t)
		assert.NotEqual(t, access, r.tokens()[21])
	})
}

func TestEarlyRefreshThatFailsBacksOff(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.loginUntil(t, "me", time.Now().Add(time.Hour))
		for range 100 {
			r.fake.Fail(reauthtest.Unavailable())
		}
		time.Sleep(58 * time.Minute)
		for range 100 {
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, len(r.events.all(reauth.RefreshFailed)), 3)
		assert.LessOrEqual(t, r.fake.TokenRequests(), 6, "after a 5xx the exchange is repeated once")
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
	})
}

// Many processes must not renew at the same moment, so the margin before the expiry varies.
func TestMarginIsJittered(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		for i := range 200 {
			r.loginUntil(t, fmt.Sprint(i), time.Now().Add(time.Hour))
		}
		touch := func() {
			for i := range 200 {
				ctx := reauth.WithCredential(context.Background(), r.provider, fmt.Sprint(i))
				_, err := r.pool.Token(ctx, r.provider)
				require.NoError(t, err)
			}
			synctest.Wait()
		}
		// The margin is 5 min ± 20 %: the first token is due 6 min before its expiry.
		time.Sleep(60*time.Minute - 6*time.Minute - 2*time.Second)
		touch()
		assert.Zero(t, r.fake.Exchanges())
		time.Sleep(time.Minute + 2*time.Second)
		touch()
		assert.InDelta(t, 100, r.fake.Exchanges(), 60, "some of the tokens, not all")
		time.Sleep(time.Minute + 2*time.Second)
		touch()
		assert.Equal(t, 200, r.fake.Exchanges())
	})
}

// The pool renews when it is asked to serve, and never by itself.
func TestNothingRunsWhenNothingIsAsked(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.loginUntil(t, "me", time.Now().Add(time.Hour))
		time.Sleep(30 * 24 * time.Hour)
		assert.Zero(t, r.fake.TokenRequests())
	})
}

// The clock of the token endpoint is wrong. Its stamps (Date, exp, expires_in) must not cause an
// exchange per request.
func TestServerStampsThatAreOff(t *testing.T) {
	for name, change := range map[string]func(p *reauthtest.Provider){
		"Date and exp two hours ahead": func(p *reauthtest.Provider) {
			p.JWT, p.OmitExpiry, p.Skew = true, true, 2*time.Hour
		},
		"Date and exp two hours behind": func(p *reauthtest.Provider) {
			p.JWT, p.OmitExpiry, p.Skew = true, true, -2*time.Hour
		},
		"exp two hours behind, life of 1 h": func(p *reauthtest.Provider) { p.JWT, p.Skew = true, -2*time.Hour },
		"expires_in two hours ago":          func(p *reauthtest.Provider) { p.Lifetime = -2 * time.Hour },
		"expires_in zero":                   func(p *reauthtest.Provider) { p.Lifetime = time.Millisecond },
		"expires_in two hours too long":     func(p *reauthtest.Provider) { p.Lifetime = 3 * time.Hour },
		"exp two hours ago without expires_in": func(p *reauthtest.Provider) {
			p.JWT, p.OmitExpiry, p.Lifetime = true, true, -2*time.Hour
		},
		"a life of two seconds": func(p *reauthtest.Provider) { p.Lifetime = 2 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				change(r.fake)
				old, _ := r.login(t, "me")
				r.fake.Expire(old)
				for range 300 { // a minute of requests
					status, _ := r.mustPost(t)
					require.Equal(t, 200, status)
					time.Sleep(200 * time.Millisecond)
				}
				most := 2
				if name == "a life of two seconds" {
					most = 61 // one exchange per half the token's life
				}
				assert.LessOrEqual(t, r.fake.Exchanges(), most)
				assert.Zero(t, r.fake.Reuses())
				assert.NotContains(t, r.statuses()[1:], 403)
			})
		})
	}
}

// The expiry in the store comes from a host whose clock is wrong. It must not cause exchanges here.
func TestStoredExpiryOfAHostWhoseClockIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fake := reauthtest.New(reauthtest.XAI)
		access, refresh := fake.Login()
		stale := reauth.Credential{Provider: "xai-oauth", ID: "me", AccessToken: access, RefreshToken: refresh}
		store.Put(t, stale, time.Time{})
		pool, err := reauth.OpenPool(context.Background(), store)
		require.NoError(t, err)
		r := newRigOn(t, reauthtest.XAI, pool)
		r.fake, r.transport.Base = fake, fake.Transport()
		r.refreshAt(t, fake)
		// Another host, whose clock is two hours behind, refreshes every minute. By its stamps the
		// pair has long expired.
		for range 20 {
			c := stale
			c.AccessToken, c.RefreshToken = fake.Login()
			now := time.Now().Add(-2 * time.Hour)
			c.Expiry = now.Add(time.Hour)
			store.Put(t, c, now)
			time.Sleep(time.Minute)
			for range 10 {
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
				synctest.Wait()
			}
		}
		assert.Zero(t, fake.Exchanges(), "the pool trusts a new pair in the store until a provider refuses it")
		require.NoError(t, pool.Close())
	})
}
