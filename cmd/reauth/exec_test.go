package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// request is a program that sends one request as its environment says, and prints the status.
const request = `curl -sS -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $OPENAI_API_KEY" ` +
	`-H 'Content-Type: application/json' -d '` + chat + `' "$OPENAI_BASE_URL/chat/completions"`

// execArgs are the arguments that run a shell script with xai-oauth at a server.
func execArgs(at []string, script string, more ...string) []string {
	args := append(append([]string{"exec"}, at...), more...)
	return append(args, "xai", "--", "sh", "-c", script)
}

// closedAfter fails the test if something still listens at the origin of a base URL.
func closedAfter(t testing.TB, baseURL string) {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(baseURL), "http://"), "/")
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, host)
	conn, err := net.Dial("tcp", host)
	if err == nil {
		_ = conn.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "no listener is left")
}

// A program's request gets its answer through a token that has expired. The program has a key of
// its own, which is not the credential, and which the proxy requires.
func TestExecRecovers(t *testing.T) {
	tool(t, "curl")
	fake, server, s := expired(t)
	r := s.secretly(s.command(execArgs(at(server), request+`; echo "$OPENAI_API_KEY"; echo "$OPENAI_BASE_URL"
		OPENAI_API_KEY=wrong; `+request)...), "")
	lines := strings.Split(r.ok(), "\n")
	require.Len(t, lines, 5, "%s%s", r.out, r.errors)
	assert.Equal(t, []string{"200", "401"}, []string{lines[0], lines[3]})
	assert.Len(t, lines[1], 26)
	assert.Empty(t, r.errors)
	assert.Equal(t, 1, fake.Exchanges())
	require.Len(t, fake.Requests(), 2, "the request and its replay")
	for _, q := range fake.Requests() {
		assert.NotContains(t, fmt.Sprint(q.Header), lines[1])
		assert.NotEqual(t, lines[1], q.Token)
	}
	closedAfter(t, lines[2])
}

