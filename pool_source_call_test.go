package reauth_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A request that was refused while a source is asked for an early renewal is not served by the same
// token, good for longer: the source is asked once more, and told of the refusal. One that got another
// token at once is.
func TestSourceIsToldOfARefusal(t *testing.T) {
	for name, keeps := range map[string]bool{"the same token": true, "another one": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
				var told []bool
				r.source(t, "me", reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
					_, refused := reauth.RefusalFromContext(ctx)
					told = append(told, refused)
					n := len(told)
					time.Sleep(time.Second)
					got := reauth.Credential{AccessToken: "one", Expiry: time.Now().Add(time.Hour)}
					if refused || !keeps && n > 1 {
						got.AccessToken = "two"
					}
					return got, nil
				}))
				r.fake.AddKey("one")
				r.fake.AddKey("two")
				r.mustPost(t)
				time.Sleep(57 * time.Minute)
				r.fake.Expire("one")
				require.Equal(t, map[int]int{200: 20}, r.atOnce(t, 20))
				require.Equal(t, map[bool][]bool{true: {false, false, true}, false: {false, false}}[keeps], told)
				require.Equal(t, reauth.Good, r.status(t, "me").State)
			})
		})
	}
}

// A source of tokens that end at once is not asked for each request.
func TestSourceOfTokensThatEndAtOnce(t *testing.T) {
	for _, lives := range []time.Duration{-time.Hour, time.Nanosecond, time.Millisecond} {
		bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
			n := 0
			r.source(t, "me", reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				n++
				key := fmt.Sprint("key-", n)
				r.fake.AddKey(key)
				return reauth.Credential{AccessToken: key, Expiry: time.Now().Add(lives)}, nil
			}))
			for range 1000 {
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, n, 11, lives)
		})
	}
}
