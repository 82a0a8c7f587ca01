package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// A load from another process, many requests at the same time, meets a token that has expired: no client sees it.
func TestProxyCarriesALoadThroughAnExpiredToken(t *testing.T) {
	curl := tool(t, "curl")
	r := newRig(t)
	r.TokenLatency = 300 * time.Millisecond
	r.Expire(r.access)
	p := r.start(t)
	const n = 300
	out, err := exec.Command(curl, "-sS", "--parallel", "--parallel-max", "50", "-o", os.DevNull, "-w", "%{http_code}\n",
		"-H", "Authorization: Bearer client-secret", "-H", "Content-Type: application/json", "-d", chat,
		fmt.Sprintf("%s/v1/chat/completions?n=[1-%d]", p.url, n)).Output() // its progress goes to standard error
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("200\n", n), string(out))
	assert.Equal(t, 1, r.Exchanges(), "exchanges")
	assert.Zero(t, r.Reuses(), "refresh tokens used twice")
	assert.True(t, r.Current(r.stored(t).RefreshToken), "the new pair is in the store")

	_, metrics := p.do(t, http.MethodGet, "/metrics", "")
	assert.Contains(t, metrics, fmt.Sprintf(`reauth_proxy_requests_total{code="200",provider="xai-oauth"} %d`, n))
	assert.Contains(t, metrics, `reauth_refreshes_total{provider="xai-oauth",result="exchanged"} 1`)
	assert.Contains(t, metrics, `reauth_proxy_requests_in_flight{provider="xai-oauth"} 0`)
	r.noSecrets(t, metrics)
}

// A large upload that waits for "100 Continue" is sent again, whole, with the new token.
func TestProxyReplaysAnUpload(t *testing.T) {
	curl := tool(t, "curl")
	r := newRig(t)
	r.Expire(r.access)
	p := r.start(t)
	const size = 5 << 20
	file := filepath.Join(t.TempDir(), "upload.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", size)), 0o600))
	out, err := exec.Command(curl, "-sS", "-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", "-T", file, "-X", "POST", p.url+"/v1/files").Output()
	require.NoError(t, err)
	assert.JSONEq(t, fmt.Sprintf(`{"id":"file-1","object":"file","bytes":%d,"created_at":1,"filename":"upload","purpose":"assistants"}`, size), string(out))
	sent := r.Requests()
	require.Len(t, sent, 2)
	assert.EqualValues(t, size, sent[1].Bytes)
}

// The official client of another language, with its retries off, sees no error through an expired token, streaming or not.
func TestProxyServesTheOpenAIClientOfNode(t *testing.T) {
	node := tool(t, "node")
	require.DirExists(t, filepath.Join("testdata", "npm", "node_modules", "openai"), "run cmd/reauth/testdata/tools.sh, or: npm ci --prefix cmd/reauth/testdata/npm")
	r := newRig(t)
	r.TokenLatency = 200 * time.Millisecond
	p := r.start(t)
	for _, mode := range []string{"once", "stream", "many"} {
		r.Expire()
		exchanges := r.Exchanges()
		cmd := exec.Command(node, filepath.Join("testdata", "npm", "client.mjs"), mode)
		cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+p.url+"/v1", "OPENAI_API_KEY=client-secret")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", mode, out)
		var got struct {
			Texts  []string `json:"texts"`
			Chunks int      `json:"chunks"`
		}
		require.NoError(t, json.Unmarshal(out, &got), "%s", out)
		assert.NotEmpty(t, got.Texts, mode)
		for _, text := range got.Texts {
			assert.Equal(t, "Hello from the fake provider.", text, mode)
		}
		if mode == "stream" {
			assert.Equal(t, 6, got.Chunks)
		}
		assert.Equal(t, exchanges+1, r.Exchanges(), mode)
	}
	for _, q := range r.Requests() {
		assert.NotContains(t, fmt.Sprint(q.Header), "client-secret")
	}
}

