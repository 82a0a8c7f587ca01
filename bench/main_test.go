package bench

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// atEnd is called when all tests and benchmarks have ended.
var atEnd []func()

// TestMain removes the credentials of this machine from the environment, where the SDKs look for
// them. It fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "ANTHROPIC_") || strings.HasPrefix(name, "OPENAI_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	cleanup := goleak.Cleanup(func(code int) {
		for _, f := range atEnd {
			f()
		}
		os.Exit(code)
	})
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), cleanup) // some packages start a goroutine in init
}
