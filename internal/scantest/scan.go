// Package scantest is for tests that look for secrets where none may be: in the file of a store, its
// folder, temporary files, logs of a database and dumps.
package scantest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Forms are the texts by which secrets are found: as they are, in Base64 of both alphabets, in
// hexadecimal digits, and as the digest by which a store in the clear names a token. Empty secrets have
// none.
func Forms(secrets ...string) (forms []string) {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for shift := range 3 { // Base64 depends on where a secret begins
			shifted := []byte(strings.Repeat(" ", shift) + secret)
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				b := e.EncodeToString(shifted)
				forms = append(forms, b[4:len(b)-4])
			}
		}
		digits := hex.EncodeToString([]byte(secret))
		forms = append(forms, secret, digits, strings.ToUpper(digits), Digest(secret))
	}
	return forms
}

// Digest is how a store in the clear names a token in a mark.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// Text returns which of the forms are in a text.
func Text(text []byte, forms []string) (found []string) {
	for _, f := range forms {
		if bytes.Contains(text, []byte(f)) {
			found = append(found, f)
		}
	}
	return found
}

// Folder returns which of the forms are in a file below a folder, or in its name.
func Folder(t testing.TB, folder string, forms []string) (found []string) {
	t.Helper()
	walk(t, folder, func(name string, content []byte) {
		for _, f := range append(Text(content, forms), Text([]byte(name), forms)...) {
			found = append(found, name+": "+f)
		}
	})
	return found
}

// Pattern returns what matches a pattern in a file below a folder, or in its name, as it stands there
// or decoded from Base64 or hexadecimal digits. It is for secrets that the test does not know.
func Pattern(t testing.TB, folder string, pattern *regexp.Regexp) (found []string) {
	t.Helper()
	walk(t, folder, func(name string, content []byte) {
		for _, m := range append(PatternIn(content, pattern), PatternIn([]byte(name), pattern)...) {
			found = append(found, name+": "+m)
		}
	})
	return found
}

// PatternIn is Pattern for a text.
func PatternIn(text []byte, pattern *regexp.Regexp) (found []string) {
	for _, reading := range append(decoded(text), text) {
		if m := pattern.Find(reading); m != nil {
			found = append(found, string(m))
		}
	}
	return found
}

// walk reads each file below a folder. A file that is replaced meanwhile is left out.
func walk(t testing.TB, folder string, f func(name string, content []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		content, err := os.ReadFile(path)
		if err == nil {
			f(filepath.Base(path), content)
		}
		return ignoreGone(err)
	}))
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// encodings match runs that may be encoded text.
var (
	inBase64 = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}`)
	inHex    = regexp.MustCompile(`[0-9A-Fa-f]{16,}`)
)

// decoded returns what the encoded texts in a content say, wherever in a run they begin.
func decoded(content []byte) (texts [][]byte) {
	standard := strings.NewReplacer("-", "+", "_", "/")
	for _, run := range inBase64.FindAll(content, -1) {
		text := standard.Replace(string(run))
		for from := range 4 {
			part := text[from:]
			b, err := base64.RawStdEncoding.DecodeString(part[:len(part)-len(part)%4])
			if err == nil {
				texts = append(texts, b)
			}
		}
	}
	for _, run := range inHex.FindAll(content, -1) {
		for from := range 2 {
			part := run[from:]
			b := make([]byte, len(part)/2)
			if _, err := hex.Decode(b, part[:len(part)-len(part)%2]); err == nil {
				texts = append(texts, b)
			}
		}
	}
	return texts
}
