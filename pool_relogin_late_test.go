package reauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// A login that gives way to one that was stored a moment before is not dropped in silence, nor is one
// whose credential was removed. One that the person has stored elsewhere is the same login.
func TestReloginThatGivesWayIsTold(t *testing.T) {
	unused := "came too late and is not used"
	for name, test := range map[string]struct {
		before func(t *testing.T, r *rig, store reauth.Store, c reauth.Credential)
		status int
		told   string
	}{
		"another login": {func(t *testing.T, r *rig, store reauth.Store, _ reauth.Credential) {
			loginElsewhere(t, store, r.fake, "me")
		}, 200, unused},
		"a removal elsewhere": {func(t *testing.T, r *rig, store reauth.Store, _ reauth.Credential) {
			other, err := reauth.OpenPool(context.Background(), store)
			assert.NoError(t, err)
			assert.NoError(t, other.Remove(context.Background(), r.provider, "me"))
			assert.NoError(t, other.Close())
		}, 403, unused},
		"a removal": {func(t *testing.T, r *rig, _ reauth.Store, _ reauth.Credential) {
			assert.NoError(t, r.pool.Remove(context.Background(), r.provider, "me"))
		}, 403, unused},
		"the same login": {func(t *testing.T, r *rig, store reauth.Store, c reauth.Credential) {
			other, err := reauth.OpenPool(context.Background(), store)
			assert.NoError(t, err)
			c.Provider, c.ID = r.provider, "me"
			_, err = other.Add(context.Background(), c)
			assert.NoError(t, err)
			assert.NoError(t, other.Close())
		}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
				p := withPerson(t, r)
				p.takes = 100 * time.Millisecond
				answer := p.answer
				p.answer = func() (reauth.Credential, error) {
					c, err := answer()
					test.before(t, r, store.Store, c)
					return c, err
				}
				status, _ := r.mustPost(t)
				require.Equal(t, test.status, status)
				synctest.Wait()
				var told string
				for _, e := range r.events.all(reauth.RefreshFailed) {
					if e.Reason == "relogin" {
						told += e.Err.Error()
					}
				}
				require.Contains(t, told, test.told)
				require.Equal(t, test.told == "", told == "", told)
			})
		})
	}
}

// A login that comes while the pool is being closed is stored: a person has made it.
func TestReloginDuringClose(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		p := withPerson(t, r)
		r.pool.Relogin = func(ctx context.Context, _ reauth.CredentialStatus) (reauth.Credential, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // the code is being redeemed
			return p.answer()
		}
		got := make(chan map[int]int)
		go func() { got <- r.atOnce(t, 5) }()
		synctest.Wait()
		require.NoError(t, r.pool.Close())
		require.Equal(t, map[int]int{403: 5}, <-got)
		other := newRigOver(t, r, store.Store)
		require.Equal(t, map[int]int{200: 1}, other.atOnce(t, 1))
		require.NoError(t, other.pool.Close())
	})
}