// Every byte of a stream reaches the client before the provider sends the next one.
func TestProxyStreamsByteByByte(t *testing.T) {
	r := newRig(t)
	got := make(chan struct{})
	r.on("/v1/stream", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, b := range []byte("data: {}\n\n") {
			_, _ = w.Write([]byte{b})
			w.(http.Flusher).Flush()
			select {
			case <-got:
			case <-req.Context().Done():
				return
			}
		}
	})
	p := r.start(t)
	resp := p.open(t, t.Context(), http.MethodPost, "/v1/stream", chat)
	defer resp.Body.Close()
	one := make([]byte, 1)
	for _, want := range []byte("data: {}\n\n") {
		_, err := io.ReadFull(resp.Body, one)
		require.NoError(t, err)
		require.Equal(t, string(want), string(one))
		got <- struct{}{}
	}
	_, err := resp.Body.Read(one)
	require.ErrorIs(t, err, io.EOF)
}

// A client that goes away takes its request to the provider with it.
func TestProxyEndsTheRequestOfAClientThatHasGone(t *testing.T) {
	r := newRig(t)
	came, gone := make(chan struct{}), make(chan struct{})
	r.on("/v1/slow", func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		close(came)
		<-req.Context().Done()
		close(gone)
	})
	p := r.start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "GET /v1/slow HTTP/1.1\r\nHost: %s\r\n\r\n", conn.RemoteAddr())
	require.NoError(t, err)
	receive(t, came)
	require.NoError(t, conn.Close())
	receive(t, gone)
	require.Eventually(t, func() bool { return strings.Contains(p.output(), "status=499") }, 30*time.Second, 10*time.Millisecond)
}

func TestProxyPassesWebSockets(t *testing.T) {
	r := newRig(t)
	tokens := make(chan string, 2)
	r.on("/v1/realtime", func(w http.ResponseWriter, req *http.Request) {
		tokens <- req.Header.Get("Authorization") + "|" + req.Header.Get("Sec-Websocket-Protocol")
		c, err := websocket.Accept(w, req, &websocket.AcceptOptions{Subprotocols: []string{"realtime"}})
		if err != nil {
			return
		}
		for {
			kind, b, err := c.Read(req.Context())
			if err != nil {
				return
			}
			_ = c.Write(req.Context(), kind, append([]byte("echo "), b...))
		}
	})
	p := r.start(t, "--grace", "300ms")
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/v1/realtime?model=example", &websocket.DialOptions{
		Subprotocols: []string{"realtime", "openai-insecure-api-key.client-secret"},
		HTTPHeader:   http.Header{"Authorization": {"Bearer client-secret"}},
	})
	require.NoError(t, err)
	defer func() { _ = c.CloseNow() }() // it has been cut
	assert.Equal(t, "realtime", c.Subprotocol())
	assert.Equal(t, "Bearer "+r.access+"|realtime", receive(t, tokens))
	for _, word := range []string{"one", "two"} {
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(word)))
		_, b, err := c.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "echo "+word, string(b))
	}

	// Its end is not waited for longer than the grace period.
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(t))
	assert.Contains(t, p.output(), "have been cut")
	_, _, err = c.Read(t.Context())
	require.Error(t, err)
}

// What goes up is the client's request with the pool's credential, and nothing of the client's own.
func TestProxySendsNothingOfTheClientsOwn(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	resp, _ := p.do(t, http.MethodPost, "/v1/things/a?q=1;2&x=%zz", "content",
		"Authorization: Bearer client-secret", "X-Api-Key: client-secret", "Api-Key: client-secret", "X-Goog-Api-Key: client-secret",
		"Cookie: session=client-secret", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Connection: X-Hop", "X-Hop: 1",
		"Origin: "+p.url, "Sec-Fetch-Site: same-origin", "X-Own: kept", "User-Agent: agent/1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	requests := r.Requests()
	require.Len(t, requests, 1)
	h := requests[0].Header
	assert.Equal(t, "Bearer "+r.access, h.Get("Authorization"))
	assert.Equal(t, "kept", h.Get("X-Own"))
	assert.Equal(t, "agent/1", h.Get("User-Agent"))
	for _, name := range []string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Hop", "Origin", "Sec-Fetch-Site", "Accept-Encoding", "Via"} {
		assert.Empty(t, h.Values(name), name)
	}
	assert.EqualValues(t, len("content"), requests[0].Bytes)
}

