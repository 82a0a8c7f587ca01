package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/reauth-go/reauth"
)

// BenchmarkAffinity measures a request with an affinity, with pools of different sizes. It reports
// multiples of the time with one credential. A hundred conversations take turns, so that their
// credentials are not in the processor's nearest cache.
func BenchmarkAffinity(b *testing.B) {
	const turns, conversations = 101, 100
	sizes := []int{1, 1000, 100_000}
	fs := make([]func(), len(sizes))
	for i, n := range sizes {
		fs[i] = converse(b, benchPool(b, n), conversations)
		fs[i]() // the first choice makes what the others look at
	}
	for b.Loop() {
		took := medianTimes(turns, fs...)
		b.ReportMetric(took[0]/conversations, "one-ns")
		for i, n := range sizes[1:] {
			b.ReportMetric(took[i+1]/took[0], fmt.Sprint(n, "/one"))
		}
	}
}

// converse returns a function that sends one request of each of n conversations.
func converse(b *testing.B, pool *reauth.Pool, n int) func() {
	rt := reauth.NewRecoveringTransport(instant{}, pool)
	requests := make([]*http.Request, n)
	for i := range requests {
		ctx := reauth.WithAffinity(context.Background(), fmt.Sprint("conversation ", i))
		requests[i] = sdkRequest(b).WithContext(ctx)
	}
	return func() {
		for _, req := range requests {
			req.Body, _ = req.GetBody()
			resp, err := rt.RoundTrip(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
}
