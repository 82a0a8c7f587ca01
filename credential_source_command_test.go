package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// testPrograms are what the test binary does in place of the tests, by its first argument.
var testPrograms = map[string]func(args []string){
	"program-print": func(args []string) { fmt.Print(args[0]) },
	"program-fail": func(args []string) {
		fmt.Print(args[0])
		fmt.Fprint(os.Stderr, args[1])
		os.Exit(1)
	},
	"program-say": func(args []string) {
		fmt.Print(args[0])
		fmt.Fprint(os.Stderr, args[1])
	},
	"program-counted": func(args []string) { // prints the first file, and makes the second longer
		log, err := os.OpenFile(args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		if _, err := log.WriteString("."); err != nil {
			panic(err)
		}
		content, err := os.ReadFile(args[0])
		if err != nil {
			panic(err)
		}
		fmt.Print(string(content))
	},
	"send-and-judge":      sendAndJudge,
	"program-environment": func([]string) { fmt.Print(os.Getenv("EXAMPLE_TOKEN")) },
	"program-flood": func([]string) {
		for {
			fmt.Print(strings.Repeat(sourceToken, 100))
		}
	},
	"program-hang": func(args []string) {
		fmt.Print(sourceToken)
		fmt.Fprintln(os.Stderr, "Waiting for your browser …")
		if err := os.WriteFile(args[0], nil, 0o600); err != nil {
			panic(err)
		}
		time.Sleep(time.Hour)
	},
}

// commandOf returns a source that runs one of testPrograms.
func commandOf(t testing.TB, name string, args ...string) reauth.Refresher {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	return reauth.CommandSource(os.Args[0], append([]string{"program-" + name}, args...)...)
}

func TestCommandSource(t *testing.T) {
	got, err := ask(t, commandOf(t, "print", sourceToken+"\n"))
	require.NoError(t, err)
	assert.Equal(t, reauth.Credential{AccessToken: sourceToken}, got)

	got, err = ask(t, commandOf(t, "print", `{"access_token":"`+sourceToken+`","expires_in":600}`))
	require.NoError(t, err)
	assert.Equal(t, sourceToken, got.AccessToken)
	assert.WithinDuration(t, time.Now().Add(10*time.Minute), got.Expiry, time.Minute)

	got, err = ask(t, commandOf(t, "say", sourceToken, "warning: a new version is there\n"))
	require.NoError(t, err, "what a command says beside its token does not matter")
	assert.Equal(t, sourceToken, got.AccessToken)

	source := commandOf(t, "environment")
	for _, token := range []string{"st-EXAMPLE-1", "st-EXAMPLE-2"} {
		t.Setenv("EXAMPLE_TOKEN", token)
		got, err = ask(t, source)
		require.NoError(t, err)
		assert.Equal(t, token, got.AccessToken, "the command is run at each call, in this environment")
	}
}

// A command whose output is of no use is an error that names it, and tells what it said.
func TestCommandSourceThatPrintsNoToken(t *testing.T) {
	for name, c := range map[string]struct {
		stdout, stderr string
		want           []string
	}{
		"nothing": {"", "", []string{"there is nothing in it"}},
		"words on stderr": {
			"", "Please run 'az login' to set up an account.\n",
			[]string{"there is nothing in it", "it said: Please run 'az login' to set up an account."},
		},
		"two lines":  {sourceToken + "\n" + sourceToken + "\n", "", []string{"it has 2 lines"}},
		"null of jq": {"null\n", "", []string{`it is "null"`}},
		"JSON without one": {
			`{"secret":"` + sourceToken + `"}`, "found " + sourceToken, []string{"has no token", "it said: found [redacted]"},
		},
		"a token in stderr": {"", "token: " + sourceToken + ".\n", []string{"nothing in it", "it said: token: [redacted]"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, commandOf(t, "say", c.stdout, c.stderr))
			re := refreshError(t, err)
			assert.Equal(t, "source_output", re.Code)
			assert.False(t, re.Permanent)
			require.ErrorContains(t, err, fmt.Sprintf("the output of the command %q: ", os.Args[0]))
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			assert.NotContains(t, err.Error(), "0123456789")
		})
	}
}