func TestProxyRefusesStrangers(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	port := p.url[strings.LastIndex(p.url, ":"):]
	for _, c := range []struct {
		what    string
		code    int
		path    string
		headers []string
	}{
		{"its own address", 200, "/v1/models", nil},
		{"localhost", 200, "/v1/models", []string{"Host: LocalHost" + port}},
		{"IPv6", 200, "/v1/models", []string{"Host: [::1]" + port}},
		{"its own origin", 200, "/v1/models", []string{"Origin: http://localhost" + port, "Sec-Fetch-Site: same-origin"}},
		{"typed by a person", 200, "/v1/models", []string{"Sec-Fetch-Site: none"}},
		{"a name that was pointed here", 403, "/v1/models", []string{"Host: evil.example" + port}},
		{"the same for the page", 403, "/", []string{"Host: evil.example" + port}},
		{"the same for the metrics", 403, "/metrics", []string{"Host: evil.example" + port}},
		{"the same for the script", 403, "/-/status.js", []string{"Host: evil.example" + port}},
		{"another port", 403, "/v1/models", []string{"Host: 127.0.0.1:1"}},
		{"no port", 403, "/v1/models", []string{"Host: 127.0.0.1"}},
		{"a page", 403, "/v1/models", []string{"Origin: https://evil.example"}},
		{"a page that hides", 403, "/v1/models", []string{"Origin: null"}},
		{"a page of another port", 403, "/v1/models", []string{"Origin: http://localhost:1"}},
		{"an extension", 403, "/v1/models", []string{"Origin: chrome-extension://abc"}},
		{"an image of a page", 403, "/v1/models", []string{"Sec-Fetch-Site: cross-site"}},
		{"a page of the same site", 403, "/", []string{"Sec-Fetch-Site: same-site"}},
		{"a second origin", 403, "/v1/models", []string{"Origin: http://localhost" + port, "Origin: https://evil.example"}},
	} {
		resp, body := p.do(t, http.MethodGet, c.path, "", c.headers...)
		assert.Equal(t, c.code, resp.StatusCode, c.what)
		if c.code == 403 {
			assert.Contains(t, body, `"type":"reauth_proxy_error"`, c.what)
		}
	}
	resp, _ := p.do(t, http.MethodTrace, "/v1/models", "")
	assert.Equal(t, 405, resp.StatusCode)
	resp, _ = p.do(t, http.MethodPost, "/", "")
	assert.Equal(t, 405, resp.StatusCode)
	assert.Len(t, r.Requests(), 5, "what was refused never went up")
	assert.Equal(t, "HTTP/1.1 403 Forbidden", raw(t, p, "GET http://evil.example/v1/models HTTP/1.1\r\nHost: "+strings.TrimPrefix(p.url, "http://")+"\r\n\r\n"))
	assert.Equal(t, "HTTP/1.0 403 Forbidden", raw(t, p, "GET /v1/models HTTP/1.0\r\n\r\n"))
}

