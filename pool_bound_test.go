package reauth_test

import (
	"bytes"
	"cmp"
	"context"
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

// keysOf makes a rig of a provider with the API keys "key-a", "key-b" and "key-c". Its fake speaks
// the dialect.
func keysOf(t testing.TB, provider, base string, d reauthtest.Dialect) *rig {
	t.Helper()
	r := &rig{fake: reauthtest.New(d), provider: provider, url: base, pool: reauth.NewPool(), events: new(eventLog)}
	t.Cleanup(func() { require.NoError(t, r.pool.Close()) })
	r.pool.Observe = r.events.observe
	r.transport = reauth.NewRecoveringTransport(r.fake.Transport(), r.pool)
	r.client = &http.Client{Transport: r.transport}
	for _, id := range []string{"a", "b", "c"} {
		r.key(t, id, "key-"+id)
	}
	return r
}

// send sends a request to a path below the rig's URL and returns the status and the body of its
// answer.
func (r *rig) send(t testing.TB, method, path, body string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, strings.TrimSuffix(r.url, "/")+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(req)
	}
	status, got, err := r.do(req)
	require.NoError(t, err)
	return status, got
}

// sent returns the tokens of all requests so far, in order.
func (r *rig) sent() (list []string) {
	for _, q := range r.fake.Requests() {
		list = append(list, q.Token)
	}
	return list
}

// A request to a bound path is about an object of one account. Its refusal reaches the caller: no
// other credential has the object. A request to a free path is switched.
func TestBoundPaths(t *testing.T) {
	for _, c := range []struct {
		provider, base string
		bound, free    []string
	}{
		{
			"openai", "https://api.openai.com",
			[]string{
				"GET /v1/files/file-1", "POST /v1/files", "GET /v1/files/file-1/content", "GET /v1/responses/resp_1",
				"POST /v1/responses/resp_1/cancel", "GET /v1/responses/resp_1/input_items",
				"POST /v1/batches", "GET /v1/containers/cntr_1/files", "DELETE /v1/vector_stores/vs_1",
				"POST /v1/threads/thread_1/runs", "GET /v1/fine_tuning/jobs", "GET /v1/videos/video_1/content",
				"POST /v1/uploads/upload_1/parts",
				"GET /v1/conversations/conv_1",
			},
			[]string{
				"POST /v1/chat/completions", "POST /v1/responses", "POST /v1/responses/", "POST /v1/responses/compact",
				"POST /v1/responses/input_tokens", "GET /v1/models/files-model", "POST /v1/embeddings",
				"POST /v1/videos", "POST /v1/audio/speech",
			},
		},
		{
			provider: "anthropic",
			base:     "https://api.anthropic.com",
			bound: []string{
				"GET /v1/files/file_1", "POST /v1/messages/batches", "GET /v1/messages/batches/msgbatch_1/results",
			},
			free: []string{"POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models"},
		},
		{
			provider: "xai",
			base:     "https://api.x.ai",
			bound:    []string{"GET /v1/responses/0195-uuid", "GET /v1/chat/deferred-completion/1", "GET /v1/files"},
			free:     []string{"POST /v1/responses", "POST /v1/chat/completions"},
		},
		{
			provider: "gemini",
			base:     "https://generativelanguage.googleapis.com",
			bound: []string{
				"GET /v1beta/files/abc", "POST /upload/v1beta/files", "PATCH /v1beta/cachedContents/x",
				"GET /v1beta/batches/1",
			},
			free: []string{"POST /v1beta/models/gemini-example:generateContent"},
		},
		{
			provider: "mistral",
			base:     "https://api.mistral.ai",
			bound: []string{
				"GET /v1/files/1", "POST /v1/batch/jobs", "POST /v1/conversations/1", "GET /v1/agents/ag_1",
			},
			free: []string{"POST /v1/chat/completions", "POST /v1/conversations", "POST /v1/agents/completions"},
		},
		{
			provider: "groq",
			base:     "https://api.groq.com",
			bound:    []string{"POST /openai/v1/batches"},
			free:     []string{"POST /openai/v1/chat/completions"},
		},
		{"openrouter", "https://openrouter.ai/api", nil, []string{"POST /v1/chat/completions", "GET /v1/files"}},
	} {
		for _, bound := range []bool{true, false} {
			paths := map[bool][]string{true: c.bound, false: c.free}[bound]
			for _, what := range paths {
				t.Run(c.provider+" "+what, func(t *testing.T) {
					r := keysOf(t, c.provider, c.base, reauthtest.OpenAI)
					var sent []string
					r.transport.Base = refusingKeyA(&sent)
					method, path, _ := strings.Cut(what, " ")
					status, _ := r.send(t, method, path, `{}`)
					if bound {
						assert.Equal(t, 429, status, "the refusal by the one account that has the object")
						assert.Equal(t, []string{"key-a"}, sent)
						return
					}
					assert.Equal(t, 200, status)
					assert.Equal(t, []string{"key-a", "key-b"}, sent)
				})
			}
		}
	}
}

