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
	"github.com/reauth-go/reauth/reauthtest"
)

// Another process sends 300 requests, 50 at a time, while the token is expired. All of them
// succeed, and one exchange serves them all.
func TestProxyCarriesALoadThroughAnExpiredToken(t *testing.T) {
	curl := tool(t, "curl")
	r := newRig(t)
	r.Change(func(p *reauthtest.Provider) { p.TokenLatency = 300 * time.Millisecond })
	r.Expire(r.access)
	p := r.start(t)
	const n = 300
	// curl writes its progress to standard error.
	out, err := exec.Command(curl, "-sS", "--parallel", "--parallel-max", "50",
		"-o", os.DevNull, "-w", "%{http_code}\n",
		"-H", "Authorization: Bearer client-secret", "-H", "Content-Type: application/json", "-d", chat,
		fmt.Sprintf("%s/v1/chat/completions?n=[1-%d]", p.url, n)).Output()
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("200\n", n), string(out))
	assert.Equal(t, 1, r.Exchanges(), "exchanges")
	assert.Zero(t, r.Reuses(), "refresh tokens used twice")
	assert.True(t, r.Current(r.stored(t).RefreshToken), "the new pair is in the store")

	r.noSecrets(t, p.counts(t,
		fmt.Sprintf(`reauth_proxy_requests_total\{code="200",provider="xai-oauth"\} %d\n`, n),
		`reauth_refreshes_total\{provider="xai-oauth",result="exchanged"\} 1\n`,
		`reauth_proxy_requests_in_flight\{provider="xai-oauth"\} 0\n`))
}

// The proxy sends a large upload again, whole, with the new token, although the client has waited
// for "100 Continue".
func TestProxyReplaysAnUpload(t *testing.T) {
	curl := tool(t, "curl")
	r := newRig(t)
	r.Expire(r.access)
	p := r.start(t)
	const size = 5 << 20
	file := filepath.Join(t.TempDir(), "upload.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", size)), 0o600))
	out, err := exec.Command(curl, "-sS", "-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked",
		"-T", file, "-X", "POST", p.url+"/v1/files").Output()
	require.NoError(t, err)
	assert.JSONEq(t, fmt.Sprintf(`{"id":"file-1","object":"file","bytes":%d,"created_at":1,"filename":"upload",`+
		`"purpose":"assistants"}`, size), string(out))
	sent := r.Requests()
	require.Len(t, sent, 2)
	assert.EqualValues(t, size, sent[1].Bytes)
}

// OpenAI's client for Node.js, with its retries off, sees no error when the token expires, with
// streaming and without.
func TestProxyServesTheOpenAIClientOfNode(t *testing.T) {
	node := tool(t, "node")
	npmPackage(t, "openai")
	r := newRig(t)
	r.Change(func(p *reauthtest.Provider) { p.TokenLatency = 200 * time.Millisecond })
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
			assert.Equal(t, 8, got.Chunks, "the role, six words, and the reason why it ends")
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

// When a client goes away, the proxy cancels its request at the provider.
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
	require.Eventually(t, func() bool {
		return strings.Contains(p.output(), "status=499")
	}, 30*time.Second, 10*time.Millisecond)
}

// It passes them at the root, and below the name of a provider.
func TestProxyPassesWebSockets(t *testing.T) {
	t.Run("at the root", func(t *testing.T) { passesWebSockets(t, (*rig).start, "") })
	t.Run("below a name", func(t *testing.T) { passesWebSockets(t, (*rig).startBelow, "/xai-oauth") })
	t.Run("below an alias", func(t *testing.T) { passesWebSockets(t, (*rig).startBelow, "/grok") })
}

func passesWebSockets(t *testing.T, start func(*rig, *testing.T, ...string) *running, prefix string) {
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
	p := start(r, t, "--grace", "300ms")
	address := "ws" + strings.TrimPrefix(p.url, "http") + prefix + "/v1/realtime?model=example"
	c, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{
		Subprotocols: []string{"realtime", "openai-insecure-api-key.client-secret"},
		HTTPHeader:   http.Header{"Authorization": {"Bearer client-secret"}},
	})
	require.NoError(t, err)
	// The proxy has cut the connection by then, so CloseNow may fail.
	defer func() { _ = c.CloseNow() }()
	assert.Equal(t, "realtime", c.Subprotocol())
	assert.Equal(t, "Bearer "+r.access+"|realtime", receive(t, tokens))
	for _, word := range []string{"one", "two"} {
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(word)))
		_, b, err := c.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "echo "+word, string(b))
	}

	// The proxy waits no longer than the grace period for the connection to end.
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(t))
	assert.Contains(t, p.output(), "have been cut")
	_, _, err = c.Read(t.Context())
	require.Error(t, err)
}

