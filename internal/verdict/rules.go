package verdict

// The tables hold what no reader could know: who answers at all, what a number means, and codes that
// mean something else than they say. They are asked from top to bottom, and the first rule that matches
// decides. What stands in words is left to the reading (matrix.go), which comes before the status.
//
// A rule names a header, a code or a phrase of at most six words. It comes with fixtures; see
// docs/fixtures.md.
var (
	before = [][]rule{edgeRules, elsewhereRules, vendorRules, codeRules, requestRules}
	after  = [][]rule{statusRules}
)

// edgeRules are for answers that do not come from the provider's API.
var edgeRules = []rule{
	{kind: Pass, reason: "server-error", status: []int{5}},
	{kind: Pass, reason: "proxy", status: []int{407}},
	{kind: Pass, reason: "edge:challenge", header: "Cf-Mitigated"},
	{kind: Pass, reason: "edge:challenge", header: "X-Vercel-Mitigated"},
	{kind: Pass, reason: "edge:challenge", header: "X-Amzn-Waf-Action"},
	{kind: Pass, reason: "edge:host", header: "X-Vercel-Error"}, // such as an unpaid bill of the host itself
	// Not for a 401: Perplexity refuses a key with a page, into which Cloudflare injects scripts
	// (pplx-001).
	{kind: Pass, reason: "edge:page", status: []int{400, 402, 403, 404, 410, 412, 429}, page: []string{""}},
	{kind: Pass, reason: "edge:blocked", status: []int{403, 429}, code: []string{"has:cloudflareerror"}},
	{kind: Pass, reason: "edge:blocked", status: []int{403, 429}, phrase: []string{
		"^error code: 1", "your request was blocked", "requested url was rejected",
	}},
	// Edges send the same as plain text to clients that accept no page.
	{kind: Pass, reason: "edge:blocked", status: []int{403, 429}, phrase: []string{
		"attention required! | cloudflare", "you have been blocked", "enable javascript and cookies",
		"used cloudflare to restrict", "permission to access … this server", "cloudflare ray id",
	}},
}

// elsewhereRules are for answers about a server behind the provider, or about what the model is to
// say.
var elsewhereRules = []rule{
	{kind: Pass, reason: "upstream", code: []string{
		"json-then-event", "upstreamerror", "upstream_error", "ai_apicallerror",
	}},
	{kind: Pass, reason: "upstream", phrase: []string{"limited upstream", "exception - "}},
	{kind: Pass, reason: "overloaded", code: []string{
		"slow_down", "queue_exceeded", "engine_max_pending_tokens", "modelnotreadyexception", "nocapacity",
		"throttling.resourceexhausted", "server_error", "internal_server_error", "no_db_connection",
	}},
	// The sentence goes on: "… you do not have access".
	{kind: Pass, reason: "model", status: []int{404}, phrase: []string{"does not exist or", "was not found or"}},
	{kind: Pass, reason: "content", code: []string{
		"content_filter", "content_filtered", "content_policy_violation", "responsibleaipolicyviolation",
		"*data_inspection_failed", "datainspectionfailed", "moderation_blocked", "safety_error", "has:flaggedinput",
		"refusal",
	}},
	{kind: Pass, reason: "content", status: []int{400, 403}, phrase: []string{"usage guidelines"}},
}

// codeRules are for codes that mean the same wherever they occur, and not what their words say.
var codeRules = []rule{
	{kind: Dead, reason: "account-deactivated", code: []string{
		"no_organization", "feature_flag_blocked", "account_state_invalid", "api_key_leaked", "key_leaked",
		"leaked_api_key",
	}},

	{kind: Forbidden, reason: "scope", who: permission, code: []string{
		"challenge:insufficient_scope", "challenge:insufficient_user_authentication",
	}},
	{kind: Forbidden, reason: "region", who: place, code: []string{"regionerror"}},
	{kind: Forbidden, reason: "policy", who: account, code: []string{
		"incorrect_hostname", "validation_required", "service_disabled", "iam_permission_denied",
	}},
	{kind: Forbidden, reason: "policy", who: account, model: true, code: []string{
		"access_denied.unpurchased", "accessdenied.unpurchased",
	}},
	{kind: Forbidden, reason: "policy", code: []string{
		"security_policy_violated", "detected_unusual_activity", "illegal_access",
	}},
	{kind: Forbidden, reason: "plan", who: plan, code: []string{
		"app.accessdenied", "feature_not_supported", "optinrequired", "commoditynotpurchased", "nonwhitelistaccount",
	}},
	{kind: Forbidden, reason: "plan", who: model, model: true, code: []string{"model_not_free", "model_terms_required"}},

	{kind: Exhausted, reason: "usage-limit", model: true, code: []string{"model_cooldown"}},
	// OpenAI's quota is paid for in advance.
	{kind: Exhausted, reason: "billing", code: []string{
		"blocked_api_access", "insufficient_quota", "credit_limit",
	}},

	{kind: Rejected, reason: "token", code: []string{
		"access_token_type_unsupported", "unrecognizedclientexception", "invalidclienttokenid",
	}},
	{kind: Pass, reason: "challenge", status: []int{401}, code: []string{"challenge:use_dpop_nonce"}},
	{kind: Rejected, reason: "challenge", status: []int{400, 401, 403}, code: []string{"challenge:invalid_token"}},
}

// requestRules are for a bad request, told by a code or by the beginning of the message. The rest
// of such a message may quote anything, from the user's own text to another service's refusal.
var requestRules = []rule{
	{kind: Pass, reason: "request", status: []int{400, 404, 410, 412, 422}, code: []string{
		"mcp_*", "tool_*", "image_*", "file_*", "audio_*", "video_*", "websocket_*",
	}},
	{kind: Pass, reason: "not-found", status: []int{404}, phrase: []string{
		"^no such", "^no file named", "^item with id",
	}},
}

// statusRules decide by the status alone. An event inside a 2xx that carries no status matches
// none.
var statusRules = []rule{
	{kind: Rejected, reason: "status:401", status: []int{401}},
	{kind: Exhausted, reason: "status:402:billing", status: []int{402}},
	{kind: Exhausted, reason: "status:429:rate-limit", status: []int{429}},
	{kind: Forbidden, reason: "status:403", status: []int{403}},
	{kind: Pass, reason: "status", status: []int{4}},
}