// OpenAI's client for Node.js takes all it needs from the environment.
func TestExecOfTheOpenAIClientOfNode(t *testing.T) {
	node := tool(t, "node")
	npmPackage(t, "openai")
	fake, server, s := expired(t)
	client, err := filepath.Abs(filepath.Join("testdata", "npm", "client.mjs"))
	require.NoError(t, err)
	args := append(append([]string{"exec"}, at(server)...), "xai", "--", node, client, "stream")
	assert.Contains(t, s.run("", args...).ok(), "Hello from the fake provider.")
	assert.Equal(t, 1, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
}

// Anthropic's client for Node.js takes all it needs from the environment, whatever key of its own
// stands there.
func TestExecOfTheAnthropicClientOfNode(t *testing.T) {
	node := tool(t, "node")
	npmPackage(t, "@anthropic-ai")
	fake := reauthtest.New(reauthtest.Anthropic)
	server := serveFake(t, fake)
	s := newShell(t)
	s.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-user")
	access, _ := s.login(fake, "anthropic")
	fake.Expire(access)
	client, err := filepath.Abs(filepath.Join("testdata", "npm", "claude.mjs"))
	require.NoError(t, err)
	r := s.run("", "exec", "--base-url", server.URL, "--issuer", server.URL, "anthropic", "--", node, client)
	assert.Equal(t, 2, strings.Count(r.ok(), "Hello from the fake provider."), r.out)
	assert.Equal(t, 1, fake.Exchanges())
	assert.Zero(t, fake.Reuses())
	for _, q := range fake.Requests() {
		assert.NotContains(t, fmt.Sprint(q.Header), "sk-ant-of-the-user")
	}
}

func TestExecReturnsTheExitCode(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	for script, code := range map[string]int{
		"exit 0": 0, "exit 7": 7, "exit 1": 1, "kill -KILL $$": 137, "kill -TERM $$": 143, "echo told >&2; exit 3": 3,
	} {
		r := s.run("", execArgs(at(server), script)...)
		assert.Equal(t, code, r.code, script)
		assert.Equal(t, strings.Contains(script, "told"), r.errors != "", "reauth adds nothing: %s", r.errors)
	}
	file := filepath.Join(s.home, "no-program")
	require.NoError(t, os.WriteFile(file, []byte("\x00"), 0o755))
	s.golden("exec-usage", s.transcript(
		append(append([]string{"exec"}, at(server)...), "xai", "--", "no-such-program-here"),
		append(append([]string{"exec"}, at(server)...), "xai", "--", file),
		[]string{"exec", "xai"}, []string{"exec", "xai", "--"}, []string{"exec", "xai", "sh", "-c", "true"},
		[]string{"exec", "nobody", "--", "true"}, []string{"exec", "xai", "anthropic", "--env", "A=b", "--", "true"},
		[]string{"exec", "xai", "anthropic", "--base-url", "https://gateway.example", "--", "true"},
		[]string{"exec", "--base-url", "https://gateway.example", "xai", "anthropic", "--", "true"},
		[]string{"exec", "xai", "openrouter", "--", "true"},
		[]string{"exec", "--env", "sk-" + marker, "xai", "--", "true"},
		[]string{"exec", "--env", "A={url:groq}", "xai", "--", "true"},
		[]string{"exec", "--log", "/no/such/folder/log", "xai", "--", "true"}))
}

// The program is not run when there is no credential: it could do nothing.
func TestExecWithoutACredential(t *testing.T) {
	s := newShell(t)
	r := s.run("", "exec", "xai", "--", "sh", "-c", "echo ran")
	assert.Contains(t, r.fails(exitLogin), "reauth login xai-oauth")
	assert.Empty(t, r.out)
}

// Each provider is below its name at one proxy, which ends with the program.
func TestExecWithSeveralProviders(t *testing.T) {
	tool(t, "curl")
	s := newShell(t)
	for _, name := range []string{"xai", "anthropic", "openrouter"} {
		s.run("key-"+marker+"-"+name, "add", name, "--key-stdin", "--id", "mine").ok()
	}
	log := filepath.Join(s.home, "proxies.log")
	r := s.run("", "exec", "--log", log, "xai", "anthropic", "openrouter", "--", "sh", "-c", `
		for url in "$OPENAI_BASE_URL" "$ANTHROPIC_BASE_URL" "$OPENROUTER_BASE_URL" "$XAI_BASE_URL"; do echo "$url"; done
		origin="http://$(echo "$OPENAI_BASE_URL" | cut -d/ -f3)"
		curl -sS "$origin/healthz"
		curl -sS -o /dev/null -w '%{http_code}\n' "$origin/anthropic/v1/models"
		curl -sS -u "any:$ANTHROPIC_AUTH_TOKEN" "$origin/" | grep -o '<title>[^<]*'`)
	lines := strings.Split(strings.TrimSpace(r.ok()), "\n")
	require.Len(t, lines, 7, r.out)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+/xai-oauth/v1$`, lines[0])
	origin := strings.TrimSuffix(lines[0], "/xai-oauth/v1")
	assert.Equal(t, []string{
		origin + "/anthropic", origin + "/openrouter/api/v1",
		lines[0], // OpenAI's variables are those of the first that speaks it
		"ok", "401", "<title>xai-oauth, anthropic, openrouter · reauth proxy",
	}, lines[1:])
	closedAfter(t, lines[0])
	b, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Contains(t, string(b), "request denied")
	checkSecrets(t, "the log", string(b))
}

// A program uses two providers at the same time, and the tokens of both have expired: each of its
// requests gets its answer, through one exchange for each provider.
func TestExecRecoversTwoProvidersAtOnce(t *testing.T) {
	tool(t, "curl")
	s := newShell(t)
	fakes := map[string]*reauthtest.Provider{"xai": reauthtest.New(reauthtest.XAI), "anthropic": reauthtest.New(reauthtest.Anthropic)}
	args := []string{"exec"}
	for name, fake := range fakes {
		fake.TokenLatency = 200 * time.Millisecond
		server := serveFake(t, fake)
		access, _ := s.login(fake, name)
		fake.Expire(access)
		base := server.URL
		if name == "xai" {
			base += "/v1"
		}
		args = append(args, "--base-url", name+"="+base, "--issuer", name+"="+server.URL)
	}
	r := s.run("", append(args, "xai", "anthropic", "--", "sh", "-c", `
		for i in 1 2 3 4; do
			(`+request+`) &
			(curl -sS -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
				-H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' \
				-d '{"model":"example","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}' \
				"$ANTHROPIC_BASE_URL/v1/messages") &
		done
		wait`)...)
	assert.Equal(t, strings.Repeat("200\n", 8), r.ok(), r.errors)
	for name, fake := range fakes {
		assert.Equal(t, 1, fake.Exchanges(), name)
		assert.Zero(t, fake.Reuses(), name)
		assert.NotEmpty(t, fake.Requests(), name)
	}
}

// The program has the terminal, its input and its error output.
func TestExecLeavesTheTerminalToTheProgram(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	script := `"$REAUTH" exec ` + strings.Join(at(server), " ") +
		` xai -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo all'`
	cmd := exec.Command(tool(t, "script"), "-qec", script, "/dev/null")
	cmd.Env = append(s.env, "REAUTH="+binary, "SHELL=/bin/sh")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "all", strings.TrimSpace(string(out)))
	r := s.run("typed\n", execArgs(at(server), "cat; echo told >&2")...)
	assert.Equal(t, "typed\n", r.ok())
	assert.Equal(t, "told\n", r.errors)
}

// The store's key is refused for good: the program is told by the proxy, and its exit code counts.
func TestExecWithADeadLogin(t *testing.T) {
	tool(t, "curl")
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, refresh := fake.Login()
	s.put(reauth.Credential{ID: "you", AccessToken: access, RefreshToken: refresh})
	fake.Expire(access)
	fake.Revoke(refresh)
	r := s.run("", execArgs(at(server), request+`; exit 6`)...)
	assert.Equal(t, "403\n", r.out)
	assert.Equal(t, 6, r.code)
}
