package vendors

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Probes that several providers share.
func models() Probe { return Probe{Method: "GET", Path: "/models"} }
func empty() Probe  { return Probe{Method: "POST", Path: "/chat/completions"} }

// Objects of one account, in the APIs of several providers. What is generated and stored at once
// ("responses/*") is bound to the account only once it exists.
func openAIObjects() []string {
	return []string{
		"files", "uploads", "batches", "containers", "vector_stores", "assistants", "threads", "conversations",
		"fine_tuning", "evals", "skills", "responses/*", "videos/*",
	}
}

func hostedObjects() []string {
	return []string{"files", "batches", "fine_tuning", "fine-tunes", "responses/*"}
}

// bedrockHosts are those of Amazon's partitions, as openai-go has them (bedrock/auth.go): the standard
// endpoints, those for IPv6 too, and those that keep to FIPS 140.
func bedrockHosts() []string {
	return []string{
		"bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com",
		"bedrock-runtime.*.api.aws", "bedrock-runtime-fips.*.api.aws", "bedrock-mantle.*.api.aws",
		"bedrock-runtime.*.amazonaws.com.cn", "bedrock-runtime.*.api.amazonwebservices.com.cn",
		"bedrock-runtime.*.amazonaws.eu", "bedrock-runtime.*.api.amazonwebservices.eu",
		"bedrock-runtime.*.c2s.ic.gov", "bedrock-runtime.*.api.aws.ic.gov",
		"bedrock-runtime.*.sc2s.sgov.gov", "bedrock-runtime.*.api.aws.scloud",
		"bedrock-runtime.*.csp.hci.ic.gov", "bedrock-runtime.*.api.aws.hci.ic.gov",
		"bedrock-runtime.*.cloud.adc-e.uk", "bedrock-runtime.*.api.cloud-aws.adc-e.uk",
	}
}

// table returns one row for each provider, sorted by name: those below, and keyRows.
//
//nolint:gochecknoglobals // the table
var table = sync.OnceValue(func() []Vendor {
	return slices.SortedFunc(slices.Values(slices.Concat(rows, keyRows)),
		func(a, b Vendor) int { return strings.Compare(a.Name, b.Name) })
})

