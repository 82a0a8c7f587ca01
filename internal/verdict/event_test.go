package verdict_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/verdict"
)

// A failure that comes without a status is judged by the same words: in the first event of a stream, in
// a websocket's frame, and in the body of a 200.
func TestFailuresWithoutAStatus(t *testing.T) {
	for name, c := range map[string]struct {
		provider, body string
		want           verdict.Kind
	}{
		"event, money":         {"", "data: {\"error\":{\"message\":\"Your credit balance is too low\"}}\n\n", verdict.Exhausted},
		"event, quota":         {"", "event: error\ndata: {\"message\":\"Token quota is not enough\"}\n\n", verdict.Exhausted},
		"event, key":           {"", "data: {\"error\":{\"message\":\"Invalid API key\"}}\n\n", verdict.Rejected},
		"event, overload":      {"", "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", verdict.Pass},
		"event, request":       {"", "data: {\"error\":{\"message\":\"max_tokens is too large\"}}\n\n", verdict.Pass},
		"event, nothing said":  {"", "data: {\"error\":{\"message\":\"Something went wrong\"}}\n\n", verdict.Pass},
		"frame, plan":          {"", `{"type":"error","error":{"message":"Your plan does not include this model"}}`, verdict.Forbidden},
		"frame, account":       {"", `{"type":"error","error":{"message":"Your account has been deactivated"}}`, verdict.Dead},
		"unknown code":         {"minimax-oauth", `{"base_resp":{"status_code":9999,"status_msg":"insufficient balance"}}`, verdict.Exhausted},
		"unknown code, login":  {"minimax-oauth", `{"base_resp":{"status_code":9998,"status_msg":"token has expired"}}`, verdict.Rejected},
		"unknown code, vendor": {"minimax-oauth", `{"base_resp":{"status_code":9997,"status_msg":"server busy"}}`, verdict.Pass},
		"any server":           {"", `{"error_code":110,"error_msg":"Access token invalid or no longer valid"}`, verdict.Rejected},
		"any server, envelope": {"", `{"Response":{"Error":{"Code":"ResourceInsufficient","Message":"Balance is used up"},"RequestId":"x"}}`, verdict.Exhausted},
		"a conversation":       {"", `{"code":0,"message":"Invalid API key","data":{"text":"x"}}`, verdict.Pass},
		"a result":             {"", `{"status":404,"message":"Invalid API key","choices":[{}]}`, verdict.Pass},
		"page in a message":    {"", "data: {\"error\":{\"message\":\"403: <html><body>Unauthorized</body></html>\"}}\n\n", verdict.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			v := judged(c.provider, &http.Response{StatusCode: 200, Header: http.Header{}}, []byte(c.body))
			assert.Equal(t, c.want.String(), v.Kind.String(), v.Reason)
		})
	}
}
