package reauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// gaveUp returns the GaveUp of the last request, which must be the one about that credential.
func (r *rig) gaveUp(t testing.TB, id string) reauth.Event {
	t.Helper()
	list := r.events.all(reauth.GaveUp)
	require.NotEmpty(t, list)
	e := list[len(list)-1]
	assert.Equal(t, id, e.ID)
	assert.Equal(t, r.provider, e.Provider)
	return e
}

// A request gets its refusal. The event tells why the credential could not be renewed: for the
// request that found it out, and for each one after it.
func TestGaveUpTellsWhyTheCredentialWasNotRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, r *rig) // of the login "me", whose token is refused
		reason  string
		says    string
		is      error
	}{
		"a dead login": {
			prepare: func(_ *testing.T, r *rig) { r.fake.Revoke(r.refresh) },
			reason:  "refresh:invalid_grant", says: "a new login is needed",
		},
		"a token endpoint in trouble": {
			prepare: func(_ *testing.T, r *rig) {
				for range 100 {
					r.fake.Fail(reauthtest.TooManyRequests(time.Hour))
				}
			},
			reason: "refresh:rate_limited", says: "status 429",
		},
		"a token endpoint that cuts": {
			prepare: func(_ *testing.T, r *rig) {
				for range 100 {
					r.fake.Fail(reauthtest.Fault{Cut: true})
				}
			},
			reason: "refresh:failed", is: io.ErrUnexpectedEOF,
		},
		"a closed pool": {
			prepare: func(t *testing.T, r *rig) { require.NoError(t, r.pool.Close()) },
			reason:  "pool-closed", says: "the pool is closed",
		},
		"no refresher": {
			prepare: func(t *testing.T, r *rig) {
				r.register(t, func(p *reauth.Provider) { p.Refresher = nil })
			},
			reason: "rejected:xai:bad-credentials", says: "the provider has no Refresher", is: reauth.ErrNotRefreshable,
		},
		"a static key": {
			prepare: func(t *testing.T, r *rig) {
				require.NoError(t, r.pool.Remove(t.Context(), r.provider, "me"))
				r.key(t, "me", "key-1")
				r.fake.Expire("key-1")
			},
			reason: "rejected:", says: "a static key", is: reauth.ErrNotRefreshable,
		},
		"a refresh of no use": {
			prepare: func(_ *testing.T, r *rig) { r.fake.RefuseNew = true },
			reason:  "refresh:useless", says: "were refused as well",
		},
		"a dead grant of a token that nobody accepted": {
			prepare: func(t *testing.T, r *rig) {
				r.fake.RefuseNew = true
				r.mustPost(t)
				r.fake.Revoke(r.refresh)
				require.Error(t, r.pool.Refresh(t.Context(), r.provider, "me"))
			},
			reason: "refresh:invalid_grant", says: "a new login is needed",
		},
		"one send only": {
			prepare: func(_ *testing.T, r *rig) {
				r.transport.MaxAttempts = 1
				r.fake.Revoke(r.refresh)
			},
			reason: "refresh:invalid_grant", says: "a new login is needed",
		},
	} {
		for store, bubble := range map[string]func(*testing.T, func(*testing.T, *rig)){
			"in memory": func(t *testing.T, f func(*testing.T, *rig)) { bubble(t, reauthtest.XAI, f) },
			"over a store": func(t *testing.T, f func(*testing.T, *rig)) {
				bubbleOver(t, func(t *testing.T, r *rig, _ *watchedStore) { f(t, r) })
			},
		} {
			t.Run(name+", "+store, func(t *testing.T) {
				bubble(t, func(t *testing.T, r *rig) {
					old, refresh := r.login(t, "me")
					r.refresh = refresh
					r.fake.Expire(old)
					c.prepare(t, r)
					for i := range 4 {
						status, _ := r.mustPost(t)
						require.GreaterOrEqual(t, status, 400)
						time.Sleep(time.Duration(i+1) * 200 * time.Millisecond)
						if name == "one send only" && i == 0 { // it does not wait for the renewal
							e := r.gaveUp(t, "me")
							assert.Equal(t, "rejected:xai:bad-credentials", e.Reason)
							require.ErrorContains(t, e.Err, "MaxAttempts")
							continue
						}
						e := r.gaveUp(t, "me")
						assert.True(t, strings.HasPrefix(e.Reason, c.reason), "request %d: %s", i, e.Reason)
						require.Error(t, e.Err, "request %d", i)
						require.ErrorContains(t, e.Err, c.says)
						if c.is != nil {
							require.ErrorIs(t, e.Err, c.is)
						}
						assert.NotContains(t, e.Err.Error(), refresh)
						assert.Positive(t, e.Attempt)
					}
				})
			})
		}
	}
}

