package verdict

import "strings"

// modelRules are for limits of one model that only who knows the vendor can tell from others.
var modelRules = []rule{
	// Anthropic's limits of a minute are separate for each model, and the parenthesis names which one
	// it was: "(org: …, model: claude-sonnet-4-6)".
	{kind: Exhausted, reason: "anthropic:model", in: "anthropic", phrase: []string{", model: claude"}},
	// The line of a quota: "* Quota exceeded for metric: …, limit: 5, model: gemini-3.5-flash".
	{kind: Exhausted, reason: "google:model", in: "gemini vertex", phrase: []string{", limit: … , model:"}},
	// OpenRouter's free models are those whose names end in ":free".
	{
		kind: Exhausted, reason: "openrouter:free-models", in: "openrouter", family: "free",
		phrase: []string{"free-models-per-"},
	},
}

// Members of Google's quotas, and headers that name the limit which decided.
const (
	quotaMetric    = "quotametric"
	quotaModel     = "quotadimensions.model"
	anthropicClaim = "Anthropic-Ratelimit-Unified-Representative-Claim"
	codexActive    = "X-Codex-Active-Limit"
)

// scopeOfQuota returns what quota ids and headers tell of a limit's scope, and false if they tell
// nothing.
func (e *evidence) scopeOfQuota() (s scope, known bool) {
	switch e.provider.Name {
	case "anthropic":
		return e.anthropicScope()
	case "gemini", "vertex":
		return e.googleScope()
	case "openai-codex":
		return e.codexScope()
	}
	return s, false
}

// anthropicScope reads the windows that are used up: one of the whole account counts before one of a
// family.
func (e *evidence) anthropicScope() (s scope, known bool) {
	claim := e.headerOrField(anthropicClaim)
	for i := range anthropicWindows {
		w := &anthropicWindows[i]
		if claim != w.claim && e.headerOrField(w.status) != "rejected" {
			continue
		}
		if !w.scope.model {
			return w.scope, true
		}
		s.add(w.scope)
	}
	return s, s.model
}

// googleScope reads google.rpc.QuotaFailure, and the metadata of an ErrorInfo about a quota. A quota of
// the project that was exceeded too counts before one of a model.
func (e *evidence) googleScope() (s scope, known bool) {
	for _, f := range e.fields {
		switch f.key {
		case "quotaid", quotaMetric:
			id := foldKey(f.value)
			one := strings.Contains(id, "permodel") || strings.Contains(id, "perbasemodel")
			if f.key == "quotaid" && !one {
				return scope{}, true
			}
			s.model = s.model || one
		case quotaModel:
			s.model = true
		}
	}
	return s, s.model
}

// codexScope reads the limit that decided. "codex" and "premium" are those of the account; a model with
// a limit of its own has an id behind "codex_".
func (e *evidence) codexScope() (s scope, known bool) {
	active := e.headerOrField(codexActive)
	return scope{model: strings.HasPrefix(strings.ToLower(active), "codex_")}, active != ""
}
