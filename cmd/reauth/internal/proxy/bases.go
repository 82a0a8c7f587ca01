package proxy

// Base is where a provider documents its API to be: what a program sets as its base URL when there is no proxy.
type Base struct {
	Origin string // scheme and host; the proxy serves it path for path
	OpenAI string // path for clients that speak OpenAI's API; "-": the provider does not
	Claude string // path for clients that speak Anthropic's API; "-": the provider does not
	Native string // path of the provider's own API, where that is neither; "-": there is none
}

// BaseOf returns the documented address of a built-in provider, by its name. It is false for providers that have no single
// one: an address of the account's own (a resource, a region, a gateway), or none at all.
func BaseOf(provider string) (Base, bool) {
	b, ok := bases()[provider]
	return b, ok
}

// bases is made of the providers' documentation.
func bases() map[string]Base {
	return map[string]Base{
		"ai-gateway":          {"https://ai-gateway.vercel.sh", "/v1", "", "-"},
		"alibaba":             {"https://dashscope-intl.aliyuncs.com", "/compatible-mode/v1", "/apps/anthropic", "/api/v1"},
		"alibaba-coding-plan": {"https://coding-intl.dashscope.aliyuncs.com", "/v1", "/apps/anthropic", "-"},
		"anthropic":           {"https://api.anthropic.com", "-", "", "-"},
		"arcee":               {"https://api.arcee.ai", "/api/v1", "-", "-"},
		"cerebras":            {"https://api.cerebras.ai", "/v1", "-", "-"},
		"cohere":              {"https://api.cohere.com", "/compatibility/v1", "-", ""},
		"copilot":             {"https://api.githubcopilot.com", "", "-", "-"},
		"deepinfra":           {"https://api.deepinfra.com", "/v1/openai", "-", "-"},
		"deepseek":            {"https://api.deepseek.com", "/v1", "/anthropic", "-"},
		"fireworks":           {"https://api.fireworks.ai", "/inference/v1", "-", "-"},
		"gemini":              {"https://generativelanguage.googleapis.com", "/v1beta/openai", "-", ""},
		"gmi":                 {"https://api.gmi-serving.com", "/v1", "-", "-"},
		"groq":                {"https://api.groq.com", "/openai/v1", "-", "-"},
		"huggingface":         {"https://router.huggingface.co", "/v1", "-", "-"},
		"kilocode":            {"https://api.kilo.ai", "/api/gateway", "-", "-"},
		"kimi-coding":         {"https://api.moonshot.ai", "/v1", "/anthropic", "-"},
		"kimi-coding-cn":      {"https://api.moonshot.cn", "/v1", "/anthropic", "-"},
		"lmstudio":            {"http://127.0.0.1:1234", "/v1", "-", "-"},
		"minimax-cn":          {"https://api.minimaxi.com", "/v1", "/anthropic", "-"},
		"minimax-oauth":       {"https://api.minimax.io", "/v1", "/anthropic", "-"},
		"mistral":             {"https://api.mistral.ai", "/v1", "-", "-"},
		"nous":                {"https://inference-api.nousresearch.com", "/v1", "-", "-"},
		"novita":              {"https://api.novita.ai", "/openai/v1", "-", "-"},
		"nvidia":              {"https://integrate.api.nvidia.com", "/v1", "-", "-"},
		"ollama-cloud":        {"https://ollama.com", "/v1", "-", ""},
		"openai-api":          {"https://api.openai.com", "/v1", "-", "-"},
		"openai-codex":        {"https://chatgpt.com", "/backend-api/codex", "-", "-"},
		"opencode-go":         {"https://opencode.ai", "/zen/go/v1", "/zen/go", "-"},
		"opencode-zen":        {"https://opencode.ai", "/zen/v1", "/zen", "-"},
		"openrouter":          {"https://openrouter.ai", "/api/v1", "/api", "-"},
		"perplexity":          {"https://api.perplexity.ai", "", "-", "-"},
		"qwen-oauth":          {"https://portal.qwen.ai", "/v1", "-", "-"},
		"stepfun":             {"https://api.stepfun.ai", "/step_plan/v1", "-", "-"},
		"tencent-tokenhub":    {"https://tokenhub.tencentmaas.com", "/v1", "-", "-"},
		"together":            {"https://api.together.xyz", "/v1", "-", "-"},
		"upstage":             {"https://api.upstage.ai", "/v1", "-", "-"},
		"xai-oauth":           {"https://api.x.ai", "/v1", "-", "-"},
		"xiaomi":              {"https://api.xiaomimimo.com", "/v1", "-", "-"},
		"zai":                 {"https://api.z.ai", "/api/paas/v4", "/api/anthropic", "-"},
	}
}

// BaseURL is what a program sets as its base URL to reach the provider through the proxy.
type BaseURL struct {
	For string // which clients: "OpenAI", "Anthropic", or "" for any
	URL string
}

// BaseURLs returns the base URLs of a proxy at the address given, such as "http://127.0.0.1:8787".
func (b Base) BaseURLs(at string) []BaseURL {
	var urls []BaseURL
	for _, k := range []struct{ dialect, path string }{{"OpenAI", b.OpenAI}, {"Anthropic", b.Claude}, {"", b.Native}} {
		if k.path != "-" {
			urls = append(urls, BaseURL{k.dialect, at + k.path})
		}
	}
	return urls
}

// ClientVariable is the environment variable from which the official SDKs of the dialect take their base URL, or "".
func (b BaseURL) ClientVariable() string {
	switch b.For {
	case "OpenAI":
		return "OPENAI_BASE_URL"
	case "Anthropic":
		return "ANTHROPIC_BASE_URL"
	}
	return ""
}

// At is the Base of an address that the user names, and of which only the path is known.
func At(origin, path string) Base {
	return Base{Origin: origin, OpenAI: "-", Claude: "-", Native: path}
}

// Path is the path of the first of the APIs.
func (b Base) Path() string {
	for _, path := range []string{b.OpenAI, b.Claude, b.Native} {
		if path != "-" {
			return path
		}
	}
	return ""
}
