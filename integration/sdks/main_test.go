// Package sdks tests reauth under the clients that people use. It has no code of its own. What a
// caller of each client saw is written down in sdks.md, which is compared with every run; "go test
// -update" writes it anew.
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

// No test may leave a goroutine behind. The clients look for keys and base URLs in the environment:
// none of its shall count.
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

// patience is for what must happen; nothing waits that long unless it fails.
const patience = time.Minute

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
