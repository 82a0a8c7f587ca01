package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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

// token runs reauth token. Its standard output may hold the token; its standard error must not.
func (s *shell) token(stdin string, args ...string) *ended {
	s.t.Helper()
	return s.secretly(s.command(append([]string{"token"}, args...)...), stdin)
}

// secretly runs a command whose standard output may hold a token, and checks its standard error.
func (s *shell) secretly(cmd *exec.Cmd, stdin string) *ended {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		require.NoError(s.t, err)
	}
	checkSecrets(s.t, "standard error", errs.String())
	return &ended{s.t, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// put adds a credential of xai-oauth that the flags of add cannot make.
func (s *shell) put(c reauth.Credential) {
	s.t.Helper()
	p, err := reauth.OpenPool(s.t.Context(), s.open(s.store()))
	require.NoError(s.t, err)
	c.Provider = "xai-oauth"
	_, err = p.Add(s.t.Context(), c)
	require.NoError(s.t, err)
	require.NoError(s.t, p.Close())
}

// loginThatEnds logs in at the fake provider, and stores the pair with an expiry that far ahead.
func (s *shell) loginThatEnds(fake *reauthtest.Provider, id string, in time.Duration) (access, refresh string) {
	s.t.Helper()
	access, refresh = fake.Login()
	s.put(reauth.Credential{ID: id, AccessToken: access, RefreshToken: refresh, Expiry: time.Now().Add(in)})
	return access, refresh
}

// xaiToken are the arguments for the token of xai-oauth at a server.
func xaiToken(server *httptest.Server, more ...string) []string {
	return append(append([]string{"xai"}, at(server)...), more...)
}

func TestTokenThatIsGoodIsPrintedAsItIs(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.login(fake, "xai")
	r := s.token("", xaiToken(server)...)
	assert.Equal(t, access+"\n", r.ok())
	assert.Empty(t, r.errors)
	assert.Zero(t, fake.TokenRequests())
}

// A token that has expired, or soon will, is refreshed once; the next call prints the new one.
func TestTokenThatIsDueIsRefreshed(t *testing.T) {
	for name, left := range map[string]time.Duration{"expired": -time.Minute, "soon": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.XAI)
			server := serveFake(t, fake)
			s := newShell(t)
			access, _ := s.loginThatEnds(fake, "you", left)
			first := s.token("", xaiToken(server)...)
			assert.NotEqual(t, access+"\n", first.ok())
			assert.Equal(t, s.stored("xai-oauth", "you").AccessToken+"\n", first.out)
			assert.Equal(t, first.out, s.token("", xaiToken(server)...).ok())
			assert.Equal(t, 1, fake.Exchanges())
			assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
		})
	}
}

func TestTokenWhenItCannotBeRefreshed(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.loginThatEnds(fake, "you", 2*time.Minute)
	fake.Fail(slices.Repeat([]reauthtest.Fault{reauthtest.Unavailable()}, 8)...)
	r := s.token("", xaiToken(server)...)
	assert.Equal(t, access+"\n", r.ok(), "it lives for two minutes more")
	assert.Contains(t, r.errors, "the tokens are kept; try again later")

	fake = reauthtest.New(reauthtest.XAI)
	server, s = serveFake(t, fake), newShell(t)
	_, refresh := s.loginThatEnds(fake, "you", -time.Hour)
	fake.Fail(reauthtest.Unavailable(), reauthtest.Unavailable()) // an exchange is repeated once
	r = s.token("", xaiToken(server)...)
	s.golden("token-unavailable", r.fails(exitFailed))
	assert.Empty(t, r.out)

	fake.Revoke(refresh)
	r = s.token("", xaiToken(server)...)
	s.golden("token-revoked", r.fails(exitLogin))
	assert.Empty(t, r.out)
	assert.Zero(t, fake.Reuses())
}

// A login that is dead does not keep a caller from the token of the next credential.
func TestTokenOfTheNextCredential(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	_, refresh := s.loginThatEnds(fake, "dead", -time.Hour)
	fake.Revoke(refresh)
	s.put(reauth.Credential{ID: "key", AccessToken: "key-" + marker, Priority: 1})
	r := s.token("", xaiToken(server)...)
	assert.Equal(t, "key-"+marker+"\n", r.ok())
	assert.Contains(t, r.errors, "the token is that of xai-oauth/key")
	r = s.token("", xaiToken(server, "--id", "dead")...)
	assert.Contains(t, r.fails(exitLogin), "reauth login xai-oauth")
	assert.Empty(t, r.out, "a named credential is not replaced by another one")
	assert.Equal(t, "key-"+marker+"\n", s.token("", xaiToken(server, "--id", "key")...).ok())
	s.token("", xaiToken(server, "--id", "nobody")...).fails(exitFailed)
}

