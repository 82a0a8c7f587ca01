package verdict

// ruleTable holds the rules. They are asked from top to bottom, and the first one that matches
// decides. The stages stand in the order in which an answer can be trusted: who answered at all,
// whose trouble it is, what a code says, what a sentence says, and only then the status.
//
// Within a stage a provider's own rules come first. Rules about money, about the end of an account
// and about entitlement come before those about the token: many such answers contain the words of a
// rejection too.
//
// A rule names a header, a code or a phrase of at most six words. It comes with fixtures; see the
// README.
var ruleTable = [][]rule{
	edgeRules, elsewhereRules, vendorCodeRules, codeRules, requestRules, vendorPhraseRules, phraseRules, weakCodeRules,
	statusRules,
}

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

// elsewhereRules are for answers about the request, the model or a server behind the provider.
var elsewhereRules = []rule{
	{kind: Pass, reason: "upstream", code: []string{
		"json-then-event", "upstream_*", "upstreamerror", "ai_apicallerror",
	}},
	{kind: Pass, reason: "upstream", phrase: []string{
		"provider returned error", "error from provider", "limited upstream", "at capacity upstream",
		"not your api key's rate limit", "exception - ", "litellm.ratelimiterror", "litellm.authenticationerror",
		"litellm.permissiondeniederror",
	}},
	{kind: Pass, reason: "overloaded", code: []string{
		"overloaded_error", "overloaded", "engine_overloaded*", "server_overloaded", "server_is_overloaded",
		"model_overloaded", "system_busy", "slow_down", "at_capacity", "capacity_exceeded", "queue_exceeded",
		"engine_max_pending_tokens", "insufficient_model_capacity", "model_capacity_*", "modelnotreadyexception",
		"throttling.resourceexhausted", "nocapacity", "service_unavailable", "server_error", "internal_error",
		"internal_server_error", "temporarily_unavailable", "no_db_connection",
	}},
	{kind: Pass, reason: "overloaded", status: []int{403, 429}, phrase: []string{
		"overloaded", "at capacity", "over capacity", "capacity exceeded", "capacity limits", "no capacity available",
		"high traffic", "high demand", "server is busy", "model busy", "no deployments available", "负载已饱和",
	}},
	// The sentence goes on: "… you do not have access".
	{kind: Pass, reason: "model", status: []int{404}, phrase: []string{"does not exist or", "was not found or"}},
	// Waiting does not make the request smaller.
	{kind: Pass, reason: "request", status: []int{429}, phrase: []string{"request too large"}},
	{kind: Pass, reason: "content", code: []string{
		"content_filter", "content_filtered", "content_policy_violation", "responsibleaipolicyviolation",
		"*data_inspection_failed", "datainspectionfailed", "moderation_blocked", "safety_error", "has:flaggedinput",
		"refusal",
	}},
	{kind: Pass, reason: "content", status: []int{400, 403}, phrase: []string{
		"content policy", "content filtering policy", "was flagged", "usage guidelines", "content exists risk",
		"safety_check_type", "security risk",
	}},
}

