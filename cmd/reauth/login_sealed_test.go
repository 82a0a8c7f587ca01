package main_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/scantest"
)

// sealedRun reports whether the run seals each store: see the flag -sealed.
func sealedRun() bool { return flag.Lookup("sealed").Value.String() == "true" }

// loginKey seals the stores of login worlds then.
var loginKey = bytes.Repeat([]byte{0x10, 0x61}, 16)

// fileOf opens the file of a login world.
func fileOf(t testing.TB, path string) reauth.Store {
	t.Helper()
	s := reauth.Store(reauth.NewFileStore(path))
	if sealedRun() {
		var err error
		s, err = reauth.NewSealedStore(s, loginKey)
		require.NoError(t, err)
	}
	return s
}

// sealEnv are the variables with which the command of a login world seals.
func sealEnv() []string {
	if !sealedRun() {
		return nil
	}
	return []string{"REAUTH_SEAL=env:REAUTH_TEST_KEY", "REAUTH_TEST_KEY=" + base64.StdEncoding.EncodeToString(loginKey)}
}

// issued matches the tokens and codes of reauthtest.
var issued = regexp.MustCompile(`\b[ard][tc]-[A-Z2-7]{20,}`)

// scanAtEnd looks for tokens in a folder at the end of a test whose store is sealed.
func scanAtEnd(t testing.TB, folder string) {
	t.Helper()
	if sealedRun() {
		t.Cleanup(func() { assert.Empty(t, scantest.Pattern(t, folder, issued)) })
	}
}
