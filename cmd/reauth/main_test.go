package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/commandtest"
	"github.com/reauth-go/reauth/reauthtest"
)

var update = flag.Bool("update", false, "write the golden files")

// binary is the path of the command, which TestMain builds once: the tests run what a user runs.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	var remove func()
	var err error
	if binary, remove, err = commandtest.Build("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	remove()
	os.Exit(code)
}

// patience is how long a test waits for something that must happen, on a busy machine.
const patience = 30 * time.Second

// marker is part of every secret that the tests use, so that checkSecrets finds it.
const marker = "s3cr3t"

// secretText matches the tests' own secrets, and the tokens of reauthtest.
var secretText = regexp.MustCompile(marker + `|\b[ar]t-[A-Z2-7]{20,}|eyJ[A-Za-z0-9_-]{8,}\.`)

// checkSecrets fails the test if text holds a secret. Every output of the command goes through it.
func checkSecrets(t testing.TB, what, text string) {
	t.Helper()
	if found := secretText.FindString(text); found != "" {
		t.Errorf("%s holds a secret, %q…:\n%s", what, found[:min(len(found), 12)], text)
	}
}

// shell is the environment of a user: an empty home, and no variable of the machine but PATH.
type shell struct {
	t    testing.TB
	home string
	env  []string
	key  []byte // that seals the default store; nil: none does
}

func newShell(t testing.TB) *shell {
	s := newClearShell(t)
	if *sealedRun {
		s.seal()
	}
	return s
}

// newClearShell is newShell for a store that is in the clear in each run.
func newClearShell(t testing.TB) *shell {
	home := t.TempDir()
	return &shell{t: t, home: home, env: []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"PATH=" + os.Getenv("PATH"),
		"TZ=UTC", "TERM=xterm", "GORACE=" + os.Getenv("GORACE"),
		"USERPROFILE=" + home, "AppData=" + filepath.Join(home, "config"),
	}}
}

// seal seals the default store from now on. At the end of the test no token may be in its folder.
func (s *shell) seal() {
	s.key = testKey
	s.env = append(s.env, sealEnv()...)
	s.t.Cleanup(func() { holdsNoToken(s.t, filepath.Dir(s.store())) })
}

// open opens a file as the command does.
func (s *shell) open(path string) reauth.Store {
	s.t.Helper()
	if s.key == nil {
		return reauth.NewFileStore(path)
	}
	return sealedFile(s.t, path)
}

// store returns the path of the default store.
func (s *shell) store() string { return filepath.Join(s.home, "config", "reauth", "auth.json") }

// setenv sets a variable for the next commands.
func (s *shell) setenv(name, value string) { s.env = append(s.env, name+"="+value) }

// command returns a command that has not started yet. It is killed after patience.
func (s *shell) command(args ...string) *exec.Cmd {
	return s.commandFor(patience, args...)
}

// lasting is command for one that goes on while the test does other things: each of them may take
// patience.
func (s *shell) lasting(args ...string) *exec.Cmd {
	return s.commandFor(5*time.Minute, args...)
}

// commandFor is command for one that is killed after a time, and at the end of the test.
func (s *shell) commandFor(longest time.Duration, args ...string) *exec.Cmd {
	ctx, stop := context.WithTimeout(context.Background(), longest)
	s.t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Dir = s.env, s.home
	return cmd
}

// ended is a finished command: its standard output, its standard error and its exit code.
type ended struct {
	t           testing.TB
	out, errors string
	code        int
}

// run runs the command with stdin, which may be empty, and waits for its end.
func (s *shell) run(stdin string, args ...string) *ended {
	s.t.Helper()
	cmd := s.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	r := &ended{s.t, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	checkSecrets(s.t, "the output of reauth "+strings.Join(args, " "), r.out+r.errors)
	return r
}

// ok fails the test unless the command has exited with 0, and returns the standard output.
func (r *ended) ok() string {
	r.t.Helper()
	require.Zero(r.t, r.code, "%s%s", r.out, r.errors)
	return r.out
}

// fails fails the test unless the command has exited with code, and returns the standard error.
func (r *ended) fails(code int) string {
	r.t.Helper()
	require.Equal(r.t, code, r.code, "%s%s", r.out, r.errors)
	require.NotEmpty(r.t, r.errors, "a failure is told")
	return r.errors
}

// pool opens the shell's default store until the test ends.
func (s *shell) pool() *reauth.Pool {
	s.t.Helper()
	p, err := reauth.OpenPool(s.t.Context(), s.open(s.store()))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { assert.NoError(s.t, p.Close()) })
	return p
}

