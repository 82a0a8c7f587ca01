//go:build unix

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
)

// here runs the command in this process, which has a stand-in for the keychain.
func here(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	checkSecrets(t, "the output of reauth "+strings.Join(args, " "), stdout.String()+stderr.String())
	return code, stdout.String(), stderr.String()
}

// On macOS Claude Code's login is in the keychain. import says so, follows it there, and copies it
// from there.
func TestImportFromTheKeychain(t *testing.T) {
	k := testrig.NewKeychain(t)
	t.Setenv("REAUTH_STORE", filepath.Join(t.TempDir(), "auth.json"))
	const where = `item "Claude Code-credentials" of jane in the login keychain`
	code, _, errs := here(t, "import", "claude-code")
	assert.Equal(t, exitLogin, code)
	assert.Equal(t, "reauth: import: Claude Code keeps no login in "+where+"; log in there first, or name the file\n", errs)

	k.Put(fmt.Sprintf(`{"claudeAiOauth":{"accessToken":"sk-ant-oat01-%[1]s","refreshToken":"sk-ant-ort01-%[1]s","expiresAt":%[2]d}}`,
		marker, time.Now().Add(soon).UnixMilli()))
	code, out, errs := here(t, "import", "claude-code")
	require.Zero(t, code, errs)
	assert.Equal(t, "Claude Code keeps its logins in "+where+"\n  follows  Claude login: as anthropic/claude-code\n", out)
	_, out, _ = here(t, "status")
	assert.Contains(t, inLines(out), "follows claude-code")
	code, out, errs = here(t, "import", "claude-code", "--take-over")
	require.Zero(t, code, errs)
	assert.Contains(t, out, "copied  Claude login: as anthropic/claude-code")

	k.Script("#!/bin/sh\necho " + marker + "\nexit 36\n")
	code, _, errs = here(t, "import", "claude-code")
	assert.Equal(t, exitFailed, code)
	assert.Equal(t, "reauth: import: "+where+" (Claude Code): the keychain is locked; unlock it by: security unlock-keychain\n", errs)
}
