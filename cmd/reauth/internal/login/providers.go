package login

import "time"

// providers is what the vendors' own programs use: addresses, public client ids, scopes. Each can be replaced by the user.
func providers() map[string]provider {
	anthropic := provider{
		issuer: "https://claude.ai",
		client: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
		flows: []flow{
			{name: Paste, scope: "org:create_api_key user:profile user:inference", run: anthropicPaste},
			{name: Browser, scope: "user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload", run: anthropicBrowser},
		},
	}
	codex := provider{
		issuer: "https://auth.openai.com",
		client: "app_EMoamEEZ73f0CkXaXp7hrann",
		scope:  "openid profile email offline_access",
		flows:  []flow{{name: Device, run: codexDevice}, {name: Browser, run: codexBrowser}, {name: Paste, run: codexPaste}},
	}
	miniMax := provider{
		issuer: "https://account.minimax.io",
		client: "78257093-7e40-4613-99e0-527b14b39113",
		scope:  "group_id profile model.completion",
		flows:  []flow{{name: Device, run: miniMaxDevice}},
	}
	miniMaxCN := miniMax
	miniMaxCN.issuer = "https://account.minimaxi.com"
	return map[string]provider{
		"anthropic": anthropic,
		"copilot": {
			issuer: "https://github.com",
			client: "Iv1.b507a08c87ecfe98", // an app whose tokens can be exchanged for Copilot's
			scope:  "read:user",
			flows:  []flow{{name: Device, run: copilotDevice}},
			keep:   true,
		},
		"minimax-cn":    miniMaxCN,
		"minimax-oauth": miniMax,
		"nous": {
			issuer: "https://portal.nousresearch.com",
			client: "hermes-cli",
			scope:  "inference:invoke",
			flows:  []flow{{name: Device, run: device{code: "/api/oauth/device/code", token: "/api/oauth/token"}.run}},
		},
		"openai-codex": codex,
		"qwen-oauth": {
			issuer: "https://chat.qwen.ai",
			client: "f0304373b74a44d2b584a3fb70ca9e56",
			scope:  "openid profile email model.completion",
			flows: []flow{{name: Device, run: device{
				code: "/api/v1/oauth2/device/code", token: "/api/v1/oauth2/token", every: 2 * time.Second, pkce: true, identified: true,
			}.run}},
		},
		"xai-oauth": { // no flow with a code: the first refresh of such logins is refused
			issuer: "https://auth.x.ai",
			client: "b1a00492-073a-47ea-816f-4c329264a828",
			scope:  "openid profile email offline_access grok-cli:access api:access",
			flows:  []flow{{name: Device, run: xaiDevice}},
		},
	}
}
