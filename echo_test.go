package reauth_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// A bad request is explained in words of the request, which may be anybody's: they say nothing of the credential.
func TestClassifyLooksForNoRefusalInWhatABadRequestQuotes(t *testing.T) {
	for _, c := range []struct {
		provider string
		status   int
		body     string
	}{
		{"openai", 400, `{"error":{"message":"Invalid value: 'my usage limit resets in 20 days'. Supported values are: 'auto' and 'default'.","type":"invalid_request_error","param":"service_tier","code":"invalid_value"}}`},
		{"openai", 400, `{"error":{"message":"Invalid value: 'your account has been suspended'.","type":"invalid_request_error","param":null,"code":null}}`},
		{"openai", 400, `{"error":{"message":"MCP server 'jira': 401 invalid access token","type":"invalid_request_error","param":"tools","code":"mcp_error"}}`},
		{"openai", 400, `{"error":{"message":"Error while downloading https://example.com/a.png. Upstream status code: 402 payment required.","type":"invalid_request_error","param":null,"code":"invalid_image_url"}}`},
		{"openai", 400, `{"error":{"message":"Failed to download image: authorization header missing","type":"invalid_request_error","code":"invalid_image_url"}}`},
		{"openai", 400, `{"error":{"message":"Invalid URL (IP address is not reachable): http://10.0.0.1/image.png","type":"invalid_request_error","code":"invalid_image_url"}}`},
		{"openai", 400, `{"error":{"message":"This model's maximum context length is 128000 tokens; token expired? billing hard limit","type":"invalid_request_error","code":"context_length_exceeded"}}`},
		{"openai", 400, `{"error":{"message":"Unsupported parameter: 'max_tokens'. See plan and billing.","type":"invalid_request_error"}}`},
		{"openai", 400, `{"error":{"message":"Invalid 'input': string too long. your text: usage limit reached, quota exceeded","code":"string_above_max_length"}}`},
		{"openai", 400, `{"error":{"message":"Tool call add_payment_method is missing: payment method required as argument","code":"invalid_tool"}}`},
		{"openai", 400, `{"error":{"message":"Invalid schema for function 'check_usage limit': bad","type":"invalid_request_error","code":"invalid_function_parameters"}}`},
		{"openai", 400, `{"error":{"message":"Unknown parameter: 'authorization header'.","type":"invalid_request_error"}}`},
		{"openai", 400, `{"error":{"message":"Missing required parameter: 'tools[0].x(api key is required)'.","type":"invalid_request_error"}}`},
		{"openai", 404, `{"error":{"message":"No such file object: credit balance report.pdf","type":"invalid_request_error"}}`},
		{"openai", 404, `{"error":{"message":"Item with id 'spending limit' not found.","type":"invalid_request_error"}}`},
		{"mistral", 404, `{"detail":"No file named credit balance.csv"}`},
		{"mistral", 400, `{"message":"Unknown tool 'get ip address'","code":3051}`},
		{"anthropic", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.role: Input should be 'user' or 'assistant', got 'spend limit bot'"}}`},
		{"anthropic", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"messages.3.content.0.text: token has expired is not a valid role"}}`},
		{"anthropic", 404, `{"type":"error","error":{"type":"not_found_error","message":"model: daily-budget limit-checker"}}`},
		{"gemini", 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"Invalid value at 'contents[0].role' (TYPE), \"token has expired\""}}`},
		{"xai", 400, `{"code":"invalid-argument","error":"Failed to parse: unknown variant ` + "`token expired`, expected `user`" + `"}`},
		{"openrouter", 403, `{"error":{"message":"Blocked.","code":403,"metadata":{"reasons":["violence"],"provider_name":"OpenAI"}}}`},
	} {
		v := reauth.Classify(c.provider, &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {"application/json"}}}, []byte(c.body))
		assert.Equal(t, reauth.Pass, v.Kind, "%s %d %s: %s", c.provider, c.status, c.body, v.Reason)
		assert.Zero(t, v.Reset)
	}
}

// What is said beside the quotation still counts.
func TestClassifyReadsARefusalWithQuotationsInIt(t *testing.T) {
	for body, want := range map[string]reauth.Kind{
		`{"error":{"message":"API key 'abc' is fine but your credit balance is too low to access the API.","type":"invalid_request_error"}}`:       reauth.Exhausted,
		`{"error":{"message":"You can't use this: your account has been suspended. See 'Help'.","type":"invalid_request_error"}}`:                  reauth.Dead,
		`{"error":{"message":"Incorrect API key provided: 'sk-…'. It isn't valid, and users' keys don't expire.","type":"invalid_request_error"}}`: reauth.Rejected,
	} {
		v := reauth.Classify("generic", &http.Response{StatusCode: 400}, []byte(body))
		assert.Equal(t, want, v.Kind, "%s: %s", body, v.Reason)
	}
}

func TestClassifyKnowsEdgePagesAsPlainText(t *testing.T) {
	for _, body := range []string{
		"Attention Required! | Cloudflare",
		"Sorry, you have been blocked. You are unable to access api.openai.com. Cloudflare Ray ID: 8f2",
		"Just a moment... Enable JavaScript and cookies to continue",
		"Access denied | api.x.ai used Cloudflare to restrict access. Ray ID: 89ab",
		`Access Denied. You don't have permission to access "/v1/x" on this server. Reference #18.7d2c2f17`,
	} {
		v := reauth.Classify("openai", &http.Response{StatusCode: 403, Header: http.Header{"Content-Type": {"text/plain"}}}, []byte(body))
		assert.Equal(t, reauth.Pass, v.Kind, "%s: %s", body, v.Reason)
	}
}

func TestCopilotForbidsWith403WhateverItSaysOfTheToken(t *testing.T) {
	v := reauth.Classify("copilot", &http.Response{StatusCode: 403}, []byte("forbidden: token expired or revoked"))
	assert.Equal(t, reauth.Forbidden, v.Kind)
}

// A request that merely quotes a limit must put nobody aside, whatever reset the quotation names.
func TestQuotedLimitMarksNobody(t *testing.T) {
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	sends := 0
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		sends++
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
		return answer(req, 400, `{"error":{"message":"Invalid value: 'my usage limit resets in 20 days'.","type":"invalid_request_error","param":"service_tier","code":"invalid_value"}}`), nil
	})
	for _, key := range []string{"key-a", "key-b", "key-c"} {
		_, err := pool.Add(t.Context(), reauth.Credential{Provider: "openai", ID: key, AccessToken: key})
		require.NoError(t, err)
	}
	client := &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}
	resp, err := client.Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(`{}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, 1, sends)
	for _, s := range pool.Status() {
		assert.Equal(t, reauth.Good, s.State)
	}
}

func TestOAuth2ConfigInALogHoldsNoSecret(t *testing.T) {
	var b bytes.Buffer
	cfg := reauth.OAuth2Config{TokenURL: "https://auth.example.com/token", ClientID: "me", ClientSecret: "very-secret", Header: http.Header{"X": {"very-secret"}}}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "value", cfg, "pointer", &cfg)
	assert.NotContains(t, b.String(), "very-secret")
	assert.Contains(t, b.String(), "auth.example.com")
}
