// Package sdks tests reauth under the client libraries that programs use. It has only tests. They
// compare what the caller of each client sees with the tables in sdks.md; "go test -update" writes
// the tables anew.
package sdks

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write sdks.md from this run")

// TestMain removes the keys and base URLs that the clients look for from the environment. It fails
// when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for an event that has to happen. Only a failing test waits that
// long.
const patience = time.Minute

// bounded returns a context that ends after patience.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
