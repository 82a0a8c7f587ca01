//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A service that is not root reads its credential of systemd: a file of root that is legible for
// the service alone, which shows as a bit for the group.
func TestCredentialOfSystemd(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	const service = 65534
	s := newClearShell(t)
	s.newKeys("KEY")
	text := s.run("", "store", "key").ok()
	world, err := os.MkdirTemp("", "reauth-service-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(world)) })
	require.NoError(t, os.Chmod(world, 0o755))
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(world, "reauth"), content, 0o755))
	home, credentials := filepath.Join(world, "home"), filepath.Join(world, "credentials")
	require.NoError(t, os.Mkdir(home, 0o700))
	require.NoError(t, os.Chown(home, service, service))
	require.NoError(t, os.Mkdir(credentials, 0o550))
	require.NoError(t, os.Chown(credentials, 0, service))
	key := filepath.Join(credentials, "reauth.key")
	require.NoError(t, os.WriteFile(key, []byte(text), 0o440))
	require.NoError(t, os.Chown(key, 0, service))

	check := func() (string, error) {
		cmd := exec.Command(filepath.Join(world, "reauth"), "store", "check", "--seal", "file:"+key)
		cmd.Env, cmd.Dir = []string{"HOME=" + home, "CREDENTIALS_DIRECTORY=" + credentials, "GORACE=atexit_sleep_ms=20"}, home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: service, Gid: service}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := check()
	require.NoError(t, err, out)
	require.NoError(t, os.Chmod(key, 0o444))
	out, err = check()
	require.Error(t, err)
	assert.Contains(t, out, "let root give it mode 0400 or 0440")
}
