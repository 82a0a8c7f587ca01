package reauth_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// hidingTable holds, for each provider that refuses with status 200, two refusals and a success.
var hidingTable = []struct{ provider, url, rejected, exhausted, success string }{
	{
		provider:  "minimax-oauth",
		url:       "https://api.minimax.io/anthropic/v1/messages",
		rejected:  `{"base_resp":{"status_code":1004,"status_msg":"login fail"}}`,
		exhausted: `{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`,
		success: `{"choices":[{"message":{"content":"login fail (1004): invalid api key"}}],` +
			`"base_resp":{"status_code":0,"status_msg":""}}`,
	},
	{
		provider:  "minimax-cn",
		url:       "https://api.minimaxi.com/v1/x",
		rejected:  `{"reply":"","base_resp":{"status_code":2049,"status_msg":"invalid api key"}}`,
		exhausted: `{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}`,
		success:   `{"base_resp":{"status_code":0}}`,
	},
	{
		provider:  "alibaba",
		url:       "https://dashscope.aliyuncs.com/api/v1/apps/x/completion",
		rejected:  `{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"1"}`,
		exhausted: `{"code":"Arrearage","message":"Access denied.","request_id":"1"}`,
		success:   `{"output":{"text":"InvalidApiKey"},"code":"InvalidApiKey","message":"Invalid API-key provided."}`,
	},
	{
		provider:  "zai",
		url:       "https://api.z.ai/api/monitor/usage/quota/limit",
		rejected:  `{"code":401,"msg":"token expired or incorrect","success":false}`,
		exhausted: `{"code":1113,"msg":"Insufficient balance","success":false}`,
		success:   `{"code":200,"msg":"Operation successful","success":true}`,
	},
}

// hidingBase is a base that answers 200 with the body for the key of the request. It adds the keys
// to sent.
func hidingBase(bodies map[string]string, sent *[]string) roundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
		k := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		*sent = append(*sent, k)
		return answer(req, 200, bodies[k], "Content-Type", "application/json; charset=utf-8"), nil
	}
}

// askThrough sends a request through a transport and returns the body of its answer, whose status
// must be 200.
func askThrough(t *testing.T, base http.RoundTripper, pool *reauth.Pool, raw string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, raw, strings.NewReader(`{"model":"example"}`))
	require.NoError(t, err)
	resp, err := reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

func TestRefusalHiddenInA200IsRecovered(t *testing.T) {
	for _, c := range hidingTable {
		t.Run(c.provider, func(t *testing.T) {
			pool, exchanges := poolOf(t), atomic.Int32{}
			p, _ := reauth.LookupProvider(c.provider)
			p.Refresher = reauth.RefresherFunc(func(_ context.Context, _ reauth.Credential) (reauth.Credential, error) {
				exchanges.Add(1)
				return reauth.Credential{AccessToken: "new-EXAMPLE"}, nil
			})
			require.NoError(t, pool.Register(p))
			_, err := pool.Add(context.Background(), reauth.Credential{
				Provider: c.provider, ID: "me", AccessToken: "old-EXAMPLE", RefreshToken: "rt-EXAMPLE",
			})
			require.NoError(t, err)
			var sent []string
			base := hidingBase(map[string]string{"old-EXAMPLE": c.rejected, "new-EXAMPLE": c.success}, &sent)
			assert.Equal(t, c.success, askThrough(t, base, pool, c.url))
			assert.Equal(t, []string{"old-EXAMPLE", "new-EXAMPLE"}, sent, "refreshed, and sent again")
			assert.EqualValues(t, 1, exchanges.Load())
			assert.Equal(t, reauth.Good, pool.Status()[0].State)
		})
	}
}

func TestRefusalHiddenInA200SwitchesKeys(t *testing.T) {
	for _, c := range hidingTable {
		for what, refusal := range map[string]string{"rejected": c.rejected, "exhausted": c.exhausted} {
			t.Run(c.provider+"/"+what, func(t *testing.T) {
				pool := poolOf(t,
					reauth.Credential{Provider: c.provider, ID: "a", AccessToken: "key-a"},
					reauth.Credential{Provider: c.provider, ID: "b", AccessToken: "key-b"})
				var sent []string
				base := hidingBase(map[string]string{"key-a": refusal, "key-b": c.success}, &sent)
				assert.Equal(t, c.success, askThrough(t, base, pool, c.url))
				assert.Equal(t, c.success, askThrough(t, base, pool, c.url))
				assert.Equal(t, []string{"key-a", "key-b", "key-b"}, sent)
				assert.Equal(t, reauth.Aside, pool.Status()[0].State)

				alone := poolOf(t, reauth.Credential{Provider: c.provider, AccessToken: "key-a"})
				got := askThrough(t, base, alone, c.url)
				assert.Equal(t, refusal, got, "with no other key the caller gets the refusal as it was sent")
			})
		}
	}
}

