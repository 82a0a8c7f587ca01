// Package integration tests reauth with real parts: PostgreSQL, SQLite, pgbouncer, a real OAuth
// server. It has no code of its own. PostgreSQL is started by postgres.sh.
package integration

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childEnv names, in the environment, what a child process does. A child is this test binary
// itself.
const childEnv = "REAUTH_TEST_CHILD"

// childModes are what a child may do, by name; a file that needs one adds it in its init. A mode
// returns the exit status.
var childModes = map[string]func() int{}

// No test may leave a goroutine behind: the package starts none that outlives what it serves.
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
