package reauth_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a test leaves a goroutine behind. The package starts no goroutine that lives
// longer than the pool or the request that it works for.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
