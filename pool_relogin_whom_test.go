package reauth_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// Of several dead grants each is asked for once.
func TestReloginAsksForEachDeadGrant(t *testing.T) {
	ways := map[string]func(t *testing.T, r *rig){
		"request": func(t *testing.T, r *rig) { r.mustPost(t) },
		"token": func(t *testing.T, r *rig) {
			_, err := r.pool.Token(context.Background(), r.provider)
			require.Error(t, err)
		},
	}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				for _, id := range []string{"a", "b", "c"} {
					access, refresh := r.fake.Login()
					r.fake.Expire(access)
					r.fake.Revoke(refresh)
					if name == "token" {
						access = ""
					}
					r.add(t, reauth.Credential{ID: id, AccessToken: access, RefreshToken: refresh})
				}
				var asked []string
				r.pool.Relogin = func(_ context.Context, s reauth.CredentialStatus) (reauth.Credential, error) {
					asked = append(asked, s.ID)
					return reauth.Credential{}, errors.New("not that one")
				}
				for range 6 {
					ask(t, r)
				}
				require.Len(t, asked, 3)
				slices.Sort(asked)
				require.Equal(t, []string{"a", "b", "c"}, asked)
			})
		})
	}
}

// A grant that is dead while its access token lives is nobody's business yet: a request that meets a
// limit is not helped by a new login.
func TestReloginIsNotForALimit(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.loginUntil(t, "me", time.Now().Add(time.Hour))
		r.fake.Revoke(refresh)
		r.pool.Relogin = func(context.Context, reauth.CredentialStatus) (reauth.Credential, error) {
			t.Error("asked")
			return reauth.Credential{}, errors.New("no")
		}
		limited := false
		r.transport.Base = testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			require.NoError(t, req.Body.Close())
			if limited {
				return answer(req, 429, `{"error":{"code":"rate_limit_exceeded"}}`), nil
			}
			return answer(req, 200, `{}`), nil
		})
		time.Sleep(57 * time.Minute)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		synctest.Wait()
		require.Len(t, r.events.all(reauth.RefreshFailed), 1, "the grant is known to be dead")
		limited = true
		status, _ = r.mustPost(t)
		require.Equal(t, 429, status)
	})
}

// A request that cannot be sent again does not wait for a person, and one is asked for the next. While
// another credential is good, nobody is.
func TestReloginForTheNextRequest(t *testing.T) {
	once := func(r *rig) func() int {
		return func() int {
			req, err := http.NewRequest(http.MethodPost, r.url, struct{ *strings.Reader }{strings.NewReader("{}")})
			if err != nil {
				return 0
			}
			status, _, _ := r.do(req)
			return status
		}
	}
	for name, limit := range map[string]func(r *rig) func() int{
		"one attempt": func(r *rig) func() int { r.transport.MaxAttempts = 1; return once(r) },
		"no replay":   func(r *rig) func() int { r.transport.MaxBodyBuffer = -1; return once(r) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				p := withPerson(t, r)
				send := limit(r)
				require.Equal(t, 403, send())
				synctest.Wait()
				began := time.Now()
				require.Equal(t, 403, send())
				require.Zero(t, time.Since(began))
				time.Sleep(2 * time.Minute)
				require.Equal(t, 200, send())
				require.EqualValues(t, 1, p.asked.Load())
			})
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				p := withPerson(t, r)
				r.key(t, "spare", "key")
				send := limit(r)
				for range 3 {
					send()
					synctest.Wait()
				}
				require.Equal(t, 200, send())
				require.Zero(t, p.asked.Load())
			})
		})
	}
}
