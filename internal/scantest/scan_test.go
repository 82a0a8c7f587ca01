package scantest_test

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/scantest"
)

const secret = "rt-TWO?>HUNDRED~~~BYTES"

// A scan finds a secret in every form, and nothing where there is none.
func TestScanFindsEveryForm(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":         "x" + secret + "y",
		"Base64":           base64.StdEncoding.EncodeToString([]byte(secret)),
		"Base64 of URLs":   base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"behind one byte":  base64.StdEncoding.EncodeToString([]byte("{" + secret + "}")),
		"behind two bytes": base64.RawURLEncoding.EncodeToString([]byte(`{"` + secret + `"}`)),
		"hexadecimal":      "ab" + hex.EncodeToString([]byte(secret)),
		"capitals":         strings.ToUpper(hex.EncodeToString([]byte(secret))),
	} {
		folder := filepath.Join(t.TempDir(), "below")
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), []byte("\x00{\""+text+"\"}"), 0o600))
		assert.NotEmpty(t, scantest.Folder(t, filepath.Dir(folder), scantest.Forms("another", secret)), name)
		assert.NotEmpty(t, scantest.Pattern(t, filepath.Dir(folder), regexp.MustCompile(`rt-TWO..HUND`)), name)
		assert.Empty(t, scantest.Folder(t, folder, scantest.Forms("another", "")), name)
		assert.Empty(t, scantest.Pattern(t, folder, regexp.MustCompile(`rt-THREE`)), name)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, scantest.Digest(secret)), nil, 0o600))
	assert.Len(t, scantest.Folder(t, folder, scantest.Forms(secret)), 1, "a name")
}
