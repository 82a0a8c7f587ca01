package privatefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/privatefile"
)

func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	assert.Nil(t, privatefile.ReadNote(path))
	for i, content := range []string{"one", strings.Repeat("two", 1000), "three"} {
		require.NoError(t, privatefile.WriteNote(path, []byte(content), i > 0))
		assert.Equal(t, content, strings.TrimSpace(string(privatefile.ReadNote(path))))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, info.Size(), int64(512), "a whole sector")
		assert.True(t, onWindows || info.Mode().Perm() == 0o600, "%s", info.Mode())
	}
	require.Error(t, privatefile.WriteNote(filepath.Join(path, "below"), nil, false))
	assert.Nil(t, privatefile.ReadNote(filepath.Join(path, "below")))
}
