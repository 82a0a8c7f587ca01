package fleettest_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
)

// fileFleet makes a fleet of processes on one host that share a file.
func fileFleet(t *testing.T, latency time.Duration) *fleettest.Fleet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.json")
	return fleettest.New(t, openFile, fleettest.Job{Store: path}, latency)
}

func TestFleetSharesAFile(t *testing.T) {
	seconds := fleettest.Sized(1, 8, 21)
	fileFleet(t, 50*time.Millisecond).Serve(t, 16, time.Duration(seconds)*time.Second, fleettest.Sized(1, 6, 18))
}

func TestFleetIsKilledOnAFile(t *testing.T) {
	f := fileFleet(t, 5*time.Millisecond)
	kills := fleettest.Sized(10, 150, 1000)
	f.Kill(t, fleettest.Killing{Kills: kills, Credentials: 2, Within: 250 * time.Millisecond, MaxDelay: time.Second})
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.Job.Store), ".*.tmp"))
	require.NoError(t, err)
	assert.Empty(t, left, "the last writer has removed the temporary files of the dead")
}

func TestFleetDiesAtEachStepOnAFile(t *testing.T) {
	fileFleet(t, 5*time.Millisecond).DieAtEachStep(t, time.Second)
}

func TestTwoPoolsOfOneProcessOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	t.Run("one FileStore", func(t *testing.T) {
		s := reauth.NewFileStore(path + "1")
		fleettest.PoolsOfOneProcess(t, 10, s, s)
	})
	t.Run("two FileStores", func(t *testing.T) {
		fleettest.PoolsOfOneProcess(t, 10, reauth.NewFileStore(path+"2"), reauth.NewFileStore(path+"2"))
	})
}
