package reauth

import "strings"

// aliasTable gives the other names under which a provider is known. Twins that share a host are one provider: an API key
// of xAI is a credential of xai-oauth without refresh token.
var aliasTable = aliases(map[string]string{
	"ai-gateway":       "vercel-ai-gateway",
	"alibaba":          "dashscope",
	"anthropic":        "claude claude-code",
	"azure-foundry":    "azure azure-openai openai-azure-aad",
	"bedrock":          "aws-bedrock amazon-bedrock",
	"cloudflare":       "cloudflare-ai-gateway",
	"copilot":          "github github-copilot github-model",
	"copilot-acp":      "github-copilot-acp copilot-acp-agent",
	"gemini":           "google google-gemini google-ai-studio",
	"gmi":              "gmi-cloud gmicloud",
	"kimi-coding":      "kimi moonshot",
	"kimi-coding-cn":   "kimi-cn moonshot-cn",
	"minimax-cn":       "minimax-china minimax_cn",
	"minimax-oauth":    "minimax",
	"nvidia":           "nvidia-nim",
	"openai-api":       "openai",
	"openai-codex":     "codex openai-chatgpt",
	"qwen-oauth":       "qwen",
	"tencent-tokenhub": "tencent tokenhub tencent-cloud tencentmaas",
	"xai-oauth":        "xai x-ai x.ai grok grok-oauth x-ai-oauth xai-grok-oauth",
	"zai":              "glm z-ai z.ai zhipu",
})

func aliases(m map[string]string) map[string]string {
	table := make(map[string]string)
	for name, others := range m {
		for other := range strings.FieldsSeq(others) {
			table[other] = name
		}
	}
	return table
}

// canonicalName returns the one name of a provider: trimmed, in lower case, aliases resolved. A name nobody has claimed
// is returned as it is. "custom:<name>", as some configuration files have it, is <name>.
func canonicalName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "custom:" {
		return "custom"
	}
	name = strings.TrimPrefix(name, "custom:")
	if c, ok := aliasTable[name]; ok {
		return c
	}
	return name
}
