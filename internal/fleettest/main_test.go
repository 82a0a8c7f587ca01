package fleettest_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
)

// TestMain is also the main function of the workers, which are this binary, started again. It fails
// when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	fleettest.BeWorker(openFile)
	goleak.VerifyTestMain(m)
}

// openFile opens the store of a fleet on one host.
func openFile(_ context.Context, job fleettest.Job) (reauth.Store, func() error, error) {
	return reauth.NewFileStore(job.Store), func() error { return nil }, nil
}
