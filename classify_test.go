package reauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/verdict"
)

// verdictNames are the folders in which a fixture may lie.
var verdictNames = []string{
	reauth.Pass.String(), reauth.Rejected.String(), reauth.Dead.String(), reauth.Exhausted.String(),
	reauth.Forbidden.String(),
}

// Each recorded answer gets the verdict that its folder names, and the scope and the reset that it notes.
func TestClassifyFixtures(t *testing.T) {
	for _, f := range fixturetest.Answers(t, "fixtures") {
		t.Run(f.Name, func(t *testing.T) {
			require.Contains(t, verdictNames, f.Want, "the folder is no verdict")
			before := time.Now()
			v := reauth.Classify(f.Provider, f.Resp, f.Body)
			after := time.Now()
			assert.Equal(t, f.Want, v.Kind.String(), "reason %s", v.Reason)
			if f.Want != "pass" {
				assert.NotEmpty(t, v.Reason)
			}
			assertScope(t, f, v)
			want := f.WantReset(t, before)
			switch {
			case f.Notes.Get("Fixture-Id") == "" && want.IsZero():
				// The recording does not note whether there is a reset.
			case want.IsZero():
				assert.Zero(t, v.Reset, "reason %s", v.Reason)
			default:
				assert.WithinRange(t, v.Reset, want.Add(-time.Second), f.WantReset(t, after).Add(time.Second))
			}
		})
	}
}

// assertScope checks the note Fixture-Scope.
func assertScope(t *testing.T, f *fixturetest.Fixture, v reauth.Verdict) {
	t.Helper()
	want := reauth.WholeCredential
	if oneModel, _ := f.WantScope(); oneModel {
		want = reauth.OneModel
	}
	assert.Equal(t, want.String(), v.Scope.String(), "reason %s", v.Reason)
}

// A rule must not rest on what differs from one answer to the next: ids, numbers, white space, the
// order of members, the envelope.
func TestClassifyKeepsItsVerdictWhenTheRecordingVaries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	variants := 0
	for _, f := range fixturetest.Answers(t, "fixtures") {
		for name, body := range variantsOf(f, rng) {
			variants++
			v := reauth.Classify(f.Provider, f.Resp, body)
			if oneModel, _ := f.WantScope(); v.Kind.String() != f.Want || oneModel != (v.Scope == reauth.OneModel) {
				t.Errorf("%s, %s: %s of the %s by %q\n%s", f.Name, name, v.Kind, v.Scope, v.Reason, body)
			}
		}
	}
	require.Greater(t, variants, 2000)
}

// variantsOf returns bodies that mean the same as the recorded one, by what differs.
func variantsOf(f *fixturetest.Fixture, rng *rand.Rand) map[string][]byte {
	out := map[string][]byte{
		"other ids":     changeIDs(f.Body, rng),
		"other numbers": changeNumbers(f.Body, rng),
		"more space":    append([]byte(" \r\n\t"), f.Body...),
	}
	var doc any
	if json.Unmarshal(f.Body, &doc) != nil {
		return out
	}
	out["sorted members"] = encode(doc) // encoding/json sorts them
	out["indented"], _ = json.MarshalIndent(doc, "", "\t")
	inner := innermost(doc)
	if inner == nil || f.Resp.StatusCode < 300 { // in a 2xx only the structure tells that it is a refusal
		return out
	}
	enveloped := map[string]any{"error": inner}
	out["reversed members"] = reversed(inner)
	out["nested"] = encode(enveloped)
	out["root array"] = encode([]any{enveloped})
	out["detail"] = encode(map[string]any{"detail": inner})
	out["errors"] = encode(map[string]any{"success": false, "errors": []any{inner}})
	out["flat"] = encode(inner)
	out["request id beside"] = encode(map[string]any{
		"request_id": "req_" + randomID(rng), "error": inner, "status": f.Resp.StatusCode,
	})
	out["doubly encoded"] = encode(map[string]any{
		"error": map[string]any{"message": string(encode(enveloped)), "code": f.Resp.StatusCode},
	})
	if !bytes.Contains(f.Body, []byte("data:")) {
		out["followed by junk"] = append(encode(enveloped), "\n<!-- end -->"...)
	}
	out["truncated"] = bytes.TrimSuffix(encode(enveloped), []byte("}"))
	return out
}

// encode returns v as JSON on one line, without the escapes of HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

