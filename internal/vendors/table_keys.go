package vendors

// keyRows are rows of the table: of providers that take keys only, each with the page that tells its
// address and header.
//
//nolint:gochecknoglobals // a part of the table
var keyRows = []Vendor{
	{
		// www.alibabacloud.com/help/en/model-studio/base-url: a key of the plan is refused by the hosts of
		// pay-as-you-go, and the reverse. Keys are of one region.
		Name: "alibaba-token-plan", Hosts: []string{"token-plan.*.maas.aliyuncs.com"}, Hides: HidesInCode,
		API: API{
			Origin: "https://token-plan.ap-southeast-1.maas.aliyuncs.com",
			OpenAI: "/compatible-mode/v1", Claude: "/apps/anthropic",
		},
		Probe: empty, Prefixes: []string{"sk-sp-"},
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
		// mimo.mi.com/docs/en-US/quick-start/faq/api-integration: keys of the plan (tp-) and of pay-as-you-go
		// (sk-) "are independent of each other and cannot be mixed".
		Name: "xiaomi-token-plan", Aliases: []string{"mimo-token-plan"},
		Hosts: []string{
			"token-plan-sgp.xiaomimimo.com", "token-plan-ams.xiaomimimo.com", "token-plan-cn.xiaomimimo.com",
		},
		API:   API{Origin: "https://token-plan-sgp.xiaomimimo.com", OpenAI: "/v1", Claude: "/anthropic"},
		Probe: empty, Prefixes: []string{"tp-"},
	},
}
