package verdict

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

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
			e := readEvidence(Provider{}, 400, nil, []byte(c.body))
			for _, want := range c.codes {
				assert.Contains(t, e.codes, want)
			}
			assert.Len(t, e.codes, len(c.codes))
			assert.Equal(t, c.text, e.text)
		})
	}
}

func TestStreamInsideAStreamIsNotFollowedForEver(t *testing.T) {
	body := []byte(strings.Repeat("data:", MaxBody/5) + `{"error":{"code":"invalid_api_key"}}`)
	allocs := testing.AllocsPerRun(1, func() { readEvidence(Provider{}, 401, nil, body) })
	assert.Less(t, allocs, 200.0)
}

func TestJudgingTakesLittleMemory(t *testing.T) {
	for name, c := range typical {
		resp := &http.Response{StatusCode: c.status, Header: c.header}
		Of(Provider{}, resp, []byte(c.body)) // builds the tables
		allocs := testing.AllocsPerRun(20, func() { Of(Provider{}, resp, []byte(c.body)) })
		assert.LessOrEqual(t, allocs, 20.0, name)
	}
}

// A body must not make the classifier take memory out of proportion.
func TestWorstBodiesTakeBoundedMemory(t *testing.T) {
	for name, body := range worstBodies(t) {
		for _, resp := range worstAnswers() {
			allocs := testing.AllocsPerRun(1, func() { Of(Provider{}, resp, body) })
			assert.Less(t, allocs, 8000.0, name)
		}
	}
}
