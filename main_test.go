package reauth_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No test may leave a goroutine behind: the package starts none that outlives what it serves.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
