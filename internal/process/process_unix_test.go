//go:build unix

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth/internal/process"
)

// role is the variable that makes the test binary one of the programs below.
const role = "REAUTH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if play, ok := programs[os.Getenv(role)]; ok {
		play()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var programs = map[string]func(){
	"greet": func() { fmt.Println("token"); fmt.Fprintln(os.Stderr, "words") },
	"fail":  func() { fmt.Println("half"); fmt.Fprintln(os.Stderr, "not logged in"); os.Exit(3) },
	"tell":  func() { fmt.Println(strings.Join(os.Args[1:], "|")) },
	"read": func() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Printf("%q %v\n", line, err)
	},
	"flood": func() {
		for {
			fmt.Println(strings.Repeat("x", 300))
		}
	},
	"flood-stderr": func() {
		for range 1000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 300), "end")
		}
	},
	"one-word": func() { fmt.Fprint(os.Stderr, strings.Repeat("x", 100_000)) },
	"sleep":    sleepDeaf,
	"parent":   func() { leaveChild(); sleepDeaf() },
	"leave":    func() { leaveChild(); fmt.Println("token") },
}

// sleepDeaf tells its process and sleeps for an hour, whatever it is asked.
func sleepDeaf() {
	ignoreTerm()
	tell(os.Getpid())
	time.Sleep(time.Hour)
}

// leaveChild starts a process that holds this one's output open, and waits until it sleeps.
func leaveChild() {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), role+"=sleep")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(os.Getenv("TOLD"), strconv.Itoa(child.Process.Pid))); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// tell leaves the number of a process where the test looks.
func tell(pid int) {
	err := os.WriteFile(filepath.Join(os.Getenv("TOLD"), strconv.Itoa(pid)), nil, 0o600)
	if err != nil {
		panic(err)
	}
}

// as makes the test binary that program, and returns a function that waits until n processes have
// told that they sleep.
func as(t *testing.T, program string) (asleep func(n int) []int) {
	t.Helper()
	told := t.TempDir()
	t.Setenv(role, program)
	t.Setenv("TOLD", told)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	return func(n int) (pids []int) {
		require.Eventually(t, func() bool {
			pids = nil
			entries, err := os.ReadDir(told)
			for _, e := range entries {
				pid, _ := strconv.Atoi(e.Name())
				pids = append(pids, pid)
			}
			return err == nil && len(pids) == n
		}, time.Minute, time.Millisecond)
		return pids
	}
}

const maxStdout = 64 << 10

func run(ctx context.Context, args ...string) (process.Output, error) {
	return process.Run(ctx, maxStdout, os.Args[0], args...)
}

func TestRunReturnsWhatIsPrinted(t *testing.T) {
	as(t, "greet")
	out, err := run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, process.Output{Stdout: []byte("token\n"), Stderr: "words\n"}, out)
}

// The arguments reach the program as they are: no shell reads them.
func TestRunHasNoShell(t *testing.T) {
	as(t, "tell")
	out, err := run(t.Context(), "$HOME", "a b", "*", "`id`", ";", "")
	require.NoError(t, err)
	assert.Equal(t, "$HOME|a b|*|`id`|;|\n", string(out.Stdout))
}

func TestRunGivesNothingToRead(t *testing.T) {
	as(t, "read")
	out, err := run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "\"\" EOF\n", string(out.Stdout))
}

func TestRunOfAProgramThatFails(t *testing.T) {
	as(t, "fail")
	out, err := run(t.Context())
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 3, exit.ExitCode())
	assert.Equal(t, process.Output{Stdout: []byte("half\n"), Stderr: "not logged in\n"}, out)
}

func TestRunOfNoProgram(t *testing.T) {
	_, err := process.Run(t.Context(), maxStdout, "reauth-test-no-such-program")
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = process.Run(t.Context(), maxStdout, filepath.Join(t.TempDir(), "gone"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	file := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	_, err = process.Run(t.Context(), maxStdout, file)
	require.ErrorIs(t, err, fs.ErrPermission)
	done, stop := context.WithCancel(t.Context())
	stop()
	_, err = run(done)
	require.ErrorIs(t, err, context.Canceled, "nothing is started")
}

// A program that prints for ever is ended, and so is its memory here.
func TestRunBoundsWhatIsPrinted(t *testing.T) {
	as(t, "flood")
	out, err := run(t.Context())
	require.ErrorIs(t, err, process.ErrTooMuch)
	assert.LessOrEqual(t, len(out.Stdout), maxStdout)

	as(t, "flood-stderr")
	out, err = run(t.Context())
	require.NoError(t, err)
	assert.LessOrEqual(t, len(out.Stderr), 1<<10)
	assert.True(t, strings.HasSuffix(out.Stderr, "x end\n"), "the end is what tells")
	for _, word := range strings.Fields(out.Stderr) {
		assert.Contains(t, []string{"end", strings.Repeat("x", 300)}, word, "no word is cut")
	}

	as(t, "one-word")
	out, err = run(t.Context())
	require.NoError(t, err)
	assert.Empty(t, out.Stderr, "a part of a word may be a part of a secret")
}

// When the context ends, the program is killed with all that it has started, although both ignore
// SIGTERM, and the child holds the output open.
func TestRunKillsTheGroup(t *testing.T) {
	asleep := as(t, "parent")
	why := errors.New("the pool is closed")
	ctx, end := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := run(ctx)
		ended <- err
	}()
	pids := asleep(2)
	end(why)
	require.ErrorIs(t, <-ended, why)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !isAlive(pid) }, time.Minute, time.Millisecond, "process %d", pid)
	}
}

func TestRunEndsAtTheDeadline(t *testing.T) {
	as(t, "sleep")
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	_, err := run(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A process that the program leaves behind, as a cache or an agent, goes on. It holds the output
// open, and nobody waits for it.
func TestRunDoesNotWaitForWhatIsLeftBehind(t *testing.T) {
	asleep := as(t, "leave")
	out, err := run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "token\n", string(out.Stdout))
	left := asleep(1)
	assert.True(t, isAlive(left[0]))
	require.NoError(t, syscall.Kill(left[0], syscall.SIGKILL))
}

// No zombie is left of a program, however it ended.
func TestRunLeavesNoZombie(t *testing.T) {
	for _, program := range []string{"greet", "fail", "flood", "sleep"} {
		as(t, program)
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, _ = run(ctx)
		stop()
	}
	var status syscall.WaitStatus
	_, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	require.ErrorIs(t, err, syscall.ECHILD, "this process has no child")
}

// ignoreTerm makes this process deaf to a polite request to end.
func ignoreTerm() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }

// isAlive reports whether a process runs. One that has ended counts as gone, although nobody may have
// asked for its status yet: that is for its parent, or for the first process of the machine.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && strings.Contains(string(stat), ") Z ") {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}
