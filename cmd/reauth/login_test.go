package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// TestLogin drives the built program against the authorization servers of reauthtest, on real sockets.
func TestLogin(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "reauth")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)

	for _, c := range loginCases {
		t.Run(c.provider, func(t *testing.T) {
			t.Parallel()
			w := newLoginWorld(t, binary, c.dialect)
			w.fake.Skew, w.fake.ApproveAfter = 2*time.Hour, time.Millisecond // the server's clock is wrong
			got := w.run("", "login", c.provider, "--issuer", w.server.URL)
			assert.Zero(t, got.code, got.stderr)
			assert.Equal(t, c.want, w.normal(got.stdout))
			assert.Equal(t, c.shown+loginNote, w.normal(got.stderr))
			w.works(c.provider, c.tokenPath)
			w.scan(got)
		})
	}
	for name, test := range map[string]func(t *testing.T, w *loginWorld){
		"person decides on the page":      loginOnThePage,
		"code is pasted":                  loginByPaste,
		"address is pasted":               loginByAddress,
		"browser comes back to codex":     func(t *testing.T, w *loginWorld) { loginByBrowser(t, w, "openai-codex", "/oauth/token") },
		"browser comes back to anthropic": func(t *testing.T, w *loginWorld) { loginByBrowser(t, w, "anthropic", "/v1/oauth/token") },
		"Ctrl-C":                          loginInterrupted,
		"Ctrl-C where a code is pasted":   loginInterruptedAtThePrompt,
		"ports are busy":                  loginOnBusyPorts,
		"device code is refused":          loginRefused,
		"code expires":                    loginExpires,
		"server stumbles":                 loginStumbles,
		"store of another program":        loginIntoAForeignStore,
		"half-written store":              loginIntoAHalfWrittenStore,
		"store cannot be written":         loginIntoADirectoryThatIsNone,
		"what the user sets":              loginWithSettings,
		"again":                           loginAgain,
		"usage":                           loginUsage,
		"help says what is allowed":       loginHelp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newLoginWorld(t, binary, reauthtest.OpenAI))
		})
	}
}

const loginNote = `Waiting for your consent, for 15m0s at most.
Its tokens are of http://SERVER: name that by --issuer, or in your program's Refresher, wherever they are refreshed.
`

func openThis(path string) string {
	return "Open this address and log in:\n\n  http://SERVER" + path + "\n\nThe code there is\n\n  CODE\n\n"
}

const goodForAnHour = ", the access token is good for 1h0m0s and is refreshed when it is used\n"

var loginCases = []struct {
	provider, tokenPath, shown, want string
	dialect                          reauthtest.Dialect
}{
	{"xai-oauth", "/oauth2/token", openThis("/device?user_code=CODE"), "logged in: xai-oauth/user-1" + goodForAnHour, reauthtest.XAI},
	{"nous", "/api/oauth/token", openThis("/device?user_code=CODE"), "logged in: nous/user-1" + goodForAnHour, reauthtest.OpenAI},
	{"qwen-oauth", "/api/v1/oauth2/token", openThis("/authorize?user_code=CODE"), "logged in: qwen-oauth/key-DIGEST" + goodForAnHour, reauthtest.OpenAI},
	{"copilot", "/copilot_internal/v2/token", openThis("/login/device"), "logged in: copilot/octocat" + goodForAnHour, reauthtest.OpenAI},
	{"minimax-oauth", "/oauth2/token", openThis("/oauth-authorize?user_code=CODE"), "logged in: minimax-oauth/key-DIGEST" + goodForAnHour, reauthtest.OpenAI},
	{"openai-codex", "/oauth/token", openThis("/codex/device"), "logged in: openai-codex/account-1" + goodForAnHour, reauthtest.OpenAI},
}

// loginWorld is a provider, a store, and a program that logs in.
type loginWorld struct {
	t      *testing.T
	binary string
	store  string
	fake   *reauthtest.Provider
	server *httptest.Server

	mu      sync.Mutex
	secrets []string // what went over the wire and may not be told
	asked   int
}

func newLoginWorld(t *testing.T, binary string, d reauthtest.Dialect) *loginWorld {
	t.Helper()
	w := &loginWorld{t: t, binary: binary, store: filepath.Join(t.TempDir(), "auth.json"), fake: reauthtest.New(d)}
	w.fake.Interval = time.Second
	w.server = httptest.NewServer(http.HandlerFunc(w.record))
	t.Cleanup(w.server.Close)
	return w
}

