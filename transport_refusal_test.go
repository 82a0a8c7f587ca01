package reauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

const eventStream = "text/event-stream; charset=utf-8"

// refusedStreams are refusals as the first event of a stream: Codex's Responses API, Copilot's chat
// completions.
var refusedStreams = map[string]string{
	"named error":                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"token_expired\",\"message\":\"Provided authentication token is expired.\"}}\n\n",
	"failed response":            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"token_expired\",\"message\":\"expired\"}}}\n\n",
	"chat completion":            "data: {\"error\":{\"message\":\"token expired\",\"code\":\"token_expired\"}}\n\ndata: [DONE]\n\n",
	"behind a comment":           ": keep-alive\n\nretry: 3000\n\ndata: {\"error\":{\"message\":\"token expired\",\"code\":\"token_expired\"}}\n\n",
	"carriage returns":           "event: error\r\ndata: {\"error\":{\"code\":\"token_expired\",\"message\":\"expired\"}}\r\n\r\n",
	"ended without a blank line": "data: {\"error\":{\"message\":\"token expired\",\"code\":\"token_expired\"}}\n",
	"more data than one":         "event: error\ndata: {\"error\":{\"code\":\"token_expired\",\"message\":\"expired\"}}\nid: 1\n\ndata: {\"x\":1}\n\n",
}

// lookAtFirstEvents opts the rig's provider in.
func (r *rig) lookAtFirstEvents(t testing.TB, d time.Duration) {
	t.Helper()
	r.refreshAt(t, r.fake)
	p, ok := r.pool.ProviderFor(mustURL(t, r.url))
	require.True(t, ok)
	p.FirstEvent = d
	require.NoError(t, r.pool.Register(p))
}

// streamRefusal makes the fake refuse expired tokens inside a stream.
func streamRefusal(body string, stale string) func(*http.Request, string) *reauthtest.Answer {
	return func(_ *http.Request, token string) *reauthtest.Answer {
		if token != stale {
			return nil
		}
		return &reauthtest.Answer{Status: 200, Header: http.Header{"Content-Type": {eventStream}}, Body: body}
	}
}

func TestFirstEventThatRefusesIsRecoveredFrom(t *testing.T) {
	for what, body := range refusedStreams {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, reauthtest.OpenAI)
			access, _ := r.login(t, "me")
			r.fake.Refuse = streamRefusal(body, access)

			status, got, err := r.stream(context.Background())
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			assert.Equal(t, body, got, "without the opt-in the stream is the caller's")
			assert.Zero(t, r.fake.Exchanges())

			r.lookAtFirstEvents(t, time.Second)
			status, got, err = r.stream(context.Background())
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			assert.Contains(t, got, "Hello")
			assert.NotContains(t, got, "token_expired")
			assert.Equal(t, 1, r.fake.Exchanges())
			assert.Len(t, r.fake.Requests(), 3, "one send before the opt-in, a refusal and a replay after it")
		})
	}
}

// stream asks for an event stream.
func (r *rig) stream(ctx context.Context) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(`{"model":"example","stream":true}`))
	if err != nil {
		return 0, "", err
	}
	return r.do(req)
}

func TestFirstEventSwitchesAnExhaustedCredential(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		r.lookAtFirstEvents(t, time.Second)
		r.key(t, "a", "key-a")
		r.key(t, "b", "key-b")
		r.fake.Refuse = streamRefusal("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"usage_limit_reached\",\"message\":\"The usage limit has been reached\",\"resets_in_seconds\":7200}}\n\n", "key-a")
		_, got, err := r.stream(context.Background())
		require.NoError(t, err)
		assert.Contains(t, got, "Hello")
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
		assert.WithinDuration(t, time.Now().Add(2*time.Hour), r.status(t, "a").AsideUntil, time.Second)
	})
}

func TestFirstEventThatRefusesForGoodReachesTheCallerWhole(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	r.lookAtFirstEvents(t, time.Second)
	r.key(t, "only", "key-only")
	const body = "event: error\ndata: {\"error\":{\"code\":\"missing_scope\",\"message\":\"no\"}}\n\ndata: [DONE]\n\n"
	r.fake.Refuse = streamRefusal(body, "key-only")
	status, got, err := r.stream(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Equal(t, body, got)
}

// Only the first event counts: what follows is the caller's, whatever it says.
func TestFirstEventOnly(t *testing.T) {
	for what, body := range map[string]string{
		"an error later":        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\nevent: error\ndata: {\"error\":{\"code\":\"token_expired\"}}\n\n",
		"after it was accepted": "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"token_expired\"}}}\n\n",
		"a success about one":   "data: {\"choices\":[{\"delta\":{\"content\":\"token_expired: authentication token is expired\"}}]}\n\n",
		"overload":              "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
		"no event":              ": ping\n\n: ping\n\n",
		"cut":                   "event: error\ndata: {\"error\":{\"code\":\"token_ex",
		"nothing":               "",
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, reauthtest.OpenAI)
			r.lookAtFirstEvents(t, time.Second)
			access, _ := r.login(t, "me")
			r.fake.Refuse = streamRefusal(body, access)
			_, got, err := r.stream(context.Background())
			require.NoError(t, err)
			assert.Equal(t, body, got)
			assert.Zero(t, r.fake.TokenRequests())
			assert.Equal(t, reauth.Good, r.status(t, "me").State)
		})
	}
}

