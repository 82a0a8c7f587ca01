package reauth_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Kubernetes keeps a projected token behind two links: token leads to ..data/token, and ..data to a
// folder with a time in its name. To rotate, it makes a new folder and replaces the link ..data
// (atomic_writer.go of Kubernetes).
func TestFileSourceFollowsAProjectedToken(t *testing.T) {
	volume := t.TempDir()
	rotate := func(folder, token string) {
		require.NoError(t, os.Mkdir(filepath.Join(volume, folder), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(volume, folder, "token"), []byte(token), 0o644))
		require.NoError(t, os.Symlink(folder, filepath.Join(volume, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")))
	}
	require.NoError(t, os.Symlink(filepath.Join("..data", "token"), filepath.Join(volume, "token")))
	source := reauth.FileSource(filepath.Join(volume, "token"))
	for i := range 3 {
		token := fmt.Sprint("st-EXAMPLE-", i)
		rotate(fmt.Sprint("..2026_11_26_0", i), token)
		got, err := ask(t, source)
		require.NoError(t, err)
		assert.Equal(t, token, got.AccessToken, "nothing is kept between two calls")
	}
}

// expires_in counts from when the file was written.
func TestFileSourceCountsFromTheFile(t *testing.T) {
	path := writeSource(t, `{"access_token":"a","expires_in":3600}`)
	written := time.Now().Add(-59 * time.Minute).Truncate(time.Second)
	require.NoError(t, os.Chtimes(path, written, written))
	got, err := ask(t, reauth.FileSource(path))
	require.NoError(t, err)
	assert.WithinDuration(t, written.Add(time.Hour), got.Expiry, 0)

	written = written.Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, written, written))
	_, err = ask(t, reauth.FileSource(path))
	require.ErrorContains(t, err, "expired_on_arrival")
}

func TestFileSourceThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat("x", 64<<10+1)), 0o600))
	for path, want := range map[string]string{
		"":                               "FileSource wants the path of a file",
		filepath.Join(folder, "missing"): "cannot be read; look at its path, and whether what writes it runs",
		"~/token":                        `a "~" is not expanded`,
		folder:                           "it is no regular file but a folder",
		large:                            "it is larger than 64 KiB",
	} {
		_, err := ask(t, reauth.FileSource(path))
		re := refreshError(t, err)
		assert.Equal(t, "source_failed", re.Code, path)
		assert.False(t, re.Permanent)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, fmt.Sprintf("the file %q", path))
	}
	_, err := ask(t, reauth.FileSource(filepath.Join(folder, "missing")))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ask(t, reauth.FileSource(filepath.Join(large, "below")))
	require.ErrorContains(t, err, "source_failed")

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = reauth.FileSource(writeSource(t, sourceToken)).Refresh(ended, reauth.Credential{})
	require.ErrorIs(t, err, context.Canceled)
}
