package proxy

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// call is the record of one request: tell logs it, and timed measures the recovery with it. The
// transport and the pool fill it by events, which may come from another goroutine.
type call struct {
	backend *backend
	// prefix is what the path begins with that the provider does not know.
	prefix string
	// at is the proxy's origin, as the client has called it.
	at string
	// body is the body of the request; nil: it has none.
	body  *body
	start time.Time

	mu sync.Mutex
	// id is the ID of the credential that was sent last.
	id string
	// verdict is the last refusal, as "kind:rule".
	verdict string
	// what is a word or a code for what went wrong on the way, such as "client_gone".
	what string
	// attempts is how often the request was sent to the provider.
	attempts int
	// refused is when the first refusal came; zero: there was none.
	refused time.Time
	// gaveUp: the client got a refusal, or no answer after one.
	gaveUp bool
	// story has a line for each event, if somebody reads it.
	story []string
}

// callKey is the context key of a request's call.
type callKey struct{}

// withCall returns a context that carries c.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callFrom returns the call that ctx carries, or nil: events of the pool's own work belong to no
// request.
func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// observe records an event of this request. It ignores events that are not about a send of this
// request.
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
		// The reason of a Judged event begins with the kind of the verdict and a colon.
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

// refusal returns when the first refusal came (zero: there was none), and whether the transport
// gave up.
func (c *call) refusal() (since time.Time, gaveUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused, c.gaveUp
}

// note records what went wrong. It does nothing on a nil call.
func (c *call) note(what string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.what = what
}
