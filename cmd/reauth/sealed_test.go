package main

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/scantest"
)

// sealedRun runs the tests of the command over sealed stores, and looks for tokens in each of them
// afterwards.
var sealedRun = flag.Bool("sealed", false, "seal the store of each test, and look for tokens in its folder afterwards")

// testKey seals the stores of tests.
var testKey = bytes.Repeat([]byte{0x5e, 0xa1}, 16)

// sealEnv are the variables with which a command seals its store.
func sealEnv() []string {
	return []string{"REAUTH_SEAL=env:REAUTH_TEST_KEY", "REAUTH_TEST_KEY=" + base64.StdEncoding.EncodeToString(testKey)}
}

// sealedFile opens a file as a command does that has the variables of sealEnv.
func sealedFile(t testing.TB, path string) reauth.Store {
	t.Helper()
	s, err := reauth.NewSealedStore(reauth.NewFileStore(path), testKey)
	require.NoError(t, err)
	return s
}

// fileOfRun opens the file of a test's own world, which is sealed in a run with -sealed.
func fileOfRun(t testing.TB, path string) reauth.Store {
	t.Helper()
	if *sealedRun {
		return sealedFile(t, path)
	}
	return reauth.NewFileStore(path)
}

// envOfRun are the variables that a run with -sealed adds to a command's.
func envOfRun() []string {
	if *sealedRun {
		return sealEnv()
	}
	return nil
}

// scanAfterRun looks for tokens in a folder at the end of a test, in a run with -sealed.
func scanAfterRun(t testing.TB, folder string) {
	t.Helper()
	if *sealedRun {
		t.Cleanup(func() { holdsNoToken(t, folder) })
	}
}

// holdsNoToken fails the test if a file below a folder holds a token.
func holdsNoToken(t testing.TB, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); err == nil {
		assert.Empty(t, scantest.Pattern(t, folder, secretText))
	}
}

// sealedWith matches what the status says of a sealed record.
var sealedWith = regexp.MustCompile(`, sealed with [0-9a-f]{12}| "sealed": "[0-9a-f]{12}",`)
