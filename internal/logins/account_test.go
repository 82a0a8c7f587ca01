package logins_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tokenOf returns a JWT with the claims.
func tokenOf(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".sig"
}

// A login whose access token is opaque has the account that its ID token tells, or that the file names.
func TestAccountOfALogin(t *testing.T) {
	mine := tokenOf(`{"sub":"me"}`)
	chatGPT := tokenOf(`{"sub":"me","https://api.openai.com/auth":{"chatgpt_account_id":"acc"}}`)
	for what, c := range map[string]struct{ kind, content, want string }{
		"codex":                      {"codex", `{"tokens":{"access_token":"opaque","refresh_token":"rt","id_token":"$chatGPT"}}`, "acc"},
		"codex, named":               {"codex", `{"tokens":{"access_token":"opaque","id_token":"$mine","account_id":"named"}}`, "named"},
		"codex, an object":           {"codex", `{"tokens":{"access_token":"opaque","id_token":{"raw":"x"}}}`, ""},
		"codex, in the access token": {"codex", `{"tokens":{"access_token":"$chatGPT","id_token":"$mine"}}`, "acc"},
		"qwen":                       {"qwen", `{"access_token":"opaque","refresh_token":"rt","id_token":"$mine"}`, "me"},
		"qwen, none":                 {"qwen", `{"access_token":"opaque","refresh_token":"rt"}`, ""},
		"hermes": {
			"hermes", `{"providers":{"xai-oauth":{"tokens":{"access_token":"opaque","refresh_token":"rt","id_token":"$mine"}}}}`, "me",
		},
		"hermes, pool": {
			"hermes", `{"credential_pool":{"openai-codex":[{"access_token":"opaque","id_token":"$chatGPT"}]}}`, "acc",
		},
		"grok":                      {"grok", `{"https://auth.x.ai::c":{"key":"opaque","refresh_token":"rt","user_id":"u-1"}}`, "u-1"},
		"grok, in the access token": {"grok", `{"https://auth.x.ai::c":{"key":"$mine","user_id":"u-1"}}`, ""},
		"grok, a number":            {"grok", `{"https://auth.x.ai::c":{"key":"opaque","user_id":7}}`, ""},
		"with a line break":         {"qwen", `{"access_token":"opaque","id_token":"$odd"}`, ""},
	} {
		content := strings.NewReplacer("$mine", mine, "$chatGPT", chatGPT, "$odd", tokenOf(`{"sub":"a\nb"}`)).Replace(c.content)
		found, err := read(t, c.kind, content)
		require.NoError(t, err, what)
		require.Len(t, found.Logins, 1, what)
		assert.Equal(t, c.want, found.Logins[0].AccountID, what)
	}
}