// codeRules are for codes that mean the same wherever they occur.
var codeRules = []rule{
	{kind: Dead, reason: "account-deactivated", code: []string{
		"account_deactivated", "account_disabled", "account_banned", "account_terminated", "user_deactivated",
		"user_banned", "user_inactive", "deactivated_workspace", "workspace_deactivated", "organization_deactivated",
		"organization_restricted", "no_organization", "access_terminated", "feature_flag_blocked",
		"temporarily_suspended", "consumer_suspended", "account_state_invalid", "api_key_leaked", "key_leaked",
		"leaked_api_key",
	}},

	{kind: Forbidden, reason: "scope", code: []string{
		"challenge:insufficient_scope", "challenge:insufficient_user_authentication", "insufficient_scope",
		"missing_scope", "missing_scopes", "insufficient_permissions", "missing_permissions",
		"access_token_scope_insufficient", "insufficientscope",
	}},
	{kind: Forbidden, reason: "region", code: []string{
		"unsupported_country*", "unsupported_region", "region_not_supported", "regionerror",
	}},
	{kind: Forbidden, reason: "policy", code: []string{
		"mismatched_organization", "mismatched_project", "invalid_organization", "invalid_workspace_selected",
		"incorrect_hostname", "ip_not_authorized", "ip_not_allowed", "security_policy_violated", "validation_required",
		"service_disabled", "iam_permission_denied", "user_project_denied", "consumer_invalid", "api_key_*_blocked",
		"api_key_service_blocked", "api_key_http_referrer_blocked", "api_key_ip_address_blocked",
		"api_key_android_app_blocked", "api_key_ios_app_blocked", "detected_unusual_activity",
		"authenticationtypedisabled", "illegal_access", "access_denied.unpurchased", "accessdenied.unpurchased",
	}},
	{kind: Forbidden, reason: "plan", code: []string{
		"usage_not_included", "subscription_required", "subscription_not_found", "paid_plan_required",
		"no_copilot_access", "plan_required", "*_model_access_denied", "model_access_denied", "model.accessdenied",
		"app.accessdenied", "workspace.accessdenied", "free_tier_model_not_available",
		"model_not_supported_on_free_tier", "model_not_free", "feature_not_supported", "optinrequired",
		"commoditynotpurchased", "model_permission_blocked*", "model_terms_required", "servicenotactivated",
		"nonwhitelistaccount",
	}},

	{kind: Exhausted, reason: "usage-limit", code: []string{
		"usage_limit_reached", "*usage_limit_exceeded", "*usagelimiterror", "monthlylimiterror", "userlimiterror",
		"*:free-usage-exhausted", "monthly_request_count", "promotion_model_limit_reached", "model_cooldown",
		"workspace_member_usage_limit_reached", "workspace_*_usage_limit_reached",
	}},
	{kind: Exhausted, reason: "billing", code: []string{
		"billing_not_active", "billing_hard_limit_reached", "billing_error", "billing_disabled", "billing_limit*",
		"payment_required", "creditserror", "insufficient_balance*", "insufficientbalance", "insufficient_credit*",
		"insufficient_funds", "insufficient_user_quota", "insufficient_g1_credits*", "not_enough_balance",
		"balance_depleted", "no_usable_credits", "*out-of-credit", "out_of_credits", "credit_limit",
		"exceeded_current_quota_error", "arrearage", "*arrears", "prepaidbilloverdue", "postpaidbilloverdue",
		"overdue_payment", "invalid_payment_instrument", "*:spending-limit", "spend_limit_reached",
		"*_spend_limit_exceeded", "credit_balance_exhausted", "insufficient_quota", "enforced_spend_limit_reached",
		"blocked_api_access", "budget_exceeded", "budgetlimitexceeded", "openrouter_credits", "openrouter_key_limit",
		"openrouter_*_budget", "openrouter_workspace_budget", "openrouter_guardrail_budget",
	}},
	{kind: Exhausted, reason: "quota", code: []string{
		"quota_exceeded", "quota_exhausted", "*quota_exhausted", "allocationquota*", "throttling.allocationquota",
		"servicequotaexceeded*", "quotaviolation", "*quota-exceeded",
	}},

	{kind: Rejected, reason: "token", code: []string{
		"unauthenticated:*", "token_expired", "expired_token", "token_revoked", "token_invalidated", "token_invalid",
		"tokenexpired", "access_token_expired", "access_token_type_unsupported", "access_token_invalid",
		"session_expired", "account_session_invalid", "expiredtoken", "expiredtokenexception",
		"unrecognizedclientexception", "invalidclienttokenid", "missingauthenticationtokenexception",
	}},
	{kind: Rejected, reason: "api-key", status: []int{400, 401, 403}, code: []string{
		"invalid_api_key", "api_key_invalid", "invalidapikey", "incorrect_api_key_error", "wrong_api_key",
		"invalid_key", "missing_api_key", "api_key_required", "api_key_disabled", "api_key_expired", "expired_key",
		"credentials_missing", "token_not_found_in_db", "paid_model_auth_required", "invalidaccesskeyid",
		"needs_authorization",
	}},
	{kind: Pass, reason: "challenge", status: []int{401}, code: []string{"challenge:use_dpop_nonce"}},
	{kind: Rejected, reason: "challenge", status: []int{400, 401, 403}, code: []string{"challenge:invalid_token"}},
}

