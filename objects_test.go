package reauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// trackingRig has three keys used in turn, and answers by path.
func trackingRig(t testing.TB, limit int, answers map[string]string) *rig {
	t.Helper()
	r := keysOf(t, "openai-api", "https://api.openai.com", reauthtest.OpenAI)
	r.register(t, func(p *reauth.Provider) { p.Strategy, p.TrackObjects = reauth.RoundRobin, limit })
	n := 0
	r.fake.Refuse = func(req *http.Request, _ string) *reauthtest.Answer {
		body, ok := answers[req.Method+" "+req.URL.Path]
		if !ok {
			return nil
		}
		n++
		kind := "application/json"
		if strings.HasPrefix(body, "event:") || strings.HasPrefix(body, "data:") {
			kind = "text/event-stream"
		}
		return &reauthtest.Answer{Status: 200, Header: http.Header{"Content-Type": {kind}}, Body: strings.ReplaceAll(body, "%d", fmt.Sprint(n))}
	}
	return r
}

// last returns the token of the last request.
func (r *rig) last() string {
	list := r.sent()
	return list[len(list)-1]
}

func TestTrackedObjectsAreAskedForWithTheirCredential(t *testing.T) {
	made := map[string]string{
		"POST /v1/responses":        `{"id":"resp_%d","object":"response","output":[{"id":"msg_1","content":[{"type":"output_text","text":"resp_99"}]}]}`,
		"POST /v1/chat/completions": `{"id":"chatcmpl-%d","choices":[]}`,
	}
	r := trackingRig(t, 100, made)
	owner := make(map[string]string)
	for i := range 6 {
		r.send(t, "POST", "/v1/responses", `{"model":"example"}`)
		owner[fmt.Sprint("resp_", i+1)] = r.last()
	}
	assert.Equal(t, "key-a", owner["resp_1"])
	assert.Equal(t, "key-b", owner["resp_2"])
	assert.Equal(t, "key-c", owner["resp_3"])
	for id, key := range owner {
		for _, body := range []string{
			fmt.Sprintf(`{"model":"example","previous_response_id":%q}`, id),
			fmt.Sprintf(`{"input":[{"role":"user","content":"say \"hello\" \\"},{"type":"item_reference","id":%q}]}`, id),
			fmt.Sprintf("{\n\t\"previous_response_id\"\t:\n %q\n}", id),
		} {
			r.send(t, "POST", "/v1/chat/completions", body)
			assert.Equal(t, key, r.last(), "%s by %s", id, body)
		}
		r.send(t, "GET", "/v1/responses/"+id, "")
		assert.Equal(t, key, r.last(), id)
		r.send(t, "POST", "/v1/responses/"+id+"/cancel", "")
		assert.Equal(t, key, r.last(), id)
	}
	before := r.last()
	r.send(t, "POST", "/v1/chat/completions", `{"messages":[{"content":"what was resp_2 about? \"resp_2\""}]}`)
	r.send(t, "POST", "/v1/chat/completions", `{"messages":[{"content":"chatcmpl-7"}]}`)
	r.send(t, "POST", "/v1/chat/completions", `{}`)
	used := map[string]bool{}
	for _, k := range r.sent()[len(r.sent())-3:] {
		used[k] = true
	}
	assert.Len(t, used, 3, "a sentence about an object, and the name of none, leave the turn alone (after %s)", before)
}