// Other refusals have no renewal to explain: the reason is that of the verdict. The credential is the
// one whose refusal the caller gets.
func TestGaveUpNamesTheCredentialOfTheRefusal(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Forbid("key-a")
		r.fake.Expire("key-b")
		status, _ := r.mustPost(t)
		require.Equal(t, 403, status)
		e := r.gaveUp(t, "a")
		assert.True(t, strings.HasPrefix(e.Reason, "forbidden:"), e.Reason)
		require.NoError(t, e.Err)
		assert.Equal(t, 2, e.Attempt)

		r.fake.Exhaust(noReset)
		r.mustPost(t)
		list := r.events.all(reauth.GaveUp)
		e = list[len(list)-1]
		assert.True(t, strings.HasPrefix(e.Reason, "exhausted:"), e.Reason)
		require.NoError(t, e.Err)
	})
}

// A body cannot be sent again. The event says so where that is why the caller gets the refusal.
func TestGaveUpTellsThatTheBodyCannotBeSentAgain(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.transport.MaxBodyBuffer = -1
		req, err := http.NewRequest(http.MethodPost, r.url, struct{ io.Reader }{strings.NewReader("{}")})
		require.NoError(t, err)
		status, _, err := r.do(req)
		require.NoError(t, err)
		require.Equal(t, 403, status)
		e := r.gaveUp(t, "me")
		assert.Equal(t, "rejected:xai:bad-credentials", e.Reason)
		require.ErrorContains(t, e.Err, "MaxBodyBuffer")
		time.Sleep(time.Second)
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status, "it has been renewed for the next request")
	})
}

// Token has no token to give. Its error tells of each credential why it has none, each time.
func TestTokenTellsWhyThereIsNone(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		for _, id := range []string{"a", "b"} {
			_, refresh := r.fake.Login()
			r.add(t, reauth.Credential{ID: id, RefreshToken: refresh})
			r.fake.Revoke(refresh)
		}
		for range 3 {
			_, err := r.pool.Token(context.Background(), "xai")
			for _, text := range []string{"xai-oauth", `"a": `, `"b": `, "invalid_grant", "a new login is needed"} {
				require.ErrorContains(t, err, text)
			}
			assert.True(t, refreshError(t, err).Permanent)
			assert.NotContains(t, err.Error(), "Add one")
			assert.NotContains(t, err.Error(), "\n")
		}
		r.register(t, func(p *reauth.Provider) { p.Refresher = nil })
		require.NoError(t, r.pool.Reset(context.Background(), "xai", "a"))
		require.NoError(t, r.pool.Reset(context.Background(), "xai", "b"))
		_, err := r.pool.Token(context.Background(), "xai")
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		require.ErrorContains(t, err, "the provider has no Refresher")
		require.NoError(t, r.pool.Close())
	})
}

// A body that its GetBody cannot make again is why a request is not sent again.
func TestGaveUpTellsOfABodyThatCannotBeMadeAgain(t *testing.T) {
	for name, again := range map[string]func() (io.ReadCloser, error){
		"an error": func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") },
		"nothing":  func() (io.ReadCloser, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, reauthtest.XAI)
			stale, _ := r.login(t, "me")
			r.fake.Expire(stale)
			req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("{}"))
			require.NoError(t, err)
			req.GetBody = again
			resp, err := r.client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			told := r.events.all(reauth.GaveUp)
			require.Len(t, told, 1)
			assert.ErrorContains(t, told[0].Err, "the request was not sent again")
		})
	}
}
