package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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

// built returns a function that builds a command of a module's folder, once, and returns its path.
func built(folder, of string) func() (path string, err error) {
	return sync.OnceValues(func() (path string, err error) {
		dir, err := os.MkdirTemp("", "reauth-bench-")
		if err != nil {
			return "", err
		}
		atEnd = append(atEnd, func() { _ = os.RemoveAll(dir) }) // a folder for temporary files
		path = filepath.Join(dir, "program")
		c := exec.Command("go", "build", "-o", path, of)
		c.Dir = folder
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s in %s: %w\n%s", of, folder, err, out)
		}
		return path, nil
	})
}
