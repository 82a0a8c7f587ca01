package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/reauthtest"
)

// The life of a credential from an empty store to an empty store, with everything that the commands
// print on the way.
func TestLifeOfACredential(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.golden("status-empty", s.transcript([]string{"status"}, []string{"status", "--json"}))
	access, _ := s.login(fake, "grok")
	s.run("key-"+marker, "add", "xai", "--key-stdin", "--id", "spare key", "--priority", "1").ok()
	fake.AddKey("key-" + marker)
	s.golden("status", s.transcript([]string{"status"}, []string{"status", "--json"}, []string{"status", "openrouter"}))

	s.golden("probe-good", s.transcript(append([]string{"probe", "xai-oauth"}, at(server)...)))
	fake.Expire(access)
	s.golden("probe-expired", s.transcript(append([]string{"probe", "xai"}, at(server)...)))
	assert.Equal(t, 1, fake.Exchanges())
	s.golden("refresh", s.transcript(append([]string{"refresh", "xai-oauth"}, at(server)...)))
	assert.Equal(t, 2, fake.Exchanges())
	assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken), "the store has the pair that is good")

	fake.Exhaust(time.Now().Add(90*time.Minute+30*time.Second), s.stored("xai-oauth", "you").AccessToken)
	s.golden("probe-exhausted", s.transcript(append([]string{"probe", "xai-oauth"}, at(server)...)))
	s.golden("status-aside", s.transcript([]string{"status"}, []string{"status", "--json"}))
	s.golden("reset", s.transcript([]string{"reset", "xai-oauth", "you"},
		[]string{"reset", "xai-oauth"}, []string{"status"}))
	s.golden("remove", s.transcript(
		[]string{"remove", "xai-oauth"}, []string{"remove", "xai-oauth", "me"},
		[]string{"remove", "xai-oauth", "you"},
		[]string{"remove", "xai-oauth", "spare key"}, []string{"remove", "xai-oauth", "spare key"}, []string{"status"}))
	assert.Zero(t, fake.Reuses())
}

func TestProbeOfEachVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*reauthtest.Provider, string)
		code   int
	}{
		{"key-refused", func(p *reauthtest.Provider, key string) { p.Expire(key) }, exitLogin},
		{"key-blocked", func(p *reauthtest.Provider, key string) { p.Block(key) }, exitLogin},
		{"key-forbidden", func(p *reauthtest.Provider, key string) { p.Forbid(key) }, exitFailed},
		{"key-exhausted", func(p *reauthtest.Provider, key string) { p.Exhaust(time.Time{}, key) }, exitFailed},
		{"unavailable", func(p *reauthtest.Provider, _ string) {
			p.Change(func(p *reauthtest.Provider) {
				p.Refuse = func(*http.Request, string) *reauthtest.Answer {
					return &reauthtest.Answer{Status: 503, Body: "<h1>maintenance for user-8812f3ab@example.org</h1>"}
				}
			})
		}, exitFailed},
	} {
		fake := reauthtest.New(reauthtest.OpenAI)
		key := "sk-" + marker
		fake.AddKey(key)
		c.change(fake, key)
		server := serveFake(t, fake)
		s := newShell(t)
		s.run(key, "add", "openai", "--key-stdin", "--id", "mine").ok()
		args := []string{"probe", "openai", "--base-url", server.URL + "/v1"}
		s.run("", args...).fails(c.code)
		s.run("", "reset", "openai").ok()
		s.golden("probe-"+c.name, s.transcript(args))
	}
}

func TestProbeWithoutACredential(t *testing.T) {
	s := newShell(t)
	s.golden("probe-nothing", s.transcript(
		[]string{"probe", "xai"}, []string{"probe", "openrouter"},
		[]string{"probe", "azure"}, []string{"refresh", "xai"}))
	fake := reauthtest.New(reauthtest.OpenAI)
	server := serveFake(t, fake)
	s.run("key-"+marker, "add", "azure", "--key-stdin", "--id", "res", "--hosts", "my-resource.openai.azure.com").ok()
	text := s.run("", "probe", "azure", "--base-url", server.URL+"/openai/v1").fails(exitFailed)
	assert.Contains(t, text, "no credential was put on the request")
	require.Len(t, fake.Requests(), 1)
	assert.Empty(t, fake.Requests()[0].Token, "a key of another host does not travel")
	s.run("key-"+marker, "add", "vertex", "--key-stdin").ok()
	assert.Contains(t, s.run("", "probe", "vertex").fails(exitUsage), "--base-url https://REGION-aiplatform")
	s.run("key-"+marker, "add", "copilot-acp", "--key-stdin").ok()
	assert.Contains(t, s.run("", "probe", "copilot-acp").fails(exitUsage), "use copilot")
}