// record notes the secrets of a request and of its answer on the way.
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
	for _, name := range []string{"access_token", "refresh_token", "id_token", "token", "device_code", "device_auth_id", "code_verifier", "code", "authorization_code"} {
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

// result is what a run of the program has shown.
type result struct {
	stdout, stderr string
	code           int
}

// scan makes sure that no secret that went over the wire was shown.
func (w *loginWorld) scan(got result) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.secrets)
	secrets := slices.Compact(w.secrets)
	require.GreaterOrEqual(w.t, len(secrets), 3, "something was kept")
	for _, s := range secrets {
		assert.NotContains(w.t, got.stdout+got.stderr, s)
	}
}

// process is the program under way.
type process struct {
	w      *loginWorld
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout bytes.Buffer
	stderr *watched
}

// watched is output that can be waited for.
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
	p := &process{w: w, cmd: exec.CommandContext(ctx, w.binary, append([]string{"--store", w.store}, args...)...), stderr: &watched{more: make(chan struct{}, 1)}}
	p.cmd.Env = []string{"HOME=" + w.t.TempDir(), "PATH=" + os.Getenv("PATH")}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, p.cmd.Start())
	return p
}

// sees waits until the program has shown what matches.
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

// normal replaces what differs from run to run.
func (w *loginWorld) normal(text string) string {
	text = strings.ReplaceAll(text, w.server.URL, "http://SERVER")
	text = regexp.MustCompile(`\b[B-Z]{4}-[B-Z]{4}\b`).ReplaceAllString(text, "CODE")
	text = regexp.MustCompile(`key-[0-9a-f]{12}`).ReplaceAllString(text, "key-DIGEST")
	text = regexp.MustCompile(`15m[01]s`).ReplaceAllString(text, "15m0s")
	return regexp.MustCompile(`(code_challenge|state)=[A-Za-z0-9_-]{43}`).ReplaceAllString(text, "$1=RANDOM")
}

// works uses what was stored: the API takes the token, and when it has expired, another one is had at the server.
func (w *loginWorld) works(provider, tokenPath string) {
	t := w.t
	t.Helper()
	pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(w.store))
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

// stored returns the file of the store; empty when there is none.
func (w *loginWorld) stored() string {
	b, err := os.ReadFile(w.store)
	if !os.IsNotExist(err) {
		require.NoError(w.t, err)
	}
	return string(b)
}

// nothingStored: the file is not there, or holds no credential.
func (w *loginWorld) nothingStored() {
	w.t.Helper()
	pool, err := reauth.OpenPool(w.t.Context(), reauth.NewFileStore(w.store))
	require.NoError(w.t, err)
	defer pool.Close()
	assert.Empty(w.t, pool.Status())
	for _, secret := range []string{"at-", "rt-", "dc-"} {
		assert.NotContains(w.t, w.stored(), secret)
	}
}

