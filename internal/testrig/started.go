package testrig

import (
	"os"
	"testing"
)

// SecretService returns the address of the session whose Secret Service keyring/secretservice.sh has
// started.
func SecretService(t testing.TB) string {
	t.Helper()
	return Started(t, "keyring/secretservice.sh", "REAUTH_TEST_SECRET_SERVICE_DIR", "REAUTH_TEST_SECRET_SERVICE")
}

// Started returns a variable that a script has printed when it started what a test needs. The script
// stops it when it is given the folder, which is a variable too. The test fails if the variable is
// missing, because nobody would notice a skipped test.
func Started(t testing.TB, script, folder, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf(`%s is not set: run eval "$(%s start)" first, and %s stop "$%s" at the end`, name, script, script, folder)
	}
	return value
}