// pipeAnswer is a stream that the test writes.
func pipeAnswer(req *http.Request, header ...string) (*http.Response, *io.PipeWriter) {
	resp := answer(req, 200, "", append([]string{"Content-Type", eventStream}, header...)...)
	r, w := io.Pipe()
	resp.Body, resp.ContentLength = r, -1
	return resp, w
}

// streamingRig is a rig whose base streams what script writes.
func streamingRig(t *testing.T, script func(w *io.PipeWriter), header ...string) *rig {
	t.Helper()
	r := newRig(t, reauthtest.OpenAI)
	r.key(t, "me", "key-me")
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
		resp, w := pipeAnswer(req, header...)
		go script(w)
		return resp, nil
	})
	return r
}

// A stream that keeps its first event back goes on at the deadline, byte for byte, and each event
// arrives when it is sent.
func TestFirstEventThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := streamingRig(t, func(w *io.PipeWriter) {
			for i, part := range []string{": wait\n\n", "data: {\"n\"", ":1}\n\n", "data: {\"n\":2}\n\n"} {
				time.Sleep(time.Duration(i) * 3 * time.Second)
				_, _ = io.WriteString(w, part)
			}
			_ = w.Close()
		})
		r.lookAtFirstEvents(t, 2*time.Second)
		begin := time.Now()
		req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{}`))
		require.NoError(t, err)
		resp, err := r.transport.RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, time.Since(begin))
		var got strings.Builder
		var at []time.Duration
		buf := make([]byte, 1<<10)
		for {
			n, err := resp.Body.Read(buf)
			got.Write(buf[:n])
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			at = append(at, time.Since(begin))
		}
		assert.Equal(t, ": wait\n\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\n", got.String())
		assert.Equal(t, []time.Duration{2 * time.Second, 3 * time.Second, 9 * time.Second, 18 * time.Second}, at)
		require.NoError(t, resp.Body.Close())
	})
}

// What comes after the first event is read by the caller's own reads: nothing stands between.
func TestFirstEventLetsTheRestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := streamingRig(t, func(w *io.PipeWriter) {
			for i := range 5 {
				_, _ = fmt.Fprintf(w, "data: {\"n\":%d}\n\n", i)
				time.Sleep(time.Second)
			}
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		})
		r.lookAtFirstEvents(t, 2*time.Second)
		begin := time.Now()
		req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{}`))
		require.NoError(t, err)
		resp, err := r.transport.RoundTrip(req)
		require.NoError(t, err)
		assert.Zero(t, time.Since(begin), "it was there at once")
		buf := make([]byte, 1<<10)
		for i := range 5 {
			n, err := resp.Body.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("data: {\"n\":%d}\n\n", i), string(buf[:n]))
			assert.Equal(t, time.Duration(i)*time.Second, time.Since(begin))
		}
		_, err = resp.Body.Read(buf)
		assert.Equal(t, io.ErrUnexpectedEOF, err, "the error of the source, as it is")
		require.NoError(t, resp.Body.Close())
	})
}

func TestFirstEventCloseEndsAWaitingRead(t *testing.T) {
	for _, first := range []string{"data: {\"n\":0}\n\n", ": nothing yet\n\n"} {
		synctest.Test(t, func(t *testing.T) {
			r := streamingRig(t, func(w *io.PipeWriter) { _, _ = io.WriteString(w, first) })
			r.lookAtFirstEvents(t, time.Second)
			req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{}`))
			require.NoError(t, err)
			resp, err := r.transport.RoundTrip(req)
			require.NoError(t, err)
			done := make(chan error)
			go func() {
				_, err := io.ReadAll(resp.Body)
				done <- err
			}()
			synctest.Wait()
			require.NoError(t, resp.Body.Close())
			assert.Error(t, <-done)
		})
	}
}

func TestFirstEventHonoursTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := streamingRig(t, func(*io.PipeWriter) {})
		r.lookAtFirstEvents(t, time.Hour)
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(`{}`))
		require.NoError(t, err)
		begin := time.Now()
		resp, err := r.transport.RoundTrip(req)
		assert.Equal(t, 5*time.Second, time.Since(begin))
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
	})
}

// A compressed stream, an answer that is none, and one that is no 200 are not waited for.
func TestFirstEventLeavesOtherAnswersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := streamingRig(t, func(*io.PipeWriter) {}, "Content-Encoding", "gzip")
		r.lookAtFirstEvents(t, time.Hour)
		begin := time.Now()
		req, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader(`{}`))
		require.NoError(t, err)
		resp, err := r.transport.RoundTrip(req)
		require.NoError(t, err)
		assert.IsType(t, new(io.PipeReader), resp.Body)
		assert.Zero(t, time.Since(begin))
		require.NoError(t, resp.Body.Close())
	})
}
