//go:build unix

package logins_test

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
	"github.com/reauth-go/reauth/internal/testrig"
)

const claudeLogin = `{"claudeAiOauth":{"accessToken":"at","refreshToken":"rt","scopes":["user:inference"]},"mcpOAuth":{}}`

func TestOnlyMacOSHasAKeychain(t *testing.T) {
	assert.Equal(t, "/usr/bin/security", logins.SecurityOn("darwin"))
	assert.Empty(t, logins.SecurityOn("linux"))
	assert.Empty(t, logins.SecurityOn("windows"))
}

// Where Claude Code has no file, its login is that of the item of the user's own account.
func TestLoginInTheKeychain(t *testing.T) {
	k, p := testrig.NewKeychain(t), program(t, "claude-code")
	k.Put(claudeLogin + "\n")
	assert.Equal(t, `item "Claude Code-credentials" of jane in the login keychain`, p.Where(p.Path("")))
	found, err := p.Read(p.Path(""), canonical)
	require.NoError(t, err)
	require.Len(t, found.Logins, 1)
	assert.Equal(t, "at", found.Logins[0].AccessToken)
	assert.Equal(t, []string{"find-generic-password -s Claude Code-credentials -a jane -w"}, k.Asked())

	file := filepath.Join(t.TempDir(), "none.json")
	_, err = p.Read(file, canonical)
	require.ErrorIs(t, err, fs.ErrNotExist, "a person who names a file means it")
	require.NoError(t, os.MkdirAll(filepath.Dir(p.Path("")), 0o700))
	require.NoError(t, os.WriteFile(p.Path(""), []byte(`{"claudeAiOauth":{"accessToken":"of-the-file"}}`), 0o600))
	found, err = p.Read(p.Path(""), canonical)
	require.NoError(t, err)
	assert.Equal(t, "of-the-file", found.Logins[0].AccessToken)
	assert.Equal(t, p.Path(""), p.Where(p.Path("")))
	assert.Len(t, k.Asked(), 1)
}

// Another folder of settings has another item. The names are those that Claude Code makes.
func TestItemOfAnotherFolder(t *testing.T) {
	testrig.NewKeychain(t)
	for folder, service := range map[string]string{
		"":                          "Claude Code-credentials",
		"/Users/test/.claude-work":  "Claude Code-credentials-03abf0ee",
		"/Users/test/.claude-work/": "Claude Code-credentials-8bd6f0f5",
	} {
		t.Setenv("CLAUDE_CONFIG_DIR", folder)
		got, account := logins.ClaudeItem()
		assert.Equal(t, service, got, folder)
		assert.Equal(t, "jane", account)
	}
	t.Setenv("USER", "")
	_, account := logins.ClaudeItem()
	assert.NotEmpty(t, account, "the system tells it, too")
}

// security prints a password in hexadecimal digits when it is no plain text.
func TestPasswordInHexadecimalDigits(t *testing.T) {
	k, p := testrig.NewKeychain(t), program(t, "claude-code")
	k.Put(hex.EncodeToString([]byte(strings.Replace(claudeLogin, "at", "ät", 1))) + "\n")
	found, err := p.Read(p.Path(""), canonical)
	require.NoError(t, err)
	assert.Equal(t, "ät", found.Logins[0].AccessToken)
}

// Whatever the program does, the error names the way out, and quotes no output.
func TestKeychainThatCannotBeRead(t *testing.T) {
	const foreign = "it is not what that program writes: broken JSON, or another program's file"
	for name, c := range map[string]struct{ script, err string }{
		"no item":       {"echo secret; echo secret >&2; exit 44", "there is no such item, and no file in its place"},
		"locked":        {"echo secret >&2; exit 36", "the keychain is locked; unlock it by: security unlock-keychain"},
		"not allowed":   {"exit 51", "security was not allowed to read it; allow it when the system asks"},
		"refused":       {"echo secret; exit 128", "security was not allowed to read it; allow it when the system asks"},
		"anything else": {"echo secret; exit 1", "security could not read it: exit status 1"},
		"killed":        {"kill -9 $$", "security, which reads it, failed: signal: killed"},
		"nothing":       {"exit 0", foreign},
		"two lines":     {"echo '{\"claudeAiOauth\":'; echo secret", foreign},
		"a page":        {"echo '<html>secret</html>'", foreign},
		"hexadecimal":   {"echo 7365637265743d31", foreign},
		"larger":        {"while :; do echo secret-secret-secret-secret-secret-secret; done", "it is larger than 1 MiB; it may be another program's"},
	} {
		t.Run(name, func(t *testing.T) {
			k, p := testrig.NewKeychain(t), program(t, "claude-code")
			k.Script("#!/bin/sh\n" + c.script + "\n")
			_, err := p.Read(p.Path(""), canonical)
			require.EqualError(t, err, c.err)
			assert.Equal(t, name == "no item", errors.Is(err, fs.ErrNotExist))
		})
	}
	t.Run("missing", func(t *testing.T) {
		testrig.NewKeychain(t)
		p := program(t, "claude-code")
		t.Cleanup(logins.UseSecurity(filepath.Join(t.TempDir(), "security")))
		_, err := p.Read(p.Path(""), canonical)
		require.ErrorContains(t, err, "security, which reads it, failed: ")
	})
	t.Run("hangs", func(t *testing.T) {
		k := testrig.NewKeychain(t)
		k.Script("#!/bin/sh\necho secret\nexec sleep 600\n")
		_, err := logins.ReadItem(time.Millisecond)
		require.EqualError(t, err, "security did not read it within 1ms; allow it to, or log in with reauth instead")
	})
}
