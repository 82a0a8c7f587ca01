package reauth

import (
	"testing"

	"github.com/reauth-go/reauth/internal/vendors"

	"github.com/stretchr/testify/assert"
)

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"xai": "xai-oauth", " X.AI ": "xai-oauth", "openai": "openai-api",
		"custom:moonshot": "kimi-coding", "custom:": "custom", "own": "own",
	} {
		assert.Equal(t, want, vendors.Canonical(in), in)
	}
	for _, name := range []string{"generic", "litellm", "elevenlabs", "github-models", "aws-kiro", "vllm"} {
		_, ok := LookupProvider(name)
		assert.False(t, ok, name)
	}
}
