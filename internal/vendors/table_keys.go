package vendors

// keyRows are rows of the table: of providers that take keys only, each with the page that tells its
// address and header.
//
//nolint:gochecknoglobals // a part of the table
var keyRows = []Vendor{
	{
		// docs.aihubmix.com/en/api/Aihubmix-Integration; one host speaks the dialects of all vendors.
		Name: "aihubmix", Hosts: []string{"aihubmix.com/v1", "aihubmix.com/gemini"}, Header: HeaderAsAsked,
		API:   API{Origin: "https://aihubmix.com", OpenAI: "/v1", Claude: "/"},
		Probe: empty(),
	},
	{
		// www.alibabacloud.com/help/en/model-studio/base-url: a key of the plan is refused by the hosts of
		// pay-as-you-go, and the reverse. Keys are of one region.
		Name: "alibaba-token-plan", Hosts: []string{"token-plan.*.maas.aliyuncs.com"}, Hides: HidesInCode,
		API: API{
			Origin: "https://token-plan.ap-southeast-1.maas.aliyuncs.com",
			OpenAI: "/compatible-mode/v1", Claude: "/apps/anthropic",
		},
		Probe: empty(), Prefixes: []string{"sk-sp-"},
	},
	{
		// platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws, and aws/aws.go of
		// anthropic-sdk-go. The SDK sends the key as x-api-key, and on each request the workspace, which
		// belongs to the key. LibreChat#14619 reports that a bearer token is taken, and x-api-key not.
		Name: "anthropic-aws", Aliases: []string{"claude-aws", "claude-platform-aws"},
		Hosts: []string{"aws-external-anthropic.*.api.aws"}, Header: HeaderAsAsked,
		Objects:  []string{"files", "batches", "skills"},
		Own:      Own{What: "the region", Example: "https://aws-external-anthropic.us-east-1.api.aws"},
		Probe:    Probe{Method: "POST", Path: "/v1/messages", Header: "Anthropic-Version: 2023-06-01"},
		Prefixes: []string{"aws-external-anthropic-api-key-"},
	},
	{
		// docs.baseten.co/inference/calling-your-model: its Model APIs, and deployments of one's own.
		Name: "baseten", Hosts: []string{"inference.baseten.co", "model-*.api.baseten.co", "chain-*.api.baseten.co"},
		API:   API{Origin: "https://inference.baseten.co", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		// chutes.ai/agents/connect: "Authorization: Bearer", never X-Api-Key; the list of models is public.
		Name: "chutes", Hosts: []string{"llm.chutes.ai"},
		API:   API{Origin: "https://llm.chutes.ai", OpenAI: "/v1"},
		Probe: empty(), Prefixes: []string{"cpk_"},
	},
	{
		// docs.databricks.com/aws/en/machine-learning/model-serving/score-foundation-models: each workspace
		// has a host, which does far more than inference.
		Name: "databricks",
		Hosts: []string{
			"*.cloud.databricks.com/serving-endpoints", "*.gcp.databricks.com/serving-endpoints",
			"*.*.gcp.databricks.com/serving-endpoints", "*.*.azuredatabricks.net/serving-endpoints",
		},
		OwnHost: true,
		Own:     Own{What: "the workspace", Example: "https://my-workspace.cloud.databricks.com/serving-endpoints"},
		Probe:   empty(), Prefixes: []string{"dapi"},
	},
	{
		// docs.hyperbolic.xyz/docs/rest-api
		Name: "hyperbolic", Hosts: []string{"api.hyperbolic.xyz"},
		API:   API{Origin: "https://api.hyperbolic.xyz", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		// docs.tokenfactory.nebius.com/api-reference/introduction; the older host is that of AI Studio. The
		// list of models wants a key.
		Name: "nebius", Hosts: []string{"api.tokenfactory.nebius.com", "api.studio.nebius.com"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.tokenfactory.nebius.com", OpenAI: "/v1"},
		Probe: models(),
	},
	{
		// creator.poe.com/docs/external-applications/openai-compatible-api
		Name: "poe", Hosts: []string{"api.poe.com"}, Header: HeaderAsAsked,
		API:   API{Origin: "https://api.poe.com", OpenAI: "/v1", Claude: "/"},
		Probe: empty(),
	},
	{
		// docs.sambanova.ai/docs/en/api-reference/overview
		Name: "sambanova", Hosts: []string{"api.sambanova.ai"},
		API:   API{Origin: "https://api.sambanova.ai", OpenAI: "/v1"},
		Probe: empty(),
	},
	{
		// www.scaleway.com/en/docs/generative-apis/api-cli/using-generative-apis: the key is the secret key
		// of an IAM key.
		Name: "scaleway", Hosts: []string{"api.scaleway.ai"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.scaleway.ai", OpenAI: "/v1"},
		Probe: models(),
	},
	{
		// www.siliconflow.com/blog/openai-sdk-siliconflow-compatibility-checks; accounts and keys are other
		// ones than in China.
		Name: "siliconflow", Hosts: []string{"api.siliconflow.com"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.siliconflow.com", OpenAI: "/v1", Claude: "/"},
		Probe: Probe{Method: "GET", Path: "/user/info"},
	},
	{
		// docs.siliconflow.cn/docs/userguide/quickstart
		Name: "siliconflow-cn", Hosts: []string{"api.siliconflow.cn"}, Objects: hostedObjects(),
		API:   API{Origin: "https://api.siliconflow.cn", OpenAI: "/v1", Claude: "/"},
		Probe: Probe{Method: "GET", Path: "/user/info"},
	},
	{
		// docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api: each account has a host, which
		// does far more than inference. The token is a programmatic access token, of OAuth, or a key pair's.
		Name: "snowflake", Aliases: []string{"snowflake-cortex"},
		Hosts: []string{
			"*.snowflakecomputing.com/api/v2/cortex", "*.*.snowflakecomputing.com/api/v2/cortex",
			"*.*.*.snowflakecomputing.com/api/v2/cortex", "*.*.privatelink.snowflakecomputing.com/api/v2/cortex",
			"*.snowflakecomputing.cn/api/v2/cortex", "*.*.snowflakecomputing.cn/api/v2/cortex",
		},
		OwnHost: true,
		Own:     Own{What: "the account", Example: "https://my-account.snowflakecomputing.com/api/v2/cortex/v1"},
		Probe:   empty(),
	},
	{
		// docs.venice.ai/api-reference/api-spec: the list of models is public; any key may ask for its limits.
		Name: "venice", Hosts: []string{"api.venice.ai"},
		API:   API{Origin: "https://api.venice.ai", OpenAI: "/api/v1"},
		Probe: Probe{Method: "GET", Path: "/api_keys/rate_limits"},
	},
	{
		// www.volcengine.com/docs/82379/1298459; the plan's addresses, /api/coding, take the same keys
		// (www.volcengine.com/article/37839).
		Name: "volcengine", Aliases: []string{"volcengine-ark", "ark", "doubao"},
		Hosts:   []string{"ark.cn-beijing.volces.com/api"},
		Objects: []string{"files", "responses/*"},
		API:     API{Origin: "https://ark.cn-beijing.volces.com", OpenAI: "/api/v3", Claude: "/api/coding"},
		Probe:   empty(),
	},
	{
		// mimo.mi.com/docs/en-US/quick-start/faq/api-integration: keys of the plan (tp-) and of pay-as-you-go
		// (sk-) "are independent of each other and cannot be mixed".
		Name: "xiaomi-token-plan", Aliases: []string{"mimo-token-plan"},
		Hosts: []string{
			"token-plan-sgp.xiaomimimo.com", "token-plan-ams.xiaomimimo.com", "token-plan-cn.xiaomimimo.com",
		},
		API:   API{Origin: "https://token-plan-sgp.xiaomimimo.com", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: empty(), Prefixes: []string{"tp-"},
	},
}
