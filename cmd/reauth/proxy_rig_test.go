package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// rig is a fake provider on a loopback port, and a store with a login at it. Its methods start
// proxies for that store.
type rig struct {
	*reauthtest.Provider
	url             string
	store           string
	access, refresh string
	id              string
	// handlers maps a path that the fake provider does not have to its http.HandlerFunc.
	handlers sync.Map
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Provider: reauthtest.New(reauthtest.XAI), store: filepath.Join(t.TempDir(), "auth.json")}
	scanAfterRun(t, filepath.Dir(r.store))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if h, ok := r.handlers.Load(req.URL.Path); ok {
			h.(http.HandlerFunc)(w, req)
			return
		}
		r.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	r.access, r.refresh = r.Login()
	r.id = r.add(t, reauth.Credential{AccessToken: r.access, RefreshToken: r.refresh})
	return r
}

// on makes the provider serve path by h.
func (r *rig) on(path string, h http.HandlerFunc) { r.handlers.Store(path, h) }

func (r *rig) pool(t *testing.T) *reauth.Pool {
	t.Helper()
	p, err := reauth.OpenPool(t.Context(), fileOfRun(t, r.store))
	require.NoError(t, err)
	return p
}

func (r *rig) add(t *testing.T, c reauth.Credential) string {
	t.Helper()
	p := r.pool(t)
	defer func() { require.NoError(t, p.Close()) }()
	c.Provider = "xai-oauth"
	id, err := p.Add(t.Context(), c)
	require.NoError(t, err)
	return id
}

// stored returns the rig's credential as the store has it now.
func (r *rig) stored(t *testing.T) reauth.Credential {
	t.Helper()
	snap, err := fileOfRun(t, r.store).Load(t.Context(), "")
	require.NoError(t, err)
	for _, e := range snap.Entries {
		if e.Credential.ID == r.id && !e.Removed {
			return e.Credential
		}
	}
	require.Fail(t, "the credential is gone")
	return reauth.Credential{}
}

// command returns a call of "reauth proxy" that has not started yet.
func (r *rig) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"--store", r.store, "proxy"}, args...)...)
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 atexit_sleep_ms=20", "REAUTH_TEST_CLIENT_TOKEN="+clientToken)
	cmd.Env = append(cmd.Env, envOfRun()...)
	return cmd
}

const clientToken = "client-token-0123456789abcdef"

// fails runs a proxy that must not start. It returns the exit code and the output.
func (r *rig) fails(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := r.command(t, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	return exit.ExitCode(), string(out)
}

// running is a proxy process. url is its address, such as http://127.0.0.1:8787; of one that
// listens at a socket alone it is http://localhost. prefix is what paths of the rig's provider
// begin with.
type running struct {
	cmd    *exec.Cmd
	url    string
	socket string // its path; empty: it is not used
	prefix string
	rig    *rig
	mu     sync.Mutex
	out    bytes.Buffer
	ended  chan error
	waited bool
}

// Write collects the output of the process.
func (p *running) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *running) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// announced matches the first line that the proxy prints, and captures its address.
var announced = regexp.MustCompile(`by way of (https?://\S+)`)

// start runs a proxy for the rig's provider on a free port.
func (r *rig) start(t *testing.T, args ...string) *running {
	t.Helper()
	return r.startAt(t, append([]string{"--base-url", r.url + "/v1", "--issuer", r.url}, args...)...)
}

// startAt runs a proxy on a free port, without start's flags for the rig's provider.
func (r *rig) startAt(t *testing.T, args ...string) *running {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	return r.startCommand(t, r.command(t, append([]string{"xai-oauth"}, args...)...))
}