// requestRules are for a bad request, told by a code or by the beginning of the message. The rest
// of such a message may quote anything, from the user's own text to another service's refusal:
// these rules stand before those that look for phrases.
var requestRules = []rule{
	{kind: Pass, reason: "request", status: []int{400, 404, 410, 412}, code: []string{
		"names-param", "field-path", "invalid_value*", "invalid_type*", "invalid_image*", "invalid_file*",
		"invalid_url*", "invalid_json*", "invalid_function*", "invalid_tool*", "invalid_schema*", "invalid_prompt*",
		"invalid_parameter*", "invalid_base64*", "invalid_message*", "invalid_role*", "invalid_model*",
		"invalid_field*", "invalid_format*", "invalid_enum*", "invalid_encrypted*", "unknown_parameter*",
		"unsupported_*", "missing_required*", "missing_parameter*", "context_length*", "context_window*",
		"*_above_max_length", "*_below_min_length", "*_above_max_value", "*_below_min_value", "*_too_long",
		"*_too_large", "*_too_short", "*_too_small", "mcp_*", "tool_*", "image_*", "file_*", "audio_*", "video_*",
		"empty_*", "model_not_found", "previous_response_not_found", "malformed_*", "unprocessable*",
		"validation_error", "parameter_*",
	}},
	{kind: Pass, reason: "request", status: []int{400}, phrase: []string{
		"^invalid value", "^invalid type", "^invalid schema", "^invalid parameter", "^unknown parameter",
		"^unsupported parameter", "^unsupported value", "^missing required parameter", "^unrecognized request argument",
	}},
	{kind: Pass, reason: "not-found", status: []int{404}, code: []string{"not_found_error", "not_found"}},
	{kind: Pass, reason: "not-found", status: []int{404}, phrase: []string{
		"^no such", "^no file named", "^item with id",
	}},
}

// phraseRules are for sentences of providers that have no code for the case. Where the status would
// decide the same, there is no phrase.
var phraseRules = []rule{
	// Nous has one sentence for three cases.
	{kind: Rejected, reason: "api-key", status: []int{401}, phrase: []string{"invalid, blocked or out of"}},

	{kind: Exhausted, reason: "billing", status: []int{4}, phrase: []string{
		"insufficient balance", "insufficient account balance", "insufficient credit", "insufficient funds",
		"insufficient quota", "credit balance", "balance is too low", "balance too low", "balance is insufficient",
		"balance has been exhausted", "credits or licenses", "all available credits", "requires available credits",
		"requires more credits", "can only afford", "out of credits", "out of funds", "credit limit exceeded",
		"credits are depleted", "credits have been", "credits expired", "spending limit", "spending cap", "spend limit",
		"current quota", "volume quota", "plan and billing", "billing hard limit", "billing limit", "payment required",
		"payment method", "payment instrument", "overdue payment", "past invoices", "exceededbudget",
		"budget has been exceeded", "max budget", "budget limit", "monthly included credits", "no active billing",
		"billing is not", "billing not enabled", "余额不足", "欠费", "额度已用尽", "额度不足", "请充值",
	}},
	{kind: Exhausted, reason: "usage-limit", status: []int{4}, phrase: []string{
		"usage limit", "out of extra usage", "regain access on", "reached for this month", "quota exceeded",
		"quota has been exhausted", "exhausted your capacity", "exceeded your quota", "exceeded quota", "free quota",
	}},
	{kind: Exhausted, reason: "usage-limit", status: []int{401, 402, 403, 429}, phrase: []string{
		"limit exceeded", "limit reached", "daily limit", "weekly limit", "monthly limit", "quota will reset",
		"exceeded … limit",
	}, unless: []string{"rate limit"}},
	{kind: Exhausted, reason: "rate-limit", status: []int{402, 403, 429}, phrase: []string{
		"rate limit", "rate-limit", "ratelimit", "too many requests", "too many tokens", "requests per minute",
		"requests per day", "requests per second", "tokens per", "throttl", "temporary limits", "suspicious activity",
	}},

	{kind: Dead, reason: "account-disabled", status: []int{400, 401, 403, 429}, phrase: []string{
		"organization has been disabled", "account has been disabled", "account has been deactivated",
		"account … has been deactivated", "account has been banned", "account has been suspended",
		"access was terminated", "account is deactivated", "account has been terminated", "workspace has been blocked",
		"for violation of terms",
	}},

	// A 403 is forbidden by its status already.
	{kind: Forbidden, reason: "scope", status: []int{400, 401, 404}, phrase: []string{
		"missing scope", "insufficient scope", "insufficient permission", "sufficient permission", "scope requirement",
		"does not have … permission", "do not have … permission", "not have access",
	}},
	{kind: Forbidden, reason: "policy", status: []int{400, 401, 404, 429}, phrase: []string{
		"authentication is currently not", "only authorized for use", "not allowed for this organization", "ip address",
		"requests are not allowed", "cors requests", "should match organization", "member of an organization",
		"not allowed to call", "not allowed for your", "operation not allowed", "not accessible by",
		"organization policy", "must be verified", "use case details",
	}},
	{kind: Forbidden, reason: "region", status: []int{400, 401, 404, 429}, phrase: []string{
		"location is not supported", "unsupported countries", "country, region, or territory", "not available in your",
		"not supported in your",
	}},
	{kind: Forbidden, reason: "plan", status: []int{400, 401, 402, 404, 429}, phrase: []string{
		"not yet available for this", "not supported when using", "for this subscription", "requires a subscription",
		"requires a paid", "plan does not", "plan not support", "subscription does not", "not currently supported",
		"required for long context", "not available on the free",
	}},

	{kind: Rejected, reason: "token", status: []int{400, 403}, phrase: []string{
		"token could not be validated", "token has been revoked", "token was revoked", "token has expired",
		"token is expired", "token expired", "expired token", "token is invalid", "token … is invalid",
		"invalid access token", "invalid bearer token", "token has been invalidated", "jwt is expired",
		"no longer a member",
	}},
	{kind: Rejected, reason: "api-key", status: []int{400, 403}, phrase: []string{
		"incorrect api key", "invalid api key", "invalid api token", "invalid api-key", "api key not valid",
		"api key expired", "api key has expired", "api key is invalid", "api key is required", "api-key is required",
		"no api key", "missing api key", "make sure your api key", "api key … leaked", "valid api key",
		"your api key … invalid",
	}},
	{kind: Rejected, reason: "unauthenticated", status: []int{400}, phrase: []string{
		"authorization header", "authentication key",
	}},
	{kind: Rejected, reason: "unauthenticated", status: []int{403}, phrase: []string{
		"not authenticated", "authentication failed", "authentication fails", "unregistered callers",
		"no authentication", "missing authentication", "invalid credentials", "authentication required",
	}},
}

