package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/commandtest"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// TestLogin runs the built command against the authorization servers of reauthtest, on real
// sockets. The first group runs each provider's flow from start to refresh, the second one the ways
// in which a login can go differently.
func TestLogin(t *testing.T) {
	binary, remove, err := commandtest.Build(".")
	require.NoError(t, err)
	t.Cleanup(remove)

	for _, c := range loginCases {
		t.Run(c.provider, func(t *testing.T) {
			t.Parallel()
			w := newLoginWorld(t, binary, c.dialect)
			// The server's clock is two hours ahead, and the person consents at once.
			w.fake.Change(func(p *reauthtest.Provider) { p.Skew, p.ApproveAfter = 2*time.Hour, time.Millisecond })
			got := w.run("", "login", c.provider, "--issuer", w.server.URL)
			assert.Zero(t, got.code, got.stderr)
			assert.Equal(t, c.want, w.normal(got.stdout))
			assert.Equal(t, c.shown+loginNote, w.normal(got.stderr))
			w.works(c.provider, c.tokenPath)
			w.scan(got)
		})
	}
	for name, test := range map[string]func(t *testing.T, w *loginWorld){
		"person decides on the page": loginOnThePage,
		"code is pasted":             loginByPaste,
		"address is pasted":          loginByAddress,
		"browser comes back to codex": func(t *testing.T, w *loginWorld) {
			loginByBrowser(t, w, "openai-codex", "/oauth/token")
		},
		"browser comes back to anthropic": func(t *testing.T, w *loginWorld) {
			loginByBrowser(t, w, "anthropic", "/v1/oauth/token")
		},
		"GitHub's token expires":        loginThatExpires,
		"key by browser":                loginForAKeyByBrowser,
		"key by paste":                  loginForAKeyByPaste,
		"Ctrl-C":                        loginInterrupted,
		"Ctrl-C where a code is pasted": loginInterruptedAtThePrompt,
		"ports are busy":                loginOnBusyPorts,
		"device code is refused":        loginRefused,
		"code expires":                  loginExpires,
		"server stumbles":               loginStumbles,
		"store of another program":      loginIntoAForeignStore,
		"half-written store":            loginIntoAHalfWrittenStore,
		"store cannot be written":       loginIntoADirectoryThatIsNone,
		"what the user sets":            loginWithSettings,
		"again":                         loginAgain,
		"issuer is remembered":          loginRemembersTheIssuer,
		"vendor has ended it":           loginEnded,
		"usage":                         loginUsage,
		"help says what is allowed":     loginHelp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newLoginWorld(t, binary, reauthtest.OpenAI))
		})
	}
}

const loginNote = `Waiting for your consent, for 15m0s at most.
Its tokens are of http://SERVER and are refreshed only there: name that by --issuer, or in your program's Refresher, wherever they are refreshed.
`

func openThis(path string) string {
	return "Open this address and log in:\n\n  http://SERVER" + path + "\n\nThe code there is\n\n  CODE\n\n"
}

const goodForAnHour = ", the access token is good for 1h0m0s and is refreshed when it is used\n"

var loginCases = []struct {
	provider, tokenPath, shown, want string
	dialect                          reauthtest.Dialect
}{
	{
		"xai-oauth", "/oauth2/token", openThis("/device?user_code=CODE"),
		"logged in: xai-oauth/user-1" + goodForAnHour, reauthtest.XAI,
	},
	{
		"nous", "/api/oauth/token", openThis("/device?user_code=CODE"),
		"logged in: nous/user-1" + goodForAnHour, reauthtest.OpenAI,
	},
	{
		"qwen-oauth", "/api/v1/oauth2/token", openThis("/authorize?user_code=CODE"),
		"logged in: qwen-oauth/key-DIGEST" + goodForAnHour, reauthtest.OpenAI,
	},
	{
		"copilot", "/copilot_internal/v2/token", openThis("/login/device"),
		"logged in: copilot/octocat" + goodForAnHour, reauthtest.OpenAI,
	},
	{
		"kimi-coding", "/api/oauth/token", openThis("/device?user_code=CODE"),
		"logged in: kimi-coding/key-DIGEST" + goodForAnHour, reauthtest.OpenAI,
	},
	{
		"minimax-oauth", "/oauth2/token", openThis("/oauth-authorize?user_code=CODE"),
		"logged in: minimax-oauth/key-DIGEST" + goodForAnHour, reauthtest.OpenAI,
	},
	{
		"openai-codex", "/oauth/token", openThis("/codex/device"),
		"logged in: openai-codex/account-1" + goodForAnHour, reauthtest.OpenAI,
	},
}