// Some providers are probed by an empty completion. If the provider refuses the request and not the
// credential, the credential is good.
func TestProbeByAnEmptyRequest(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.AddKey("key-" + marker)
	fake.Refuse = func(r *http.Request, token string) *reauthtest.Answer {
		if token != "key-"+marker {
			return nil
		}
		return &reauthtest.Answer{
			Status: 400,
			Body: `{"error":{"message":"Missing required parameter: 'model'.",` +
				`"type":"invalid_request_error","param":"model","code":"missing_required_parameter"}}`,
		}
	}
	server := serveFake(t, fake)
	s := newShell(t)
	s.run("key-"+marker, "add", "huggingface", "--key-stdin", "--id", "mine").ok()
	s.golden("probe-empty", s.transcript([]string{"probe", "huggingface", "--base-url", server.URL}))
	require.Len(t, fake.Requests(), 1)
	assert.Equal(t, "POST /chat/completions 2",
		strings.Join([]string{fake.Requests()[0].Method, fake.Requests()[0].Path, "2"}, " "))
	assert.EqualValues(t, 2, fake.Requests()[0].Bytes)
}

func TestRevokedGrantWantsANewLogin(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	_, refresh := s.login(fake, "xai")
	fake.Revoke(refresh)
	s.golden("refresh-revoked", s.transcript(append([]string{"refresh", "xai"}, at(server)...)))
	s.golden("probe-revoked", s.transcript(append([]string{"probe", "xai"}, at(server)...), []string{"status"}))
	assert.Equal(t, refresh, s.stored("xai-oauth", "you").RefreshToken, "nothing is lost")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).fails(exitLogin)
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).fails(exitLogin)
	s.login(fake, "xai")
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
}

func TestTokenEndpointThatIsDown(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, refresh := s.login(fake, "xai")
	fake.Expire(access)
	fake.Fail(reauthtest.Unavailable())
	s.golden("refresh-unavailable", s.transcript(append([]string{"refresh", "xai"}, at(server)...)))
	fake.Fail(reauthtest.Page(502), reauthtest.Page(502))
	text := s.run("", append([]string{"probe", "xai"}, at(server)...)...).fails(exitFailed)
	assert.Contains(t, text, "the tokens are kept")
	assert.Equal(t, refresh, s.stored("xai-oauth", "you").RefreshToken)
	s.run("", "reset", "xai").ok()
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	assert.Zero(t, fake.Reuses())
}

func TestRefreshLeavesAloneWhatItCannotRefresh(t *testing.T) {
	s := newShell(t)
	s.run("key-"+marker, "add", "xai", "--key-stdin", "--id", "key").ok()
	s.golden("refresh-key", s.transcript(
		[]string{"refresh", "xai"}, []string{"refresh", "xai", "key"}, []string{"refresh", "openrouter"}))
}

// refresh goes on after one credential has failed. The exit code says that a new login is needed.
func TestRefreshOfSeveral(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	_, dead := fake.Login()
	fake.Revoke(dead)
	s.addLogin("xai", "a", "at-old-"+marker, dead)
	access, refresh := fake.Login()
	s.addLogin("xai", "b", access, refresh)
	r := s.run("", append([]string{"refresh", "xai"}, at(server)...)...)
	assert.Contains(t, r.fails(exitLogin), "xai-oauth/a: log in with: reauth login xai-oauth")
	assert.Contains(t, r.out, "xai-oauth/b (xai): refreshed")
	assert.NotEqual(t, refresh, s.stored("xai-oauth", "b").RefreshToken)
}

