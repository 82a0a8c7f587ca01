package logins

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// No file makes a reader panic, no login lacks a token, and at most one login of a provider is
// followed.
func FuzzRead(f *testing.F) {
	for _, content := range []string{
		`{"tokens":{"access_token":"at"}}`, `{"claudeAiOauth":{"accessToken":"at","expiresAt":"x"}}`, `{"access_token":"at","expiry_date":1e300}`,
		`{"a::b":{"key":"at","expires_at":-1}}`, `{"credential_pool":{"xai":[{"access_token":"at","tokens":{"tokens":{}}}]},"providers":{"xai":{}}}`,
	} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, p := range programs {
			found, err := p.read([]byte(content), func(name string) (string, bool) { return "of " + name[:len(name)/2], name != "" })
			if err != nil {
				assert.Equal(t, errForeign, err)
				continue
			}
			followed := make(map[string]bool)
			for _, l := range found.Logins {
				assert.NotEmpty(t, l.AccessToken)
				assert.NotContains(t, l.AccessToken, "\n")
				assert.False(t, l.Followed && followed[l.Provider], "two logins of %s are followed", l.Provider)
				followed[l.Provider] = followed[l.Provider] || l.Followed
			}
		}
	})
}