// The request stays with its account also where that is worse off than another.
func TestTrackedObjectsAreNotSwitched(t *testing.T) {
	r := trackingRig(t, 100, map[string]string{"POST /v1/responses": `{"id":"resp_%d"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	require.Equal(t, "key-a", r.last())
	r.fake.Refuse = nil
	r.fake.Exhaust(time.Now().Add(time.Hour), "key-a")
	for range 3 {
		status, _ := r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
		assert.Equal(t, 429, status)
		assert.Equal(t, "key-a", r.last(), "also when it is put aside")
	}
	require.NoError(t, r.pool.Remove(t.Context(), r.provider, "a"))
	status, _ := r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
	assert.Equal(t, 200, status)
	assert.NotEqual(t, "key-a", r.last(), "whose credential is gone is nobody's")
}

func TestWhatAnswersTeach(t *testing.T) {
	for what, c := range map[string]struct{ path, answer, mention string }{
		"a stream's response":  {"/v1/responses", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_s\",\"status\":\"in_progress\"}}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n", "resp_s"},
		"a list":               {"/v1/files", `{"object":"list","data":[{"id":"file-1"},{"id":"file-2"}]}`, "file-2"},
		"a container in use":   {"/v1/messages", `{"id":"msg_1","container":{"id":"container_1","expires_at":"2026-01-01T00:00:00Z"}}`, "container_1"},
		"a file that was made": {"/v1/chat/completions", `{"choices":[{"message":{"annotations":[{"type":"container_file_citation","container_id":"cntr_1","file_id":"cfile_1"}]}}]}`, "cfile_1"},
		"a file of Google's":   {"/upload/v1beta/files", `{"file":{"name":"files/abc-123","uri":"https://generativelanguage.googleapis.com/v1beta/files/abc-123"}}`, "https://generativelanguage.googleapis.com/v1beta/files/abc-123"},
		"what was cut":         {"/v1/files", `{"id":"file-cut","bytes":12,"filename":"x`, "file-cut"},
	} {
		t.Run(what, func(t *testing.T) {
			r := trackingRig(t, 10, map[string]string{"POST " + c.path: c.answer})
			r.send(t, "POST", "/v1/chat", `{}`)
			_, got := r.send(t, "POST", c.path, `{}`)
			assert.Equal(t, c.answer, got, "handed on as it is")
			owner := r.last()
			for range 4 {
				r.send(t, "POST", "/v1/chat", fmt.Sprintf(`{"x":[{"y":%q}]}`, c.mention))
				assert.Equal(t, owner, r.last())
			}
		})
	}
}

func TestTrackingIsBounded(t *testing.T) {
	r := trackingRig(t, 5, map[string]string{"POST /v1/responses": `{"id":"resp_%d"}`})
	owner := make([]string, 31)
	for i := 1; i <= 30; i++ {
		r.send(t, "POST", "/v1/responses", `{}`)
		owner[i] = r.last()
	}
	for i := 26; i <= 30; i++ {
		for range 4 {
			r.send(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"previous_response_id":"resp_%d"}`, i))
			assert.Equal(t, owner[i], r.last())
		}
	}
	used := map[string]bool{}
	for range 3 {
		r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
		used[r.last()] = true
	}
	assert.Len(t, used, 3, "the oldest is forgotten")
}

// A body is looked at through GetBody, and arrives whole, whatever GetBody does: openai-go's rewinds one reader.
func TestTrackedRequestBodiesArriveWhole(t *testing.T) {
	big := `{"pad":"` + strings.Repeat("x ", 40<<10) + `","previous_response_id":"resp_1"}`
	shared := func(req *http.Request) {
		one := bytes.NewReader([]byte(big))
		req.Body = io.NopCloser(one)
		req.GetBody = func() (io.ReadCloser, error) {
			_, err := one.Seek(0, io.SeekStart)
			return io.NopCloser(one), err
		}
	}
	for what, c := range map[string]struct {
		change func(*http.Request)
		seen   bool
	}{
		"a copy each":  {func(*http.Request) {}, true},
		"one reader":   {shared, true},
		"no GetBody":   {func(req *http.Request) { req.GetBody = nil }, false},
		"not JSON":     {func(req *http.Request) { req.Header.Set("Content-Type", "multipart/form-data") }, false},
		"compressed":   {func(req *http.Request) { req.Header.Set("Content-Encoding", "gzip") }, false},
		"JSON by name": {func(req *http.Request) { req.Header.Set("Content-Type", "application/vnd.api+json; charset=utf-8") }, true},
	} {
		t.Run(what, func(t *testing.T) {
			r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
			r.send(t, "POST", "/v1/responses", `{}`)
			require.Equal(t, "key-a", r.last())
			closed := make(chan struct{})
			r.send(t, "POST", "/v1/chat/completions", big, c.change, func(req *http.Request) {
				req.Body = &closeNoter{ReadCloser: req.Body, closed: closed}
			})
			<-closed // the caller's own body, perhaps a moment later
			list := r.fake.Requests()
			assert.EqualValues(t, len(big), list[len(list)-1].Bytes)
			assert.Equal(t, c.seen, list[len(list)-1].Token == "key-a")
		})
	}
}

type closeNoter struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

func (c *closeNoter) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.ReadCloser.Close()
}

func TestTrackedRequestIsTheCallersInItsAnswer(t *testing.T) {
	r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	req, err := http.NewRequest("POST", "https://api.openai.com/v1/chat/completions", strings.NewReader(`{"x":"resp_1"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Same(t, req, resp.Request)
}

// A GetBody that fails after the body was read leaves nothing to send: that is the request's error, not a half body.
func TestTrackedRequestWhoseGetBodyFails(t *testing.T) {
	r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	calls := 0
	req, err := http.NewRequest("POST", "https://api.openai.com/v1/chat/completions", strings.NewReader(`{"x":"resp_1"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	get := req.GetBody
	broken := errors.New("the disk is gone")
	req.GetBody = func() (io.ReadCloser, error) {
		if calls++; calls > 1 {
			return nil, broken
		}
		return get()
	}
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		if _, err := io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		return answer(req, 200, "{}"), nil
	})
	_, err = r.transport.RoundTrip(req)
	require.ErrorIs(t, err, broken)
}

// Without the opt-in no body of a success is wrapped, and none of a request read before it is sent.
func TestNothingIsTrackedUnasked(t *testing.T) {
	r := keysOf(t, "openai-api", "https://api.openai.com", reauthtest.OpenAI)
	body := io.NopCloser(strings.NewReader(`{"id":"resp_1"}`))
	r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
		_ = req.Body.Close()
		resp := answer(req, 200, "", "Content-Type", "application/json")
		resp.Body = body
		return resp, nil
	})
	req, err := http.NewRequest("POST", "https://api.openai.com/v1/responses", strings.NewReader(`{}`))
	require.NoError(t, err)
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("not asked for") }
	resp, err := r.transport.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, body, resp.Body)
}
