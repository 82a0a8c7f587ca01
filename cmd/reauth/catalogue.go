package main

// entry is what the command knows of a provider beside what the library does.
type entry struct {
	base string // where the probe's path begins, of the API's documented addresses; empty: it is each customer's own
	// missing tells what to name where base is empty, or why there is nothing to name.
	missing string
	probe   probe
	ownHost bool // a key is good at one resource only, which must be named
}

// probe is the harmless request that tells whether a credential is accepted. Where a list of models is public and proves
// nothing, or is not documented, it is a completion that asks for nothing: the provider refuses the credential before it
// refuses the request, and nothing is spent.
type probe struct {
	method, path string
	header       string // one more header, "Name: value"
}

var (
	models = probe{method: "GET", path: "/models"}                                          //nolint:gochecknoglobals // a row of a table
	empty  = probe{method: "POST", path: "/chat/completions"}                               //nolint:gochecknoglobals // a row of a table
	spoken = probe{method: "GET", path: "/models", header: "Anthropic-Version: 2023-06-01"} //nolint:gochecknoglobals // a row of a table
)

// catalogue has a row for each built-in provider; a test compares it with the library's table.
var catalogue = map[string]entry{ //nolint:gochecknoglobals // a table
	"ai-gateway":          {base: "https://ai-gateway.vercel.sh/v1", probe: probe{method: "GET", path: "/credits"}},
	"alibaba":             {base: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", probe: empty},
	"alibaba-coding-plan": {base: "https://coding-intl.dashscope.aliyuncs.com/v1", probe: empty},
	"anthropic":           {base: "https://api.anthropic.com/v1", probe: spoken},
	"arcee":               {base: "https://api.arcee.ai/api/v1", probe: empty},
	"azure-foundry":       {missing: "name the resource, as in --base-url https://my-resource.openai.azure.com/openai/v1", probe: models, ownHost: true},
	"bedrock":             {base: "https://bedrock-runtime.us-east-1.amazonaws.com", probe: probe{method: "POST", path: "/model/amazon.nova-micro-v1:0/converse"}},
	"cerebras":            {base: "https://api.cerebras.ai/v1", probe: models},
	"cloudflare":          {missing: "name the gateway, as in --base-url https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/compat", probe: empty},
	"cohere":              {base: "https://api.cohere.com/v1", probe: models},
	"copilot":             {base: "https://api.githubcopilot.com", probe: models},
	"copilot-acp":         {missing: "it is a local process that does not speak HTTP; use copilot"},
	"deepinfra":           {base: "https://api.deepinfra.com/v1/openai", probe: empty},
	"deepseek":            {base: "https://api.deepseek.com", probe: probe{method: "GET", path: "/user/balance"}},
	"fireworks":           {base: "https://api.fireworks.ai/inference/v1", probe: models},
	"gemini":              {base: "https://generativelanguage.googleapis.com/v1beta", probe: models},
	"gmi":                 {base: "https://api.gmi-serving.com/v1", probe: empty},
	"groq":                {base: "https://api.groq.com/openai/v1", probe: models},
	"huggingface":         {base: "https://router.huggingface.co/v1", probe: empty},
	"kilocode":            {base: "https://api.kilo.ai/api/gateway", probe: empty},
	"kimi-coding":         {base: "https://api.moonshot.ai/v1", probe: probe{method: "GET", path: "/users/me/balance"}},
	"kimi-coding-cn":      {base: "https://api.moonshot.cn/v1", probe: probe{method: "GET", path: "/users/me/balance"}},
	"lmstudio":            {base: "http://127.0.0.1:1234/v1", probe: models},
	"minimax-cn":          {base: "https://api.minimaxi.com/v1", probe: empty},
	"minimax-oauth":       {base: "https://api.minimax.io/v1", probe: empty},
	"mistral":             {base: "https://api.mistral.ai/v1", probe: models},
	"nous":                {base: "https://inference-api.nousresearch.com/v1", probe: empty},
	"novita":              {base: "https://api.novita.ai/openai/v1", probe: empty},
	"nvidia":              {base: "https://integrate.api.nvidia.com/v1", probe: empty},
	"ollama-cloud":        {base: "https://ollama.com/v1", probe: empty},
	"openai-api":          {base: "https://api.openai.com/v1", probe: models},
	"openai-codex":        {base: "https://chatgpt.com/backend-api", probe: probe{method: "GET", path: "/wham/usage"}},
	"opencode-go":         {base: "https://opencode.ai/zen/go/v1", probe: empty},
	"opencode-zen":        {base: "https://opencode.ai/zen/v1", probe: empty},
	"openrouter":          {base: "https://openrouter.ai/api/v1", probe: probe{method: "GET", path: "/key"}},
	"perplexity":          {base: "https://api.perplexity.ai", probe: empty},
	"qwen-oauth":          {base: "https://portal.qwen.ai/v1", probe: empty},
	"stepfun":             {base: "https://api.stepfun.ai/step_plan/v1", probe: empty},
	"tencent-tokenhub":    {base: "https://tokenhub.tencentmaas.com/v1", probe: empty},
	"together":            {base: "https://api.together.xyz/v1", probe: models},
	"upstage":             {base: "https://api.upstage.ai/v1", probe: empty},
	"vertex":              {missing: "name project and region, as in --base-url https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi", probe: empty},
	"xai-oauth":           {base: "https://api.x.ai/v1", probe: models},
	"xiaomi":              {base: "https://api.xiaomimimo.com/v1", probe: empty},
	"zai":                 {base: "https://api.z.ai/api/paas/v4", probe: empty},
}
