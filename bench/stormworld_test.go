package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tokenLatency is how long the token endpoint takes to answer.
const tokenLatency = 200 * time.Millisecond

// world is an API and its token endpoint, in the smallest form that all libraries in a storm can
// talk to. Each token belongs to a generation. The API refuses the tokens of past generations, and
// refuses all of them at the same moment: when the last request of the crowd has arrived.
type world struct {
	generation atomic.Int64              // of the tokens that the API accepts
	serial     atomic.Int64              // of the last token
	exchanges  atomic.Int64              // requests to the token endpoint
	refused    atomic.Int64              // requests to the API with a token of a past generation
	crowd      atomic.Pointer[crowdGate] // holds refusals until the whole crowd has arrived
}

// crowdGate holds requests until n of them have arrived.
type crowdGate struct {
	left atomic.Int64
	open chan struct{}
}

func newCrowdGate(n int) *crowdGate {
	g := &crowdGate{open: make(chan struct{})}
	g.left.Store(int64(n))
	return g
}

// pass blocks until the last of the n requests arrives, or ctx ends.
func (g *crowdGate) pass(ctx context.Context) {
	if g.left.Add(-1) == 0 {
		close(g.open)
	}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

// mint makes a token that the API accepts until the next call of expire.
func (w *world) mint() string {
	return fmt.Sprintf("at-EXAMPLE-%d-%d", w.generation.Load(), w.serial.Add(1))
}

// expire makes the API refuse all tokens that exist. It holds the next n requests until all of them
// have arrived.
func (w *world) expire(n int) {
	w.crowd.Store(newCrowdGate(n))
	w.generation.Add(1)
}

func (w *world) accepts(authorization string) bool {
	return strings.HasPrefix(authorization, fmt.Sprintf("Bearer at-EXAMPLE-%d-", w.generation.Load()))
}

// These are the answers of the API and of the token endpoint. The refusal is a 401, because the
// SDKs recover from no other status.
const (
	refusal = `{"type":"error","error":{"type":"authentication_error","code":"token_expired",` +
		`"message":"The access token has expired."}}`
	completion = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"example","choices":[{"index":0,` +
		`"finish_reason":"stop","message":{"role":"assistant","content":"Hello."}}]}`
	message = `{"id":"msg_1","type":"message","role":"assistant","model":"example","content":[{"type":"text",` +
		`"text":"Hello."}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`
	grant = `{"access_token":%q,"refresh_token":"rt-EXAMPLE-%d","token_type":"Bearer","expires_in":3600}`
)

// answer returns the answer to a request whose body has been read.
func (w *world) answer(ctx context.Context, path, authorization string) (status int, body string) {
	switch {
	case strings.HasSuffix(path, "/token"):
		n := w.exchanges.Add(1)
		pause(ctx, tokenLatency)
		return http.StatusOK, fmt.Sprintf(grant, w.mint(), n)
	case strings.HasSuffix(path, "/warm"):
		w.crowd.Load().pass(ctx)
		return http.StatusOK, completion
	case !w.accepts(authorization):
		w.refused.Add(1)
		w.crowd.Load().pass(ctx)
		return http.StatusUnauthorized, refusal
	case strings.HasSuffix(path, "/messages"):
		return http.StatusOK, message
	}
	return http.StatusOK, completion
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ServeHTTP serves the world over sockets.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a client that has left needs no answer
	status, body := w.answer(r.Context(), r.URL.Path, r.Header.Get("Authorization"))
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, body)
}

// RoundTrip serves the world in memory.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body) // bodies in memory do not fail
		_ = req.Body.Close()
	}
	status, body := w.answer(req.Context(), req.URL.Path, req.Header.Get("Authorization"))
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}, nil
}

// stage is a world and the way to reach it.
type stage struct {
	*world
	origin string // scheme and host of its URLs
	base   http.RoundTripper
}

// newStage sets up a world. On loopback it also opens n connections, so that a storm does not
// measure how long it takes to dial.
func newStage(t testing.TB, where string, n int) *stage {
	w := new(world)
	if where == "memory" {
		return &stage{world: w, origin: "https://127.0.0.1", base: w}
	}
	s := loopback(t, where, w)
	st := &stage{world: w, origin: strings.TrimSuffix(s.url, "/v1/chat/completions"), base: s.base}
	st.crowd.Store(newCrowdGate(n))
	if failed := all(n, func() error { return st.post(st.base, "/warm", "") }, func() {}); failed > 0 {
		t.Fatalf("%d connections could not be opened", failed)
	}
	return st
}

// question is the body of a call, of 2 KiB.
var question = bytes.Repeat([]byte(" "), 2<<10)

// post sends a POST of 2 KiB with GetBody through rt and reads the answer.
func (s *stage) post(rt http.RoundTripper, path, token string) error {
	req, err := http.NewRequest(http.MethodPost, s.origin+path, bytes.NewReader(question))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // it has been read
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// all makes n calls at once and returns how many failed. It calls started when all goroutines are
// ready, just before the first call.
func all(n int, call func() error, started func()) int {
	var failed atomic.Int64
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for range n {
		done.Go(func() {
			ready.Done()
			<-gate
			if call() != nil {
				failed.Add(1)
			}
		})
	}
	ready.Wait()
	started()
	close(gate)
	done.Wait()
	return int(failed.Load())
}