func loginOnThePage(t *testing.T, w *loginWorld) {
	p := w.start("login", "xai", "--issuer", w.server.URL)
	address := p.sees(`(http://\S+/device\?\S+)`)
	code := p.sees(`The code there is\n\n  (\S+)`)
	_, page := w.get(address)
	assert.Contains(t, page, code)
	p.sees(`Waiting for your consent, for ` + quarterHour + ` at most`)
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
	w.fake.Change(func(p *reauthtest.Provider) { p.Dialect = reauthtest.Anthropic })
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

  http://SERVER/oauth/authorize?client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e`+
		`&code=true&code_challenge=RANDOM&code_challenge_method=S256`+
		`&redirect_uri=http%3A%2F%2F127.0.0.1%3APORT%2Foauth%2Fcode%2Fcallback`+
		`&response_type=code&scope=org%3Acreate_api_key+user%3Aprofile+user%3Ainference&state=RANDOM

After you consent, the page shows a code. Paste it here, with all that follows the #.
That is not it: the code has no state, so nobody knows to which login it belongs; paste all of it.
Its tokens are of http://SERVER and are refreshed only there: name that by --issuer, or in your program's Refresher, wherever they are refreshed.
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
		w.fake.Change(func(p *reauthtest.Provider) { p.Dialect = reauthtest.Anthropic })
	}
	port := testrig.Port(t)
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
	assert.Contains(t, w.normal(got.stderr), "Waiting for your consent, for 15m0s at most.")
	w.works(provider, tokenPath)
	w.scan(got)
}

// A login whose GitHub token ends after eight hours is renewed at GitHub by the tokens that it
// keeps.
func loginThatExpires(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter, p.GitHubLifetime = time.Millisecond, 8*time.Hour })
	got := w.run("", "login", "copilot", "--issuer", w.server.URL)
	require.Zero(t, got.code, got.stderr)
	for range 2 {
		w.fake.ExpireGitHub()
		refreshed := w.run("", "refresh", "copilot", "--issuer", w.server.URL)
		require.Zero(t, refreshed.code, refreshed.stderr)
		assert.Contains(t, refreshed.stdout, "copilot/octocat: refreshed, token ")
		w.scan(refreshed)
	}
	assert.Equal(t, 5, w.fake.Exchanges(), "a mint at the login, then twice a renewal and a mint")
	assert.Zero(t, w.fake.Reuses())
	w.scan(got)
}

func loginForAKeyByBrowser(t *testing.T, w *loginWorld) {
	p := w.start("login", "openrouter", "--issuer", w.server.URL)
	to := w.consent(p.sees(`(http://\S+/auth\?\S+)`), "approve")
	assert.Regexp(t, `^localhost:\d+$`, to.Host)
	assert.Regexp(t, `^/callback/\w+$`, to.Path)
	to.Host = strings.Replace(to.Host, "localhost", "127.0.0.1", 1)
	status, page := w.get(to.String())
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "you may close this page")
	w.servesAKey(p.end())
}

