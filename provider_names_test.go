package reauth

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"xai": "xai-oauth", " X.AI ": "xai-oauth", "openai": "openai-api", "custom:moonshot": "kimi-coding", "custom:": "custom", "own": "own",
	} {
		assert.Equal(t, want, canonicalName(in), in)
	}
	for alias, name := range aliasTable {
		assert.NotContains(t, aliasTable, name, "%s leads to another alias", alias)
		_, ok := LookupProvider(alias)
		assert.True(t, ok, alias)
	}
	for _, name := range []string{"generic", "litellm", "elevenlabs", "github-models", "aws-kiro", "vllm"} {
		_, ok := LookupProvider(name)
		assert.False(t, ok, name)
	}
}