// innermost returns the object that describes the failure: the value of "error" if the document has
// no other member but "type", else the document. nil: there is no such object.
func innermost(doc any) map[string]any {
	switch v := doc.(type) {
	case []any:
		if len(v) == 1 {
			return innermost(v[0])
		}
	case map[string]any:
		if e, ok := v["error"].(map[string]any); ok && (len(v) == 1 || len(v) == 2 && v["type"] == "error") {
			return e
		}
		return v
	}
	return nil
}

// reversed encodes an object with its members in descending order.
func reversed(m map[string]any) []byte {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	slices.Reverse(names)
	parts := make([]string, 0, len(names))
	for _, k := range names {
		parts = append(parts, string(encode(k))+":"+string(encode(m[k])))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// someID matches ids with a known prefix, UUIDs and long hexadecimal numbers.
var someID = regexp.MustCompile(`\b(?:req_|org-|user_|proj_|wrk_|chatcmpl-|resp_|ak-)[0-9A-Za-z]{4,}\b` +
	`|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b` +
	`|\b[0-9a-f]{24,}\b`)

// changeIDs puts another id in the place of each. It keeps the prefix.
func changeIDs(body []byte, rng *rand.Rand) []byte {
	return someID.ReplaceAllFunc(body, func(id []byte) []byte {
		i := bytes.IndexAny(id, "-_") + 1
		if i > 8 {
			i = 0
		}
		return append(bytes.Clone(id[:i]), randomID(rng)...)
	})
}

func randomID(rng *rand.Rand) string {
	const letters = "abcdefghijkmnpqrstuvwxyz"
	b := make([]byte, 22)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// amount matches numbers that are amounts, not codes: they stand free in a sentence, and not in
// brackets.
var amount = regexp.MustCompile(`([ :$~])(\d+)` +
	`((?:\.\d+)?(?: ?(?:ms|s|h|m|hours?|days?|tokens|credits|calls|min)\b|[ ,]))`)

// changeNumbers changes the amounts inside sentences. It leaves codes alone.
func changeNumbers(body []byte, rng *rand.Rand) []byte {
	out := amount.ReplaceAllFunc(body, func(m []byte) []byte {
		s := amount.FindSubmatch(m)
		if len(s[2]) == 3 || s[1][0] == ':' { // a status, or a member's value
			return m
		}
		n := 2 + rng.IntN(7)
		return []byte(fmt.Sprintf("%s%d%s", s[1], n, s[3]))
	})
	return out
}

func TestClassifyDecodesAnnouncedGzip(t *testing.T) {
	for _, f := range fixturetest.Answers(t, "fixtures") {
		if f.Notes.Get("Fixture-Encoding") != "" {
			assert.Equal(t, f.Want, reauth.Classify(f.Provider, f.Resp, f.Wire()).Kind.String())
		}
	}
}

func TestClassifyTakesAnyNameOfAProvider(t *testing.T) {
	resp := &http.Response{StatusCode: 429, Header: http.Header{}}
	// 1305 is Z.ai's code for overload.
	body := []byte(`{"error":{"code":"1305","message":"The service may be temporarily slow"}}`)
	for _, name := range []string{"zai", "glm", "Z.AI", " zhipu ", "custom:zai"} {
		assert.Equal(t, reauth.Pass, reauth.Classify(name, resp, body).Kind, name)
	}
	assert.Equal(t, reauth.Exhausted, reauth.Classify("unknown", resp, body).Kind)
}

// The status and the header decide whether the words of the body count at all.
func TestClassifyGates(t *testing.T) {
	const words = `{"error":{"message":"Invalid API key, token expired, insufficient_quota",` +
		`"code":"invalid_api_key","type":"authentication_error"}}`
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   reauth.Kind
	}{
		{"5xx is never about credentials", 500, nil, words, reauth.Pass},
		{"529", 529, nil, words, reauth.Pass},
		{"proxy", 407, nil, words, reauth.Pass},
		{"success", 200, nil, words, reauth.Pass},
		{"redirect", 302, nil, words, reauth.Pass},
		{"not found", 404, nil, `{"error":{"message":"no such model"}}`, reauth.Pass},
		{"page on 403", 403, nil, "<html><body>Unauthorized: invalid api key</body></html>", reauth.Pass},
		{"page on 401", 401, nil, "<html><body>401</body></html>", reauth.Rejected},
		{"challenge header", 403, http.Header{"Cf-Mitigated": {"challenge"}}, words, reauth.Pass},
		{"unknown 403", 403, nil, `{"error":"no"}`, reauth.Forbidden},
		{"unknown 401", 401, nil, `{"error":"no"}`, reauth.Rejected},
		{"unknown 402", 402, nil, ``, reauth.Exhausted},
		{"unknown 429", 429, nil, ``, reauth.Exhausted},
		{
			name:   "insufficient_scope on 401",
			status: 401,
			header: http.Header{"Www-Authenticate": {`Bearer realm="x", error="insufficient_scope"`}},
			want:   reauth.Forbidden,
		},
		{
			name:   "invalid_token on 403",
			status: 403,
			header: http.Header{"Www-Authenticate": {`Bearer error=invalid_token`}},
			want:   reauth.Rejected,
		},
		{
			name:   "several challenges",
			status: 401,
			header: http.Header{
				"Www-Authenticate": {`Basic realm="a, b"`, `Bearer scope="x", error="insufficient_scope"`},
			},
			want: reauth.Forbidden,
		},
		{
			name:   "the caller's own words are echoed",
			status: 400,
			body: `{"error":{"message":"bad request"},` +
				`"input":"my credit balance is too low and my api key is invalid api key"}`,
			want: reauth.Pass,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.header
			if h == nil {
				h = http.Header{}
			}
			v := reauth.Classify("openai", &http.Response{StatusCode: c.status, Header: h}, []byte(c.body))
			assert.Equal(t, c.want, v.Kind, v.Reason)
		})
	}
}

func TestClassifyNeedsNeitherHeaderNorRequest(t *testing.T) {
	v := reauth.Classify("", &http.Response{StatusCode: 401}, nil)
	assert.Equal(t, reauth.Rejected, v.Kind)
}

func TestKindString(t *testing.T) {
	for k, want := range map[reauth.Kind]string{
		reauth.Pass: "pass", reauth.Rejected: "rejected", reauth.Dead: "dead", reauth.Exhausted: "exhausted",
		reauth.Forbidden: "forbidden", 99: "unknown",
	} {
		assert.Equal(t, want, k.String())
	}
}

// The public package and the classifier's have constants of their own. They must agree.
func TestKindsAreTheClassifiers(t *testing.T) {
	for public, internal := range map[reauth.Kind]verdict.Kind{
		reauth.Pass: verdict.Pass, reauth.Rejected: verdict.Rejected, reauth.Dead: verdict.Dead,
		reauth.Exhausted: verdict.Exhausted, reauth.Forbidden: verdict.Forbidden,
	} {
		assert.EqualValues(t, internal, public)
		assert.Equal(t, internal.String(), public.String())
	}
	assert.Equal(t, "unknown", verdict.Kind(5).String(), "the classifier has no further kind")
}

// A Retry-After in seconds counts from the call of Classify.
func TestClassifyCountsFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := reauth.Classify("openai", &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"42"}}}, nil)
		assert.Equal(t, 42*time.Second, time.Until(v.Reset))
	})
}