// raw sends bytes and returns the status line.
func raw(t *testing.T, p *running, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func TestProxyWantsItsClientToken(t *testing.T) {
	r := newRig(t)
	p := r.start(t, "--listen", "0.0.0.0:0", "--allow-remote", "--client-token-env", "REAUTH_TEST_CLIENT_TOKEN", "--host", "proxy.example,edge.example:443")
	port := p.url[strings.LastIndex(p.url, ":"):]
	assert.Equal(t, "http://proxy.example"+port, p.url, "it names itself as it is reached")
	p.url = "http://127.0.0.1" + port
	for _, c := range []struct {
		what    string
		code    int
		path    string
		headers []string
	}{
		{"no token", 401, "/v1/models", nil},
		{"another token", 401, "/v1/models", []string{"Authorization: Bearer client-token-0123456789abcdeF"}},
		{"an empty one", 401, "/v1/models", []string{"Authorization: Bearer "}},
		{"as Bearer", 200, "/v1/models", []string{"Authorization: bearer " + clientToken}},
		{"as x-api-key", 200, "/v1/models", []string{"X-Api-Key: " + clientToken}},
		{"as api-key", 200, "/v1/models", []string{"Api-Key: " + clientToken}},
		{"as x-goog-api-key", 200, "/v1/models", []string{"X-Goog-Api-Key: " + clientToken}},
		{"as a password, for the API", 401, "/v1/models", []string{"Authorization: " + basic(clientToken)}},
		{"the page without", 401, "/", nil},
		{"the metrics without", 401, "/metrics", nil},
		{"the page with a password", 200, "/", []string{"Authorization: " + basic(clientToken)}},
		{"the metrics with the token", 200, "/metrics", []string{"Authorization: Bearer " + clientToken}},
		{"health needs none", 200, "/healthz", nil},
		{"a name it was given", 200, "/v1/models", []string{"Host: proxy.example" + port, "Authorization: Bearer " + clientToken}},
		{"that name behind TLS", 200, "/v1/models", []string{"Host: proxy.example", "Authorization: Bearer " + clientToken}},
		{"a name with its own port", 200, "/v1/models", []string{"Host: edge.example:443", "Authorization: Bearer " + clientToken}},
		{"that name with another", 403, "/v1/models", []string{"Host: edge.example" + port, "Authorization: Bearer " + clientToken}},
		{"a name it was not given", 403, "/v1/models", []string{"Host: evil.example" + port, "Authorization: Bearer " + clientToken}},
		{"a page that has it", 403, "/v1/models", []string{"Origin: https://evil.example", "Authorization: Bearer " + clientToken}},
	} {
		resp, _ := p.do(t, http.MethodGet, c.path, "", c.headers...)
		assert.Equal(t, c.code, resp.StatusCode, c.what)
	}
	for _, q := range r.Requests() {
		assert.NotContains(t, fmt.Sprint(q.Header), clientToken)
	}
}

func basic(password string) string {
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth("me", password)
	return req.Header.Get("Authorization")
}

func TestProxyDoesNotStart(t *testing.T) {
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	t.Setenv("REAUTH_TEST_SHORT", "short")
	for _, c := range []struct {
		what string
		code int
		says []string
		args []string
	}{
		{"a busy port", 1, []string{taken.Addr().String() + " is in use", "--listen 127.0.0.1:0"}, []string{"xai-oauth", "--listen", taken.Addr().String()}},
		{"no credential", 3, []string{"no credential of nous", "reauth login nous", "reauth add nous"}, []string{"nous"}},
		{"no credential, a key", 3, []string{"no credential of groq", "run: reauth add groq"}, []string{"groq"}},
		{"an unknown provider", 2, []string{`"nobody" is unknown`}, []string{"nobody"}},
		{"an address for others", 2, []string{"not a loopback address", "--allow-remote"}, []string{"xai-oauth", "--listen", "0.0.0.0:0"}},
		{"an empty host", 2, []string{"not a loopback address"}, []string{"xai-oauth", "--listen", ":0"}},
		{"remote without a token", 2, []string{"--allow-remote needs --client-token-env"}, []string{"xai-oauth", "--listen", "0.0.0.0:0", "--allow-remote"}},
		{"remote without a name", 2, []string{"--host"}, []string{"xai-oauth", "--listen", "0.0.0.0:0", "--allow-remote", "--client-token-env", "REAUTH_TEST_CLIENT_TOKEN"}},
		{"no such variable", 2, []string{"REAUTH_TEST_NOTHING, for the client token, is not set"}, []string{"xai-oauth", "--client-token-env", "REAUTH_TEST_NOTHING"}},
		{"a short token", 2, []string{"openssl rand"}, []string{"xai-oauth", "--client-token-env", "REAUTH_TEST_SHORT"}},
		{"no single address", 2, []string{"--base-url"}, []string{"azure-foundry"}},
		{"a base URL that is none", 2, []string{"--base-url"}, []string{"xai-oauth", "--base-url", "gateway"}},
	} {
		code, said := r.fails(t, c.args...)
		assert.Equal(t, c.code, code, "%s: %s", c.what, said)
		for _, words := range c.says {
			assert.Contains(t, said, words, c.what)
		}
		r.noSecrets(t, said)
	}
}

func TestProxySaysWhenTheProviderCannotBeReached(t *testing.T) {
	r := newRig(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	p := r.startAt(t, "--base-url", "http://"+nobody.Addr().String()+"/v1")
	resp, body := p.do(t, http.MethodPost, "/v1/chat/completions?key=client-secret", chat)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.JSONEq(t, `{"error":{"message":"reauth proxy: the provider at `+nobody.Addr().String()+` gave no answer: connection refused","type":"reauth_proxy_error","param":null,"code":"upstream_unreachable"}}`, body)
	assert.Contains(t, p.output(), `trouble="connection refused"`)
}

// A refusal that nothing can mend is the provider's own, marked so that SDKs do not repeat it.
func TestProxyReturnsRefusalsAsTheyCame(t *testing.T) {
	r := newRig(t)
	r.Forbid(r.access)
	p := r.start(t)
	resp, body := p.do(t, http.MethodPost, "/v1/chat/completions", chat)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.JSONEq(t, `{"code":"permission-denied","error":"Access to the chat endpoint is denied. Please ensure you're using the correct credentials."}`, body)
	assert.Equal(t, "false", resp.Header.Get("X-Should-Retry"))
	_, metrics := p.do(t, http.MethodGet, "/metrics", "")
	assert.Regexp(t, `reauth_verdicts_total\{kind="forbidden",provider="xai-oauth",reason="[a-z0-9:-]+"\} 1`, metrics)
	assert.Contains(t, metrics, `reauth_recovery_seconds_count{provider="xai-oauth",result="gave-up"} 1`)
}

// When the last credential is taken out of the store, requests are answered with the way out and never leave without one.
func TestProxyKeepsRequestsWithoutCredential(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	resp, _ := p.do(t, http.MethodGet, "/v1/models", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	pool := r.pool(t)
	c := r.stored(t)
	require.NoError(t, pool.Remove(t.Context(), "xai-oauth", r.id))
	require.Eventually(t, func() bool {
		resp, body := p.do(t, http.MethodGet, "/v1/models", "", "Authorization: Bearer client-secret")
		return resp.StatusCode == http.StatusUnauthorized && strings.Contains(body, "reauth login xai-oauth")
	}, 20*time.Second, 100*time.Millisecond)
	for _, q := range r.Requests() {
		assert.Equal(t, r.access, q.Token)
	}
	_, err := pool.Add(t.Context(), c) // for what follows, and to see that it is taken up
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	require.Eventually(t, func() bool {
		resp, _ := p.do(t, http.MethodGet, "/v1/models", "")
		return resp.StatusCode == http.StatusOK
	}, 20*time.Second, 100*time.Millisecond)
}

// A stream that runs when the process is told to stop ends well, and so does an exchange; nothing new is taken.
func TestProxyStopsWhenItsWorkIsDone(t *testing.T) {
	r := newRig(t)
	step := make(chan struct{})
	r.on("/v1/stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: {}\n\n")
			w.(http.Flusher).Flush()
			<-step
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
	p := r.start(t)
	resp := p.open(t, t.Context(), http.MethodPost, "/v1/stream", chat)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	_, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 30*time.Second, 10*time.Millisecond, "new connections are refused")
	go func() {
		for range 3 {
			step <- struct{}{}
		}
	}()
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	assert.Equal(t, "\ndata: {}\n\ndata: {}\n\ndata: [DONE]\n\n", string(rest))
	require.NoError(t, p.wait(t), p.output())
	assert.NotContains(t, p.output(), "have been cut")
}

// The login is not lost when the process is told to stop in the middle of an exchange.
func TestProxyStopsInAnExchange(t *testing.T) {
	r := newRig(t)
	r.TokenLatency = 700 * time.Millisecond
	r.Expire()
	p := r.start(t, "--grace", "100ms")
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, _ := http.NewRequest(http.MethodGet, p.url+"/v1/models", http.NoBody)
		if resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	require.Eventually(t, func() bool { return len(r.Requests()) > 0 }, 30*time.Second, time.Millisecond)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.wait(t), p.output())
	receive(t, done)
	stored := r.stored(t)
	assert.NotEqual(t, r.refresh, stored.RefreshToken)
	assert.True(t, r.Current(stored.RefreshToken), "the pair that the exchange brought is in the store")
}

// While it drains, requests are still served and /healthz says that they will not be for long; a second signal ends it.
func TestProxyDrains(t *testing.T) {
	r := newRig(t)
	p := r.start(t, "--drain", "1m")
	resp, body := p.do(t, http.MethodGet, "/healthz", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "ok\n", body)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		resp, body = p.do(t, http.MethodGet, "/healthz", "")
		return resp.StatusCode == http.StatusServiceUnavailable
	}, 30*time.Second, 10*time.Millisecond)
	assert.Equal(t, "stopping\n", body)
	resp, _ = p.do(t, http.MethodGet, "/v1/models", "")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(t), p.output())
}

