package vendors

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnknownNamesWhatMayBeMeant(t *testing.T) {
	for name, meant := range map[string]string{
		"openia": "openai", "opnai": "openai", "open-ai": "openai", "OpenAI ": "openai", "antrhopic": "anthropic",
		"anthropic-api": "anthropic", "gemini-pro": "gemini", "grokk": "grok", "xia": "xai", "open router": "openrouter",
		"gatewya": "gateway", "azure-foundy": "azure-foundry", "codexx": "codex",
		"nope": "", "unheard-of": "", "": "", "q": "",
	} {
		said := Unknown(name, "Register it first", "gateway")
		if meant == "" {
			assert.NotContains(t, said, "did you mean", name)
			assert.Contains(t, said, "is unknown; Register it first", name)
			continue
		}
		if Of(name).Name == "" {
			assert.Contains(t, said, `is unknown (did you mean "`+meant+`"?); Register it first`, name)
		}
	}
	assert.NotContains(t, Unknown("sk-"+strings.Repeat("x", 22), "Register it first"), "sk-", "it may be a key")
}