// The clock of a server may be two hours off. The command corrects the expiry that it reads from a
// token by that difference.
func TestStampsTwoHoursOff(t *testing.T) {
	for _, skew := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		fake := reauthtest.New(reauthtest.XAI)
		fake.JWT, fake.OmitExpiry, fake.Skew = true, true, skew
		server := serveFake(t, fake)
		s := newShell(t)
		_, refresh := fake.Login()
		s.run(`{"refresh_token":"`+refresh+`"}`, "add", "xai", "--token-stdin", "--id", "you").ok()
		assert.Contains(t, s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok(),
			"expires in", "skew %v", skew)
		var doc struct{ Credentials []statusjson.Credential }
		require.NoError(t, json.Unmarshal([]byte(s.run("", "status", "--json").ok()), &doc))
		require.Len(t, doc.Credentials, 1)
		require.NotNil(t, doc.Credentials[0].Expiry)
		assert.WithinDuration(t, time.Now().Add(time.Hour), *doc.Credentials[0].Expiry, time.Minute, "skew %v", skew)
		s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
		assert.Equal(t, 1, fake.Exchanges(), "a token is not renewed for a clock that is off")
		assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
	}
}

func TestPairsAlreadySpentChangeNothing(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, refresh := s.login(fake, "xai")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	out := s.run(`{"access_token":"`+access+`","refresh_token":"`+refresh+`"}`,
		"add", "xai", "--token-stdin", "--id", "you").ok()
	assert.Equal(t, "nothing new: the store already has xai-oauth/you (xai)\n", out)
	assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
	other, next := fake.Login()
	out = s.run(`{"access_token":"`+other+`","refresh_token":"`+next+`"}`,
		"add", "xai", "--token-stdin", "--id", "you").ok()
	assert.Equal(t, "replaced the login of xai-oauth/you (xai)\n", out)
}

func TestRefreshAdoptsWhatAnotherProcessHasStored(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	fake.TokenLatency = 500 * time.Millisecond
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	args := append([]string{"refresh", "xai"}, at(server)...)
	first, second := make(chan *ended, 1), make(chan *ended, 1)
	go func() { first <- s.run("", args...) }()
	go func() { second <- s.run("", args...) }()
	one, two := <-first, <-second
	assert.Zero(t, one.code+two.code, "%s%s", one.errors, two.errors)
	assert.Zero(t, fake.Reuses())
	assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
}

// After Ctrl-C in the middle of an exchange, the command still stores the new tokens before it
// ends.
func TestInterruptedRefreshLosesNothing(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	// The exchange takes until the command has said that it was interrupted.
	begun, interrupted := make(chan struct{}), make(chan struct{})
	begin, goOn := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(interrupted) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" {
			begin()
			<-interrupted
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(goOn)
	s := newShell(t)
	_, refresh := s.login(fake, "xai")
	cmd := s.lasting(append([]string{"refresh", "xai"}, at(server)...)...)
	errs, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	receive(t, begun)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	lines := bufio.NewReader(errs)
	said, err := lines.ReadString('\n')
	require.NoError(t, err, said)
	assert.Zero(t, fake.TokenRequests(), "the exchange is still under way")
	goOn()
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Error(t, cmd.Wait())
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	assert.Equal(t, "reauth: interrupted\n", said+string(rest))
	assert.NotEqual(t, refresh, s.stored("xai-oauth", "you").RefreshToken)
	assert.True(t, fake.Current(s.stored("xai-oauth", "you").RefreshToken))
}

// When the provider's answer repeats the credential, probe does not print that, even if the
// credential looks like a word.
func TestProbeOfAProviderThatRepeatsTheKey(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.Refuse = func(_ *http.Request, token string) *reauthtest.Answer {
		return &reauthtest.Answer{Status: 401, Body: `{"error":"what is ` + token + ` to me?"}`}
	}
	server := serveFake(t, fake)
	s := newShell(t)
	s.run(marker, "add", "groq", "--key-stdin").ok()
	assert.Contains(t, s.run("", "probe", "groq", "--base-url", server.URL).fails(exitLogin), "what is EXAMPLE to me?")
}

func TestAStoreThatAnotherProgramRegisteredAProviderIn(t *testing.T) {
	s := newShell(t)
	p := s.pool()
	require.NoError(t, p.Register(reauth.Provider{Name: "gateway", Hosts: []string{"llm.corp.example"}}))
	_, err := p.Add(t.Context(), reauth.Credential{Provider: "gateway", ID: "g", AccessToken: "key-" + marker})
	require.NoError(t, err)
	assert.Contains(t, s.run("", "status", "gateway").ok(), "good")
	s.run("", "reset", "gateway", "g").ok()
	s.run("", "remove", "gateway", "g").ok()
}
