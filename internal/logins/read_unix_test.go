//go:build unix

package logins_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// To open a FIFO would wait for a writer, for ever.
func TestWhatIsNoRegularFileIsNotOpened(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	for _, path := range []string{fifo, "/dev/zero", "/dev/null"} {
		_, err := program(t, "codex").Read(path, canonical)
		require.EqualError(t, err, "it is no regular file", path)
	}
}
