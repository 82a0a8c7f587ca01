package reauth_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a test leaves a goroutine behind. The package starts no goroutine that lives
// longer than the pool or the request that it works for.
//
// With an argument of testProgram it is a program that a test of CommandSource runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if play, ok := testPrograms[os.Args[1]]; ok {
			play(os.Args[2:])
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}