// The log has a line a request, as text or JSON, with nothing of query, headers or body.
func TestProxyLogs(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	p := r.start(t, "--log-json", "--log-level", "debug")
	_, _ = p.do(t, http.MethodPost, "/v1/chat/completions?key=client-secret", `{"messages":"client-secret"}`, "Authorization: Bearer client-secret")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(t))
	found := 0
	for line := range strings.Lines(p.output()) {
		if !strings.HasPrefix(line, "{") {
			continue // what it told standard output
		}
		var entry map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
		if entry["msg"] == "request" {
			found++
			assert.Equal(t, "/v1/chat/completions", entry["path"])
			assert.EqualValues(t, 200, entry["status"])
			assert.EqualValues(t, 2, entry["attempts"])
			assert.Equal(t, r.id, entry["credential"])
			assert.Contains(t, entry["verdict"], "rejected:")
		}
	}
	assert.Equal(t, 1, found, p.output())
	assert.Contains(t, p.output(), `"reauth: refreshed"`)
}

// What is announced is what a program has to set.
func TestProxyTellsTheBaseURL(t *testing.T) {
	r := newRig(t)
	pool := r.pool(t)
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: "deepseek", AccessToken: "client-secret"})
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	for _, c := range []struct{ provider, want string }{
		{"xai", "  OPENAI_BASE_URL     http://ADDR/v1\n"},
		{"deepseek", "  OPENAI_BASE_URL     http://ADDR/v1\n  ANTHROPIC_BASE_URL  http://ADDR/anthropic\n"},
	} {
		cmd := r.command(t, c.provider, "--listen", "127.0.0.1:0")
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		var said strings.Builder
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "status page") {
				require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			}
		}
		require.NoError(t, cmd.Wait())
		m := announced.FindStringSubmatch(said.String())
		require.NotNil(t, m, said.String())
		assert.Contains(t, strings.ReplaceAll(said.String(), strings.TrimPrefix(m[1], "http://"), "ADDR"), c.want)
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(60 * time.Second):
		require.Fail(t, "nothing came")
		panic("unreachable")
	}
}

// tool finds a program that the tests need.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err, "%s is missing; run cmd/reauth/testdata/tools.sh, which installs it from Debian's packages", name)
	return path
}
