package reauth_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
)

// No test may leave a goroutine behind: the package starts none that outlives what it serves. Some tests start this binary
// again, as processes that share a store.
func TestMain(m *testing.M) {
	fleettest.BeWorker(openFile)
	goleak.VerifyTestMain(m)
}

// openFile opens the store of a fleet on one host.
func openFile(_ context.Context, job fleettest.Job) (reauth.Store, func() error, error) {
	return reauth.NewFileStore(job.Store), func() error { return nil }, nil
}