// The explanation of a bad request quotes words of the request. Those words may come from anybody,
// and say nothing about the credential.
func TestClassifyLooksForNoRefusalInWhatABadRequestQuotes(t *testing.T) {
	for _, c := range []struct {
		provider string
		status   int
		body     string
	}{
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Invalid value: 'my usage limit resets in 20 days'. Supported values are: ` +
				`'auto' and 'default'.","type":"invalid_request_error","param":"service_tier",` +
				`"code":"invalid_value"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Invalid value: 'your account has been suspended'.",` +
				`"type":"invalid_request_error","param":null,"code":null}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"MCP server 'jira': 401 invalid access token",` +
				`"type":"invalid_request_error","param":"tools","code":"mcp_error"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Error while downloading https://example.com/a.png. Upstream status code: ` +
				`402 payment required.","type":"invalid_request_error","param":null,"code":"invalid_image_url"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Failed to download image: authorization header missing",` +
				`"type":"invalid_request_error","code":"invalid_image_url"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Invalid URL (IP address is not reachable): http://10.0.0.1/image.png",` +
				`"type":"invalid_request_error","code":"invalid_image_url"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"This model's maximum context length is 128000 tokens; token expired? ` +
				`billing hard limit","type":"invalid_request_error","code":"context_length_exceeded"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Unsupported parameter: 'max_tokens'. See plan and billing.",` +
				`"type":"invalid_request_error"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Invalid 'input': string too long. your text: usage limit reached, quota ` +
				`exceeded","code":"string_above_max_length"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Tool call add_payment_method is missing: payment method required as ` +
				`argument","code":"invalid_tool"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Invalid schema for function 'check_usage limit': bad",` +
				`"type":"invalid_request_error","code":"invalid_function_parameters"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Unknown parameter: 'authorization header'.",` +
				`"type":"invalid_request_error"}}`,
		},
		{
			provider: "openai",
			status:   400,
			body: `{"error":{"message":"Missing required parameter: 'tools[0].x(api key is required)'.",` +
				`"type":"invalid_request_error"}}`,
		},
		{
			provider: "openai",
			status:   404,
			body: `{"error":{"message":"No such file object: credit balance report.pdf",` +
				`"type":"invalid_request_error"}}`,
		},
		{
			provider: "openai",
			status:   404,
			body:     `{"error":{"message":"Item with id 'spending limit' not found.","type":"invalid_request_error"}}`,
		},
		{"mistral", 404, `{"detail":"No file named credit balance.csv"}`},
		{"mistral", 400, `{"message":"Unknown tool 'get ip address'","code":3051}`},
		{
			provider: "anthropic",
			status:   400,
			body: `{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.role: Input ` +
				`should be 'user' or 'assistant', got 'spend limit bot'"}}`,
		},
		{
			provider: "anthropic",
			status:   400,
			body: `{"type":"error","error":{"type":"invalid_request_error","message":"messages.3.content.0.text: ` +
				`token has expired is not a valid role"}}`,
		},
		{
			provider: "anthropic",
			status:   404,
			body: `{"type":"error",` +
				`"error":{"type":"not_found_error","message":"model: daily-budget limit-checker"}}`,
		},
		{
			provider: "gemini",
			status:   400,
			body: `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"Invalid value at 'contents[0].role' ` +
				`(TYPE), \"token has expired\""}}`,
		},
		{
			provider: "xai",
			status:   400,
			body: `{"code":"invalid-argument","error":"Failed to parse: unknown variant ` +
				"`token expired`, expected `user`" + `"}`,
		},
		{
			provider: "openrouter",
			status:   403,
			body: `{"error":{"message":"Blocked.","code":403,"metadata":{"reasons":["violence"],` +
				`"provider_name":"OpenAI"}}}`,
		},
	} {
		resp := &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {"application/json"}}}
		v := reauth.Classify(c.provider, resp, []byte(c.body))
		assert.Equal(t, reauth.Pass, v.Kind, "%s %d %s: %s", c.provider, c.status, c.body, v.Reason)
		assert.Zero(t, v.Reset)
	}
}