// startCommand starts a proxy and waits until it listens.
func (r *rig) startCommand(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	p := &running{rig: r, cmd: cmd, ended: make(chan error, 1)}
	p.cmd.Stderr = p
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	read := make(chan struct{})
	first := make(chan string, 1)
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			_, _ = p.Write([]byte(lines.Text() + "\n"))
			if m := announced.FindStringSubmatch(lines.Text()); m != nil {
				first <- m[1]
			}
		}
	}()
	go func() {
		<-read
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.end(t) })
	select {
	case p.url = <-first:
	case err := <-p.ended:
		p.waited = true
		require.Fail(t, "the proxy did not start", "%v: %s", err, p.output())
	case <-time.After(60 * time.Second):
		require.Fail(t, "the proxy did not start in time", p.output())
	}
	return p
}

// counts waits until the metrics match all patterns, and returns them. The proxy counts a request
// after its answer, so the client may know of the answer a moment earlier.
func (p *running) counts(t *testing.T, want ...string) (metrics string) {
	t.Helper()
	for _, pattern := range want {
		re := regexp.MustCompile(pattern)
		require.Eventually(t, func() bool {
			_, metrics = p.do(t, http.MethodGet, "/metrics", "")
			return re.MatchString(metrics)
		}, 30*time.Second, 10*time.Millisecond, pattern)
	}
	return metrics
}

// end stops a proxy that still runs, and checks its output for secrets, races and panics.
func (p *running) end(t *testing.T) {
	t.Helper()
	if !p.waited {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, p.wait(t), p.output())
	}
	said := p.output()
	require.NotContains(t, said, "DATA RACE")
	require.NotContains(t, said, "panic")
	p.rig.noSecrets(t, said)
}

// wait waits for the process and returns the error of its end.
func (p *running) wait(t *testing.T) error {
	t.Helper()
	p.waited = true
	select {
	case err := <-p.ended:
		return err
	case <-time.After(60 * time.Second):
		_ = p.cmd.Process.Kill()
		require.Fail(t, "the proxy did not end", p.output())
		return nil
	}
}

// noSecrets fails the test if text holds a token that the rig has issued or received.
func (r *rig) noSecrets(t *testing.T, text string) {
	t.Helper()
	stored := r.stored(t)
	secrets := []string{
		r.access, r.refresh, stored.AccessToken, stored.RefreshToken, clientToken,
		"client-secret", "to-be-set-by-reauth",
	}
	for _, q := range r.Requests() {
		secrets = append(secrets, q.Token)
	}
	for _, s := range secrets {
		if len(s) > 6 && strings.Contains(text, s) {
			require.Fail(t, "a secret was told", "%s\nin: %s", s, text)
		}
	}
}

// do sends a request and reads the answer. headers have the form "Name: value"; "Host: ..." sets
// the Host header.
func (p *running) do(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	resp := p.open(t, t.Context(), method, path, body, headers...)
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(content)
}

func (p *running) open(t *testing.T, ctx context.Context, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	transport := &http.Transport{DisableCompression: true, DialContext: p.connect}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	return resp
}

// connect opens a connection to the proxy.
func (p *running) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if p.socket != "" {
		network, address = "unix", p.socket
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// startBelow runs a proxy for the rig's provider and another one.
func (r *rig) startBelow(t *testing.T, args ...string) *running {
	t.Helper()
	pool := r.pool(t)
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: "groq", AccessToken: "client-secret-of-groq"})
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	if !slices.Contains(args, "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	args = append([]string{"grok", "groq", "--base-url", "grok=" + r.url + "/v1", "--issuer", "xai=" + r.url}, args...)
	p := r.startCommand(t, r.command(t, args...))
	p.prefix = "/xai-oauth"
	return p
}

// startAtSocket runs a proxy for the rig's provider at a socket alone.
func (r *rig) startAtSocket(t *testing.T, args ...string) *running {
	t.Helper()
	path := socketFor(t)
	p := r.start(t, append([]string{"--listen", "unix:" + path}, args...)...)
	p.socket = path
	return p
}

// socketFor returns a path for a socket. That of t.TempDir may be too long.
func socketFor(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "reauth-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

const chat = `{"model":"example","messages":[{"role":"user","content":"Hello"}]}`
