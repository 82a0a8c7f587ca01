package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// loginWorld is an authorization server with an API, a store, and the command that logs in.
type loginWorld struct {
	t      *testing.T
	binary string
	store  string
	fake   *reauthtest.Provider
	server *httptest.Server

	mu sync.Mutex
	// secrets are the tokens and codes that went over the wire. The command must show none of them.
	secrets []string
	// asked counts the requests.
	asked int
}

func newLoginWorld(t *testing.T, binary string, d reauthtest.Dialect) *loginWorld {
	t.Helper()
	w := &loginWorld{t: t, binary: binary, store: filepath.Join(t.TempDir(), "auth.json"), fake: reauthtest.New(d)}
	scanAtEnd(t, filepath.Dir(w.store))
	w.fake.Interval = time.Second
	w.server = httptest.NewServer(http.HandlerFunc(w.record))
	t.Cleanup(w.server.Close)
	return w
}

// record passes a request to the fake provider, and remembers the secrets in it and in its answer.
func (w *loginWorld) record(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(w.t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := &recorder{ResponseWriter: rw}
	defer func() {
		form, _ := url.ParseQuery(string(body))
		sent, _ := json.Marshal(flat(form))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked++
		for _, text := range [][]byte{body, sent, rec.body.Bytes()} {
			w.secrets = append(w.secrets, secretsIn(text)...)
		}
		if to, err := url.Parse(rec.Header().Get("Location")); err == nil && to.Query().Get("code") != "" {
			w.secrets = append(w.secrets, to.Query().Get("code"))
		}
	}()
	w.fake.ServeHTTP(rec, r)
}

func flat(form url.Values) map[string]string {
	m := make(map[string]string)
	for k := range form {
		m[k] = form.Get(k)
	}
	return m
}

func secretsIn(text []byte) (found []string) {
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	for _, name := range []string{
		"access_token", "refresh_token", "id_token", "token", "device_code", "device_auth_id",
		"code_verifier", "code", "authorization_code", "key",
	} {
		if s, ok := m[name].(string); ok && s != "" {
			found = append(found, s)
		}
	}
	return found
}

type recorder struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (w *loginWorld) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// result is what a run of the command has printed, and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

// scan fails the test if the command has shown a secret that went over the wire.
func (w *loginWorld) scan(got result) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.secrets)
	w.secrets = slices.Compact(w.secrets)
	require.GreaterOrEqual(w.t, len(w.secrets), 3, "something was kept")
	for _, s := range w.secrets {
		assert.NotContains(w.t, got.stdout+got.stderr, s)
	}
}

// process is a command that is running.
type process struct {
	w      *loginWorld
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout bytes.Buffer
	stderr *watched
}

// watched is an output that a test can wait for. more gets a value when text has grown.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (b *watched) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *watched) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (w *loginWorld) start(args ...string) *process {
	w.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(stop)
	p := &process{
		w: w, cmd: exec.CommandContext(ctx, w.binary, append([]string{"--store", w.store}, args...)...),
		stderr: &watched{more: make(chan struct{}, 1)},
	}
	p.cmd.Env = append([]string{"HOME=" + w.t.TempDir(), "PATH=" + os.Getenv("PATH")}, sealEnv()...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, p.cmd.Start())
	return p
}

// sees waits until the standard error matches pattern, and returns the last group of the match.
func (p *process) sees(pattern string) string {
	p.w.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(30 * time.Second)
	for {
		if m := re.FindStringSubmatch(p.stderr.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-p.stderr.more:
		case <-deadline:
			require.Fail(p.w.t, "not shown", "%s in %q", pattern, p.stderr.String())
		}
	}
}

func (p *process) end() result {
	p.w.t.Helper()
	_ = p.stdin.Close()
	err := p.cmd.Wait()
	var exited *exec.ExitError
	if err != nil {
		require.ErrorAs(p.w.t, err, &exited)
	}
	return result{p.stdout.String(), p.stderr.String(), p.cmd.ProcessState.ExitCode()}
}

func (w *loginWorld) run(stdin string, args ...string) result {
	w.t.Helper()
	p := w.start(args...)
	_, err := io.WriteString(p.stdin, stdin)
	require.NoError(w.t, err)
	return p.end()
}

