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
