package reauth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A login that names hosts is bound to them at once: its token goes to no other one, and they outlive
// a store that could not take them.
func TestReloginWithHosts(t *testing.T) {
	for name, fails := range map[string]bool{"stored": false, "from memory": true} {
		t.Run(name, func(t *testing.T) {
			bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
				p := withPerson(t, r)
				answer := p.answer
				var fresh string
				p.answer = func() (reauth.Credential, error) {
					if fails {
						store.fail("claim", errors.New("the disk is full"))
					}
					c, err := answer()
					fresh, c.Hosts = c.AccessToken, []string{"cli-chat-proxy.grok.com"}
					return c, err
				}
				require.Equal(t, map[int]int{403: 5}, r.atOnce(t, 5))
				require.Contains(t, r.events.all(reauth.GaveUp)[0].Err.Error(), "not for the host")
				_, _, err := r.post(context.Background()) // it has no credential now
				require.NoError(t, err)
				for _, sent := range r.fake.Requests() {
					require.NotEqual(t, fresh, sent.Token)
				}
				store.fail("claim", nil)
				time.Sleep(2 * time.Second)
				require.Equal(t, []string{"cli-chat-proxy.grok.com"}, reauth.Record(t, store.Store, r.provider, "me").Credential.Hosts)
			})
		})
	}
}

// A login may come without an access token, as one at GitHub that mints Copilot's tokens. The first is
// obtained for those who wait.
func TestReloginWithARefreshTokenAlone(t *testing.T) {
	for name, access := range map[string]bool{"refused": true, "none before": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				p := withPerson(t, r)
				if !access {
					require.NoError(t, r.pool.Remove(context.Background(), r.provider, "me"))
					_, refresh := r.fake.Login()
					r.add(t, reauth.Credential{ID: "me", RefreshToken: refresh})
					r.fake.Revoke(refresh)
				}
				p.answer = func() (reauth.Credential, error) {
					_, refresh := r.fake.Login()
					return reauth.Credential{RefreshToken: refresh}, nil
				}
				before := r.fake.TokenRequests()
				require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
				require.EqualValues(t, 1, p.asked.Load())
				require.Equal(t, 2, r.fake.TokenRequests()-before, "one found the grant dead, one brought the token")
			})
		})
	}
}