// The output of a command that fails is not told: it may be a token, whole or half. Its words are.
func TestCommandSourceThatFails(t *testing.T) {
	stderr := "ERROR: no login for " + sourceToken + ", nor for at-EXAMPLE-old.\nRun 'example login'.\n"
	source := commandOf(t, "fail", sourceToken, stderr)
	got, err := source.Refresh(t.Context(), reauth.Credential{Provider: "example", AccessToken: "at-EXAMPLE-old"})
	re := refreshError(t, err)
	assert.Equal(t, "source_failed", re.Code)
	assert.False(t, re.Permanent)
	assert.Empty(t, got.AccessToken)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 1, exit.ExitCode())
	want := fmt.Sprintf("reauth: refresh example: source_failed: the command %q failed; run it by hand to see more; "+
		"it said: ERROR: no login for [redacted], nor for [redacted]. Run 'example login'.: exit status 1", os.Args[0])
	assert.Equal(t, want, err.Error())

	// A short key looks like a word. It is known from the output, or from the arguments.
	_, err = ask(t, commandOf(t, "fail", `{"key":"correct-horse"}`, "correct-horse and hunter22 are refused", "--pin=hunter22"))
	require.ErrorContains(t, err, "it said: [redacted] and [redacted] are refused")

	_, err = ask(t, commandOf(t, "fail", "", strings.Repeat("word ", 10_000)))
	assert.Less(t, len(err.Error()), 2<<10, "what is told is bounded")
	_, err = ask(t, commandOf(t, "fail", "", ""))
	require.ErrorContains(t, err, "run it by hand to see more: exit status 1")
}

func TestCommandSourceThatPrintsForEver(t *testing.T) {
	_, err := ask(t, commandOf(t, "flood"))
	assert.Equal(t, "source_output", refreshError(t, err).Code)
	require.ErrorContains(t, err, "was ended after 64 KiB; a source prints the token alone, or a JSON object: "+
		"the program printed too much")
	assert.NotContains(t, err.Error(), "0123456789")
	_, err = ask(t, commandOf(t, "print", strings.Repeat("x", 64<<10+1)))
	assert.Equal(t, "source_output", refreshError(t, err).Code)
}

// undying is a context that has a deadline, and does not end then.
type undying struct {
	context.Context

	at time.Time
}

func (u undying) Deadline() (time.Time, bool) { return u.at, true }

// A command that waits for a person is ended before the deadline, so that those who wait get its
// error. When the context ends otherwise, the error is the cause of that.
func TestCommandSourceThatHangs(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "runs")
	var err error
	for wait, begun := 4*time.Second, false; !begun; wait *= 2 { // a busy machine may take longer to start it
		never := undying{t.Context(), time.Now().Add(wait)}
		_, err = commandOf(t, "hang", flag).Refresh(never, reauth.Credential{Provider: "example"})
		_, gone := os.Stat(flag)
		begun = gone == nil || wait > time.Minute
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, "source_failed", refreshError(t, err).Code)
	require.ErrorContains(t, err, "was ended after ")
	require.ErrorContains(t, err, "run it by hand to see what it waits for; it said: Waiting for your browser …")
	assert.NotContains(t, err.Error(), "0123456789")

	closed := errors.New("the pool is closed")
	running, end := context.WithCancelCause(t.Context())
	require.NoError(t, os.Remove(flag))
	ended := make(chan error, 1)
	source := commandOf(t, "hang", flag)
	go func() {
		_, err := source.Refresh(running, reauth.Credential{Provider: "example"})
		ended <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(flag); return err == nil }, time.Minute, time.Millisecond)
	end(closed)
	err = <-ended
	require.ErrorIs(t, err, closed)
	assert.NotContains(t, err.Error(), "by hand")
}

func TestCommandSourceThatCannotBeRun(t *testing.T) {
	plain := writeSource(t, "text")
	_, err := ask(t, reauth.CommandSource("reauth-example-missing", "--key", sourceToken))
	require.ErrorIs(t, err, exec.ErrNotFound)
	assert.Equal(t, `reauth: refresh example: source_failed: the command "reauth-example-missing" does not exist; `+
		`install it, or name it by its path: exec: "reauth-example-missing": executable file not found in $PATH`, err.Error())

	_, err = ask(t, reauth.CommandSource(filepath.Join(t.TempDir(), "missing")))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "does not exist")

	_, err = ask(t, reauth.CommandSource(plain))
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "may not be executed; make it executable")

	_, err = ask(t, reauth.CommandSource(""))
	require.ErrorContains(t, err, "CommandSource wants the name of a command")

	require.NoError(t, os.Chmod(plain, 0o700)) // a program of no format
	_, err = ask(t, reauth.CommandSource(plain))
	require.ErrorContains(t, err, "could not be run")
}