func (w *loginWorld) post(address string, form url.Values) (*http.Response, string) {
	w.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
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

// consent opens the address that the program shows, and presses a button: it returns where the browser is sent to.
func (w *loginWorld) consent(address, decision string) *url.URL {
	w.t.Helper()
	_, page := w.get(address)
	ask := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(w.t, ask, 2, page)
	resp, _ := w.post(w.server.URL+"/oauth/authorize/decision", url.Values{"ask": {ask[1]}, "decision": {decision}})
	to, err := resp.Location()
	require.NoError(w.t, err)
	return to
}

func loginOnThePage(t *testing.T, w *loginWorld) {
	p := w.start("login", "xai", "--issuer", w.server.URL)
	address := p.sees(`(http://\S+/device\?\S+)`)
	code := p.sees(`The code there is\n\n  (\S+)`)
	_, page := w.get(address)
	assert.Contains(t, page, code)
	p.sees(`Waiting for your consent, for 15m0s at most`)
	_, page = w.post(address, url.Values{"user_code": {code}, "decision": {"approve"}})
	assert.Contains(t, page, "Approved")
	got := p.end()
	assert.Zero(t, got.code, got.stderr)
	w.works("xai-oauth", "/oauth2/token")
	w.scan(got)
	info, err := os.Stat(w.store)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func loginByPaste(t *testing.T, w *loginWorld) {
	w.fake.Dialect = reauthtest.Anthropic
	p := w.start("login", "anthropic", "--issuer", w.server.URL)
	address := p.sees(`(http://\S+/oauth/authorize\S+)`)
	to := w.consent(address, "approve")
	_, page := w.get(to.String())
	shown := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(page)
	require.Len(t, shown, 2)
	_, err := io.WriteString(p.stdin, "no code\n"+shown[1]+"\n")
	require.NoError(t, err)
	got := p.end()
	assert.Zero(t, got.code, got.stderr)
	assert.Equal(t, "logged in: anthropic/00000000-0000-4000-8000-000000000001"+goodForAnHour, got.stdout)
	assert.Equal(t, `Open this address and log in:

  http://SERVER/oauth/authorize?client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&code=true&code_challenge=RANDOM&code_challenge_method=S256&redirect_uri=http%3A%2F%2F127.0.0.1%3APORT%2Foauth%2Fcode%2Fcallback&response_type=code&scope=org%3Acreate_api_key+user%3Aprofile+user%3Ainference&state=RANDOM

After you consent, the page shows a code. Paste it here, with all that follows the #.
That is not it: it has no state, so nobody knows to which login it belongs; paste all of it.
Its tokens are of http://SERVER: name that by --issuer, or in your program's Refresher, wherever they are refreshed.
`, regexp.MustCompile(`127.0.0.1%3A\d+`).ReplaceAllString(w.normal(got.stderr), "127.0.0.1%3APORT"))
	w.works("anthropic", "/v1/oauth/token")
	w.scan(got)
}

func loginByAddress(t *testing.T, w *loginWorld) {
	p := w.start("login", "codex", "--flow", "paste", "--issuer", w.server.URL)
	to := w.consent(p.sees(`(http://\S+/oauth/authorize\S+)`), "approve")
	assert.Equal(t, "localhost:1455", to.Host)
	_, err := io.WriteString(p.stdin, to.String()+"\n")
	require.NoError(t, err)
	got := p.end()
	assert.Zero(t, got.code, got.stderr)
	w.works("openai-codex", "/oauth/token")
	w.scan(got)
}

func loginByBrowser(t *testing.T, w *loginWorld, provider, tokenPath string) {
	if provider == "anthropic" {
		w.fake.Dialect = reauthtest.Anthropic
	}
	port := freePort(t)
	p := w.start("login", provider, "--flow", "browser", "--port", strconv.Itoa(port), "--issuer", w.server.URL)
	to := w.consent(p.sees(`(http://\S+/oauth/authorize\S+)`), "approve")
	assert.Equal(t, fmt.Sprintf("localhost:%d", port), to.Host)
	to.Host = fmt.Sprintf("127.0.0.1:%d", port)
	status, _ := w.get("http://" + to.Host + "/wrong")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = w.get("http://" + to.Host + to.Path + "?code=evil&state=evil")
	assert.Equal(t, http.StatusBadRequest, status)
	status, page := w.get(to.String())
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "you may close this page")
	got := p.end()
	assert.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stderr, "Waiting for your consent, for 15m0s at most.")
	w.works(provider, tokenPath)
	w.scan(got)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// The login that is there already stays as it is.
func loginInterrupted(t *testing.T, w *loginWorld) {
	w.fake.ApproveAfter = time.Millisecond
	require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
	before := w.stored()
	w.fake.ApproveAfter = 0
	p := w.start("login", "nous", "--issuer", w.server.URL)
	p.sees(`(Waiting for your consent)`)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	got := p.end()
	assert.Equal(t, 1, got.code)
	assert.True(t, strings.HasSuffix(got.stderr, "\nreauth: login nous: interrupted; nothing was stored\n"), got.stderr)
	assert.Empty(t, got.stdout)
	assert.Equal(t, before, w.stored())
	w.scan(got)
}

func loginInterruptedAtThePrompt(t *testing.T, w *loginWorld) {
	p := w.start("login", "anthropic", "--issuer", w.server.URL)
	p.sees(`(Paste it here)`)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	err := p.cmd.Wait() // its input is still open
	require.Error(t, err)
	assert.Equal(t, 1, p.cmd.ProcessState.ExitCode())
	assert.Contains(t, p.stderr.String(), "interrupted; nothing was stored")
	w.nothingStored()
}

func loginOnBusyPorts(t *testing.T, w *loginWorld) {
	occupy := func(port int) {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil { // else somebody else has it, which is as good
			t.Cleanup(func() { _ = l.Close() })
		}
	}
	occupy(1455)
	p := w.start("login", "openai-codex", "--flow", "browser", "--issuer", w.server.URL)
	assert.Contains(t, p.sees(`(http://\S+/oauth/authorize\S+)`), "localhost%3A1457%2Fauth%2Fcallback", "the other port that the provider knows")
	p.sees(`(Waiting for your consent)`)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 1, p.end().code)
	occupy(1457)
	got := w.run("", "login", "openai-codex", "--flow", "browser", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	assert.Equal(t, "reauth: login openai-codex: ports 1455 and 1457 of 127.0.0.1, where the browser has to come back to, cannot be used: bind: address already in use. End the program that is there, or use --flow paste\n", got.stderr)
	w.nothingStored()
}

func loginRefused(t *testing.T, w *loginWorld) {
	for _, provider := range []string{"xai-oauth", "copilot", "minimax-oauth", "openai-codex", "qwen-oauth", "nous"} {
		p := w.start("login", provider, "--issuer", w.server.URL)
		require.NoError(t, w.fake.Deny(p.sees(`The code there is\n\n  (\S+)`)))
		got := p.end()
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.stderr, "reauth: login "+provider+": the login was refused: status ")
		assert.Contains(t, got.stderr, "access_denied; consent was refused, there or by the account's own rules. Run the command again to be asked anew\n")
		assert.Empty(t, got.stdout)
	}
	w.nothingStored()
}