func loginForAKeyByPaste(t *testing.T, w *loginWorld) {
	p := w.start("login", "openrouter", "--flow", "paste", "--issuer", w.server.URL)
	page := w.decide(p.sees(`(http://\S+/auth\?\S+)`), "approve")
	shown := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(page)
	require.Len(t, shown, 2, page)
	p.sees(`(After you consent, the page shows a code. Paste it here.)`)
	_, err := io.WriteString(p.stdin, "no code\n"+shown[1]+"\n")
	require.NoError(t, err)
	got := p.end()
	assert.Contains(t, got.stderr, "That is not it: this is no code: it has white space")
	w.servesAKey(got)
}

// servesAKey checks the end of a login that gives a key: the key is stored and serves requests, and
// there is nothing to refresh.
func (w *loginWorld) servesAKey(got result) {
	t := w.t
	t.Helper()
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "logged in: openrouter/user_EXAMPLE\n", got.stdout)
	assert.NotContains(t, got.stderr, "Its tokens are of")
	at := []string{"--base-url", w.server.URL + "/v1"}
	assert.Zero(t, w.run("", append([]string{"probe", "openrouter"}, at...)...).code)
	refreshed := w.run("", "refresh", "openrouter")
	assert.Equal(t, 1, refreshed.code)
	assert.Contains(t, refreshed.stdout, "openrouter/user_EXAMPLE: left alone, it is a key")
	w.fake.Block()
	assert.NotZero(t, w.run("", append([]string{"probe", "openrouter"}, at...)...).code)
	w.scan(got)
}

// Ctrl-C stores nothing, and leaves an earlier login as it is.
func loginInterrupted(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
	before := w.stored()
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = 0 })
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
	// The command ends although its standard input is still open.
	err := p.cmd.Wait()
	require.Error(t, err)
	assert.Equal(t, 1, p.cmd.ProcessState.ExitCode())
	assert.Contains(t, p.stderr.String(), "interrupted; nothing was stored")
	w.nothingStored()
}

func loginOnBusyPorts(t *testing.T, w *loginWorld) {
	occupy := func(port int) {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		// Another process may have the port already, which is as good here.
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
	}
	occupy(1455)
	p := w.start("login", "openai-codex", "--flow", "browser", "--issuer", w.server.URL)
	assert.Contains(t, p.sees(`(http://\S+/oauth/authorize\S+)`), "localhost%3A1457%2Fauth%2Fcallback",
		"the other port that the provider knows")
	p.sees(`(Waiting for your consent)`)
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 1, p.end().code)
	occupy(1457)
	got := w.run("", "login", "openai-codex", "--flow", "browser", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	assert.Equal(t,
		"reauth: login openai-codex: ports 1455 and 1457 of 127.0.0.1, where the browser has to come back to, "+
			"cannot be used: bind: address already in use. "+
			"End the program that is there, or take the flow paste\nnothing was stored\n", got.stderr)
	w.nothingStored()
}

func loginRefused(t *testing.T, w *loginWorld) {
	for _, provider := range []string{"xai-oauth", "copilot", "kimi-coding", "minimax-oauth", "openai-codex", "qwen-oauth", "nous"} {
		p := w.start("login", provider, "--issuer", w.server.URL)
		require.NoError(t, w.fake.Deny(p.sees(`The code there is\n\n  (\S+)`)))
		got := p.end()
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.stderr, "reauth: login "+provider+": the login was refused: status ")
		assert.Contains(t, got.stderr,
			"access_denied; consent was refused, there or by the account's own rules. "+
				"Start another login to be asked anew\nnothing was stored\n")
		assert.Empty(t, got.stdout)
	}
	w.nothingStored()
}

func loginExpires(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.CodeLifetime, p.Skew = 3*time.Second, -2*time.Hour })
	got := w.run("", "login", "copilot", "--issuer", w.server.URL)
	assert.Equal(t, 1, got.code)
	// What is left of the lifetime when the waiting begins depends on the machine.
	said := regexp.MustCompile(`for [0-3]s at most`).ReplaceAllString(got.stderr, "for 3s at most")
	assert.Contains(t, said, "\nWaiting for your consent, for 3s at most.\n"+
		"reauth: login copilot: nobody consented in time and the code has expired; "+
		"start another login for a new one\nnothing was stored\n")
	w.nothingStored()
}