// rows are the rows of the table but for keyRows, sorted by name. Hosts are those of the base URLs that the
// providers document; a host that does more than inference is claimed by path. Client ids and
// scopes are those of the vendors' own programs, which are public. Twins that share a host are one
// provider: an API key of xAI is a credential of xai-oauth without refresh token.
//
//nolint:gochecknoglobals // a part of the table
var rows = []Vendor{
	{
		Name: "ai-gateway", Aliases: []string{"vercel-ai-gateway"}, Hosts: []string{"ai-gateway.vercel.sh"},
		Header: HeaderAsAsked,
		API:    API{Origin: "https://ai-gateway.vercel.sh", OpenAI: "/v1", Claude: "/"},
		Probe:  Probe{Method: "GET", Path: "/credits"}, Prefixes: []string{"vck_"},
	},
	{
		Name: "alibaba", Aliases: []string{"dashscope"},
		// A workspace has hosts of its own, which www.alibabacloud.com/help/en/model-studio/base-url
		// recommends.
		Hosts: []string{
			"dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com",
			"cn-hongkong.dashscope.aliyuncs.com", "*.*.maas.aliyuncs.com",
		},
		Objects: hostedObjects(), Hides: HidesInCode,
		API: API{
			Origin: "https://dashscope-intl.aliyuncs.com",
			OpenAI: "/compatible-mode/v1", Claude: "/apps/anthropic", Native: "/api/v1",
		},
		Probe: empty(),
	},
	{
		Name:  "alibaba-coding-plan",
		Hosts: []string{"coding-intl.dashscope.aliyuncs.com", "coding.dashscope.aliyuncs.com"},
		Hides: HidesInCode,
		API:   API{Origin: "https://coding-intl.dashscope.aliyuncs.com", OpenAI: "/v1", Claude: "/apps/anthropic"},
		Probe: empty(), Prefixes: []string{"sk-sp-"},
	},
	{
		Name: "anthropic", Aliases: []string{"claude", "claude-code"}, Hosts: []string{"api.anthropic.com"},
		Header: HeaderAnthropic, Objects: []string{"files", "batches", "skills"}, Prefixes: []string{"sk-ant-"},
		// platform.claude.com/docs/en/api/rate-limits: requests and tokens count by the minute, for each model.
		Limits: Limits{LimitsAnthropic, time.Minute, time.Minute, true},
		API:    API{Origin: "https://api.anthropic.com", Claude: "/"},
		Probe:  Probe{Method: "GET", Path: "/models", Header: "Anthropic-Version: 2023-06-01", Root: "/v1"},
		// code.claude.com/docs/en/authentication: the token of "claude setup-token" is good for a year.
		Remade: []Remade{{
			"sk-ant-oat01-", `of a setup token, which lives for a year, make a new one by "claude setup-token"; ` +
				"of a login, add its refresh token too",
		}},
		Auth: &Auth{
			Dialect: Anthropic, Issuer: "https://claude.ai", JSON: true,
			ClientID: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
			TokenURL: "https://platform.claude.com/v1/oauth/token",
			Flows: []Flow{
				{Name: FlowPaste, Scopes: "org:create_api_key user:profile user:inference"},
				{
					Name:   FlowBrowser,
					Scopes: "user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload",
				},
			},
		},
	},
	{
		Name: "arcee", Hosts: []string{"api.arcee.ai"},
		API:   API{Origin: "https://api.arcee.ai", OpenAI: "/api/v1"},
		Probe: empty(),
	},
	{
		Name: "azure-foundry", Aliases: []string{"azure", "azure-openai", "openai-azure-aad"},
		Hosts:   []string{"*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"},
		OwnHost: true, Header: HeaderAzure, Objects: openAIObjects(), ModelPaths: []string{"deployments"},
		Own: Own{What: "the resource", Example: "https://my-resource.openai.azure.com/openai/v1"},
		// learn.microsoft.com/azure/ai-foundry/openai/how-to/quota: both count by the minute, for each
		// deployment.
		Limits: Limits{LimitsCounted, time.Minute, time.Minute, true},
		Probe:  models(),
	},
	{
		Name: "bedrock", Aliases: []string{"aws-bedrock", "amazon-bedrock"}, Hosts: bedrockHosts(),
		ModelPaths: []string{"model"},
		// The origin is for the probe; it has no dialect, because customers have other regions.
		API:   API{Origin: "https://bedrock-runtime.us-east-1.amazonaws.com"},
		Probe: Probe{Method: "POST", Path: "/model/amazon.nova-micro-v1:0/converse", Root: "/"}, Prefixes: []string{"ABSK"},
	},
	{
		Name: "cerebras", Hosts: []string{"api.cerebras.ai"},
		Limits: Limits{Dialect: LimitsCounted}, // each name tells its window
		API:    API{Origin: "https://api.cerebras.ai", OpenAI: "/v1"},
		Probe:  models(), Prefixes: []string{"csk-"},
	},
	{
		Name: "cloudflare", Aliases: []string{"cloudflare-ai-gateway"}, Hosts: []string{"gateway.ai.cloudflare.com"},
		Own:   Own{What: "the gateway", Example: "https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/compat"},
		Probe: empty(), AnyKey: true,
	},
	{
		Name: "cohere", Hosts: []string{"api.cohere.com", "api.cohere.ai"},
		API:   API{Origin: "https://api.cohere.com", OpenAI: "/compatibility/v1", Native: "/"},
		Probe: Probe{Method: "GET", Path: "/models", Root: "/v1"},
	},
	{
		Name: "copilot", Aliases: []string{"github", "github-copilot", "github-model"},
		Hosts: []string{"*.githubcopilot.com", "api.*.githubcopilot.com", "copilot-api.*.ghe.com"},
		API:   API{Origin: "https://api.githubcopilot.com", OpenAI: "/"},
		Probe: models(), KeyPrefix: "gho_", // a token of an OAuth app
		Prefixes: []string{"gho_", "ghu_", "ghp_", "github_pat_", "tid="},
		Auth: &Auth{
			Dialect: Copilot, Issuer: "https://github.com", Scopes: "read:user", Flows: []Flow{{Name: FlowDevice}},
			ClientID: "Iv1.b507a08c87ecfe98", // an app whose tokens can be exchanged for Copilot's
			Device:   Device{Code: "/login/device/code", Token: "/login/oauth/access_token"},
			TokenURL: "https://api.github.com/copilot_internal/v2/token", Mints: true, RenewPrefix: "ghr_",
		},
	},
	{
		// A local process, known by name.
		Name: "copilot-acp", Aliases: []string{"github-copilot-acp", "copilot-acp-agent"}, Instead: "copilot",
	},
	{
		Name: "deepinfra", Hosts: []string{"api.deepinfra.com"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.deepinfra.com", OpenAI: "/v1/openai"},
		Probe: empty(),
	},
	{
		Name: "deepseek", Hosts: []string{"api.deepseek.com"},
		API:   API{Origin: "https://api.deepseek.com", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: Probe{Method: "GET", Path: "/user/balance", Root: "/"},
	},
	{
		Name: "fireworks", Hosts: []string{"api.fireworks.ai"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.fireworks.ai", OpenAI: "/inference/v1"},
		Probe: models(), Prefixes: []string{"fw_"},
	},
	{
		Name: "gemini", Aliases: []string{"google", "google-gemini", "google-ai-studio"}, ModelPaths: []string{"models"},
		Hosts:  []string{"generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com"},
		Header: HeaderGoogle,
		Query:  []string{"key", "access_token"},
		Objects: []string{
			"files", "cachedContents", "batches", "tunedModels", "corpora", "fileSearchStores", "operations",
		},
		API: API{Origin: "https://generativelanguage.googleapis.com", OpenAI: "/v1beta/openai", Native: "/"},
		// Gemini CLI reads them (github.com/google-gemini/gemini-cli/pull/25357), and the Gen AI SDKs
		// prefer GOOGLE_API_KEY (ai.google.dev/gemini-api/docs/api-key).
		Client: Client{
			BaseURL: []string{"GOOGLE_GEMINI_BASE_URL"}, Key: []string{"GEMINI_API_KEY"}, Instead: []string{"GOOGLE_API_KEY"},
		},
		Probe: Probe{Method: "GET", Path: "/models", Root: "/v1beta"}, Prefixes: []string{"AIza", "ya29."},
	},
	{
		Name: "gmi", Aliases: []string{"gmi-cloud", "gmicloud"}, Hosts: []string{"api.gmi-serving.com"},
		API:   API{Origin: "https://api.gmi-serving.com", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		Name: "groq", Hosts: []string{"api.groq.com"}, Objects: hostedObjects(),
		// console.groq.com/docs/rate-limits: the headers of requests are of a day, those of tokens of a
		// minute, for each model.
		Limits: Limits{LimitsCounted, 24 * time.Hour, time.Minute, true},
		API:    API{Origin: "https://api.groq.com", OpenAI: "/openai/v1"},
		Probe:  models(), Prefixes: []string{"gsk_"},
	},
	{
		Name: "huggingface", Hosts: []string{"router.huggingface.co", "api-inference.huggingface.co"},
		API:   API{Origin: "https://router.huggingface.co", OpenAI: "/v1"},
		Probe: empty(), Prefixes: []string{"hf_"},
	},
	{
		Name: "kilocode", Hosts: []string{"api.kilo.ai/api/gateway", "kilocode.ai/api/openrouter"},
		API:   API{Origin: "https://api.kilo.ai", OpenAI: "/api/gateway"},
		Probe: empty(),
	},
	{
		// A key or a login of Kimi Code is refused by Moonshot's platform, and the reverse: see
		// www.kimi.com/code/docs. The addresses, the client id and the regions are those of
		// MoonshotAI/kimi-code, packages/oauth/src: constants.ts and region-profiles.ts.
		Name: "kimi-coding", Aliases: []string{"kimi", "kimi-code"},
		Hosts:   []string{"api.kimi.com/coding", "api.kimi.ai/coding"},
		Objects: hostedObjects(),
		API:     API{Origin: "https://api.kimi.com", OpenAI: "/coding/v1", Claude: "/coding"},
		Probe:   Probe{Method: "GET", Path: "/usages"}, Prefixes: []string{"sk-kimi-"},
		Auth: &Auth{
			Dialect: Kimi, Issuer: "https://auth.kimi.com", Flows: []Flow{{Name: FlowDevice}},
			ClientID: "17e5f671-d194-4dfb-9706-5516cb48c098", // which asks for no scope
			Device:   Device{Code: "/api/oauth/device_authorization"},
			TokenURL: "https://auth.kimi.com/api/oauth/token",
			Regions: []Region{
				{Issuer: "https://auth.kimi.com", Hosts: []string{"api.kimi.com/coding"}},
				{Issuer: "https://auth.kimi.ai", Hosts: []string{"api.kimi.ai/coding"}},
			},
		},
	},
	{
		Name: "lmstudio", Hosts: []string{"127.0.0.1:1234", "localhost:1234", "[::1]:1234"},
		API:   API{Origin: "http://127.0.0.1:1234", OpenAI: "/v1"},
		Probe: models(),
	},
	{
		Name: "minimax-cn", Aliases: []string{"minimax-china", "minimax_cn"}, Hosts: []string{"api.minimaxi.com"},
		Objects: hostedObjects(), Hides: HidesInBaseResp,
		API:   API{Origin: "https://api.minimaxi.com", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: empty(),
		Auth: &Auth{
			Dialect: MiniMax, Issuer: "https://account.minimaxi.com", Flows: []Flow{{Name: FlowDevice}},
			ClientID: "78257093-7e40-4613-99e0-527b14b39113", Scopes: "group_id profile model.completion",
			Device: Device{Code: "/oauth2/device/code"},
			// The account hosts are asked directly: the older ones answer with a redirect.
			TokenURL: "https://account.minimaxi.com/oauth2/token",
		},
	},
	{
		Name: "minimax-oauth", Aliases: []string{"minimax"}, Hosts: []string{"api.minimax.io"},
		Objects: hostedObjects(), Hides: HidesInBaseResp,
		API:   API{Origin: "https://api.minimax.io", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: empty(),
		Auth: &Auth{
			Dialect: MiniMax, Issuer: "https://account.minimax.io", Flows: []Flow{{Name: FlowDevice}},
			ClientID: "78257093-7e40-4613-99e0-527b14b39113", Scopes: "group_id profile model.completion",
			Device:   Device{Code: "/oauth2/device/code"},
			TokenURL: "https://account.minimax.io/oauth2/token",
		},
	},
	{
		Name: "mistral", Hosts: []string{"api.mistral.ai"},
		Objects: []string{"files", "batch", "fine_tuning", "libraries", "conversations/*", "agents/*"},
		Limits:  Limits{Dialect: LimitsCounted}, // each name tells its window
		API:     API{Origin: "https://api.mistral.ai", OpenAI: "/v1"},
		Probe:   models(),
	},
	{
		Name: "moonshot", Hosts: []string{"api.moonshot.ai"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.moonshot.ai", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: Probe{Method: "GET", Path: "/users/me/balance"},
	},
	{
		Name: "moonshot-cn", Aliases: []string{"kimi-cn", "kimi-coding-cn"}, Hosts: []string{"api.moonshot.cn"},
		Objects: hostedObjects(),
		API:     API{Origin: "https://api.moonshot.cn", OpenAI: "/v1", Claude: "/anthropic"},
		Probe:   Probe{Method: "GET", Path: "/users/me/balance"},
	},
	{
		// The paid host refuses the tokens of a free account, and the free host all others: NousResearch/
		// hermes-agent, hermes_cli/auth_constants.py. The answers name the host in inference_base_url.
		Name: "nous", Hosts: []string{"inference-api.nousresearch.com", "welcome-api.nousresearch.com"},
		API:   API{Origin: "https://inference-api.nousresearch.com", OpenAI: "/v1"},
		Probe: empty(),
		Auth: &Auth{
			Dialect: Nous, Issuer: "https://portal.nousresearch.com", Flows: []Flow{{Name: FlowDevice}},
			BaseNote: "base_url",
			ClientID: "hermes-cli", Scopes: "inference:invoke",
			Device:   Device{Code: "/api/oauth/device/code"},
			TokenURL: "https://portal.nousresearch.com/api/oauth/token",
		},
	},
	{
		Name: "novita", Hosts: []string{"api.novita.ai"},
		API:   API{Origin: "https://api.novita.ai", OpenAI: "/openai/v1"},
		Probe: empty(),
	},
	{
		Name: "nvidia", Aliases: []string{"nvidia-nim"}, Hosts: []string{"integrate.api.nvidia.com"},
		API:   API{Origin: "https://integrate.api.nvidia.com", OpenAI: "/v1"},
		Probe: empty(), Prefixes: []string{"nvapi-"},
	},
	{
		Name: "ollama-cloud", Hosts: []string{"ollama.com/v1", "ollama.com/api"},
		API:   API{Origin: "https://ollama.com", OpenAI: "/v1", Native: "/"},
		Probe: empty(),
	},
	{
		Name: "openai-api", Aliases: []string{"openai"}, Hosts: []string{"api.openai.com", "*.api.openai.com"},
		Objects: openAIObjects(),
		// developers.openai.com/api/docs/guides/rate-limits: requests are of a minute or a day, by model and tier.
		Limits: Limits{Dialect: LimitsCounted, Buckets: true},
		API:    API{Origin: "https://api.openai.com", OpenAI: "/v1"},
		Probe:  models(), Prefixes: []string{"sk-proj-", "sk-svcacct-", "sk-admin-"},
	},
	{
		Name: "openai-codex", Aliases: []string{"codex", "openai-chatgpt"}, Hosts: []string{"chatgpt.com/backend-api"},
		Header: HeaderCodex, Objects: openAIObjects(),
		Limits: Limits{Dialect: LimitsCodex},
		API:    API{Origin: "https://chatgpt.com", OpenAI: "/backend-api/codex"},
		Probe:  Probe{Method: "GET", Path: "/wham/usage", Root: "/backend-api"},
		Remade: []Remade{{"at-", "make a new one at https://chatgpt.com/admin/access-tokens"}},
		Auth: &Auth{
			Dialect: Codex, Issuer: "https://auth.openai.com", JSON: true,
			ClientID: "app_EMoamEEZ73f0CkXaXp7hrann", Scopes: "openid profile email offline_access",
			Flows:    []Flow{{Name: FlowDevice}, {Name: FlowBrowser}, {Name: FlowPaste}},
			TokenURL: "https://auth.openai.com/oauth/token",
			// Personal access tokens of a ChatGPT workspace (learn.chatgpt.com/docs/enterprise/access-tokens)
			// are opaque: icoretech/codex-pooler#21 has the contract as openai/codex keeps it.
			Account: "/api/accounts/v1/user-auth-credential/whoami", AccountPrefix: "at-",
		},
	},
	{
		Name: "opencode-go", Hosts: []string{"opencode.ai/zen/go"}, Header: HeaderAsAsked,
		API:   API{Origin: "https://opencode.ai", OpenAI: "/zen/go/v1", Claude: "/zen/go"},
		Probe: empty(),
	},
	{
		Name: "opencode-zen", Hosts: []string{"opencode.ai/zen"}, Header: HeaderAsAsked,
		API:   API{Origin: "https://opencode.ai", OpenAI: "/zen/v1", Claude: "/zen"},
		Probe: empty(),
	},
	{
		Name: "openrouter", Hosts: []string{"openrouter.ai/api"},
		// openrouter.ai/docs/api/reference/limits: free models have a limit of a minute and one of a day.
		Limits: Limits{Dialect: LimitsCounted},
		API:    API{Origin: "https://openrouter.ai", OpenAI: "/api/v1", Claude: "/api"},
		// The key is that of openrouter.ai/docs/install; agents that take another base URL have the other.
		Client: Client{BaseURL: []string{"OPENROUTER_BASE_URL"}, Key: []string{"OPENROUTER_API_KEY"}},
		Probe:  Probe{Method: "GET", Path: "/key"}, Prefixes: []string{"sk-or-"},
		// openrouter.ai/docs/guides/overview/auth/oauth. There are no clients and no scopes.
		KeyLogin: &Auth{
			Dialect: OpenRouter, Issuer: "https://openrouter.ai", Flows: []Flow{{Name: FlowBrowser}, {Name: FlowPaste}},
			TokenURL: "https://openrouter.ai/api/v1/auth/keys",
		},
	},
	{
		Name: "perplexity", Hosts: []string{"api.perplexity.ai"},
		API:   API{Origin: "https://api.perplexity.ai", OpenAI: "/"},
		Probe: empty(), Prefixes: []string{"pplx-"},
	},
	{
		Name: "qwen-oauth", Aliases: []string{"qwen"}, Hosts: []string{"portal.qwen.ai"}, Hides: HidesInCode,
		API:   API{Origin: "https://portal.qwen.ai", OpenAI: "/v1"},
		Probe: empty(),
		Auth: &Auth{
			Dialect: Qwen, Issuer: "https://chat.qwen.ai", Flows: []Flow{{Name: FlowDevice}},
			Ended: "since 2026-04-15, see https://github.com/QwenLM/qwen-code/pull/3291; " +
				"use a key of alibaba or alibaba-coding-plan",
			ClientID: "f0304373b74a44d2b584a3fb70ca9e56", Scopes: "openid profile email model.completion",
			Device:   Device{Code: "/api/v1/oauth2/device/code", Every: 2 * time.Second, PKCE: true, RequestID: true},
			TokenURL: "https://chat.qwen.ai/api/v1/oauth2/token",
		},
	},
	{
		Name: "stepfun", Hosts: []string{"api.stepfun.ai", "api.stepfun.com"},
		API:   API{Origin: "https://api.stepfun.ai", OpenAI: "/step_plan/v1"},
		Probe: empty(),
	},
	{
		Name: "tencent-tokenhub", Aliases: []string{"tencent", "tokenhub", "tencent-cloud", "tencentmaas"},
		Hosts: []string{"tokenhub.tencentmaas.com"},
		API:   API{Origin: "https://tokenhub.tencentmaas.com", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		Name: "together", Hosts: []string{"api.together.xyz", "api.together.ai"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.together.xyz", OpenAI: "/v1"},
		Probe: models(), Prefixes: []string{"tgp_v1_"},
	},
	{
		Name: "upstage", Hosts: []string{"api.upstage.ai"},
		API:   API{Origin: "https://api.upstage.ai", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		Name: "vertex", ModelPaths: []string{"models"},
		Hosts: []string{
			"aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com",
			// Claude on Google Cloud takes the same tokens: googlecloud/auth.go of anthropic-sdk-go.
			"claude.googleapis.com",
		},
		Query:   []string{"key", "access_token"},
		Objects: []string{"cachedContents", "batchPredictionJobs", "tuningJobs", "operations"},
		Own: Own{
			What:    "project and region",
			Example: "https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi",
		},
		Probe: empty(), Prefixes: []string{"AIza", "ya29."},
	},
	{
		Name:    "xai-oauth",
		Aliases: []string{"xai", "x-ai", "x.ai", "grok", "grok-oauth", "x-ai-oauth", "xai-grok-oauth"},
		Hosts:   []string{"api.x.ai", "*.api.x.ai", "cli-chat-proxy.grok.com"},
		Objects: []string{"files", "batches", "collections", "deferred-completion", "responses/*", "videos/*"},
		// docs.x.ai/developers/rate-limits: tokens count by the minute, for each model.
		Limits: Limits{LimitsCounted, 0, time.Minute, true},
		API:    API{Origin: "https://api.x.ai", OpenAI: "/v1"},
		// docs.x.ai/docs/tutorial has the key; agents that take another base URL have the other.
		Client: Client{BaseURL: []string{"XAI_BASE_URL"}, Key: []string{"XAI_API_KEY"}},
		Probe:  models(), Prefixes: []string{"xai-"},
		Auth: &Auth{
			Dialect: XAI, Issuer: "https://auth.x.ai", Domain: "x.ai",
			// There is no flow with a code: the first refresh of such logins is refused.
			Flows:    []Flow{{Name: FlowDevice}},
			ClientID: "b1a00492-073a-47ea-816f-4c329264a828",
			Scopes:   "openid profile email offline_access grok-cli:access api:access",
			Device:   Device{Code: "/oauth2/device/code"},
			TokenURL: "https://auth.x.ai/oauth2/token",
		},
	},
	{
		Name: "xiaomi", Hosts: []string{"api.xiaomimimo.com"},
		API:   API{Origin: "https://api.xiaomimimo.com", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: empty(),
	},
	{
		Name: "zai", Aliases: []string{"glm", "z-ai", "z.ai", "zhipu"}, Hosts: []string{"api.z.ai", "open.bigmodel.cn"},
		Objects: hostedObjects(), Hides: HidesInSuccess,
		UTCOffset: 8 * time.Hour, // Beijing time, without saying so
		API:       API{Origin: "https://api.z.ai", OpenAI: "/api/paas/v4", Claude: "/api/anthropic"},
		Probe:     empty(),
	},
}
