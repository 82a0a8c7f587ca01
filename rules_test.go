package reauth

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func allRules() (all []*rule) {
	for _, stage := range ruleTable {
		for i := range stage {
			all = append(all, &stage[i])
		}
	}
	return all
}

func TestRulesAreShort(t *testing.T) {
	for _, r := range allRules() {
		assert.NotEmpty(t, r.reason)
		for _, p := range slices.Concat(r.phrase, r.unless, r.page) {
			assert.LessOrEqual(t, len(strings.Fields(p)), 6, "%s: %q", r.reason, p)
			assert.Equal(t, strings.ToLower(p), p, "%s: phrases are matched in lower case", r.reason)
		}
		for _, c := range r.code {
			assert.NotContains(t, c, " ", "%s: %q is a phrase", r.reason, c)
			assert.Equal(t, strings.ToLower(c), c, "%s: codes are matched in lower case", r.reason)
		}
		if r.kind == Exhausted { // the word decides how long a credential is put aside
			assert.True(t, says(r.reason, []string{"billing", "rate", "usage", "quota", "key-limit"}), r.reason)
		}
	}
}

// A rule without a structured code or a header stands on words alone: it must hold for more than one recording.
func TestNoRuleRestsOnASingleFixture(t *testing.T) {
	hits := make(map[*rule]int)
	files, err := filepath.Glob("fixtures/*/*.http")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		e := evidenceOf(t, file, string(raw))
		if e == nil {
			continue
		}
		for _, r := range allRules() {
			if r.matches(e) {
				hits[r]++
				break
			}
		}
	}
	for _, r := range allRules() {
		if r.phrase != nil && r.code == nil && r.header == "" {
			assert.NotEqual(t, 1, hits[r], "%s rests on a single fixture", r.reason)
		}
	}
}

// evidenceOf reads a fixture file as the classifier does.
func evidenceOf(t *testing.T, file, raw string) *evidence {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\n\n")
	lines := strings.Split(head, "\n")
	h := make(http.Header)
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		h.Add(name, value)
	}
	name := filepath.Base(file)
	i := strings.IndexFunc(name, func(r rune) bool { return r >= '0' && r <= '9' })
	for i >= 0 && (name[i-1] != '-' || name[i+3] != '-') {
		j := strings.IndexFunc(name[i+1:], func(r rune) bool { return r >= '0' && r <= '9' })
		i += 1 + j
	}
	status := int(name[i]-'0')*100 + int(name[i+1]-'0')*10 + int(name[i+2]-'0')
	provider := canonicalName(name[:i-1])
	if status < 300 {
		e, _ := readFailure(provider, h, []byte(body))
		return e
	}
	return readEvidence(provider, status, h, []byte(body))
}

func TestSays(t *testing.T) {
	for _, c := range []struct {
		text, phrase string
		want         bool
	}{
		{"your account is not active", "not active", true},
		{"your account is active", "not active", false},
		{"error code: 1020", "^error code: 1", true},
		{"an error code: 1020", "^error code: 1", false},
		{"it does not have any kind of permission", "does not have … permission", true},
		{"permission: it does not have", "does not have … permission", false},
		{"does not have it. " + strings.Repeat("x", maxGap) + " permission", "does not have … permission", false},
		{"does not have it, and does not have the permission", "does not have … permission", true},
	} {
		assert.Equal(t, c.want, says(c.text, []string{c.phrase}), "%q in %q", c.phrase, c.text)
	}
}

func TestEvidenceOfEnvelopes(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		codes []string
		text  string
	}{
		"nested":          {`{"error":{"message":"No way.","type":"a_type","code":"a_code"}}`, []string{"a_type", "a_code"}, "no way."},
		"flat":            {`{"code":"a_code","error":"No way."}`, []string{"a_code"}, "no way."},
		"prose as code":   {`{"code":"The caller may not","error":"No way."}`, nil, "the caller may not no way."},
		"root array":      {`[{"error":{"code":403,"status":"PERMISSION_DENIED"}}]`, []string{"permission_denied", "403"}, ""},
		"string":          {`"No way."`, nil, "no way."},
		"doubly encoded":  {`{"error":{"message":"{\"error\":{\"code\":\"inner\",\"message\":\"Inside.\"}}"}}`, []string{"inner"}, "inside."},
		"JSON in prose":   {`Error: 401 {"error":{"code":"inner","message":"Inside."}}`, []string{"inner"}, "error: 401 inside."},
		"message object":  {`{"error":{"message":{"code":"inner","message":"Inside."}}}`, []string{"inner"}, "inside."},
		"number as code":  {`{"error":{"code":1113,"message":"No way."}}`, []string{"1113"}, "no way."},
		"null":            {`null`, nil, "null"},
		"truncated":       {`{"error":{"code":"a_code","message":"A long sen`, []string{"a_code"}, "a long sen"},
		"then junk":       {`{"error":{"code":"a_code"}} trailing`, []string{"a_code"}, ""},
		"then an event":   {`{"error":{"message":"No way."}}data: {}`, []string{"json-then-event"}, "no way."},
		"amazon's shape":  {`{"__type":"com.amazon.coral#ThrottlingException","Message":"Slow."}`, []string{"throttlingexception"}, "slow."},
		"brackets":        {`[1308][Usage limit reached][x]`, []string{"1308"}, "[1308][usage limit reached][x]"},
		"parentheses":     {`{"message":"login fail (1004)"}`, []string{"1004"}, "login fail (1004)"},
		"tag":             {`{"error":"No way. [WKE=unauthenticated:x]"}`, []string{"unauthenticated:x"}, "no way. [wke=unauthenticated:x]"},
		"percent-encoded": {`{"error":"Incorrect%20API%20key"}`, nil, "incorrect api key"},
		"odd percents":    {`{"error":"100%20off %zz"}`, nil, "100 off %zz"},
		"white space":     {"{\"error\":\"a\\n\\t  b\u00a0c\"}", nil, "a b c"},
		"xml":             {`<?xml version="1.0"?><Error><Code>ExpiredToken</Code><Message>Old.</Message></Error>`, []string{"expiredtoken"}, "old."},
		"byte order mark": {"\xef\xbb\xbf{\"error\":\"No way.\"}", nil, "no way."},
		"unknown members": {`{"input":"secret words","data":{"note":"x"}}`, nil, ""},
		"empty":           {``, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := readEvidence("", 400, nil, []byte(c.body))
			for _, want := range c.codes {
				assert.Contains(t, e.codes, want)
			}
			assert.Len(t, e.codes, len(c.codes))
			assert.Equal(t, c.text, e.text)
		})
	}
}

