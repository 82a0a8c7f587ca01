package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// modelLatency is how long a model takes to answer: as long as a token endpoint in the storms of 401.
const modelLatency = 200 * time.Millisecond

// limited is an API that refuses the first key with a 429 and takes the second. It refuses all calls of a
// storm at the same moment: when the last of them has arrived.
type limited struct {
	crowd   atomic.Pointer[crowdGate]
	refused atomic.Int64
}

// overLimit is what OpenAI says of a limit of requests.
const overLimit = `{"error":{"message":"Rate limit reached for requests per min. Please try again in 20s.",` +
	`"type":"requests","param":null,"code":"rate_limit_exceeded"}}`

func (l *limited) answer(ctx context.Context, path, authorization string) (status int, body string) {
	switch {
	case strings.HasSuffix(path, "/warm"):
		l.crowd.Load().pass(ctx)
	case authorization == "Bearer "+key(0):
		l.refused.Add(1)
		l.crowd.Load().pass(ctx)
		return http.StatusTooManyRequests, overLimit
	default:
		thinking := time.NewTimer(modelLatency)
		defer thinking.Stop()
		select {
		case <-thinking.C:
		case <-ctx.Done():
		}
	}
	return http.StatusOK, completion
}

// ServeHTTP serves the API over sockets.
func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a client that has left needs no answer
	status, body := l.answer(r.Context(), r.URL.Path, r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "20")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// RoundTrip serves the API in memory.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body) // bodies in memory do not fail
	_ = req.Body.Close()
	status, body := l.answer(req.Context(), req.URL.Path, req.Header.Get("Authorization"))
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Retry-After": {"20"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}, nil
}

// BenchmarkLimitStorm measures the time from the moment at which n calls with a key that is over its limit
// begin until the last of them has been served with another key. The ideal is the same without a library:
// as many refusals, as many sends with the other key. A first storm is a warm-up.
func BenchmarkLimitStorm(b *testing.B) {
	for _, at := range []struct {
		where string
		calls int
	}{{"http1", 1000}, {"memory", 10_000}} {
		for _, by := range []string{"ideal", "reauth"} {
			b.Run(fmt.Sprintf("base=%s/calls=%d/by=%s", at.where, at.calls, by), func(b *testing.B) {
				api := new(limited)
				st := limitStage(b, api, at.where, at.calls)
				call, renew := limitCall(b, st, by)
				storm := func(started func()) int {
					renew()
					api.crowd.Store(newCrowdGate(at.calls))
					return all(at.calls, call, started)
				}
				failed := storm(func() {})
				before := api.refused.Load()
				for b.Loop() {
					b.StopTimer()
					failed += storm(b.StartTimer)
				}
				b.ReportMetric(float64(failed)/float64(b.N), "failed/op")
				b.ReportMetric(float64(api.refused.Load()-before)/float64(b.N), "refused/op")
			})
		}
	}
}

// limitStage sets up a world with the API, and its connections.
func limitStage(t testing.TB, api *limited, where string, n int) *stage {
	if where == "memory" {
		return &stage{origin: "https://api.x.ai", base: api}
	}
	s := loopback(t, where, api)
	st := &stage{origin: strings.TrimSuffix(s.url, "/v1/chat/completions"), base: s.base}
	api.crowd.Store(newCrowdGate(n))
	if failed := all(n, func() error { return st.post(st.base, "/warm", "") }, func() {}); failed > 0 {
		t.Fatalf("%d connections could not be opened", failed)
	}
	return st
}

// limitCall returns a function that makes one call, and one that lifts what is known of the first key.
func limitCall(t testing.TB, st *stage, by string) (call func() error, renew func()) {
	const path = "/v1/chat/completions"
	if by == "ideal" {
		return func() error {
			if st.post(st.base, path, key(0)) == nil {
				return fmt.Errorf("the key over its limit was taken")
			}
			return st.post(st.base, path, key(1))
		}, func() {}
	}
	pool := newPool(t, reauth.FillFirst, 2)
	rt := reauth.NewRecoveringTransport(st.base, pool)
	renew = func() {
		if err := pool.Reset(context.Background(), providerName, keyID(0)); err != nil {
			t.Fatal(err)
		}
	}
	return func() error { return st.post(rt, path, "set by the transport") }, renew
}

// In a storm each call is refused once and served.
func TestLimitStorm(t *testing.T) {
	const calls = 50
	for _, where := range []string{"http1", "memory"} {
		for _, by := range []string{"ideal", "reauth"} {
			api := new(limited)
			call, renew := limitCall(t, limitStage(t, api, where, calls), by)
			for range 2 {
				renew()
				api.crowd.Store(newCrowdGate(calls))
				before := api.refused.Load()
				if failed := all(calls, call, func() {}); failed > 0 {
					t.Errorf("%s, %s: %d calls failed", where, by, failed)
				}
				if n := api.refused.Load() - before; n != calls {
					t.Errorf("%s, %s: %d refusals, want %d", where, by, n, calls)
				}
			}
		}
	}
}
