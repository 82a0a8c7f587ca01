//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// started is a running reauth exec, whose program writes lines to a file.
type started struct {
	t   testing.TB
	cmd *exec.Cmd
	out string
}

// start runs a script, and waits until it has written "ready".
func (s *shell) start(args ...string) *started {
	s.t.Helper()
	p := &started{t: s.t, cmd: s.lasting(args...), out: filepath.Join(s.home, "out")}
	file, err := os.Create(p.out)
	require.NoError(s.t, err)
	defer file.Close()
	// A file, not a pipe: what the program leaves behind does not keep the test waiting.
	p.cmd.Stdout, p.cmd.Stderr = file, file
	require.NoError(s.t, p.cmd.Start())
	p.awaits("ready")
	return p
}

// text returns what was written so far.
func (p *started) text() string {
	b, err := os.ReadFile(p.out)
	require.NoError(p.t, err)
	return string(b)
}

func (p *started) awaits(word string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.text(), word) }, patience, 5*time.Millisecond, word)
}

// code waits for the end and returns the exit code.
func (p *started) code() int {
	p.t.Helper()
	_ = p.cmd.Wait() // the exit code is in ProcessState
	checkSecrets(p.t, "the output", p.text())
	require.NotContains(p.t, p.text(), "DATA RACE")
	return p.cmd.ProcessState.ExitCode()
}

func (p *started) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// Signals go to the program, which may take as many as it likes: the proxy serves it until it ends.
func TestExecPassesSignals(t *testing.T) {
	tool(t, "curl")
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.login(fake, "xai")
	p := s.start(execArgs(at(server), `echo "$OPENAI_BASE_URL"
		n=0
		trap 'n=$((n+1)); echo "int $n"' INT
		trap 'echo hup' HUP
		trap 'echo usr1' USR1
		ask() { `+request+`; }
		trap 'ask; exit 9' TERM
		echo ready
		while :; do sleep 0.01; done`)...)
	for i, signal := range []os.Signal{os.Interrupt, os.Interrupt, os.Interrupt, syscall.SIGHUP, syscall.SIGUSR1} {
		p.signal(signal)
		p.awaits([]string{"int 1", "int 2", "int 3", "hup", "usr1"}[i])
	}
	fake.Expire(access)
	p.signal(syscall.SIGTERM)
	assert.Equal(t, 9, p.code(), "the program decides what a signal means")
	assert.Contains(t, p.text(), "200\n", "the proxy served it after three interrupts, with a refresh")
	assert.Equal(t, 1, fake.Exchanges())
	assert.NotContains(t, p.text(), "int 4", "each signal is passed once")
	closedAfter(t, strings.SplitN(p.text(), "\n", 2)[0])

	p = s.start(execArgs(at(server), "echo ready; exec sleep 100")...)
	p.signal(syscall.SIGTERM)
	assert.Equal(t, 143, p.code(), "a program without a handler ends, and so does reauth")
}

// A program that is killed from outside ends reauth and the proxy.
func TestExecOfAProgramThatIsKilled(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	p := s.start(execArgs(at(server), `echo "$OPENAI_BASE_URL"; echo "$$"; echo ready; exec sleep 100`)...)
	lines := strings.Split(p.text(), "\n")
	pid, err := strconv.Atoi(lines[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	assert.Equal(t, 137, p.code())
	closedAfter(t, lines[0])
}

// What a program forks uses the proxy too, and what it leaves behind keeps neither reauth nor the
// listener: the proxy ends with the program.
func TestExecOfAProgramThatForks(t *testing.T) {
	tool(t, "curl")
	fake, server, s := expired(t)
	p := s.start(execArgs(at(server), `echo "$OPENAI_BASE_URL"
		for i in 1 2 3; do (`+request+`) & done
		wait
		sleep 100 & echo "left $!"
		echo ready
		exit 4`)...)
	assert.Equal(t, 4, p.code())
	_, left, _ := strings.Cut(p.text(), "left ")
	pid, err := strconv.Atoi(strings.Fields(left)[0])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), "it still ran")
	assert.Equal(t, 3, strings.Count(p.text(), "200\n"), p.text())
	assert.Equal(t, 1, fake.Exchanges())
	closedAfter(t, strings.SplitN(p.text(), "\n", 2)[0])
}

// What a person types at the terminal reaches the program once, from the terminal itself: reauth
// does not pass it on a second time.
func TestExecDoesNotRepeatWhatIsTyped(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	s.login(fake, "xai")
	words := make([]string, 0, 12)
	// A shell runs its trap once for two signals that come at once. Node.js counts each.
	const count = `let n = 0
		process.on("SIGINT", () => console.log("int " + ++n))
		process.on("SIGTERM", () => { console.log("after " + n); process.exit(5) })
		setInterval(() => {}, 1000)
		console.log("pid " + process.pid + " ready")`
	args := append(append([]string{"exec"}, at(server)...), "xai", "--", tool(t, "node"), "-e", count)
	for _, arg := range args {
		words = append(words, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	out, err := os.Create(filepath.Join(s.home, "out"))
	require.NoError(t, err)
	defer out.Close()
	cmd := exec.Command(tool(t, "script"), "-qec", `exec "$REAUTH" `+strings.Join(words, " "), "/dev/null")
	cmd.Env, cmd.Stdout, cmd.Stderr = append(s.env, "REAUTH="+binary, "SHELL=/bin/sh"), out, out
	keyboard, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &started{t: t, cmd: cmd, out: out.Name()}
	p.awaits("ready")
	for _, want := range []string{"int 1", "int 2"} {
		_, err = keyboard.Write([]byte{3}) // Ctrl-C
		require.NoError(t, err)
		p.awaits(want)
	}
	_, pid, _ := strings.Cut(p.text(), "pid ")
	program, err := strconv.Atoi(strings.Fields(pid)[0])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(program, syscall.SIGTERM))
	assert.Equal(t, 5, p.code())
	assert.Contains(t, p.text(), "after 2\r\n", "each Ctrl-C came once")
}
