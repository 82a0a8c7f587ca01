package reauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The same key under two IDs is one account for the provider. A limit of it is known of both, here
// and to other pools, and a success ends it for both.
func TestTwinsShareMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet(t, 2, reauth.NewMemStore(), func(t *testing.T, rigs []*rig) {
			a, b := rigs[0], rigs[1]
			a.key(t, "first", "key-same")
			a.key(t, "second", "key-same")
			a.key(t, "other", "key-other")
			a.add(t, reauth.Credential{ID: "elsewhere", AccessToken: "key-same", Hosts: []string{"eu.api.x.ai"}})
			a.add(t, reauth.Credential{ID: "workspace", AccessToken: "key-same", AccountID: "team"})
			a.fake.Exhaust(noReset, "key-same")
			status, _, err := a.post(reauth.WithCredential(context.Background(), a.provider, "first"))
			require.NoError(t, err)
			require.Equal(t, 403, status)
			synctest.Wait()
			state := func(r *rig) (list []string) {
				for _, id := range []string{"first", "second", "other", "elsewhere", "workspace"} {
					list = append(list, string(r.status(t, id).State))
				}
				return list
			}
			want := []string{"aside", "aside", "good", "good", "good"}
			assert.Equal(t, want, state(a))
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			assert.Equal(t, want, state(b), "another pool knows of both")

			a.fake.Restore("key-same")
			time.Sleep(time.Second)
			status, _, err = a.post(reauth.WithCredential(context.Background(), a.provider, "second"))
			require.NoError(t, err)
			require.Equal(t, 200, status)
			synctest.Wait()
			assert.Equal(t, []string{"good", "good", "good", "good", "good"}, state(a))
			time.Sleep(2 * time.Second)
			b.mustPost(t)
			synctest.Wait()
			assert.Equal(t, state(a), state(b))
		})
	})
}

// Twins come and go: by another token, by removal.
func TestTwinsEndWithTheirToken(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		for _, id := range []string{"a", "b", "c"} {
			r.key(t, id, "key-same")
		}
		r.key(t, "b", "key-new") // b has a token of its own now
		require.NoError(t, r.pool.Remove(context.Background(), r.provider, "c"))
		r.key(t, "d", "key-same")
		r.fake.Exhaust(noReset, "key-same")
		_, _, err := r.post(reauth.WithCredential(context.Background(), r.provider, "a"))
		require.NoError(t, err)
		for id, want := range map[string]reauth.State{"a": reauth.Aside, "b": reauth.Good, "d": reauth.Aside} {
			assert.Equal(t, want, r.status(t, id).State, id)
		}
	})
}
