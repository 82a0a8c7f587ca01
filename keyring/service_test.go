package keyring_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
)

// ownService starts a Secret Service of the test's own, and returns its folder.
func ownService(t *testing.T) (folder string) {
	t.Helper()
	testrig.SecretService(t)
	control := os.Getenv("REAUTH_TEST_SECRET_SERVICE_CTL")
	folder = t.TempDir()
	out, err := exec.Command(control, "start", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		out, err := exec.Command(control, "stop", folder).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	})
	return folder
}

// waitForNoService waits until no Secret Service is left in a session: a process that was killed may
// still answer for a moment.
func waitForNoService(t *testing.T, session string) {
	t.Helper()
	conn, err := dbus.Connect(session)
	require.NoError(t, err)
	defer conn.Close()
	require.Eventually(t, func() bool {
		var there bool
		err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&there)
		return assert.NoError(t, err) && !there
	}, waits, 5*time.Millisecond)
}
