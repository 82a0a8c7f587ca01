package verdict

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuotationsAreTakenOut(t *testing.T) {
	long := strings.Repeat("x", maxQuotation+1)
	for in, want := range map[string]string{
		"":                         "",
		"no mark":                  "no mark",
		"'a' is bad":               "… is bad",
		"it is 'a'":                "it is …",
		"say \"a b\", or `c`.":     "say …, or ….",
		"(\"a\") ['b'] x='c'; d":   "(…) […] x=…; d",
		"the user's key isn't 'x'": "the user's key isn't …",
		"''":                       "''",
		"'a'b":                     "'a'b",
		"x'a'":                     "x'a'",
		"'a":                       "'a",
		"'" + long + "'":           "'" + long + "'",
		"'" + long[1:] + "'":       "…",
		`"msg":"text"`:             `…:"text"`,
		"「'中文'」":                   "「'中文'」",
		"'中文' x":                   "… x",
	} {
		assert.Equal(t, want, withoutQuotations(in), in)
	}
}

func TestFieldPaths(t *testing.T) {
	for in, want := range map[string]bool{
		"messages.0.content.1.text: bad": true, "a.b: c": true, "tools.12: x": true,
		"messages: bad": false, "a.b:c": false, "a b.c: d": false, "": false, ": ": false, ".a: b": false, "a.: b": false, "a..b: c": false, "1.a: b": false, "a.1b: c": false,
	} {
		assert.Equal(t, want, beginsWithPath(in), in)
	}
}

func TestCodesInBrackets(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                  nil,
		"[1308][usage limit reached][x]":    {"1308"},
		"login fail (1004)":                 {"1004"},
		"[wke=unauthenticated:a.b-c_1] x":   {"unauthenticated:a.b-c_1"},
		"[wke=] [wke=a b] [13080] (100) [)": nil,
		"[1004) (1004] [[1004]] ((1005":     {"1004"},
		"(1234)(5678)":                      {"1234", "5678"},
	} {
		var got []string
		for code := range spokenCodes(in) {
			got = append(got, code)
		}
		assert.Equal(t, want, got, in)
	}
}

func TestErrorsOfChallenges(t *testing.T) {
	for in, want := range map[string][]string{
		`Bearer realm="x", error="invalid_token", error_description="error = none"`: {"invalid_token"},
		`Bearer error=insufficient_scope`:                                           {"insufficient_scope"},
		`Bearer ERROR = "invalid_token"`:                                            {"invalid_token"},
		`Bearer xerror="invalid_token"`:                                             nil,
		`Bearer error=""`:                                                           nil,
		`error`:                                                                     nil,
		``:                                                                          nil,
	} {
		var got []string
		for code := range challengeErrors(in) {
			got = append(got, code)
		}
		assert.Equal(t, want, got, in)
	}
}
