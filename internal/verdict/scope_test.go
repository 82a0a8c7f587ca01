package verdict_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/verdict"
)

// Each recorded answer gets the scope, the family and the cause that it notes.
func TestScopeAndCauseOfFixtures(t *testing.T) {
	scopes, families, causes := 0, 0, 0
	for _, f := range fixturetest.Answers(t, fixtures) {
		v := judged(f.Provider, f.Resp, f.Body)
		oneModel, family := f.WantScope()
		assert.Equal(t, oneModel, v.OneModel, "%s by %q", f.Name, v.Reason)
		assert.Equal(t, family, v.Family, "%s by %q", f.Name, v.Reason)
		if oneModel {
			scopes++
		}
		if family != "" {
			families++
		}
		if want := f.Notes.Get("Fixture-Cause"); want != "" {
			causes++
			assert.Equal(t, want, v.Cause.String(), "%s by %q", f.Name, v.Reason)
		}
		if f.Want != "forbidden" {
			assert.Equal(t, verdict.Unclear, v.Cause, f.Name)
		}
	}
	t.Logf("%d fixtures state a scope of one model, %d of them name a family; %d state a cause", scopes, families, causes)
	assert.Greater(t, scopes, 60)
	assert.Greater(t, causes, 100)
}

// scopeLookAlikes are pairs of nearly the same words, of which the one is said of a model.
var scopeLookAlikes = []struct {
	status   int
	provider string
	model    string // said of one model
	family   string
	whole    string // said of the whole credential
}{
	{429, "anthropic", "You've hit your Opus limit", "opus", "You've hit your usage limit"},
	{429, "anthropic", "Your weekly Opus limit has been reached", "opus", "Your weekly limit has been reached. Switch to Opus to continue."},
	{429, "anthropic", "Opus 4.5 weekly usage limit reached", "opus", "Weekly usage limit reached"},
	{429, "anthropic", "You've reached your Fable 5 limit.", "fable", "You've reached your 5 hour limit."},
	{429, "anthropic", "Usage limit reached for Sonnet", "sonnet", "Usage limit reached for this week; try Sonnet later"},
	{
		429, "anthropic", "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: a, model: claude-opus-4-5).",
		"", "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: a).",
	},
	{
		429, "openai-api", "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000", "",
		"Rate limit reached for requests in organization org-x on tokens per min (TPM): Limit 30000",
	},
	{429, "openai-api", "Rate limit reached for o3 in organization org-x", "", "Rate limit reached for org-x"},
	{429, "openai-api", "You exceeded your current quota for gpt-5", "", "You exceeded your current quota, please check your plan and billing details."},
	{429, "", "Rate limit exceeded for model gpt-4o", "", "Rate limit exceeded. model: gpt-4o"},
	{429, "", "The quota of gpt-4o is exhausted", "", "Your quota is exhausted (model: gpt-4o, request id: gpt-4o-7)"},
	{429, "", "Your quota for gpt-4o is exhausted", "", "Your quota is exhausted. Try gpt-4o-mini instead."},
	{429, "", "You have reached the limit of requests per model", "", "You have reached the limit of model requests"},
	{429, "", "You have used up the quota of the model", "", "You have used up the quota of all models"},
	{429, "", "Quota exceeded for deployment gpt-4-prod", "", "Quota exceeded for project acme-prod in us-east1"},
	{429, "copilot", "You've hit the rate limit for this model.", "", "You've hit your global rate limit."},
	{402, "copilot", "You have exceeded your premium request allowance.", "", "You have exceeded your request allowance."},
	{429, "openrouter", "Rate limit exceeded: free-models-per-min.", "free", "Rate limit exceeded: requests-per-min."},
	{429, "", "该模型的额度已用完", "", "您的额度已用完，请更换模型"},
	{429, "", "您的 claude-opus-4 模型额度已用尽", "", "您的额度已用尽"},
	{402, "", "This model requires a paid balance", "", "You have insufficient credit to run this model"},
	{403, "", "Your plan does not include gpt-5", "", "Your plan does not include API access"},
	{403, "", "Your plan does not include Opus", "opus", "Your plan does not include this feature"},
	{403, "", "You do not have permission to use the model", "", "You do not have permission to use models"},
	{403, "", "Your account is not authorized to use gpt-4o", "", "Your account is not authorized (model: gpt-4o)"},
	{403, "", "This key has no access to model glm-5.2", "", "This key has no access to any model"},
	{403, "", "The model claude-opus-4-1 is not activated for your account", "", "The API is not activated for your account"},
	{403, "", "该令牌无权访问模型 gemini-2.5-pro", "", "该令牌无权访问所有模型"},
	{403, "", "Ce jeton n'a pas accès au modèle gpt-4o", "", "Ce jeton n'a pas accès à l'API"},
	{403, "", "You have insufficient permissions for the model gpt-4o", "", "You have insufficient permissions. Missing scopes: model.request."},
}