// weakCodeRules are for types so broad that a sentence beside them says more.
var weakCodeRules = []rule{
	{kind: Exhausted, reason: "rate-limit", status: []int{400, 402, 403, 429}, code: []string{
		"rate_limit*", "ratelimit*", "*rate_limit_exceeded", "*rate_limit_error", "too_many_requests*",
		"toomanyrequests", "throttlingexception", "throttling", "throttling.*", "throttling_error",
		"request_quota_exceeded", "token_quota_exceeded", "limit_requests", "limit_burst_rate",
		"limitexceededexception", "*concurrent_limit_exceeded", "too_many_concurrent_requests", "dynamic_*_limited",
		"dynamic_request_limited", "dynamic_token_limited", "model_rate_limit", "user_request_rate_exceeded",
		"resource_exhausted", "resource-exhausted", "requestlimitexceeded",
	}},
	{kind: Forbidden, reason: "permission", status: []int{401}, code: []string{
		"permissiondenied", "permission_denied", "permission_error",
	}},
	{kind: Rejected, reason: "unauthenticated", status: []int{401}, code: []string{
		"authentication_error", "invalid_authentication_error", "autherror", "auth_error", "unauthorized",
		"unauthenticated", "authenticationerror", "invalid_authentication", "authfailure*", "authentication_failed",
	}},
	{kind: Rejected, reason: "unauthenticated", status: []int{403}, code: []string{
		"unauthenticated", "invalid_token", "not_authenticated",
	}},
	{kind: Rejected, reason: "signature", code: []string{
		"invalidsignatureexception", "signaturedoesnotmatch", "incompletesignature",
	}},
	{kind: Forbidden, reason: "permission", status: []int{403}, code: []string{
		"permission_error", "permission_denied", "permission_denied_error", "forbidden", "accessdeniedexception",
		"access_denied",
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