// quarterHour matches the time that is left of the fifteen minutes of a code, a moment after the
// command has got it. The server's stamps have whole seconds, so that it may be a second more.
const quarterHour = `(?:15m[01]s|14m[3-5]\ds)`

// normal replaces what differs from run to run.
func (w *loginWorld) normal(text string) string {
	text = strings.ReplaceAll(text, w.server.URL, "http://SERVER")
	text = regexp.MustCompile(`\b[B-Z]{4}-[B-Z]{4}\b`).ReplaceAllString(text, "CODE")
	text = regexp.MustCompile(`key-[0-9a-z]{12}`).ReplaceAllString(text, "key-DIGEST")
	text = regexp.MustCompile(`\b`+quarterHour+`\b`).ReplaceAllString(text, "15m0s")
	return regexp.MustCompile(`(code_challenge|state)=[A-Za-z0-9_-]{43}`).ReplaceAllString(text, "$1=RANDOM")
}

// works uses the stored login: the API accepts its token, and after that has expired, the pool
// refreshes it at the server.
func (w *loginWorld) works(provider, tokenPath string) {
	t := w.t
	t.Helper()
	pool, err := reauth.OpenPool(t.Context(), fileOf(t, w.store))
	require.NoError(t, err)
	defer func() { assert.NoError(t, pool.Close()) }()
	pr, ok := reauth.LookupProvider(provider)
	require.True(t, ok)
	pr.Hosts = []string{"127.0.0.1"}
	pr.Refresher, err = reauth.BuiltinRefresher(provider, reauth.OAuth2Config{TokenURL: w.server.URL + tokenPath})
	require.NoError(t, err)
	require.NoError(t, pool.Register(pr))
	status := pool.Status()
	require.Len(t, status, 1)
	assert.WithinDuration(t, time.Now().Add(time.Hour), status[0].Expiry, time.Minute)
	tr := reauth.NewRecoveringTransport(nil, pool)
	client := &http.Client{Transport: tr, Timeout: 20 * time.Second}
	defer tr.CloseIdleConnections()
	for range 2 {
		before := w.fake.Exchanges()
		resp, err := client.Get(w.server.URL + "/v1/models")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		if w.fake.Exchanges() > before {
			return
		}
		w.fake.Expire()
	}
	assert.Fail(t, "nothing was refreshed")
}

// stored returns the content of the store's file; empty when there is none.
func (w *loginWorld) stored() string {
	b, err := os.ReadFile(w.store)
	if !os.IsNotExist(err) {
		require.NoError(w.t, err)
	}
	return string(b)
}

// nothingStored fails the test unless the file is absent or holds no credential.
func (w *loginWorld) nothingStored() {
	w.t.Helper()
	pool, err := reauth.OpenPool(w.t.Context(), fileOf(w.t, w.store))
	require.NoError(w.t, err)
	defer pool.Close()
	assert.Empty(w.t, pool.Status())
	for _, secret := range []string{"at-", "rt-", "dc-"} {
		assert.NotContains(w.t, w.stored(), secret)
	}
}

func (w *loginWorld) post(address string, form url.Values) (*http.Response, string) {
	w.t.Helper()
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	resp, err := client.PostForm(address, form)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp, string(b)
}

func (w *loginWorld) get(address string) (int, string) {
	w.t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(address)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(b)
}

// consent opens the address that the command has shown, and presses a button on the page. It
// returns the address to which the server then redirects the browser.
func (w *loginWorld) consent(address, decision string) *url.URL {
	w.t.Helper()
	resp, _ := w.press(address, decision)
	to, err := resp.Location()
	require.NoError(w.t, err)
	return to
}

// decide is consent where the server shows a page at the end, which it returns.
func (w *loginWorld) decide(address, decision string) string {
	w.t.Helper()
	resp, page := w.press(address, decision)
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	return page
}

// press opens the page at an address and presses one of its buttons.
func (w *loginWorld) press(address, decision string) (*http.Response, string) {
	w.t.Helper()
	_, page := w.get(address)
	ask := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(w.t, ask, 2, page)
	return w.post(w.server.URL+"/oauth/authorize/decision", url.Values{"ask": {ask[1]}, "decision": {decision}})
}