// stored returns a credential as the default store has it now.
func (s *shell) stored(provider, id string) (found reauth.Credential) {
	s.t.Helper()
	snap, err := s.open(s.store()).Load(s.t.Context(), "")
	require.NoError(s.t, err)
	for _, e := range snap.Entries {
		if e.Credential.Provider == provider && e.Credential.ID == id && !e.Removed {
			return e.Credential
		}
	}
	require.Fail(s.t, "not stored", "%s/%s", provider, id)
	return found
}

// login logs in at the fake provider and adds the tokens to the store with the ID "you".
func (s *shell) login(fake *reauthtest.Provider, provider string) (access, refresh string) {
	s.t.Helper()
	access, refresh = fake.Login()
	s.addLogin(provider, "you", access, refresh)
	return access, refresh
}

func (s *shell) addLogin(provider, id, access, refresh string) {
	s.t.Helper()
	s.run(fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":7230}`, access, refresh),
		"add", provider, "--token-stdin", "--id", id).ok()
}

// serveFake serves a fake provider until the test ends.
func serveFake(t testing.TB, fake *reauthtest.Provider) *httptest.Server {
	t.Helper()
	server := fake.Start()
	t.Cleanup(server.Close)
	return server
}

// expired returns a fake provider, its server, and a shell whose store has a login there with a
// token that has expired.
func expired(t testing.TB) (*reauthtest.Provider, *httptest.Server, *shell) {
	t.Helper()
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.login(fake, "xai")
	fake.Expire(access)
	return fake, server, s
}

// at returns the flags that direct xai-oauth to a server.
func at(server *httptest.Server) []string {
	return []string{"--base-url", server.URL + "/v1", "--issuer", server.URL}
}

// scrubs replace what differs from run to run before a text is compared with its golden file.
var scrubs = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?`), "STAMP"},
	{regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`), "CLOCK"},
	{regexp.MustCompile(` *\d+\.\d ms`), " # ms"},
	{regexp.MustCompile(`\bkey-[0-9a-f]{12}\b`), "key-ID"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "FINGERPRINT"},
	{regexp.MustCompile(`\b\d+(s|m|h\d\d?m|d\d\dh) ago`), "T ago"},
	{regexp.MustCompile(`\bin \d+(s|m|h\d\d?m|d\d\dh)\b`), "in T"},
	{regexp.MustCompile(`go1\.[0-9.]+ \w+/\w+`), "GO"},
	{regexp.MustCompile(`  +`), "  "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

// golden compares a text with testdata/<name>.golden. It applies scrubs to the text first, and then
// breaks lines as a terminal of 80 columns would have them: what was replaced has another length in
// each run.
func (s *shell) golden(name, text string) {
	s.t.Helper()
	text = strings.ReplaceAll(text, s.home, "$HOME")
	for _, scrub := range scrubs {
		text = scrub.find.ReplaceAllString(text, scrub.with)
	}
	if *sealedRun {
		want, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
		require.NoError(s.t, err)
		// What is said of seals breaks lines elsewhere.
		assert.Equal(s.t, inLines(string(want)), sealedWith.ReplaceAllString(inLines(text), ""), name)
		return
	}
	compareGolden(s.t, name, foldGolden(name, text))
}

// verbatim are the goldens of what is no text for people.
var verbatim = map[string]string{"completion": "scripts of shells", "fixture-http": "a recorded answer"}

// isOneLine reports whether a line of a golden stays as long as it is: a command as it was typed, a
// member of JSON, and a word that is to be copied.
func isOneLine(line string) bool {
	body := strings.TrimLeft(line, " ")
	return strings.HasPrefix(line, "$ ") || strings.HasPrefix(body, `"`) || !strings.Contains(body, " ")
}

func foldGolden(name, text string) string {
	if verbatim[name] != "" {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !isOneLine(line) {
			line = fold(line, usualWidth)
		}
		b.WriteString(line)
	}
	return b.String()
}

func compareGolden(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	assert.Equal(t, string(want), text, path)
}

// transcript runs commands and returns what a terminal would show of them, with the exit codes that
// are not 0.
func (s *shell) transcript(lines ...[]string) string {
	s.t.Helper()
	var b strings.Builder
	for _, args := range lines {
		r := s.run("", args...)
		fmt.Fprintf(&b, "$ reauth %s\n%s%s", strings.Join(args, " "), r.out, r.errors)
		if r.code != 0 {
			fmt.Fprintf(&b, "[%d]\n", r.code)
		}
	}
	return b.String()
}