func TestFailuresInsideASuccess(t *testing.T) {
	for name, c := range map[string]struct {
		provider, body string
		failed         bool
		status         int
	}{
		"completion":           {"xai-oauth", `{"choices":[{"message":{"content":"error 401"}}]}`, false, 0},
		"base_resp 0":          {"minimax-oauth", `{"base_resp":{"status_code":0}}`, false, 0},
		"base_resp":            {"minimax-oauth", `{"base_resp":{"status_code":1004}}`, true, 0},
		"base_resp elsewhere":  {"openai-api", `{"base_resp":{"status_code":1004}}`, false, 0},
		"success false":        {"zai", `{"code":401,"success":false}`, true, 401},
		"success true":         {"zai", `{"code":200,"success":true}`, false, 0},
		"success elsewhere":    {"openai-api", `{"code":401,"success":false}`, false, 0},
		"dashscope":            {"alibaba", `{"code":"Arrearage","message":"x"}`, true, 0},
		"dashscope's success":  {"alibaba", `{"code":"","message":"","output":{"text":"x"}}`, false, 0},
		"frame":                {"openai-codex", `{"type":"error","status_code":429,"error":{"type":"usage_limit_reached"}}`, true, 429},
		"error object":         {"openai-api", `{"error":{"code":429},"choices":[]}`, false, 0},
		"stream":               {"openrouter", "data: {\"error\":{\"code\":429}}\n\n", true, 429},
		"stream after prelude": {"xai-oauth", "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"x\"}\n\n", true, 0},
		"stream of words":      {"openai-api", "data: {\"choices\":[]}\n\ndata: {\"error\":{\"code\":401}}\n\n", false, 0},
		"comments first":       {"openrouter", ": OPENROUTER PROCESSING\n\ndata: {\"error\":{\"code\":401}}\n\n", true, 401},
		"response.failed":      {"openai-codex", "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}\n\n", true, 0},
		"done":                 {"openai-api", "data: [DONE]\n\n", false, 0},
		"array":                {"zai", `[]`, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, failed := readFailure(c.provider, http.Header{}, []byte(c.body))
			require.Equal(t, c.failed, failed)
			if failed {
				assert.Equal(t, c.status, e.status)
			}
		})
	}
}

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"xai": "xai-oauth", " X.AI ": "xai-oauth", "openai": "openai-api", "custom:moonshot": "kimi-coding", "custom:": "custom", "own": "own",
	} {
		assert.Equal(t, want, canonicalName(in), in)
	}
	for _, name := range []string{"generic", "litellm", "elevenlabs", "github-models", "aws-kiro", "vllm"} {
		_, ok := LookupProvider(name)
		assert.False(t, ok, name)
	}
}

func TestExhaustedUntil(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		v    Verdict
		want time.Duration
	}{
		{Verdict{Reason: "rate-limit"}, time.Minute},
		{Verdict{Reason: "usage-limit"}, 15 * time.Minute},
		{Verdict{Reason: "status:402:billing"}, time.Hour},
		{Verdict{Reason: "a caller's own"}, 15 * time.Minute},
		{Verdict{Reason: "billing", Reset: now.Add(time.Second)}, time.Second},
		{Verdict{Reason: "billing", Reset: now.Add(-time.Hour)}, time.Minute},
	} {
		assert.Equal(t, now.Add(c.want), exhaustedUntil(c.v, now), "%+v", c.v)
	}
}

func TestStreamInsideAStreamIsNotFollowedForEver(t *testing.T) {
	body := []byte(strings.Repeat("data:", maxPeek/5) + `{"error":{"code":"invalid_api_key"}}`)
	allocs := testing.AllocsPerRun(1, func() { readEvidence("", 401, nil, body) })
	assert.Less(t, allocs, 200.0)
}
