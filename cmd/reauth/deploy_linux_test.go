package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The steps of the Dockerfile make a program that needs nothing else in its image.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("deploy/Dockerfile")
	require.NoError(t, err)
	root := t.TempDir()
	steps := 0
	for line := range strings.Lines(string(text)) {
		step, ok := strings.CutPrefix(line, "RUN ")
		if !ok || strings.Contains(step, "/etc/ssl/certs") { // the certificates are those of the base image
			continue
		}
		steps++
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", step)
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "ROOT="+root)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s%s", step, out)
	}
	require.Equal(t, 2, steps)
	program, err := elf.Open(filepath.Join(root, "reauth"))
	require.NoError(t, err)
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, part := range program.Progs {
		assert.NotEqual(t, elf.PT_INTERP, part.Type, "the program is static")
	}
	info, err := os.Stat(filepath.Join(root, "data"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o700, info.Mode())

	// Each command line of the file is one that the program understands.
	for _, name := range []string{"HEALTHCHECK", "CMD"} {
		line := regexp.MustCompile(`(?m)^` + name + ` .*\[(.*)\]$`).FindStringSubmatch(string(text))
		require.Len(t, line, 2, name)
		words := strings.Split(strings.ReplaceAll(line[1], `"`, ""), ", ")
		if words[0] == "/reauth" {
			words = words[1:]
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, "reauth"), append(words, "--help")...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "Usage: reauth "+words[0])
	}
}

// systemd takes the unit as it is, but for the place of the program.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile("deploy/reauth-proxy.service")
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "reauth-proxy.service")
	write := strings.ReplaceAll(string(text), "/usr/local/bin/reauth", binary)
	require.NotEqual(t, string(text), write)
	require.NoError(t, os.WriteFile(unit, []byte(write), 0o600))
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--offline=true", "--no-pager", "--threshold=15", unit}, // 10 × the exposure that it computes
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		if args[0] == "verify" {
			assert.Empty(t, string(out))
		}
	}
}