func TestScopesOfLookAlikesStayApart(t *testing.T) {
	for _, p := range scopeLookAlikes {
		of := func(text string) verdict.Verdict {
			body, err := json.Marshal(map[string]any{"error": map[string]string{"message": text}})
			require.NoError(t, err)
			return judged(p.provider, &http.Response{StatusCode: p.status, Header: http.Header{}}, body)
		}
		one, whole := of(p.model), of(p.whole)
		assert.Equal(t, one.Kind.String(), whole.Kind.String(), "%s\n%s", p.model, p.whole)
		assert.True(t, one.OneModel, "%s by %q", p.model, one.Reason)
		assert.Equal(t, p.family, one.Family, p.model)
		assert.False(t, whole.OneModel, "%s by %q", p.whole, whole.Reason)
		assert.Empty(t, whole.Family, p.whole)
	}
}

// The cause tells whether another credential may have what this one was refused.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		text string
		want verdict.Cause
	}{
		{"Your plan does not include this model", verdict.Entitlement},
		{"The token lacks the scope model.request", verdict.Entitlement},
		{"You must be a member of an organization to use the API", verdict.Entitlement},
		{"Your account is not authorized to use this model", verdict.Entitlement},
		{"The model has not been activated for your account", verdict.Entitlement},
		{"A paid subscription is required for this model", verdict.Entitlement},
		{"OAuth authentication is currently not allowed for this organization.", verdict.Entitlement},
		{"This key is not authorized for this endpoint", verdict.Entitlement},
		{"You do not have access to this project", verdict.Entitlement},
		{"This service is not available in your country", verdict.Anyone},
		{"The model is not supported in your region", verdict.Anyone},
		{"Your IP address is not allowed", verdict.Anyone},
		{"Access denied due to firewall rules", verdict.Anyone},
		{"Third-party clients are not supported", verdict.Anyone},
		{"This service is restricted to the official Claude Code client.", verdict.Anyone},
		{"Access denied", verdict.Unclear},
		{"Forbidden.", verdict.Unclear},
		{"no", verdict.Unclear},
	} {
		body, err := json.Marshal(map[string]any{"error": map[string]string{"message": c.text}})
		require.NoError(t, err)
		v := judged("", &http.Response{StatusCode: 403, Header: http.Header{}}, body)
		assert.Equal(t, verdict.Forbidden.String(), v.Kind.String(), c.text)
		assert.Equal(t, c.want.String(), v.Cause.String(), "%s by %q", c.text, v.Reason)
	}
}

// What a filter refuses, it refuses to anybody: either the answer is not about the credential at all,
// or the cause says so. Another credential is not tried with it.
func TestRefusedContentIsNobodys(t *testing.T) {
	for _, c := range []struct {
		provider, body string
		status         int
	}{
		{"openrouter", `{"error":{"message":"openai/gpt-4o requires moderation on OpenAI. Your input was flagged for \"violence\". No credits were charged.","code":403,"metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"OpenAI"}}}`, 403},
		{"openrouter", `{"error":{"message":"openai/gpt-4o requires moderation on OpenAI. Your input was flagged for \"violence\". No credits were charged.","code":403}}`, 403},
		{"xai", `{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Team: a, API key ID: b, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO"}`, 403},
		{"gemini", `{"error":{"code":403,"message":"The prompt was blocked due to PROHIBITED_CONTENT","status":"PERMISSION_DENIED"}}`, 403},
		{"gemini", `{"error":{"code":400,"message":"Content blocked by safety filters","status":"INVALID_ARGUMENT"}}`, 400},
		{"openai-api", `{"error":{"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error","code":"moderation_blocked"}}`, 400},
		{"openai-api", `{"error":{"message":"Your request was rejected as a result of our safety system."}}`, 403},
		{"openai-api", `{"error":{"message":"Your prompt was flagged as potentially violating our usage policy."}}`, 403},
		{"anthropic", `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}`, 400},
		{"anthropic", `{"type":"error","error":{"type":"permission_error","message":"This request was blocked under our Usage Policy because it violates it"}}`, 403},
	} {
		v := judged(c.provider, &http.Response{StatusCode: c.status, Header: http.Header{}}, []byte(c.body))
		if v.Kind == verdict.Forbidden && v.Cause == verdict.Anyone {
			continue
		}
		assert.Equal(t, verdict.Pass.String(), v.Kind.String(), "%s by %q", c.body, v.Reason)
	}
}
