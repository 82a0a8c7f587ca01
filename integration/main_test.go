// Package integration tests reauth with real parts: PostgreSQL, SQLite, pgbouncer, a real OAuth
// server. It has only tests. The script postgres.sh starts PostgreSQL and pgbouncer.
package integration

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childEnv is the environment variable that tells a child process what to do. A child is this test
// binary itself.
const childEnv = "REAUTH_TEST_CHILD"

// childModes are the tasks of a child process, by name. A file that needs one adds it in its init.
// A mode returns the exit status.
var childModes = map[string]func() int{}

// TestMain runs the mode of a child process. Otherwise it runs the tests and fails when one of them
// leaves a goroutine behind.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		mode, ok := childModes[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no child mode %q\n", name)
			os.Exit(2)
		}
		os.Exit(mode())
	}
	goleak.VerifyTestMain(m)
}