func TestTokenThatWasRefused(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.login(fake, "xai")
	refused := xaiToken(server, "--refused")

	first := s.token(access, refused...)
	assert.Equal(t, s.stored("xai-oauth", "you").AccessToken+"\n", first.ok())
	assert.NotEqual(t, access+"\n", first.out)
	assert.Equal(t, 1, fake.Exchanges())

	// A caller that comes late with the old token gets the new one, without an exchange.
	assert.Equal(t, first.out, s.token(access+"\n", refused...).ok())
	assert.Equal(t, 1, fake.Exchanges())
	assert.Equal(t, first.out, s.token("at-of-nobody", refused...).ok())
	assert.Equal(t, 1, fake.Exchanges())

	assert.Contains(t, s.token("", refused...).fails(exitUsage), "on standard input, which holds none")
	fake.Revoke(s.stored("xai-oauth", "you").RefreshToken)
	r := s.token(first.out, refused...)
	s.golden("token-refused-revoked", r.fails(exitLogin))
	assert.Empty(t, r.out, "the refused token is not printed again")
	assert.Zero(t, fake.Reuses())
}

// A key that is refused is put aside, for all processes: the next one is printed instead.
func TestKeyThatWasRefused(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "a", AccessToken: "key-" + marker + "-a"})
	s.put(reauth.Credential{ID: "b", AccessToken: "key-" + marker + "-b", Priority: 1})
	// The key is put aside for half a minute. When three commands have taken longer than that, they
	// are run again.
	const aside, tries = 30 * time.Second, 4
	for try := 1; ; try++ {
		began := time.Now()
		r := s.token("key-"+marker+"-a", "xai", "--refused")
		next, status := s.token("", "xai"), s.run("", "status")
		if time.Since(began) >= aside && try < tries {
			s.run("", "reset", "xai", "a").ok()
			continue
		}
		assert.Equal(t, "key-"+marker+"-b\n", r.ok())
		s.golden("token-refused-key", r.errors)
		assert.Equal(t, "key-"+marker+"-b\n", next.ok(), "another call gets the next key too")
		assert.Contains(t, status.ok(), "put aside")
		break
	}

	r := s.token("key-"+marker+"-a", "xai", "--refused", "--id", "a")
	s.golden("token-refused-only-key", r.fails(exitLogin))
	assert.Empty(t, r.out)
	s.run("", "remove", "xai", "a").ok()
	r = s.token("key-"+marker+"-b", "xai", "--refused")
	assert.Contains(t, r.fails(exitLogin), "xai-oauth/b was refused")
	assert.Empty(t, r.out)
}

// Many processes that ask at the same time cause one exchange, whether their token has expired or
// was refused, and all get the same token.
func TestTokenForManyProcesses(t *testing.T) {
	for name, left := range map[string]time.Duration{
		"expired": -time.Minute, "soon": 2 * time.Minute, "refused": time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.XAI)
			fake.TokenLatency = 300 * time.Millisecond
			server := serveFake(t, fake)
			s := newShell(t)
			access, _ := s.loginThatEnds(fake, "you", left)
			args, stdin := xaiToken(server), ""
			if name == "refused" {
				args, stdin = append(args, "--refused"), access
			}
			got := make([]*ended, 10)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = s.token(stdin, args...) })
			}
			all.Wait()
			for _, r := range got {
				assert.Equal(t, s.stored("xai-oauth", "you").AccessToken+"\n", r.ok())
				assert.Empty(t, r.errors)
			}
			assert.Equal(t, 1, fake.Exchanges())
			assert.Zero(t, fake.Reuses())
		})
	}
}

// agent is a program with the contract of an apiKeyHelper: it runs a command for its key, keeps
// that, and runs the command again only when the provider answers 401. command gets the refused
// key, or none, on standard input.
type agent struct {
	t       testing.TB
	shell   *shell
	command string
	key     string
	runs    int
}

// ask sends a request, and once more with another key when the first was refused. It returns the
// last status.
func (a *agent) ask(url string) (status int) {
	a.t.Helper()
	for range 2 {
		if a.key == "" || status == http.StatusUnauthorized {
			a.runs++
			cmd := exec.Command("sh", "-c", a.command)
			cmd.Env = append(a.shell.env, "REAUTH="+binary)
			r := a.shell.secretly(cmd, a.key)
			if r.code != 0 {
				return status
			}
			a.key = strings.TrimSpace(r.out)
		}
		req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, url, strings.NewReader(chat))
		require.NoError(a.t, err)
		req.Header.Set("Authorization", "Bearer "+a.key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(a.t, err)
		require.NoError(a.t, resp.Body.Close())
		if status = resp.StatusCode; status != http.StatusUnauthorized {
			return status
		}
	}
	return status
}

