package testrig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reauth-go/reauth/internal/logins"
)

// Keychain is a stand-in for the login keychain of macOS: a program named security, on PATH, which
// tells what is in one file. It needs a shell, so its tests are for Unix.
type Keychain struct {
	t      testing.TB
	folder string
}

// The program exits with 44 when it has no such item, as macOS's does.
const securityScript = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >>asked
[ -f item ] || { echo "secret: the item could not be found" >&2; exit 44; }
cat item
`

// NewKeychain puts the program on PATH, until the test ends, for the user jane in an empty home. It
// has no item yet.
func NewKeychain(t testing.TB) *Keychain {
	k := &Keychain{t: t, folder: t.TempDir()}
	k.Script(securityScript)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("USER", "jane")
	t.Setenv("CLAUDE_CONFIG_DIR", "")
	t.Cleanup(logins.UseSecurity("security"))
	t.Setenv("PATH", k.folder+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return k
}

// Script makes the program another one.
func (k *Keychain) Script(content string) {
	k.must(os.WriteFile(filepath.Join(k.folder, "security"), []byte(content), 0o700))
}

// Put makes the content that of the item.
func (k *Keychain) Put(content string) {
	k.must(os.WriteFile(filepath.Join(k.folder, "item"), []byte(content), 0o600))
}

// Asked returns the arguments of each run of the program, in order.
func (k *Keychain) Asked() []string {
	content, err := os.ReadFile(filepath.Join(k.folder, "asked"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	k.must(err)
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func (k *Keychain) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}
