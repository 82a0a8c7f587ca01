//go:build unix

package agents

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// world is what an agent meets: a home of its own, a store with a credential, a fake provider on
// loopback, and a forward proxy that lets nothing through.
type world struct {
	t       *testing.T
	agent   *agent
	fake    *reauthtest.Provider
	home    string
	api     string // the origin of the fake provider
	env     []string
	access  string // the access token, or the key, in the store
	refresh string

	mu      sync.Mutex
	foreign []string // the hosts beyond loopback that were asked for
}

func newWorld(t *testing.T, a *agent) *world {
	w := &world{t: t, agent: a, fake: reauthtest.New(a.dialect), home: t.TempDir()}
	server := w.fake.Start()
	t.Cleanup(server.Close)
	w.api = server.URL
	border := w.border()
	w.env = []string{
		"HOME=" + w.home, "PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "TZ=UTC", "TERM=dumb", "LANG=C.UTF-8",
		"GORACE=" + os.Getenv("GORACE"), "TMPDIR=" + w.home, "USER=you",
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		w.env = append(w.env, name+"="+border, strings.ToLower(name)+"="+border)
	}
	w.env = append(w.env, "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost")
	w.env = append(w.env, a.env...)
	w.credential()
	a.settle(w)
	return w
}

// border is a forward proxy, by the variables that all agents obey. It refuses each request, and
// remembers the host that it was for. At the end of the test there must be none.
func (w *world) border() (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.foreign = append(w.foreign, r.Method+" "+r.Host)
		w.mu.Unlock()
		http.Error(rw, "nothing leaves the test", http.StatusForbidden)
	}))
	w.t.Cleanup(func() {
		server.Close()
		assert.Empty(w.t, w.foreign, "the agent asked for a host beyond loopback")
	})
	return server.URL
}

// credential puts a login into the store, or a key where the provider has no logins.
func (w *world) credential() {
	if w.agent.key {
		w.access = "AIza-EXAMPLE-KEY"
		w.fake.AddKey(w.access)
		w.reauth(w.access, "add", w.agent.provider, "--key-stdin", "--id", "you")
		return
	}
	w.access, w.refresh = w.fake.Login()
	w.reauth(fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":7230}`, w.access, w.refresh),
		"add", w.agent.provider, "--token-stdin", "--id", "you")
}

// at are the flags that lead the command to the fake provider.
func (w *world) at() []string {
	flags := []string{"--base-url", w.api + w.agent.path}
	if w.agent.key {
		return flags
	}
	return append(flags, "--issuer", w.api)
}

// reauth runs the command to its end.
func (w *world) reauth(stdin string, args ...string) {
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = w.env, w.home, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "reauth %s: %s", args[0], out)
}

// write writes a file of the home.
func (w *world) write(name, text string) string {
	path := filepath.Join(w.home, name)
	require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o700))
	return path
}

// proxy starts reauth proxy, and returns its origin.
func (w *world) proxy() (origin string) {
	args := append([]string{"proxy", "--listen", "127.0.0.1:0", "--first-event", "5s"}, w.at()...)
	cmd := exec.Command(binary, append(args, w.agent.provider)...)
	cmd.Env, cmd.Dir = w.env, w.home
	told, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, cmd.Start())
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(told); lines.Scan(); {
		if origin = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text()); origin != "" {
			return origin
		}
	}
	require.Fail(w.t, "the proxy told no address")
	return ""
}

// program runs a program with some further variables, and returns what the person sees.
func (w *world) program(env []string, args ...string) *seen {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = append(w.env, env...), filepath.Join(w.home, "project")
	require.NoError(w.t, os.MkdirAll(cmd.Dir, 0o700))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		require.NoError(w.t, err)
	}
	require.NoError(w.t, ctx.Err(), "the agent did not end:\n%s%s", &out, &errs)
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("standard output:\n%s\nstandard error:\n%s", &out, &errs)
		}
	})
	for _, secret := range []string{w.access, w.refresh} {
		if secret != "" {
			assert.NotContains(w.t, out.String()+errs.String(), secret)
		}
	}
	return &seen{code: cmd.ProcessState.ExitCode(), words: w.agent.words(out.String(), errs.String())}
}

// seen is what the person at an agent sees: its exit code, and its words.
type seen struct {
	code  int
	words string
}

// volatile are the parts of the words that differ from run to run.
var volatile = []struct {
	of *regexp.Regexp
	to string
}{
	{regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]"), ""},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\S*/gemini-client-error\S*`), "FILE"},
	{regexp.MustCompile(`\s+`), " "},
}

// String is the cell of the table.
func (s *seen) String() string {
	words := s.words
	for _, v := range volatile {
		words = v.of.ReplaceAllString(words, v.to)
	}
	if words = strings.TrimSpace(words); words == "" {
		return fmt.Sprintf("exit %d: nothing", s.code)
	}
	return fmt.Sprintf("exit %d: `%s`", s.code, strings.ReplaceAll(words, "`", "'"))
}
