package contract_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// 42: the request that starts an exchange may leave it. If the exchange panics or ends its
// goroutine, no request waits for ever.
func contractDetachedRefresh(t *testing.T) {
	t.Run("the leader leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(staleToken))
			c.refresh = func(ctx context.Context) (string, error) {
				select {
				case <-time.After(10 * time.Second):
					return liveToken, nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			}
			begin := time.Now()
			var all sync.WaitGroup
			all.Go(func() { // this request is refused first, and leaves first
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := c.RoundTrip(contractRequest(ctx, t, nil))
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(begin))
			})
			synctest.Wait()
			for range 8 {
				all.Go(func() {
					mustSend(t, c, contractRequest(t.Context(), t, nil), 200)
					assert.Equal(t, 10*time.Second, time.Since(begin))
				})
			}
			all.Wait()
			assert.EqualValues(t, 1, c.exchanges.Load())
		})
	})
	for name, fail := range map[string]func(){
		"panic":  func() { panic("the refresher has a bug") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(staleToken))
				healthy := c.refresh
				c.refresh = func(ctx context.Context) (string, error) {
					time.Sleep(time.Second) // other requests begin to wait
					if c.exchanges.Load() == 1 {
						fail()
					}
					return healthy(ctx)
				}
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						assert.Equal(t, refusal, mustSend(t, c, contractRequest(t.Context(), t, nil), 401))
					})
				}
				all.Wait()
				time.Sleep(time.Minute) // the back-off of the failed refresh ends
				mustSend(t, c, contractRequest(t.Context(), t, nil), 200)
				assert.EqualValues(t, 2, c.exchanges.Load())
			})
		})
	}
}

// 44: nothing runs before the first use or after Close. A bubble panics if a goroutine is left in
// it.
func contractNothingRuns(t *testing.T) {
	for name, sends := range map[string]int{"made and never used": 0, "never closed": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := reauth.NewPool() // the rig would close its pool
				_, err := pool.Add(t.Context(), reauth.Credential{
					Provider: "xai", AccessToken: liveToken, RefreshToken: "rt-EXAMPLE",
				})
				require.NoError(t, err)
				rt := reauth.NewRecoveringTransport(testrig.RoundTripFunc(refuseStale), pool)
				for range sends {
					req := contractRequest(t.Context(), t, strings.NewReader("body"))
					req.URL.Host = "api.x.ai"
					mustSend(t, rt, req, 200)
				}
			})
		})
	}
	t.Run("closed during an exchange", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(staleToken))
			c.refresh = func(context.Context) (string, error) {
				time.Sleep(5 * time.Second)
				return liveToken, nil
			}
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.RoundTrip(contractRequest(ctx, t, nil))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NoError(t, c.Pool.Close())
			assert.Equal(t, 5*time.Second, time.Since(begin), "Close waits until the new tokens are stored")
			mustSend(t, c, contractRequest(t.Context(), t, nil), 200)
		})
	})
	t.Run("used after Close", func(t *testing.T) {
		c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(staleToken))
		require.NoError(t, c.Pool.Close())
		got := mustSend(t, c, contractRequest(t.Context(), t, nil), 401)
		assert.Equal(t, refusal, got, "the request is sent, and nothing is refreshed")
		assert.Zero(t, c.exchanges.Load())
	})
}

// 45: the error unwraps to that of the context, and url.Error finds a time-out in it.
func contractErrors(t *testing.T) {
	cause := errors.New("the user pressed stop")
	for name, test := range map[string]struct {
		ctx     func(context.Context) (context.Context, func())
		is      []error
		timeout bool
	}{
		"deadline": {
			ctx: func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				return ctx, cancel
			},
			is: []error{context.DeadlineExceeded}, timeout: true,
		},
		"canceled": {
			ctx: func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Second, cancel)
				return ctx, cancel
			},
			is: []error{context.Canceled},
		},
		"canceled with a cause": {
			ctx: func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Second, func() { cancel(cause) })
				return ctx, func() { cancel(nil) }
			},
			is: []error{context.Canceled, cause},
		},
	} {
		for where, expiry := range map[string]time.Duration{
			"after a refusal":       0,
			"before the first send": -time.Minute,
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cred := refreshable(staleToken)
					if expiry != 0 {
						cred.Expiry = time.Now().Add(expiry)
					}
					c := newContract(t, testrig.RoundTripFunc(refuseStale), cred)
					c.refresh = func(ctx context.Context) (string, error) {
						<-ctx.Done()
						return "", ctx.Err()
					}
					ctx, done := test.ctx(t.Context())
					defer done()
					_, err := (&http.Client{Transport: c}).Do(contractRequest(ctx, t, nil))
					for _, want := range test.is {
						require.ErrorIs(t, err, want)
					}
					var wrapped *url.Error
					require.ErrorAs(t, err, &wrapped)
					assert.Equal(t, test.timeout, wrapped.Timeout())
					assert.NotContains(t, err.Error(), "EXAMPLE")
				})
			})
		}
	}
}

// 46: token requests bypass the transport, also if the program made it the default transport, and
// if the token endpoint is on the host of the API.
func contractTokenCalls(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			asked.Add(1)
			assert.Empty(t, r.Header.Get("Authorization"), "the token request carries no credential of the pool")
			_, _ = w.Write([]byte(`{"access_token":"` + liveToken + `","expires_in":3600}`))
		case !isLive(r):
			http.Error(w, refusal, 401)
		}
	}))
	t.Cleanup(s.Close)
	base := s.Client().Transport
	pool := reauth.NewPool()
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "example", Hosts: []string{"127.0.0.1"},
		Refresher: reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: s.URL + "/token"}),
	}))
	cred := refreshable(staleToken)
	cred.Provider = "example"
	_, err := pool.Add(t.Context(), cred)
	require.NoError(t, err)
	through := 0
	counting := testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		through++
		assert.NotEqual(t, "/token", req.URL.Path)
		return base.RoundTrip(req)
	})
	replaceDefault(t, reauth.NewRecoveringTransport(counting, pool))
	resp, err := http.Get(s.URL)
	require.NoError(t, err)
	bodyOfAnswer(t, resp)
	assert.Equal(t, 200, resp.StatusCode)
	assert.EqualValues(t, 1, asked.Load())
	assert.Equal(t, 2, through)
}
