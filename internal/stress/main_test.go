// Package stress_test plays random choreographies of pools over one provider and one store, and
// checks what must hold whatever happens.
package stress_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
