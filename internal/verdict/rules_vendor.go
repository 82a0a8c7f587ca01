package verdict

// vendorRules are for codes and sentences that mean something with one provider only, or something
// else with it than with others, or whose status misleads.
var vendorRules = []rule{
	// xAI puts the same sentence into "code" for a dead token and for a team without credits. The
	// tag in brackets tells which it is.
	{kind: Dead, reason: "xai:blocked-user", in: "xai-oauth", code: []string{"unauthorized:blocked-user"}},
	{kind: Rejected, reason: "xai:bad-credentials", in: "xai-oauth", code: []string{"unauthenticated:*"}},
	{kind: Exhausted, reason: "xai:spending-limit:billing", in: "xai-oauth", code: []string{"*:spending-limit"}},

	// Z.ai's table of codes: 11xx is about the account, 13xx about its limits.
	{kind: Dead, reason: "zai:account", in: "zai", code: []string{"1110", "1111", "1112", "1121"}},
	{kind: Exhausted, reason: "zai:balance:billing", in: "zai", code: []string{"1113", "1309"}},
	{kind: Exhausted, reason: "zai:rate-limit", in: "zai", code: []string{"1302", "1303"}},
	{kind: Exhausted, reason: "zai:usage-limit", in: "zai", code: []string{
		"1304", "1308", "1310", "1313", "1314", "1316", "1317", "1318", "1319", "1320", "1321",
	}},
	{kind: Forbidden, reason: "zai:plan", in: "zai", model: true, code: []string{"1311"}},
	{kind: Forbidden, reason: "zai:plan", in: "zai", code: []string{"1220", "1315"}},
	{kind: Pass, reason: "zai:overloaded", in: "zai", code: []string{"1305", "1312", "1120", "1234", "1301", "1500"}},
	{kind: Rejected, reason: "zai:token", in: "zai", code: []string{"1000", "1001", "1002", "1003", "1004", "401"}},

	// MiniMax's numbers: base_resp.status_code, or in its Anthropic dialect the number in
	// parentheses.
	{
		kind: Forbidden, reason: "minimax:cookie", in: "minimax-oauth minimax-cn",
		code: []string{"1004"}, phrase: []string{"cookie is missing"},
	},
	{kind: Rejected, reason: "minimax:login", in: "minimax-oauth minimax-cn", code: []string{"1004", "2049"}},
	{kind: Exhausted, reason: "minimax:balance:billing", in: "minimax-oauth minimax-cn", code: []string{
		"1008", "1028", "1030",
	}},
	{kind: Exhausted, reason: "minimax:rate-limit", in: "minimax-oauth minimax-cn", code: []string{
		"1002", "1039", "1041", "2045",
	}},
	{kind: Exhausted, reason: "minimax:usage-limit", in: "minimax-oauth minimax-cn", code: []string{"2056"}},
	{kind: Forbidden, reason: "minimax:plan", in: "minimax-oauth minimax-cn", model: true, code: []string{"2061"}},
	{kind: Forbidden, reason: "minimax:plan", in: "minimax-oauth minimax-cn", code: []string{"2038", "2042"}},
	{kind: Pass, reason: "minimax:request", in: "minimax-oauth minimax-cn", code: []string{
		"1000", "1001", "1013", "1024", "1026", "1027", "1033", "1042", "2013", "2064",
	}},

	// Kimi uses one type for a client rule, a spent quota and a ban.
	{
		kind: Exhausted, reason: "kimi:usage-limit", in: "kimi-coding",
		code: []string{"access_terminated_error", "permission_error"}, phrase: []string{"usage limit", "quota"},
	},
	{
		kind: Dead, reason: "kimi:terminated", in: "kimi-coding",
		code: []string{"access_terminated_error"}, phrase: []string{"^access terminated"},
	},
	{kind: Exhausted, reason: "moonshot:billing", in: "moonshot moonshot-cn kimi-coding", code: []string{
		"exceeded_current_quota_error",
	}},
	{kind: Forbidden, reason: "kimi:client", in: "kimi-coding", code: []string{
		"access_terminated_error",
	}},

	// DashScope's "insufficient_quota" is about tokens a minute, not about money.
	{kind: Exhausted, reason: "dashscope:rate-limit", in: "alibaba alibaba-coding-plan alibaba-token-plan", code: []string{
		"insufficient_quota",
	}},
	{
		kind: Forbidden, reason: "dashscope:workspace", in: "alibaba alibaba-coding-plan alibaba-token-plan", status: []int{401},
		phrase: []string{"not authorized to access"},
	},

	// Google's keys may be restricted to a service, an app, an address or a referrer. Its answer to a
	// request without a key speaks of the caller.
	{kind: Forbidden, reason: "google:key-restricted", in: "gemini vertex", who: permission, code: []string{
		"api_key_service_blocked",
	}},
	{kind: Forbidden, reason: "google:key-restricted", in: "gemini vertex", who: client, code: []string{"*_blocked"}},
	// Google has ended a program's logins, not this one: another token would be of the same program.
	{kind: Forbidden, reason: "google:client", in: "gemini vertex", code: []string{"unsupported_client"}},
	{kind: Rejected, reason: "google:no-key", in: "gemini vertex", phrase: []string{"unregistered callers"}},
	{kind: Dead, reason: "google:project-denied", in: "gemini vertex", phrase: []string{"project has been denied access"}},
	// Google tells the details of a quota of a day or a minute. Vertex's shared pool has none.
	{
		kind: Exhausted, reason: "google:quota", in: "gemini vertex", status: []int{429},
		code: []string{"resource_exhausted"},
		phrase: []string{
			"quota exceeded", "exhausted your capacity", "current quota", "quota will reset", "check quota",
		},
	},
	{
		kind: Pass, reason: "vertex:shared-pool", in: "vertex", status: []int{429},
		code: []string{"resource_exhausted"}, unless: []string{"quota exceeded", "exceeded your", "quota metric"},
	},

	// Amazon.
	{
		kind: Pass, reason: "aws:clock",
		code: []string{"invalidsignatureexception", "signaturedoesnotmatch"}, phrase: []string{"z - … min."},
	},
	{kind: Pass, reason: "aws:clock", code: []string{"requestexpired", "requesttimetooskewed", "requestinthefuture"}},

	{kind: Forbidden, reason: "aws:operation", in: "bedrock", phrase: []string{"operation not allowed"}},

	// Nvidia hides a model from accounts that may not use it.
	{kind: Forbidden, reason: "nvidia:account", in: "nvidia", model: true, status: []int{404}, phrase: []string{
		"not found for account",
	}},
	// Together's model without a server of its own is there for nobody.
	{kind: Pass, reason: "together:model", in: "together", phrase: []string{"non-serverless model"}},

	// Copilot says so of a login without a seat too.
	{kind: Forbidden, reason: "copilot:entitlement", in: "copilot", status: []int{403}, phrase: []string{
		"token expired", "token has expired", "expired or revoked", "bad credentials", "unauthorized",
		"not accessible by integration",
	}},
	{
		kind: Rejected, reason: "nvidia:api-key", in: "nvidia", status: []int{403},
		header: "Content-Type: problem+json", phrase: []string{"authorization failed"},
	},

	// Nous has one host for free accounts, and another for all others. Each says so of the wrong login.
	{kind: Forbidden, reason: "nous:host", in: "nous", status: []int{400}, phrase: []string{
		"anonymous accounts must use", "endpoint serves anonymous",
	}},

	// OpenRouter.
	{kind: Forbidden, reason: "openrouter:data-policy", in: "openrouter", phrase: []string{"data policy"}},
	{kind: Pass, reason: "openrouter:moderation", in: "openrouter", status: []int{403}, code: []string{"has:reasons"}},

	// OpenCode Zen and Go have types of their own. They pass on a sentence of OpenRouter's, which
	// is about their key, not the caller's.
	{
		kind: Pass, reason: "opencode:model", in: "opencode-zen opencode-go",
		code: []string{"modelerror"}, unless: []string{"model is disabled"},
	},
	{kind: Forbidden, reason: "opencode:model", in: "opencode-zen opencode-go", model: true, code: []string{"modelerror"}},
	{kind: Pass, reason: "opencode:upstream", in: "opencode-zen opencode-go", status: []int{401}, phrase: []string{
		"user not found",
	}},

	// Cloudflare's numbers.
	{kind: Exhausted, reason: "cloudflare:usage-limit", in: "cloudflare", code: []string{"3036", "4006"}},
	{kind: Exhausted, reason: "cloudflare:rate-limit", in: "cloudflare", code: []string{"971", "2003"}},
	{kind: Exhausted, reason: "cloudflare:billing", in: "cloudflare", code: []string{"2021"}},
	{kind: Forbidden, reason: "cloudflare:model", in: "cloudflare", model: true, code: []string{"3041", "5016", "5018"}},
	{kind: Pass, reason: "cloudflare:request", in: "cloudflare", code: []string{
		"2016", "2017", "2040", "3040", "5007", "7003",
	}},
	{
		kind: Forbidden, reason: "cloudflare:scope", in: "cloudflare",
		code: []string{"9109"}, phrase: []string{"unauthorized to access", "from location"},
	},
	{kind: Rejected, reason: "cloudflare:token", in: "cloudflare", code: []string{
		"2009", "6003", "6111", "9109", "10000",
	}},
}
