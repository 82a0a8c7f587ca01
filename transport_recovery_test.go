package reauth_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// Every refresh succeeds, and the API refuses every new token. The pool must not exchange for ever.
func TestRefreshThatKeepsSucceedingWithRefusedTokens(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
			old, _ := r.login(t, "me")
			r.fake.Expire(old)
			r.fake.RefuseNew = true
			begin := time.Now()
			if atOnce {
				assert.Equal(t, map[int]int{403: 50}, r.atOnce(t, 50))
			} else {
				for range 50 {
					status, body := r.mustPost(t)
					assert.Equal(t, 403, status)
					assert.Contains(t, body, "could not be validated")
				}
			}
			for time.Since(begin) < time.Minute { // later requests within the minute get the refusal too
				status, _ := r.mustPost(t)
				assert.Equal(t, 403, status)
				time.Sleep(time.Second)
			}
			assert.LessOrEqual(t, r.fake.Exchanges(), 3)
			assert.Equal(t, reauth.Aside, r.status(t, "me").State)

			r.fake.RefuseNew = false
			time.Sleep(time.Hour)
			status, _ := r.mustPost(t)
			assert.Equal(t, 200, status, "the pool tries again after a time")
		})
	}
}

// An exchange whose token the API refuses puts the credential aside for 5 s, then for twice as long
// each time.
func TestUselessRefreshPutsAsideForFiveSecondsDoubling(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.RefuseNew = true
		for _, rest := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			r.mustPost(t)
			s := r.status(t, "me")
			require.Equal(t, reauth.Aside, s.State)
			assert.Equal(t, rest, time.Until(s.AsideUntil))
			time.Sleep(rest)
			require.Equal(t, reauth.Good, r.status(t, "me").State)
		}
	})
}

// Not all servers of the provider know a new token at once. The transport tries it again after
// half a second.
func TestFreshTokenThatIsPublishedSlowly(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.PublishDelay = 237 * time.Millisecond
		begin := time.Now()
		assert.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
		assert.Equal(t, 500*time.Millisecond, time.Since(begin))
		assert.Equal(t, 1, r.fake.Exchanges())
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
	})
}

// One endpoint refuses every token, and the others accept it. The requests to that endpoint must
// not rotate the tokens each time.
func TestEndpointThatRefusesEveryToken(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		r.fake.Refuse = func(req *http.Request, _ string) *reauthtest.Answer {
			if req.URL.Path != "/v1/special" {
				return nil
			}
			return &reauthtest.Answer{Status: 403, Body: `{"code":"unauthenticated:bad-credentials","error":"no"}`}
		}
		good, begin := r.url, time.Now()
		for time.Since(begin) < time.Minute {
			r.url = "https://api.x.ai/v1/special"
			status, _ := r.mustPost(t)
			require.Equal(t, 403, status)
			r.url = good
			status, _ = r.mustPost(t)
			require.Equal(t, 200, status)
			time.Sleep(500 * time.Millisecond)
		}
		assert.LessOrEqual(t, r.fake.Exchanges(), 3)
		r.fake.Refuse = nil
		time.Sleep(10 * time.Minute)
		for range 3 {
			r.fake.Expire()
			status, _ := r.mustPost(t)
			assert.Equal(t, 200, status, "the pool still renews a token that has really expired")
		}
	})
}

func TestYoungTokenThatWasAcceptedIsRefreshedAgain(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.login(t, "me")
		for i := range 10 {
			r.fake.Expire()
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
			require.Equal(t, i+1, r.fake.Exchanges())
		}
		assert.Zero(t, r.fake.Reuses())
	})
}

func TestDeadGrantIsAskedOnce(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.fake.TokenLatency = 50 * time.Millisecond
		old, refresh := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.Revoke(refresh)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				status, body, err := r.post(context.Background())
				assert.NoError(t, err)
				assert.Equal(t, 403, status)
				assert.JSONEq(t, `{"code":"unauthenticated:bad-credentials",
					"error":"The OAuth2 access token could not be validated."}`, body)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, r.fake.TokenRequests())
		assert.EqualValues(t, reauth.Retired, r.status(t, "me").State)
		assert.Equal(t, "refresh:invalid_grant", r.status(t, "me").Reason)
		require.Len(t, r.events.all(reauth.Retired), 1)

		time.Sleep(24 * time.Hour)
		r.mustPost(t)
		assert.Equal(t, 1, r.fake.TokenRequests(), "the pool does not ask again with a dead grant")

		fresh, freshRefresh := r.fake.Login()
		r.add(t, reauth.Credential{ID: "me", AccessToken: fresh, RefreshToken: freshRefresh})
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status, "a new login serves")
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
	})
}

