package reauth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// A token that can be of no use is no login, in the file of another program as in Add. One that the
// program writes later does not take the place of a good one.
func TestFollowRefusesATokenThatIsOfNoUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	write := func(token string) {
		content, err := json.Marshal(map[string]any{"tokens": map[string]string{"access_token": token, "refresh_token": "rt"}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	useless := map[string]string{
		"Bearer sk-AAAABBBB": "begins with", "${OPENAI_API_KEY}": "variable", "ключ-AAAA": "ASCII",
		"key\u0085AAAA": "control character",
	}
	for token, want := range useless {
		write(token)
		_, err := poolOf(t).Add(t.Context(), reauth.Follow("codex", path))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "AAAA")
	}

	write("good-token-of-codex")
	pool := poolOf(t)
	id, err := pool.Add(t.Context(), reauth.Follow("codex", path))
	require.NoError(t, err)
	for token := range useless {
		write(token)
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(len(token))*time.Second)))
		require.Error(t, pool.Refresh(t.Context(), "openai-codex", id))
		c, err := pool.Token(t.Context(), "openai-codex")
		require.NoError(t, err)
		assert.Equal(t, "good-token-of-codex", c.AccessToken)
	}
}

// A personal access token of Codex is followed: whoever replaces it in the file is heard. Nobody
// renews it, and the error of one that is refused says so. The caller names its account, which the
// file does not.
func TestFollowAPersonalAccessToken(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		file := newProgramFile(t, `{"auth_mode":"personalAccessToken","personal_access_token":%q}`)
		access, _ := r.fake.Login()
		file.write(access)
		c := reauth.Follow("codex", file.path)
		c.AccountID = "acct-1"
		id, err := r.pool.Add(t.Context(), c)
		require.NoError(t, err)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		got, err := r.pool.Token(t.Context(), "codex")
		require.NoError(t, err)
		assert.Equal(t, "acct-1", got.AccountID)

		r.fake.Expire()
		err = r.pool.Refresh(t.Context(), "openai-codex", id)
		require.EqualError(t, err, "reauth: the login is that of Codex CLI ("+file.path+"), whose token is refused or has expired; "+
			"that program does not renew it, so put another one there")
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		access, _ = r.fake.Login()
		file.write(access)
		time.Sleep(2 * time.Second) // a renewal that failed rests for a second
		status, _ = r.mustPost(t)
		assert.Equal(t, 200, status, "the token in the file is another one now")
		assert.Zero(t, r.fake.TokenRequests())
	})
}
