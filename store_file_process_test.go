//go:build unix

package reauth_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// inChild runs the test again in a process of its own, after change has changed the command. It
// returns true in that process, and false in the parent when the child has passed.
func inChild(t *testing.T, dir string, change func(*exec.Cmd)) bool {
	t.Helper()
	const mark = "REAUTH_TEST_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name(), "REAUTH_TEST_DIR="+dir)
	if change != nil {
		change(cmd)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// nobody is the user and the group "nobody".
const nobody = 65534

// copyBinary copies this test's binary to a place where another user may run it.
func copyBinary(t *testing.T, dir string) string {
	from, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer from.Close()
	path := filepath.Join(dir, "test.bin")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return path
}