// The grant is dead before the access token has expired. The credential serves until the API
// refuses the access token.
func TestPermanentFailureOfAnEarlyRefreshRetiresOnlyWhenTheTokenIsRefused(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		access, _ := r.loginUntil(t, "me", time.Now().Add(time.Hour))
		calls := 0
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				calls++
				return reauth.Credential{}, &reauth.RefreshError{Code: "invalid_grant", Permanent: true}
			})
		})
		time.Sleep(59 * time.Minute)
		status, _ := r.mustPost(t)
		synctest.Wait()
		assert.Equal(t, 200, status)
		assert.Equal(t, 1, calls, "the pool refreshes in the background")
		assert.Equal(t, reauth.Good, r.status(t, "me").State, "the access token still serves")

		r.fake.Expire(access)
		status, _ = r.mustPost(t)
		assert.Equal(t, 403, status)
		assert.Equal(t, 1, calls)
		assert.EqualValues(t, reauth.Retired, r.status(t, "me").State)

		r.fake.Restore(access)
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status, "a mark changes only which credential is preferred")
		assert.Equal(t, reauth.Good, r.status(t, "me").State, "a success lifts the mark")
	})
}

func TestTokenEndpointInTroubleKeepsTheLogin(t *testing.T) {
	for name, fault := range map[string]reauthtest.Fault{
		"429":  reauthtest.TooManyRequests(time.Hour),
		"503":  reauthtest.Unavailable(),
		"page": reauthtest.Page(403),
		"200":  reauthtest.Page(200),
		"cut":  {Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				old, refresh := r.login(t, "me")
				r.fake.Expire(old)
				r.fake.Fail(fault, fault, fault, fault)
				status, body := r.mustPost(t)
				assert.Equal(t, 403, status)
				assert.Contains(t, body, "bad-credentials")
				assert.True(t, r.fake.Current(refresh))
				assert.Equal(t, reauth.Aside, r.status(t, "me").State, "put aside, not retired")
				require.NotEmpty(t, r.events.all(reauth.RefreshFailed))

				time.Sleep(2 * time.Hour)
				for status != 200 {
					status, _ = r.mustPost(t)
					time.Sleep(time.Minute)
				}
				assert.Equal(t, 1, r.fake.Exchanges())
				assert.Zero(t, r.fake.Reuses())
			})
		})
	}
}

func TestFailedRefreshesBackOff(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		for range 1000 {
			r.fake.Fail(reauthtest.Page(503))
		}
		begin := time.Now()
		for time.Since(begin) < 10*time.Minute {
			status, _ := r.mustPost(t)
			require.Equal(t, 403, status)
			time.Sleep(time.Second)
		}
		// The pool rests 1, 2, 4, … 60 s between its tries. The refresher repeats each try once.
		assert.Less(t, r.fake.TokenRequests(), 40)
		assert.Greater(t, r.fake.TokenRequests(), 10)
	})
}

// A request that merely quotes a limit must put nobody aside, whatever reset the quotation names.
func TestQuotedLimitMarksNobody(t *testing.T) {
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	sends := 0
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sends++
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
		return answer(req, 400, `{"error":{"message":"Invalid value: 'my usage limit resets in 20 days'.",`+
			`"type":"invalid_request_error","param":"service_tier","code":"invalid_value"}}`), nil
	})
	for _, key := range []string{"key-a", "key-b", "key-c"} {
		_, err := pool.Add(t.Context(), reauth.Credential{Provider: "openai", ID: key, AccessToken: key})
		require.NoError(t, err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}
	resp, err := client.Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(`{}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, 1, sends)
	for _, s := range pool.Status() {
		assert.Equal(t, reauth.Good, s.State)
	}
}
