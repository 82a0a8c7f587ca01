package verdict

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
)

func TestFailuresInsideASuccess(t *testing.T) {
	for name, c := range map[string]struct {
		hides  vendors.Hides
		body   string
		failed bool
		status int
	}{
		"completion":           {"", `{"choices":[{"message":{"content":"error 401"}}]}`, false, 0},
		"base_resp 0":          {"base_resp", `{"base_resp":{"status_code":0}}`, false, 0},
		"base_resp":            {"base_resp", `{"base_resp":{"status_code":1004}}`, true, 0},
		"base_resp elsewhere":  {"", `{"base_resp":{"status_code":1004}}`, false, 0},
		"success false":        {"success", `{"code":401,"success":false}`, true, 401},
		"success true":         {"success", `{"code":200,"success":true}`, false, 0},
		"success elsewhere":    {"", `{"code":401,"success":false}`, false, 0},
		"dashscope":            {"code", `{"code":"Arrearage","message":"x"}`, true, 0},
		"dashscope's success":  {"code", `{"code":"","message":"","output":{"text":"x"}}`, false, 0},
		"frame":                {"", `{"type":"error","status_code":429,"error":{"type":"usage_limit_reached"}}`, true, 429},
		"error object":         {"", `{"error":{"code":429},"choices":[]}`, false, 0},
		"stream":               {"", "data: {\"error\":{\"code\":429}}\n\n", true, 429},
		"stream after prelude": {"", "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"x\"}\n\n", true, 0},
		"stream of words":      {"", "data: {\"choices\":[]}\n\ndata: {\"error\":{\"code\":401}}\n\n", false, 0},
		"comments first":       {"", ": OPENROUTER PROCESSING\n\ndata: {\"error\":{\"code\":401}}\n\n", true, 401},
		"response.failed":      {"", "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}\n\n", true, 0},
		"done":                 {"", "data: [DONE]\n\n", false, 0},
		"array":                {"success", `[]`, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, failed := readHidden(Provider{Hides: c.hides}, http.Header{}, []byte(c.body))
			require.Equal(t, c.failed, failed)
			if failed {
				assert.Equal(t, c.status, e.status)
			}
		})
	}
}