func loginExpires(t *testing.T, w *loginWorld) {
	w.fake.CodeLifetime, w.fake.Skew = 3*time.Second, -2*time.Hour
	got := w.run("", "login", "copilot", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "\nWaiting for your consent, for 3s at most.\nreauth: login copilot: nobody consented in time and the code has expired; nothing was stored. Run the command again for a new one\n")
	w.nothingStored()
}

func loginStumbles(t *testing.T, w *loginWorld) {
	w.fake.ApproveAfter = time.Millisecond
	w.fake.Fail(reauthtest.Unavailable(), reauthtest.Page(403))
	got := w.run("", "login", "nous", "--issuer", w.server.URL)
	assert.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stderr, "No answer from the server (status 503); still trying.\nThe server answers again.\n")
	w.works("nous", "/api/oauth/token")
}

func loginIntoAForeignStore(t *testing.T, w *loginWorld) {
	const foreign = `{"tokens":{"access_token":"at-EXAMPLE"},"last_refresh":"2026-01-01T00:00:00Z"}`
	loginIntoABadStore(t, w, foreign)
}

func loginIntoAHalfWrittenStore(t *testing.T, w *loginWorld) {
	w.fake.ApproveAfter = time.Millisecond
	require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
	whole := w.stored()
	loginIntoABadStore(t, w, whole[:len(whole)/2])
}

// It says so before the person has done anything, and leaves the file alone.
func loginIntoABadStore(t *testing.T, w *loginWorld, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.store, []byte(content), 0o600))
	before := w.requests()
	got := w.run("", "login", "nous", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, w.store)
	assert.NotContains(t, got.stderr, "Open this address")
	assert.NotContains(t, got.stderr, "EXAMPLE")
	assert.Equal(t, before, w.requests())
	assert.Equal(t, content, w.stored())
}

func loginIntoADirectoryThatIsNone(t *testing.T, w *loginWorld) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	w.store = filepath.Join(file, "auth.json")
	got := w.run("", "login", "nous", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "auth.json")
	assert.Zero(t, w.requests())
}

func loginWithSettings(t *testing.T, w *loginWorld) {
	w.fake.ApproveAfter = time.Millisecond
	got := w.run("", "login", "nous", "--issuer", w.server.URL, "--client-id", "my-client", "--scope", "one two", "--id", "work", "--priority", "7", "--header", "X-Tenant: a,b")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "logged in: nous/work"+goodForAnHour, got.stdout)
	pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(w.store))
	require.NoError(t, err)
	defer pool.Close()
	status := pool.Status()
	require.Len(t, status, 1)
	assert.Equal(t, 7, status[0].Priority)
	c, err := pool.Token(t.Context(), "nous")
	require.NoError(t, err)
	assert.Equal(t, "my-client", c.ClientID, "which its refreshes name")
}

// The same account is one credential, and gets the new pair.
func loginAgain(t *testing.T, w *loginWorld) {
	w.fake.ApproveAfter = time.Millisecond
	token := func() string {
		require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
		pool, err := reauth.OpenPool(t.Context(), reauth.NewFileStore(w.store))
		require.NoError(t, err)
		defer pool.Close()
		assert.Len(t, pool.Status(), 1)
		c, err := pool.Token(t.Context(), "nous")
		require.NoError(t, err)
		return c.AccessToken
	}
	first := token()
	assert.NotEqual(t, first, token())
}

func loginUsage(t *testing.T, w *loginWorld) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nobody"}, "its name is unknown; those with a login are anthropic, "},
		{[]string{"openrouter"}, "reauth add openrouter --key-stdin"},
		{[]string{"nous", "--flow", "browser"}, "use --flow device"},
		{[]string{"nous", "--flow", "fax"}, "--flow"},
		{[]string{"nous", "--issuer", "http://example.com"}, "it must be https, or http on loopback"},
		{[]string{"nous", "--header", "nonsense"}, "--header takes NAME:VALUE"},
		{nil, "<provider>"},
	} {
		got := w.run("", append([]string{"login"}, c.args...)...)
		assert.Equal(t, 2, got.code, c.args)
		assert.Contains(t, got.stderr, c.want)
	}
	assert.Zero(t, w.requests())
}

func loginHelp(t *testing.T, w *loginWorld) {
	got := w.run("", "login", "--help")
	assert.Zero(t, got.code)
	text := strings.Join(strings.Fields(got.stdout), " ")
	assert.Contains(t, text, "reauth login xai-oauth")
	assert.Contains(t, text, "Some providers restrict the use of consumer logins in other programs")
	assert.Contains(t, text, "decided by your agreement with the provider")
}
