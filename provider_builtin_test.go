package reauth

import (
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
)

// The package implements all that a row names. LookupProvider finds the provider by each of its
// names.
func TestEveryRowIsJoined(t *testing.T) {
	var names []string
	for row := range vendors.All() {
		names = append(names, row.Name)
		assert.Contains(t, authorizers(), row.Header, row.Name)
		for _, name := range append([]string{row.Name}, row.Aliases...) {
			p, ok := LookupProvider(name)
			require.True(t, ok, name)
			assert.Equal(t, row.Name, p.Name, name)
			assert.Equal(t, row.Hosts, p.Hosts)
			assert.Equal(t, row.Objects, p.BoundPaths)
			assert.Equal(t, row.Auth != nil, p.Refresher != nil, row.Name)
			assert.Equal(t, row.Hides != "", p.MayRefuse != nil, row.Name)
		}
		if row.Auth != nil {
			assert.Contains(t, quirks(), row.Auth.Dialect, row.Name)
		}
	}
	assert.Equal(t, names, ProviderNames())
}

// The provider's own patterns claim its base URL. A provider has no base URL only if each customer
// has a URL of its own.
func TestBaseURLsAreTheProviders(t *testing.T) {
	own := []string{
		"anthropic-aws", "azure-foundry", "bedrock", "cloudflare", "copilot-acp", "databricks", "snowflake", "vertex",
	}
	pool := NewPool()
	for _, name := range ProviderNames() {
		p, _ := LookupProvider(name)
		require.Equal(t, slices.Contains(own, name), p.BaseURL == "", name)
		if p.BaseURL == "" {
			continue
		}
		u, err := url.Parse(p.BaseURL)
		require.NoError(t, err)
		owner, ok := pool.ProviderFor(u)
		assert.True(t, ok && owner.Name == name, "%s is %s's", p.BaseURL, owner.Name)
		assert.Equal(t, p.BaseURL, owner.BaseURL)
	}
	for name, want := range map[string]string{
		"xai": "https://api.x.ai/v1", "claude": "https://api.anthropic.com",
		"codex": "https://chatgpt.com/backend-api/codex", "deepseek": "https://api.deepseek.com/v1",
		"google": "https://generativelanguage.googleapis.com/v1beta/openai",
	} {
		p, _ := LookupProvider(name)
		assert.Equal(t, want, p.BaseURL, name)
	}
}

func TestNeedsOwnHost(t *testing.T) {
	own := []string{"azure-foundry", "databricks", "snowflake"}
	for _, name := range ProviderNames() {
		assert.Equal(t, slices.Contains(own, name), needsOwnHost(name), name)
	}
	assert.False(t, needsOwnHost("nobody"))
}

func TestIsKey(t *testing.T) {
	assert.True(t, isKey("copilot", "gho_EXAMPLE"))
	assert.False(t, isKey("copilot", "ghu_EXAMPLE"))
	assert.False(t, isKey("xai-oauth", "gho_EXAMPLE"))
	assert.False(t, isKey("nobody", "gho_EXAMPLE"))
}

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"xai": "xai-oauth", " X.AI ": "xai-oauth", "openai": "openai-api",
		"custom:kimi-cn": "moonshot-cn", "custom:": "custom", "own": "own",
	} {
		assert.Equal(t, want, vendors.Canonical(in), in)
	}
	for _, name := range []string{"generic", "litellm", "elevenlabs", "github-models", "aws-kiro", "vllm"} {
		_, ok := LookupProvider(name)
		assert.False(t, ok, name)
	}
}
