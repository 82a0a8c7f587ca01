package main

import (
	"bufio"
	"bytes"
	"io"
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

// Without a terminal, watch prints the table whenever something has changed. Ctrl-C is the normal
// way to end it, with exit code 0.
func TestWatchPrintsWhatChanges(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	cmd := s.lasting("watch", "--interval", "100ms")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var all, errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(io.TeeReader(out, &all))
	table := func() (text string) {
		for lines.Scan() && lines.Text() != "" {
			text += lines.Text() + "\n"
		}
		return text
	}
	// until reads tables until one contains want. Tables in between may show what happened on the
	// way.
	until := func(want string) {
		t.Helper()
		for text := ""; !strings.Contains(text, want); {
			text = table()
			require.NotEmpty(t, text, "%q was never printed", want)
		}
	}
	until("good, expires in")
	s.run("", append([]string{"refresh", "xai"}, at(server)...)...).ok()
	until("s ago")
	fake.Exhaust(time.Now().Add(time.Hour), s.stored("xai-oauth", "you").AccessToken)
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).fails(exitFailed)
	until("put aside until")
	good, err := os.ReadFile(s.store())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.store(), good[:len(good)/2], 0o600))
	// watch prints the error and tries again.
	until("breaks off")
	require.NoError(t, os.WriteFile(s.store(), good, 0o600))
	until("put aside until")
	s.run("", "remove", "xai").ok()
	until("there is no credential")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, io.TeeReader(out, &all))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "Ctrl-C ends it with exit code 0")
	assert.Empty(t, errs.String())
	checkSecrets(t, "the output of watch", all.String())
}

func TestWatchEndsOnTerm(t *testing.T) {
	s := newShell(t)
	cmd := s.lasting("watch")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, out)
	require.NoError(t, cmd.Wait())
}

// tmux is a real terminal with a size.
type tmux struct {
	t      *testing.T
	socket string
}

// startTmux starts a bash with the environment of s in a terminal of the given columns and rows.
func startTmux(t *testing.T, s *shell, width, height string) *tmux {
	t.Helper()
	m := &tmux{t: t, socket: filepath.Join(s.home, "tmux")}
	cmd := exec.Command("tmux", "-S", m.socket, "-f", os.DevNull,
		"new-session", "-d", "-s", "x", "-x", width, "-y", height, "bash", "--norc", "--noprofile")
	cmd.Env = append(append([]string{}, s.env...), "PS1=$ ", "HISTFILE=", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "tmux is needed: apt-get install tmux. %s", out)
	t.Cleanup(func() { m.do("kill-server") })
	return m
}

// do runs a tmux command on this terminal and returns its output.
func (m *tmux) do(args ...string) string {
	m.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", m.socket}, args...)...).CombinedOutput()
	require.NoError(m.t, err, "tmux %v: %s", args, out)
	return string(out)
}

// screen returns the text on the screen.
func (m *tmux) screen() string { return m.do("capture-pane", "-p", "-t", "x") }

// shows waits until the screen contains text, and returns the screen. It checks the screen for
// secrets.
func (m *tmux) shows(text string) string {
	m.t.Helper()
	var got string
	require.Eventually(m.t, func() bool {
		got = m.screen()
		return strings.Contains(got, text)
	}, patience, 100*time.Millisecond, "%q never appeared", text)
	checkSecrets(m.t, "the screen", got)
	return got
}

func TestWatchInATerminal(t *testing.T) {
	s := newShell(t)
	p := s.pool()
	for _, id := range []string{"one", "two", "three", "four", "five", "six", "seven", "eight"} {
		_, err := p.Add(t.Context(), reauth.Credential{
			Provider: "openrouter", ID: id, AccessToken: "key-" + marker + id,
		})
		require.NoError(t, err)
	}
	m := startTmux(t, s, "100", "20")
	m.do("send-keys", "-t", "x", "echo before; "+binary+" watch --interval 200ms; echo code=$?", "Enter")
	wide := m.shows("two")
	assert.Contains(t, wide, "reauth watch  "+s.store())
	assert.NotContains(t, wide, "before", "the screen is its own")
	assert.Contains(t, wide, "good")

	m.do("resize-window", "-t", "x", "-x", "40", "-y", "8")
	narrow := m.shows("more")
	for line := range strings.Lines(narrow) {
		assert.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 40)
	}
	assert.Contains(t, narrow, "…")
	assert.NotContains(t, narrow, "two")
	m.do("resize-window", "-t", "x", "-x", "120", "-y", "30")
	m.shows("two")

	require.NoError(t, p.Remove(t.Context(), "openrouter", "eight"))
	require.Eventually(t, func() bool {
		return !strings.Contains(m.screen(), "eight")
	}, patience, 100*time.Millisecond, "nothing of the old table stays")

	m.do("send-keys", "-t", "x", "C-c")
	after := m.shows("code=0")
	assert.Contains(t, after, "before", "the screen is the shell's again")
	assert.Contains(t, after, "seven", "with the last table on it")
}

// add asks for a key at a terminal without showing it. Ctrl-C switches the echo on again.
func TestAddAsksAtATerminal(t *testing.T) {
	s := newShell(t)
	m := startTmux(t, s, "100", "20")
	m.do("send-keys", "-t", "x", binary+" add openrouter --key-stdin --id typed; echo code=$?", "Enter")
	m.shows("Key (not shown):")
	m.do("send-keys", "-t", "x", "sk-or-"+marker, "Enter")
	m.shows("added openrouter/typed")
	m.shows("code=0")
	assert.Equal(t, "sk-or-"+marker, s.stored("openrouter", "typed").AccessToken)

	m = startTmux(t, newShell(t), "100", "20")
	m.do("send-keys", "-t", "x", binary+" add openrouter --key-stdin; echo code=$?", "Enter")
	m.shows("Key (not shown):")
	m.do("send-keys", "-t", "x", "C-c")
	m.shows("code=1")
	m.do("send-keys", "-t", "x", "echo it is shown", "Enter")
	m.shows("$ echo it is shown")
}
