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
	"testing"
	"time"

	"github.com/reauth-go/reauth/cmd/reauth/internal/commandtest"
)

var update = flag.Bool("update", false, "write agents.md from this run")

// binary is the path of the command, which TestMain builds once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // the flag exists; agents that try again wait more than they compute
	var remove func()
	var err error
	if binary, remove, err = commandtest.Build("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	remove()
	os.Exit(code)
}

// patience is how long an agent may take, on a busy machine. An agent that takes longer is killed,
// and its test fails.
const patience = 3 * time.Minute