// refusingKeyA is a base that answers "key-a" with an exhausted quota and accepts every other key.
// It adds the key of each request to sent.
func refusingKeyA(sent *[]string) roundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
		h := req.Header
		bearer := strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
		key := cmp.Or(h.Get("X-Api-Key"), h.Get("X-Goog-Api-Key"), bearer)
		*sent = append(*sent, key)
		if key == "key-a" {
			const body = `{"error":{"message":"You exceeded your current quota",` +
				`"type":"insufficient_quota","code":"insufficient_quota"}}`
			return answer(req, 429, body, "Content-Type", "application/json"), nil
		}
		return answer(req, 200, `{}`, "Content-Type", "application/json"), nil
	}
}

func TestBoundRequestIsRefreshed(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	access, _ := r.login(t, "a")
	r.key(t, "b", "key-b")
	r.fake.Expire(access)
	r.url = "https://api.x.ai/v1/files/file-1"
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	assert.Equal(t, 1, r.fake.Exchanges())
	assert.NotContains(t, r.sent(), "key-b")
}

// All bound requests go to the same credential while it is in good standing, whatever the strategy.
func TestBoundRequestsStayTogether(t *testing.T) {
	for _, s := range strategies() {
		t.Run(s.String(), func(t *testing.T) {
			r := keysOf(t, "openai-api", "https://api.openai.com", reauthtest.OpenAI)
			r.register(t, func(p *reauth.Provider) { p.Strategy = s })
			for range 20 {
				r.send(t, "GET", "/v1/files/file-1", "")
			}
			assert.Equal(t, strings.Fields(strings.Repeat("key-a ", 20)), r.sent())
		})
	}
}

// A caller who knows which credential has the object pins the request to it.
func TestPinnedBoundRequest(t *testing.T) {
	r := keysOf(t, "openai-api", "https://api.openai.com", reauthtest.OpenAI)
	r.send(t, "GET", "/v1/files/file-1", "", func(req *http.Request) {
		*req = *req.WithContext(reauth.WithCredential(req.Context(), "openai", "b"))
	})
	assert.Equal(t, []string{"key-b"}, r.sent())
}

func TestBoundPathsOfOnesOwn(t *testing.T) {
	gateway := func(path string) reauth.Provider {
		return reauth.Provider{Name: "gateway", Hosts: []string{"llm.corp.example"}, BoundPaths: []string{path}}
	}
	pool := reauth.NewPool()
	defer pool.Close()
	for _, bad := range []string{"", "/*", "/files", "v1/files", "files/", "fi*les", "files?x"} {
		err := pool.Register(gateway(bad))
		require.ErrorContains(t, err, fmt.Sprintf("register gateway: bound path %q: it is one segment", bad))
	}
	require.NoError(t, pool.Register(gateway("jobs")))
	p, ok := pool.ProviderFor(mustURL(t, "https://llm.corp.example/jobs"))
	require.True(t, ok)
	assert.Equal(t, []string{"jobs"}, p.BoundPaths)
}

// A probe tries a credential whose quota may be back. A request with an affinity makes the probe
// only if the credential is its home. No other conversation moves for it.
func TestAffinityIsNotProbedAway(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		home := make(map[string]string)
		for _, id := range []string{"a", "b"} {
			r.key(t, id, "key-"+id)
		}
		for i := range 20 {
			key := fmt.Sprint("conversation ", i)
			c, err := r.pool.Token(reauth.WithAffinity(context.Background(), key), r.provider)
			require.NoError(t, err)
			home[c.ID] = key
		}
		r.fake.Exhaust(time.Now().Add(48*time.Hour), "key-a")
		post := func(key string) string {
			_, _, err := r.post(reauth.WithAffinity(context.Background(), key))
			require.NoError(t, err)
			list := r.sent()
			return list[len(list)-1]
		}
		assert.Equal(t, "key-b", post(home["a"]), "it moves while its home is put aside")
		r.fake.Restore("key-a")
		time.Sleep(time.Hour + time.Minute)
		assert.Equal(t, "key-b", post(home["b"]), "it does not probe the other credential")
		assert.Equal(t, "key-a", post(home["a"]), "it probes its home and stays there")
		assert.Equal(t, reauth.Good, r.status(t, "a").State)
	})
}

