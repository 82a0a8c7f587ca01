package fleettest_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
	"github.com/reauth-go/reauth/internal/scantest"
)

// fileFleet makes a fleet of processes on one host that share a file.
func fileFleet(t *testing.T, latency time.Duration) *fleettest.Fleet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.json")
	return fleettest.New(t, openFile, fleettest.Job{Store: path}, latency)
}

func TestFleetSharesAFile(t *testing.T) {
	seconds := fleettest.Sized(2, 8, 21)
	fileFleet(t, 50*time.Millisecond).Serve(t, 16, time.Duration(seconds)*time.Second, fleettest.Sized(1, 4, 14))
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

// sealedFleet makes a fleet of processes that share a sealed file. At the end no token of it may be
// legible in the folder of the file.
func sealedFleet(t *testing.T, latency time.Duration) *fleettest.Fleet {
	t.Helper()
	folder := t.TempDir()
	f := fleettest.New(t, openFile, fleettest.Job{
		Store: filepath.Join(folder, "credentials.json"), Keys: [][]byte{oldKey},
	}, latency)
	t.Cleanup(func() {
		tokens := f.Provider.Tokens()
		assert.NotEmpty(t, tokens)
		assert.Empty(t, scantest.Folder(t, folder, scantest.Forms(tokens...)))
	})
	return f
}

var oldKey, nextKey = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

func TestFleetSharesASealedFile(t *testing.T) {
	seconds := fleettest.Sized(2, 3, 21)
	sealedFleet(t, 50*time.Millisecond).Serve(t, 8, time.Duration(seconds)*time.Second, fleettest.Sized(1, 1, 14))
}

func TestFleetIsKilledOnASealedFile(t *testing.T) {
	f := sealedFleet(t, 5*time.Millisecond)
	kills := fleettest.Sized(10, 30, 1000)
	f.Kill(t, fleettest.Killing{Kills: kills, Credentials: 2, Within: 250 * time.Millisecond, MaxDelay: time.Second})
}

func TestFleetDiesAtEachStepOnASealedFile(t *testing.T) {
	sealedFleet(t, 5*time.Millisecond).DieAtEachStep(t, time.Second)
}

func TestKeysOfAFileRotate(t *testing.T) {
	sealedFleet(t, 50*time.Millisecond).RotateKeys(t, fleettest.Sized(2, 4, 16), oldKey, nextKey)
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
