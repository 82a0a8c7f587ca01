package bench

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

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
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // some packages start a goroutine in init
}
