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

// refusedStreams are streams whose first event is a refusal, as Codex sends them from its Responses
// API and Copilot from its chat completions.
var refusedStreams = map[string]string{
	"named error": "event: error\ndata: " + `{"type":"error","error":{"type":"invalid_request_error",` +
		`"code":"token_expired","message":"Provided authentication token is expired."}}` + "\n\n",
	"failed response": "event: response.failed\ndata: " + `{"type":"response.failed",` +
		`"response":{"id":"resp_1","status":"failed","error":{"code":"token_expired","message":"expired"}}}` + "\n\n",
	"chat completion": "data: " + `{"error":{"message":"token expired","code":"token_expired"}}` + "\n\n" +
		"data: [DONE]\n\n",
	"behind a comment": ": keep-alive\n\nretry: 3000\n\n" +
		"data: " + `{"error":{"message":"token expired","code":"token_expired"}}` + "\n\n",
	"carriage returns": "event: error\r\n" +
		"data: " + `{"error":{"code":"token_expired","message":"expired"}}` + "\r\n\r\n",
	"ended without a blank line": "data: " + `{"error":{"message":"token expired","code":"token_expired"}}` + "\n",
	"more data than one": "event: error\n" +
		"data: " + `{"error":{"code":"token_expired","message":"expired"}}` + "\nid: 1\n\n" +
		"data: " + `{"x":1}` + "\n\n",
}

// lookAtFirstEvents sets FirstEvent of the rig's provider.
func (r *rig) lookAtFirstEvents(t testing.TB, d time.Duration) {
	t.Helper()
	r.refreshAt(t, r.fake)
	p, ok := r.pool.ProviderFor(mustURL(t, r.url))
	require.True(t, ok)
	p.FirstEvent = d
	require.NoError(t, r.pool.Register(p))
}

// streamRefusal returns a Refuse that answers the token stale with that stream, and accepts all
// others.
func streamRefusal(body, stale string) func(*http.Request, string) *reauthtest.Answer {
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
			assert.Equal(t, body, got, "without FirstEvent the caller gets the refusal")
			assert.Zero(t, r.fake.Exchanges())

			r.lookAtFirstEvents(t, time.Second)
			status, got, err = r.stream(context.Background())
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			assert.Contains(t, got, "Hello")
			assert.NotContains(t, got, "token_expired")
			assert.Equal(t, 1, r.fake.Exchanges())
			assert.Len(t, r.fake.Requests(), 3, "one request without FirstEvent, a refusal and a replay with it")
		})
	}
}

// stream asks for an event stream.
func (r *rig) stream(ctx context.Context) (int, string, error) {
	body := strings.NewReader(`{"model":"example","stream":true}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, body)
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
		const limit = `{"type":"error","error":{"type":"usage_limit_reached",` +
			`"message":"The usage limit has been reached","resets_in_seconds":7200}}`
		r.fake.Refuse = streamRefusal("event: error\ndata: "+limit+"\n\n", "key-a")
		_, got, err := r.stream(context.Background())
		require.NoError(t, err)
		assert.Contains(t, got, "Hello")
		assert.Equal(t, reauth.Aside, r.status(t, "a").State)
		assert.WithinDuration(t, time.Now().Add(2*time.Hour), r.status(t, "a").AsideUntil, time.Second)
	})
}

// No refresh can help against this refusal. The caller gets the whole stream.
func TestFirstEventThatRefusesForGoodReachesTheCallerWhole(t *testing.T) {
	r := newRig(t, reauthtest.OpenAI)
	r.lookAtFirstEvents(t, time.Second)
	r.key(t, "only", "key-only")
	const body = "event: error\ndata: " + `{"error":{"code":"missing_scope","message":"no"}}` + "\n\ndata: [DONE]\n\n"
	r.fake.Refuse = streamRefusal(body, "key-only")
	status, got, err := r.stream(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Equal(t, body, got)
}

// The transport looks at the first event only. It hands the rest of the stream on, whatever it
// says.
func TestFirstEventOnly(t *testing.T) {
	for what, body := range map[string]string{
		"an error later": "data: " + `{"choices":[{"delta":{"content":"Hi"}}]}` + "\n\n" +
			"event: error\ndata: " + `{"error":{"code":"token_expired"}}` + "\n\n",
		"after it was accepted": "event: response.created\ndata: " + `{"type":"response.created"}` + "\n\n" +
			"event: response.failed\ndata: " +
			`{"type":"response.failed","response":{"error":{"code":"token_expired"}}}` + "\n\n",
		"a success about one": "data: " +
			`{"choices":[{"delta":{"content":"token_expired: authentication token is expired"}}]}` + "\n\n",
		"overload": "event: error\ndata: " +
			`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}` + "\n\n",
		"no event": ": ping\n\n: ping\n\n",
		"cut":      "event: error\ndata: {\"error\":{\"code\":\"token_ex",
		"nothing":  "",
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

// pipeAnswer returns an answer whose body is a stream, and the writer of that stream.
func pipeAnswer(req *http.Request, header ...string) (*http.Response, *io.PipeWriter) {
	resp := answer(req, 200, "", append([]string{"Content-Type", eventStream}, header...)...)
	r, w := io.Pipe()
	resp.Body, resp.ContentLength = r, -1
	return resp, w
}

// streamingRig makes a rig whose base answers with a stream that script writes.
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

// A stream does not send its first event in time. At the deadline the caller gets the answer. It
// reads the stream byte for byte, and each event as soon as it is sent.
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

// After the first event, the caller's reads go to the source directly.
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
		assert.Zero(t, time.Since(begin), "the first event was there at once")
		buf := make([]byte, 1<<10)
		for i := range 5 {
			n, err := resp.Body.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("data: {\"n\":%d}\n\n", i), string(buf[:n]))
			assert.Equal(t, time.Duration(i)*time.Second, time.Since(begin))
		}
		_, err = resp.Body.Read(buf)
		assert.Equal(t, io.ErrUnexpectedEOF, err, "the caller gets the very error of the source")
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

// The caller's deadline ends the wait for the first event.
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

// The transport does not wait for the first event of a compressed stream.
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