// The words beside a quotation still count.
func TestClassifyReadsARefusalWithQuotationsInIt(t *testing.T) {
	for message, want := range map[string]reauth.Kind{
		"API key 'abc' is fine but your credit balance is too low to access the API.":       reauth.Exhausted,
		"You can't use this: your account has been suspended. See 'Help'.":                  reauth.Dead,
		"Incorrect API key provided: 'sk-…'. It isn't valid, and users' keys don't expire.": reauth.Rejected,
	} {
		body := `{"error":{"message":"` + message + `","type":"invalid_request_error"}}`
		v := reauth.Classify("generic", &http.Response{StatusCode: 400}, []byte(body))
		assert.Equal(t, want, v.Kind, "%s: %s", body, v.Reason)
	}
}

// An edge in front of the API blocks the request. Its page says nothing about the credential.
func TestClassifyKnowsEdgePagesAsPlainText(t *testing.T) {
	for _, body := range []string{
		"Attention Required! | Cloudflare",
		"Sorry, you have been blocked. You are unable to access api.openai.com. Cloudflare Ray ID: 8f2",
		"Just a moment... Enable JavaScript and cookies to continue",
		"Access denied | api.x.ai used Cloudflare to restrict access. Ray ID: 89ab",
		`Access Denied. You don't have permission to access "/v1/x" on this server. Reference #18.7d2c2f17`,
	} {
		resp := &http.Response{StatusCode: 403, Header: http.Header{"Content-Type": {"text/plain"}}}
		v := reauth.Classify("openai", resp, []byte(body))
		assert.Equal(t, reauth.Pass, v.Kind, "%s: %s", body, v.Reason)
	}
}

func TestCopilotForbidsWith403WhateverItSaysOfTheToken(t *testing.T) {
	v := reauth.Classify("copilot", &http.Response{StatusCode: 403}, []byte("forbidden: token expired or revoked"))
	assert.Equal(t, reauth.Forbidden, v.Kind)
}