// trackingRig makes a rig with three keys that serve in turn. TrackObjects is limit. answers maps a
// method and a path to a body, in which %d stands for the number of the answer.
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
		body = strings.ReplaceAll(body, "%d", fmt.Sprint(n))
		return &reauthtest.Answer{Status: 200, Header: http.Header{"Content-Type": {kind}}, Body: body}
	}
	return r
}

// last returns the token of the last request.
func (r *rig) last() string {
	list := r.sent()
	return list[len(list)-1]
}

// A request that names an object, in its path or in its body, goes to the credential that made the
// object.
func TestTrackedObjectsAreAskedForWithTheirCredential(t *testing.T) {
	const ofItem = `{"input":[{"role":"user","content":"say \"hello\" \\"},{"type":"item_reference","id":%q}]}`
	made := map[string]string{
		"POST /v1/responses": `{"id":"resp_%d","object":"response","output":[{"id":"msg_1",` +
			`"content":[{"type":"output_text","text":"resp_99"}]}]}`,
		"POST /v1/chat/completions": `{"id":"chatcmpl-%d","choices":[]}`,
	}
	r := trackingRig(t, 100, made)
	accounts := make(map[string]string) // by response, the key that made it
	for i := range 6 {
		r.send(t, "POST", "/v1/responses", `{"model":"example"}`)
		accounts[fmt.Sprint("resp_", i+1)] = r.last()
	}
	assert.Equal(t, "key-a", accounts["resp_1"])
	assert.Equal(t, "key-b", accounts["resp_2"])
	assert.Equal(t, "key-c", accounts["resp_3"])
	for id, key := range accounts {
		for _, body := range []string{
			fmt.Sprintf(`{"model":"example","previous_response_id":%q}`, id),
			fmt.Sprintf(ofItem, id),
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
	// These bodies name no object: a sentence about one, an id of no object, nothing at all.
	before := r.last()
	r.send(t, "POST", "/v1/chat/completions", `{"messages":[{"content":"what was resp_2 about? \"resp_2\""}]}`)
	r.send(t, "POST", "/v1/chat/completions", `{"messages":[{"content":"chatcmpl-7"}]}`)
	r.send(t, "POST", "/v1/chat/completions", `{}`)
	used := map[string]bool{}
	for _, k := range r.sent()[len(r.sent())-3:] {
		used[k] = true
	}
	assert.Len(t, used, 3, "the keys serve such requests in turn (after %s)", before)
}

// The request stays with the account that made the object, even while that account is exhausted.
func TestTrackedObjectsAreNotSwitched(t *testing.T) {
	r := trackingRig(t, 100, map[string]string{"POST /v1/responses": `{"id":"resp_%d"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	require.Equal(t, "key-a", r.last())
	r.fake.Refuse = nil
	r.fake.Exhaust(time.Now().Add(time.Hour), "key-a")
	for range 3 {
		status, _ := r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
		assert.Equal(t, 429, status)
		assert.Equal(t, "key-a", r.last(), "although it is put aside")
	}
	require.NoError(t, r.pool.Remove(t.Context(), r.provider, "a"))
	status, _ := r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
	assert.Equal(t, 200, status)
	assert.NotEqual(t, "key-a", r.last(), "after the removal of its credential the object belongs to nobody")
}

// The pool learns ids of objects from answers: from a stream, a list, a nested member, a body that
// breaks off.
func TestWhatAnswersTeach(t *testing.T) {
	for what, c := range map[string]struct{ path, answer, mention string }{
		"a stream's response": {
			path: "/v1/responses",
			answer: "event: response.created\ndata: " +
				`{"type":"response.created","response":{"id":"resp_s","status":"in_progress"}}` + "\n\n" +
				"data: " + `{"type":"response.output_text.delta","delta":"Hi"}` + "\n\n",
			mention: "resp_s",
		},
		"a list": {"/v1/files", `{"object":"list","data":[{"id":"file-1"},{"id":"file-2"}]}`, "file-2"},
		"a container in use": {
			path:    "/v1/messages",
			answer:  `{"id":"msg_1","container":{"id":"container_1","expires_at":"2026-01-01T00:00:00Z"}}`,
			mention: "container_1",
		},
		"a file that was made": {
			path: "/v1/chat/completions",
			answer: `{"choices":[{"message":{"annotations":[{"type":"container_file_citation",` +
				`"container_id":"cntr_1","file_id":"cfile_1"}]}}]}`,
			mention: "cfile_1",
		},
		"a file of Google's": {
			path: "/upload/v1beta/files",
			answer: `{"file":{"name":"files/abc-123",` +
				`"uri":"https://generativelanguage.googleapis.com/v1beta/files/abc-123"}}`,
			mention: "https://generativelanguage.googleapis.com/v1beta/files/abc-123",
		},
		"what was cut": {"/v1/files", `{"id":"file-cut","bytes":12,"filename":"x`, "file-cut"},
	} {
		t.Run(what, func(t *testing.T) {
			r := trackingRig(t, 10, map[string]string{"POST " + c.path: c.answer})
			r.send(t, "POST", "/v1/chat", `{}`)
			_, got := r.send(t, "POST", c.path, `{}`)
			assert.Equal(t, c.answer, got, "the caller gets the answer as it is")
			account := r.last()
			for range 4 {
				r.send(t, "POST", "/v1/chat", fmt.Sprintf(`{"x":[{"y":%q}]}`, c.mention))
				assert.Equal(t, account, r.last())
			}
		})
	}
}

func TestTrackingIsBounded(t *testing.T) {
	r := trackingRig(t, 5, map[string]string{"POST /v1/responses": `{"id":"resp_%d"}`})
	accounts := make([]string, 31) // by response, the key that made it
	for i := 1; i <= 30; i++ {
		r.send(t, "POST", "/v1/responses", `{}`)
		accounts[i] = r.last()
	}
	for i := 26; i <= 30; i++ {
		for range 4 {
			r.send(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"previous_response_id":"resp_%d"}`, i))
			assert.Equal(t, accounts[i], r.last())
		}
	}
	used := map[string]bool{}
	for range 3 {
		r.send(t, "POST", "/v1/chat/completions", `{"previous_response_id":"resp_1"}`)
		used[r.last()] = true
	}
	assert.Len(t, used, 3, "the pool has forgotten the oldest")
}

// The transport reads a body through GetBody to find ids. The body still arrives whole, whatever
// GetBody does. That of openai-go, for one, rewinds the only reader.
func TestTrackedRequestBodiesArriveWhole(t *testing.T) {
	big := `{"pad":"` + strings.Repeat("x ", 40<<10) + `","previous_response_id":"resp_1"}`
	with := func(header, value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(header, value) }
	}
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
		seen   bool // the transport finds the id in the body
	}{
		"a copy each":  {func(*http.Request) {}, true},
		"one reader":   {shared, true},
		"no GetBody":   {func(req *http.Request) { req.GetBody = nil }, false},
		"not JSON":     {with("Content-Type", "multipart/form-data"), false},
		"compressed":   {with("Content-Encoding", "gzip"), false},
		"JSON by name": {with("Content-Type", "application/vnd.api+json; charset=utf-8"), true},
	} {
		t.Run(what, func(t *testing.T) {
			r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
			r.send(t, "POST", "/v1/responses", `{}`)
			require.Equal(t, "key-a", r.last())
			closed := make(chan struct{})
			r.send(t, "POST", "/v1/chat/completions", big, c.change, func(req *http.Request) {
				req.Body = &closeNoter{ReadCloser: req.Body, closed: closed}
			})
			<-closed // the transport may close the caller's body a moment later
			list := r.fake.Requests()
			assert.EqualValues(t, len(big), list[len(list)-1].Bytes)
			assert.Equal(t, c.seen, list[len(list)-1].Token == "key-a")
		})
	}
}

// closeNoter is a body that closes a channel when it is closed.
type closeNoter struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

func (c *closeNoter) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.ReadCloser.Close()
}

// mentioning returns a request whose body names an object.
func mentioning(t testing.TB, id string) *http.Request {
	t.Helper()
	body := strings.NewReader(`{"x":"` + id + `"}`)
	req, err := http.NewRequest("POST", "https://api.openai.com/v1/chat/completions", body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func TestTrackedRequestIsTheCallersInItsAnswer(t *testing.T) {
	r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	req := mentioning(t, "resp_1")
	resp, err := r.transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Same(t, req, resp.Request)
}

// GetBody fails after the transport has read the body, so there is no body to send. The caller gets
// that error. The base does not get half a body.
func TestTrackedRequestWhoseGetBodyFails(t *testing.T) {
	r := trackingRig(t, 10, map[string]string{"POST /v1/responses": `{"id":"resp_1"}`})
	r.send(t, "POST", "/v1/responses", `{}`)
	calls := 0
	req := mentioning(t, "resp_1")
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
	_, err := r.transport.RoundTrip(req)
	require.ErrorIs(t, err, broken)
}

// Without TrackObjects the transport does not wrap the body of a success, and does not read the
// body of a request before it sends it.
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
