package reauth_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// The status says whether a token that expires is replaced by anything.
func TestStatusTellsWhatIsRefreshable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"tokens":{"access_token":"at-followed"}}`), 0o600))
	pool := poolOf(t)
	followed := reauth.Follow("codex", file)
	followed.ID = "followed"
	for _, c := range []reauth.Credential{
		{Provider: "xai-oauth", ID: "login", AccessToken: "at-1", RefreshToken: "rt-1"},
		{Provider: "xai-oauth", ID: "token", AccessToken: "at-2"},
		{Provider: "groq", ID: "pair without a refresher", AccessToken: "at-3", RefreshToken: "rt-3"},
		{Provider: "groq", ID: "key", AccessToken: "gsk_0123456789"},
		followed,
	} {
		_, err := pool.Add(t.Context(), c)
		require.NoError(t, err, c.ID)
	}
	_, err := pool.AddSource(t.Context(), reauth.Credential{Provider: "groq", ID: "sourced"}, reauth.FileSource(file))
	require.NoError(t, err)
	refreshable := map[string]bool{}
	for _, s := range pool.Status() {
		refreshable[s.ID] = s.Refreshable
	}
	assert.Equal(t, map[string]bool{
		"login": true, "token": false, "pair without a refresher": false, "key": false, "followed": true, "sourced": true,
	}, refreshable)
}
