//go:build unix

package reauth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// followingKeychain runs f with a pool that follows Claude Code's login in the keychain. login
// makes another login and puts it there.
func followingKeychain(t *testing.T, f func(t *testing.T, r *rig, k *testrig.Keychain, login func() (access string))) {
	k := testrig.NewKeychain(t)
	bubble(t, reauthtest.Anthropic, func(t *testing.T, r *rig) {
		r.fake.JWT = true // so that the tokens are known from API keys
		login := func() string {
			access, refresh := r.fake.Login()
			k.Put(fmt.Sprintf(`{"claudeAiOauth":{"accessToken":%q,"refreshToken":%q}}`, access, refresh))
			return access
		}
		login()
		_, err := r.pool.Add(t.Context(), reauth.Follow("claude-code", ""))
		require.NoError(t, err)
		f(t, r, k, login)
	})
}

// The keychain is asked when the token is refused, and never for a request.
func TestFollowALoginInTheKeychain(t *testing.T) {
	followingKeychain(t, func(t *testing.T, r *rig, k *testrig.Keychain, login func() string) {
		added := len(k.Asked())
		for range 100 {
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
		}
		time.Sleep(4 * time.Minute)
		r.mustPost(t)
		synctest.Wait()
		assert.Len(t, k.Asked(), added)

		r.fake.Expire()
		login()
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Len(t, k.Asked(), added+1)
		assert.Zero(t, r.fake.TokenRequests(), "only the program may spend the refresh token")
		assert.Equal(t, "find-generic-password -s Claude Code-credentials -a jane -w", k.Asked()[added])
	})
}

// What Claude Code writes is noticed after five minutes, in the background.
func TestFollowedKeychainIsReadOnceInAWhile(t *testing.T) {
	followingKeychain(t, func(t *testing.T, r *rig, k *testrig.Keychain, login func() string) {
		before := len(k.Asked())
		access := login()
		time.Sleep(5 * time.Minute)
		for range 20 {
			r.mustPost(t)
			synctest.Wait()
		}
		got, err := r.pool.Token(t.Context(), "anthropic")
		require.NoError(t, err)
		assert.Equal(t, access, got.AccessToken)
		assert.Len(t, k.Asked(), before+1)
		assert.Len(t, r.events.all(reauth.Adopted), 1)
	})
}

// A keychain that does not answer is not asked each second: a process is started for it, and a
// person may be asked. The token in hand serves on.
func TestKeychainThatIsLockedIsLeftAlone(t *testing.T) {
	followingKeychain(t, func(t *testing.T, r *rig, k *testrig.Keychain, _ func() string) {
		k.Script("#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\necho \"$*\" >>asked\necho s3cr3t\nexit 36\n")
		before := len(k.Asked())
		time.Sleep(5 * time.Minute)
		for range 60 {
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status)
			synctest.Wait()
			time.Sleep(2 * time.Second)
		}
		assert.Len(t, k.Asked(), before+1)

		r.fake.Expire()
		status, _ := r.mustPost(t)
		assert.Equal(t, 401, status, "the provider's own refusal")
		failed := r.events.all(reauth.RefreshFailed)
		require.Len(t, failed, 1)
		assert.EqualError(t, failed[0].Err, `reauth: follow Claude Code (item "Claude Code-credentials" of jane in the login keychain): `+
			`the keychain is locked; unlock it by: security unlock-keychain`)
	})
}

// Twenty requests that are refused at once ask the keychain once.
func TestKeychainIsAskedOnceForAll(t *testing.T) {
	followingKeychain(t, func(t *testing.T, r *rig, k *testrig.Keychain, login func() string) {
		before := len(k.Asked())
		r.fake.Expire()
		login()
		statuses := make(chan int, 20)
		for range 20 {
			go func() {
				status, _, err := r.post(t.Context())
				assert.NoError(t, err)
				statuses <- status
			}()
		}
		for range 20 {
			assert.Equal(t, 200, <-statuses)
		}
		assert.Len(t, k.Asked(), before+1)
	})
}

// A login that goes on being refused names the keychain and the way out.
func TestKeychainsLoginThatStaysRefused(t *testing.T) {
	followingKeychain(t, func(t *testing.T, r *rig, k *testrig.Keychain, login func() string) {
		before := len(k.Asked())
		r.fake.Expire()
		for range 60 {
			status, _ := r.mustPost(t)
			require.Equal(t, 401, status)
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, len(k.Asked())-before, 7, "it rests for 1 s, 2 s, 4 s and so on")
		failed := r.events.all(reauth.RefreshFailed)
		require.NotEmpty(t, failed)
		assert.EqualError(t, failed[0].Err, `reauth: the login is that of Claude Code (item "Claude Code-credentials" of jane in the `+
			`login keychain), whose token is refused or has expired; use that program, or log in there again`)
		login()
		time.Sleep(time.Minute)
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

// Without a file and without an item there is no login to follow.
func TestFollowAKeychainWithoutAnItem(t *testing.T) {
	k := testrig.NewKeychain(t)
	_, err := poolOf(t).Add(t.Context(), reauth.Follow("claude-code", ""))
	require.EqualError(t, err, `reauth: add credential: follow Claude Code (item "Claude Code-credentials" of jane in the login keychain): `+
		`there is no such item, and no file in its place; log in there first`)
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".claude"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".claude", ".credentials.json"), []byte(`{"claudeAiOauth":{"accessToken":"at-1"}}`), 0o600))
	k.Put("{}")
	pool := poolOf(t)
	_, err = pool.Add(t.Context(), reauth.Follow("claude-code", ""))
	require.NoError(t, err)
	got, err := pool.Token(t.Context(), "anthropic")
	require.NoError(t, err)
	assert.Equal(t, "at-1", got.AccessToken, "the file goes first")
}