// The provider gets the client's request with the pool's credential, without the client's own keys,
// cookies and browser headers.
func TestProxySendsNothingOfTheClientsOwn(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	resp, _ := p.do(t, http.MethodPost, "/v1/things/a?q=1;2&x=%zz", "content",
		"Authorization: Bearer client-secret", "X-Api-Key: client-secret",
		"Api-Key: client-secret", "X-Goog-Api-Key: client-secret",
		"Cookie: session=client-secret", "X-Forwarded-For: 192.0.2.1",
		"Forwarded: for=192.0.2.1", "Connection: X-Hop", "X-Hop: 1",
		"Origin: "+p.url, "Sec-Fetch-Site: same-origin", "X-Own: kept", "User-Agent: agent/1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	requests := r.Requests()
	require.Len(t, requests, 1)
	h := requests[0].Header
	assert.Equal(t, "Bearer "+r.access, h.Get("Authorization"))
	assert.Equal(t, "kept", h.Get("X-Own"))
	assert.Equal(t, "agent/1", h.Get("User-Agent"))
	for _, name := range []string{
		"X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Hop",
		"Origin", "Sec-Fetch-Site", "Accept-Encoding", "Via",
	} {
		assert.Empty(t, h.Values(name), name)
	}
	assert.EqualValues(t, len("content"), requests[0].Bytes)
}

func TestProxySaysWhenTheProviderCannotBeReached(t *testing.T) {
	r := newRig(t)
	const nobody = "127.0.0.1:1" // no program gets this port by chance
	p := r.startAt(t, "--base-url", "http://"+nobody+"/v1")
	resp, body := p.do(t, http.MethodPost, "/v1/chat/completions?key=client-secret", chat)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.JSONEq(t, `{"error":{"message":"reauth proxy: the provider at `+nobody+
		` gave no answer: connection refused",`+
		`"type":"reauth_proxy_error","param":null,"code":"upstream_unreachable"}}`, body)
	require.Eventually(t, func() bool {
		return strings.Contains(p.output(), `trouble="connection refused"`)
	}, 30*time.Second, 10*time.Millisecond, "the line is written behind the answer")
}

// The client gets the provider's own refusal when recovery is impossible, with X-Should-Retry:
// false so that SDKs do not repeat the request.
func TestProxyReturnsRefusalsAsTheyCame(t *testing.T) {
	r := newRig(t)
	r.Forbid(r.access)
	p := r.start(t)
	resp, body := p.do(t, http.MethodPost, "/v1/chat/completions", chat)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.JSONEq(t, `{"code":"permission-denied",`+
		`"error":"Access to the chat endpoint is denied. Please ensure you're using the correct credentials."}`, body)
	assert.Equal(t, "false", resp.Header.Get("X-Should-Retry"))
	p.counts(t,
		`reauth_verdicts_total\{kind="forbidden",provider="xai-oauth",reason="[a-z0-9:-]+"\} 1\n`,
		`reauth_recovery_seconds_count\{provider="xai-oauth",result="gave-up"\} 1\n`)
}

// After the last credential has left the store, the proxy answers with the way to add one, and
// forwards nothing.
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
	// A running proxy takes up a credential that another process adds. The checks at the end of the
	// test need one, too.
	_, err := pool.Add(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	require.Eventually(t, func() bool {
		resp, _ := p.do(t, http.MethodGet, "/v1/models", "")
		return resp.StatusCode == http.StatusOK
	}, 20*time.Second, 100*time.Millisecond)
}

// After SIGTERM the proxy refuses new connections, but lets a running stream come to its end.
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

// After a signal in the middle of an exchange, the proxy still stores the new tokens: the provider
// has already invalidated the old ones.
func TestProxyStopsInAnExchange(t *testing.T) {
	r := newRig(t)
	r.Change(func(p *reauthtest.Provider) { p.TokenLatency = 700 * time.Millisecond })
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
	require.Eventually(t, func() bool { return r.TokenRequests() > 0 }, patience, time.Millisecond, "the exchange has begun")
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.wait(t), p.output())
	receive(t, done)
	stored := r.stored(t)
	assert.NotEqual(t, r.refresh, stored.RefreshToken)
	assert.True(t, r.Current(stored.RefreshToken), "the pair that the exchange brought is in the store")
}

// While the proxy drains, it still serves requests, and /healthz answers 503. A second signal ends
// it.
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

// The log has one line for each request, as JSON here, without query, headers and body.
func TestProxyLogs(t *testing.T) {
	r := newRig(t)
	r.Expire(r.access)
	p := r.start(t, "--log-json", "--log-level", "debug")
	_, _ = p.do(t, http.MethodPost, "/v1/chat/completions?key=client-secret",
		`{"messages":"client-secret"}`, "Authorization: Bearer client-secret")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.wait(t))
	found := 0
	for line := range strings.Lines(p.output()) {
		if !strings.HasPrefix(line, "{") {
			// The announcement on standard output is no JSON.
			continue
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

// The proxy announces the base URLs that its clients must set.
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

// receive returns a value from c, and fails the test after a minute without one.
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

// npmPackage requires a package that a test's program for Node.js imports.
func npmPackage(t *testing.T, name string) {
	t.Helper()
	require.DirExists(t, filepath.Join("testdata", "npm", "node_modules", name),
		"run cmd/reauth/testdata/tools.sh, or: npm ci --prefix cmd/reauth/testdata/npm")
}

// tool returns the path of a program that a test needs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err,
		"%s is missing; run cmd/reauth/testdata/tools.sh, which installs it from Debian's packages", name)
	return path
}