func loginStumbles(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
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
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
	whole := w.stored()
	loginIntoABadStore(t, w, whole[:len(whole)/2])
}

// The command says that the store is bad before it shows an address, and leaves the file alone.
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
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	got := w.run("", "login", "nous", "--issuer", w.server.URL,
		"--client-id", "my-client", "--scope", "one two",
		"--id", "work", "--priority", "7", "--header", "X-Tenant: a,b")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "logged in: nous/work"+goodForAnHour, got.stdout)
	pool, err := reauth.OpenPool(t.Context(), fileOf(t, w.store))
	require.NoError(t, err)
	defer pool.Close()
	status := pool.Status()
	require.Len(t, status, 1)
	assert.Equal(t, 7, status[0].Priority)
	c, err := pool.Token(t.Context(), "nous")
	require.NoError(t, err)
	assert.Equal(t, "my-client", c.ClientID, "which its refreshes name")
}

// A second login to the same account replaces the tokens of the first.
func loginAgain(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	token := func() string {
		require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
		pool, err := reauth.OpenPool(t.Context(), fileOf(t, w.store))
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

// loginRemembersTheIssuer refreshes a login without and with the flag that names its server.
// Without it, nothing is sent to the provider's own server.
func loginRemembersTheIssuer(t *testing.T, w *loginWorld) {
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	require.Zero(t, w.run("", "login", "nous", "--issuer", w.server.URL).code)
	for _, args := range [][]string{
		{"refresh", "nous"},
		{"refresh", "nous", "--issuer", "http://127.0.0.1:1"},
	} {
		got := w.run("", args...)
		assert.Equal(t, 1, got.code, got.stderr)
		assert.Contains(t, got.stderr, "the login is of "+w.server.URL+", and this refresher asks http")
		assert.Contains(t, got.stderr, "the tokens are kept; name the server of the login by --issuer\n")
	}
	assert.Zero(t, w.fake.Exchanges())
	for range 2 {
		got := w.run("", "refresh", "nous", "--issuer", w.server.URL)
		assert.Zero(t, got.code, got.stderr)
	}
	assert.Equal(t, 2, w.fake.Exchanges())
	assert.Zero(t, w.run("", "probe", "nous", "--issuer", w.server.URL, "--base-url", w.server.URL+"/v1").code)
}

func loginEnded(t *testing.T, w *loginWorld) {
	got := w.run("", "login", "qwen")
	assert.Equal(t, 1, got.code)
	assert.Regexp(t, `^reauth: login qwen-oauth: the vendor has ended these logins since 2026-04-15, see https://\S+; use a key of .*\n`+
		`to try all the same: reauth login qwen --even-if-ended\n$`, got.stderr)
	assert.Contains(t, strings.Join(strings.Fields(w.run("", "providers", "openrouter").stdout), " "),
		"log in with: reauth login openrouter, or add a key with: reauth add openrouter --key-stdin")
	assert.Contains(t, w.run("", "providers", "qwen").stdout, "its vendor has ended these logins since 2026-04-15")
	w.fake.Change(func(p *reauthtest.Provider) { p.ApproveAfter = time.Millisecond })
	for _, flags := range [][]string{nil, {"--even-if-ended"}} { // nothing is known of another server
		got = w.run("", append([]string{"login", "qwen", "--issuer", w.server.URL}, flags...)...)
		assert.Zero(t, got.code, got.stderr)
	}
}

func loginUsage(t *testing.T, w *loginWorld) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nobody"}, `provider "nobody" is unknown; those with a login are anthropic, `},
		{[]string{"groq"}, "reauth add groq --key-stdin"},
		{[]string{"nous", "--flow", "browser"}, `the flow "browser" is not supported here; there is device`},
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
