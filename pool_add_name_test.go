package reauth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// An ID, an account and the subject of a token reach terminals and logs. One that could show there
// as another text is refused, wherever it comes from.
func TestAddRefusesNamesThatShowAsOthers(t *testing.T) {
	for _, r := range "\u0085\u061c\u200e\u200f\u202a\u202e\u2066\u2069" {
		name := fmt.Sprintf("you%cdrowssap", r)
		for what, c := range map[string]reauth.Credential{
			"ID":        {ID: name, AccessToken: "key-EXAMPLE"},
			"AccountID": {ID: "you", AccountID: name, AccessToken: "key-EXAMPLE"},
			"ID of the subject": {
				AccessToken: exampleJWT(fmt.Sprintf(`{"sub":%q}`, name)),
			},
			"AccountID of the token": {
				ID:          "you",
				AccessToken: exampleJWT(fmt.Sprintf(`{"https://api.openai.com/auth":{"chatgpt_account_id":%q}}`, name)),
			},
		} {
			c.Provider = "codex"
			pool := poolOf(t)
			_, err := pool.Add(t.Context(), c)
			field, _, _ := strings.Cut(what, " ")
			if r == '\u0085' { // no request could carry it either
				require.ErrorContains(t, err, "holds a control character", what)
			} else {
				require.ErrorContains(t, err, fmt.Sprintf("%s holds the character %U", field, r), what)
				assert.ErrorContains(t, err, "set Credential."+field, what)
			}
			assert.NotContains(t, err.Error(), string(r), what)
			assert.Empty(t, pool.Status(), what)
		}
	}
	for _, name := range []string{"jane.doe@corp.example", "張三", "محمد", "נעמה", "👩\u200d💻", "a\u00a0b"} {
		id, err := poolOf(t).Add(t.Context(), reauth.Credential{Provider: "xai", ID: name, AccessToken: "key-EXAMPLE"})
		require.NoError(t, err)
		assert.Equal(t, name, id)
	}
}
