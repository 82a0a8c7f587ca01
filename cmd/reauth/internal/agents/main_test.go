//go:build unix

// Package agents tests the command under the agents that people use, as they come from the npm
// registry: through reauth proxy, under reauth exec, and with their own setting for a command that
// prints a key, on reauth token. It has only tests. They compare what the person at the agent sees
// with the tables in agents.md; "go test -update" writes the tables anew. opencode and Codex run
// always, Claude Code and Gemini CLI with the build tag agents: all four run by
//
//	cmd/reauth/testdata/tools.sh agents && go test -tags agents ./internal/agents
package agents

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write agents.md from this run")

// binary is the path of the command, which TestMain builds once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // the flag exists; agents that try again wait more than they compute
	dir, err := os.MkdirTemp("", "reauth-agents-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "reauth")
	args := []string{"build", "-o", binary}
	race := debug.BuildSetting{Key: "-race", Value: "true"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, race) {
		args = append(args, "-race")
		if os.Getenv("GORACE") == "" {
			_ = os.Setenv("GORACE", "atexit_sleep_ms=20") // else each process waits a second before it exits
		}
	}
	if out, err := exec.Command("go", append(args, "../..")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// patience is how long an agent may take, on a busy machine. An agent that takes longer is killed,
// and its test fails.
const patience = 3 * time.Minute
