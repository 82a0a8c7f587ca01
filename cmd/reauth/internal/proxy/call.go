package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// call is what is known of one request. The transport tells of it by events, perhaps from another
// goroutine.
type call struct {
	mu       sync.Mutex
	id       string // of the credential used last
	verdict  string // the last refusal's
	what     string // a code or a word for what went wrong
	attempts int
	refused  time.Time // when the first refusal came
	gaveUp   bool
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// observe takes in an event of this request.
func (c *call) observe(e reauth.Event) {
	if c == nil || e.Attempt == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts = max(c.attempts, e.Attempt)
	if e.ID != "" {
		c.id = e.ID
	}
	switch e.Type {
	case reauth.Judged:
		if kind, _, _ := strings.Cut(e.Reason, ":"); kind != reauth.Pass.String() {
			c.verdict = e.Reason
			if c.refused.IsZero() {
				c.refused = e.Time
			}
		}
	case reauth.GaveUp:
		c.gaveUp = true
	default:
	}
}

func (c *call) refusal() (since time.Time, gaveUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused, c.gaveUp
}

// note remembers what went wrong. A nil call is one that nobody follows.
func (c *call) note(what string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.what = what
}

// answer is a ResponseWriter that knows what was written. Flush and Hijack are found through
// Unwrap.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

var _ io.Writer = (*answer)(nil)
