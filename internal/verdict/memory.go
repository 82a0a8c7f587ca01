package verdict

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// judged is an answer with its verdict. In a storm all requests get the same refusal, and judging
// it takes a third of the time that a request costs: the last one is remembered, so that it is
// judged once. Only short answers are, and only verdicts that do not depend on the clock.
type judged struct {
	provider Provider
	status   int
	header   [len(consulted)][]string
	body     string
	verdict  Verdict
}

var lastJudged atomic.Pointer[judged]

// consulted are the headers that a verdict without a reset may depend on, as net/http writes them.
var consulted = [...]string{
	"Cf-Mitigated", "Content-Type", "Www-Authenticate", "X-Amzn-Errortype", "X-Amzn-Waf-Action", "X-Error-Json",
	"X-Openai-Authorization-Error", "X-Vercel-Error", "X-Vercel-Mitigated",
}

// maxRemembered is how many bytes the body of a remembered answer may have.
const maxRemembered = 1 << 10

// recall returns the verdict on an answer that is the same as j's. j may be nil.
func (j *judged) recall(p Provider, resp *http.Response, body []byte) (Verdict, bool) {
	if j == nil || j.status != resp.StatusCode || j.provider != p || j.body != string(body) {
		return Verdict{}, false
	}
	for i, name := range consulted {
		if !slices.Equal(j.header[i], resp.Header[name]) {
			return Verdict{}, false
		}
	}
	return j.verdict, true
}

// remember keeps the answer and its verdict in place of the last one.
func remember(p Provider, resp *http.Response, body []byte, v Verdict) {
	if v.Kind != Rejected || len(body) > maxRemembered {
		return
	}
	j := &judged{provider: p, status: resp.StatusCode, body: string(body), verdict: v}
	for i, name := range consulted {
		j.header[i] = slices.Clone(resp.Header[name])
	}
	lastJudged.Store(j)
}
