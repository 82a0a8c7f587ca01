package bench

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain takes the machine's own credentials away from the SDKs, and fails when a goroutine is
// left.
func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "ANTHROPIC_") || strings.HasPrefix(name, "OPENAI_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // some packages start one when they are loaded
}
