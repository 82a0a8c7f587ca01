package logins

import (
	"cmp"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

// No file makes a reader panic, no login lacks a token, at most one login of a provider is
// followed, and none is followed for a host that does not take it. more is a file to which the
// first one leads.
func FuzzRead(f *testing.F) {
	for _, c := range [][2]string{
		{`{"tokens":{"access_token":"at"}}`},
		{`{"auth_mode":"personalAccessToken","personal_access_token":"at-1","agent_identity":{},"bedrock_api_key":1}`},
		{`{"claudeAiOauth":{"accessToken":"at","expiresAt":"x"}}`},
		{`{"access_token":"at","expiry_date":1e300,"expires_at":1,"refresh_token":"rt"}`},
		{`{"a::b":{"key":"at","expires_at":-1}}`},
		{`{"credential_pool":{"xai":[{"access_token":"at","tokens":{"tokens":{}}}]},"providers":{"xai":{}}}`},
		{`{"base_url":"https://x.example","authentication":{"type":"user_oauth","credentials_path":"\u0000"}}`, `{"type":"oauth_token","access_token":"at","expires_at":1}`},
		{`{"version":"2","authentication":{"type":"x"}}`, `{"version":"2"}`},
		{`{"xai":{"type":"oauth","access":"at","refresh":"at","expires":0},"azure":{"type":"api","key":"k","metadata":{"resourceName":"r"}},"x/":{"type":"wellknown"}}`},
		{`{"github-copilot":{"type":"oauth","access":"gho_1","enterpriseUrl":"a.b"},"zai":{"type":"api","key":"k"},"zhipuai":{"type":"api","key":"l"}}`},
	} {
		f.Add(c[0], c[1])
	}
	canonical := func(name string) (string, bool) { return "of " + name[:len(name)/2], name != "" }
	f.Fuzz(func(t *testing.T, content, more string) {
		for _, p := range programs {
			found, err := readFuzzed(p, content, more, canonical)
			if err != nil {
				// No text of a file is among them.
				assert.Contains(t, []string{errForeign.Error(), errVersion.Error()}, cmp.Or(partCause(err), err).Error())
				continue
			}
			checkFound(t, found)
		}
	})
}

// readFuzzed reads the content as the program's file, and more as any other.
func readFuzzed(p Program, content, more string, canonical Canonical) (Found, error) {
	if p.gather == nil {
		return p.read([]byte(content), canonical)
	}
	first := filepath.Join("none", "kimi-code.json")
	return p.gather(first, func(path string) ([]byte, error) {
		if path == first {
			return []byte(content), nil
		}
		return []byte(more), nil
	})
}

// partCause returns what is wrong with a file to which the first one leads.
func partCause(err error) error {
	if part, ok := err.(*partError); ok {
		return part.err
	}
	return nil
}

func checkFound(t *testing.T, found Found) {
	followed := make(map[string]bool)
	for _, l := range found.Logins {
		assert.NotEmpty(t, l.AccessToken)
		assert.NotContains(t, l.AccessToken, "\n")
		assert.False(t, l.Followed && followed[l.Provider], "two logins of %s are followed", l.Provider)
		followed[l.Provider] = followed[l.Provider] || l.Followed
		for _, h := range l.Hosts {
			assert.NotEmpty(t, h)
		}
	}
	for provider := range followed {
		l, err := found.Followed(provider, []string{"one.example"})
		if err == nil {
			assert.Empty(t, l.Hosts, "a login that names its hosts is good there only")
			assert.Empty(t, l.RefreshToken)
		}
	}
}