// An agent with a helper gets its answer over a token that has expired by the clock, and, when it
// hands over the refused token, over one that the provider refuses although the clock says it
// lives.
func TestTokenForAnAPIKeyHelper(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, refresh := fake.Login()
	p := s.pool()
	_, err := p.Add(t.Context(), reauth.Credential{
		Provider: "openai-codex", ID: "you", AccessToken: access, RefreshToken: refresh, Expiry: time.Now().Add(-time.Minute),
	})
	require.NoError(t, err)
	fake.Expire(access)
	ask := `"$REAUTH" token openai-codex --issuer ` + server.URL
	url := server.URL + "/v1/chat/completions"

	helped := &agent{t: t, shell: s, command: ask}
	assert.Equal(t, http.StatusOK, helped.ask(url))
	assert.Equal(t, 1, fake.Exchanges())
	assert.Equal(t, 1, helped.runs)

	fake.Expire(helped.key)
	assert.Equal(t, http.StatusUnauthorized, helped.ask(url), "a helper without --refused cannot know")
	assert.Equal(t, 1, fake.Exchanges())

	helped.command = ask + " --refused"
	assert.Equal(t, http.StatusOK, helped.ask(url))
	assert.Equal(t, 2, fake.Exchanges())
	assert.True(t, fake.Current(s.stored("openai-codex", "you").RefreshToken))

	// The helper of another agent, which comes late with a token that is long replaced.
	late := &agent{t: t, shell: s, command: helped.command, key: access}
	assert.Equal(t, http.StatusOK, late.ask(url))
	assert.Equal(t, 2, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
}

// The token of a store that is sealed is printed with the key, and not without.
func TestTokenOfASealedStore(t *testing.T) {
	s := newClearShell(t)
	s.newKeys("THE_KEY")
	s.run("key-"+marker, "add", "groq", "--key-stdin", "--id", "mine", "--seal", "env:THE_KEY").ok()
	assert.Equal(t, "key-"+marker+"\n", s.token("", "groq", "--seal", "env:THE_KEY").ok())
	r := s.token("", "groq")
	assert.Contains(t, r.fails(exitLogin), "--seal")
	assert.Empty(t, r.out)
	other := t.TempDir() + "/other.json"
	s.token("", "groq", "--store", other).fails(exitLogin)
}

func TestTokenOfNoCredential(t *testing.T) {
	s := newShell(t)
	s.golden("token-nothing", s.transcript(
		[]string{"token", "xai"}, []string{"token", "openrouter"}, []string{"token", "nobody"},
		[]string{"token", "xai", "sk-" + marker}, []string{"token", "xai", "--json", "--format", "aws"},
		[]string{"token", "xai", "--format", "git", "--refused"}))
}

// A token that could not be written whole is a failure.
func TestTokenThatCannotBeWritten(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "a", AccessToken: "key-" + marker})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := s.command("token", "xai")
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &errs
	require.Error(t, cmd.Run())
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	assert.Contains(t, errs.String(), "write to standard output")
	checkSecrets(t, "standard error", errs.String())
}

// A person at a terminal is warned, on standard error.
func TestTokenOnATerminal(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "a", AccessToken: "key-" + marker})
	said := s.home + "/stderr"
	cmd := exec.Command(tool(t, "script"), "-qec", `"$REAUTH" token xai 2>"$SAID"`, "/dev/null")
	cmd.Env = append(s.env, "REAUTH="+binary, "SAID="+said, "SHELL=/bin/sh")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "key-"+marker, strings.TrimSpace(string(out)))
	warning, err := os.ReadFile(said)
	require.NoError(t, err)
	assert.Contains(t, string(warning), "this terminal shows it")
	checkSecrets(t, "the warning", string(warning))
}

// The JSON of a token is what hermes's key_cmd and CommandSource read.
func TestTokenAsJSON(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.loginThatEnds(fake, "you", time.Hour)
	text := s.token("", xaiToken(server, "--json")...).ok()
	assert.Contains(t, s.token("", xaiToken(server, "--format", "json")...).ok(), `"access_token": "`+access+`"`)
	var doc struct {
		AccessToken string    `json:"access_token"`
		ExpiresAt   time.Time `json:"expires_at"`
		ExpiresIn   int       `json:"expires_in"`
		Provider    string    `json:"provider"`
		ID          string    `json:"id"`
	}
	strictly(t, text, &doc)
	assert.Equal(t, []string{access, "xai-oauth", "you"}, []string{doc.AccessToken, doc.Provider, doc.ID})
	assert.WithinDuration(t, time.Now().Add(time.Hour), doc.ExpiresAt, time.Minute)
	assert.InDelta(t, 3600, doc.ExpiresIn, 60)

	args := append([]string{"--store", s.store(), "token"}, xaiToken(server, "--json")...)
	source := reauth.CommandSource(binary, args...)
	for _, pair := range s.env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	got, err := source.Refresh(t.Context(), reauth.Credential{Provider: "xai-oauth"})
	require.NoError(t, err)
	assert.Equal(t, access, got.AccessToken)
	assert.WithinDuration(t, doc.ExpiresAt, got.Expiry, time.Minute)
}

// strictly decodes JSON that must have no other members than v.
func strictly(t testing.TB, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(v))
}