// watchedBody is a body that counts its reads and its closes.
type watchedBody struct {
	io.Reader
	reads, closes atomic.Int32
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	return b.Reader.Read(p)
}

func (b *watchedBody) Close() error {
	b.closes.Add(1)
	return nil
}

// The caller gets a success as it was sent, whatever its words say. The transport does not read an
// answer that cannot be a refusal.
func TestSuccessOfAHidingProviderComesBackAsItWasSent(t *testing.T) {
	pad := strings.Repeat(" ", 100<<10)
	for _, c := range hidingTable {
		for name, s := range map[string]struct {
			kind, body string // kind: the Content-Type
			length     int64
			unread     bool // the transport must not read the body
		}{
			"short":             {"application/json", c.success, int64(len(c.success)), false},
			"of unknown length": {"application/json", c.success + "\n" + pad + "tail", -1, false},
			"cut":               {"application/json", c.success[:len(c.success)-1], -1, false},
			"no JSON":           {"application/json", "\xff\x00 invalid api key, 401", 26, false},
			"without type":      {"", "insufficient balance", -1, false},
			"long":              {"application/json", pad[:8<<10] + c.success, 8<<10 + int64(len(c.success)), true},
			"stream": {
				kind:   "text/event-stream; charset=utf-8",
				body:   "data: " + c.rejected + "\n\ndata: [DONE]\n\n",
				length: -1,
				unread: true,
			},
			"sound": {"audio/mpeg", c.rejected, int64(len(c.rejected)), true},
		} {
			t.Run(c.provider+"/"+name, func(t *testing.T) {
				body := &watchedBody{Reader: strings.NewReader(s.body)}
				header := http.Header{"Content-Type": {s.kind}, "x-Odd": {"1", "2"}}
				resp := roundTripOnce(t, c.provider, c.url, &http.Response{
					StatusCode: 200, Header: header.Clone(), Body: body, ContentLength: s.length,
				})
				if s.unread {
					assert.Same(t, body, resp.Body)
					assert.Zero(t, body.reads.Load())
				}
				assert.Equal(t, header, resp.Header)
				assert.Equal(t, s.length, resp.ContentLength)
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, s.body, string(got))
				require.NoError(t, resp.Body.Close())
				assert.EqualValues(t, 1, body.closes.Load())
			})
		}
	}
}

// roundTripOnce sends a request through a transport whose base answers resp. The credential must
// stay in good standing.
func roundTripOnce(t *testing.T, provider, raw string, resp *http.Response) *http.Response {
	t.Helper()
	pool := reauth.NewPool()
	defer func() { require.NoError(t, pool.Close()) }()
	_, err := pool.Add(context.Background(), reauth.Credential{Provider: provider, AccessToken: "key-EXAMPLE"})
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPost, raw, http.NoBody)
	require.NoError(t, err)
	base := roundTripFunc(func(*http.Request) (*http.Response, error) { return resp, nil })
	got, err := reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, reauth.Good, pool.Status()[0].State)
	return got
}

// A model takes its time to answer. The transport waits for a refusal for 2 s, and hands the answer
// on then.
func TestSlowSuccessOfAHidingProviderIsNotWaitedFor(t *testing.T) {
	for _, c := range hidingTable {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r, w := io.Pipe()
			go func() {
				_, _ = io.WriteString(w, c.success[:5]) // the reader sees the errors too
				time.Sleep(time.Minute)
				_, _ = io.WriteString(w, c.success[5:])
				_ = w.Close()
			}()
			resp := roundTripOnce(t, c.provider, c.url, &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: r, ContentLength: -1,
			})
			assert.Equal(t, 2*time.Second, time.Since(begin))
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, c.success, string(got))
			require.NoError(t, resp.Body.Close())
		})
	}
}
