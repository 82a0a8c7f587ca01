package logins_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
)

// A program that writes in place has 50 ms to finish. Nothing else is read twice.
func TestHalfAFileIsReadOnceMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"tokens":{"access_tok`), 0o600))
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		time.AfterFunc(40*time.Millisecond, func() {
			assert.NoError(t, os.WriteFile(path, []byte(`{"tokens":{"access_token":"at"}}`), 0o600))
		})
		found, err := program(t, "codex").Read(path, canonical)
		require.NoError(t, err)
		require.Len(t, found.Logins, 1)
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, os.WriteFile(path, []byte(`{}`), 0o600))
		_, err := program(t, "codex").Read(path, canonical)
		require.NoError(t, err)
		_, err = program(t, "codex").Read(path+".none", canonical)
		require.ErrorIs(t, err, fs.ErrNotExist)
		assert.NotContains(t, err.Error(), path)
		_, err = program(t, "codex").Read(filepath.Dir(path), canonical)
		require.EqualError(t, err, "it is a folder; name the file in it")
		assert.Zero(t, time.Since(start))
	})
}

func TestSizeOfAFileIsBounded(t *testing.T) {
	const head, tail = `{"tokens":{"access_token":"at"},"more":"`, `"}`
	most := head + strings.Repeat("x", 4<<20-len(head)-len(tail)) + tail
	found, err := read(t, "codex", most)
	require.NoError(t, err)
	assert.Len(t, found.Logins, 1)
	_, err = read(t, "codex", most+" ")
	require.EqualError(t, err, "it is larger than 4 MiB; it may be another program's file")
}

func TestPath(t *testing.T) {
	home, folder := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	var variables []string
	for kind, c := range map[string]struct{ variable, folder, file string }{
		"hermes":      {"HERMES_HOME", ".hermes", "auth.json"},
		"codex":       {"CODEX_HOME", ".codex", "auth.json"},
		"claude-code": {"CLAUDE_CONFIG_DIR", ".claude", ".credentials.json"},
		"qwen":        {"QWEN_HOME", ".qwen", "oauth_creds.json"},
		"grok":        {"GROK_HOME", ".grok", "auth.json"},
	} {
		variables = append(variables, c.variable)
		p := program(t, kind)
		t.Setenv(c.variable, "")
		assert.Equal(t, filepath.Join(home, c.folder, c.file), p.Path(""))
		t.Setenv(c.variable, folder)
		assert.Equal(t, filepath.Join(folder, c.file), p.Path(""))
		assert.Equal(t, filepath.Join(home, c.file), p.Path(home), "a folder stands for the file in it")
		assert.Equal(t, "some/file", p.Path("some/file"))
	}
	assert.Len(t, logins.Programs(), len(variables)+3, "the tests of ant, kimi and opencode are below")
	_, ok := logins.Lookup("cursor")
	assert.False(t, ok)
}

func TestRefreshing(t *testing.T) {
	folder := t.TempDir()
	path, lock := filepath.Join(folder, "oauth_creds.json"), filepath.Join(folder, "oauth_creds.lock")
	qwen := program(t, "qwen")
	assert.False(t, qwen.Refreshing(path))
	require.NoError(t, os.WriteFile(lock, nil, 0o600))
	assert.True(t, qwen.Refreshing(path))
	assert.False(t, program(t, "codex").Refreshing(path), "it has no such file")
	old := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(lock, old, old))
	assert.False(t, qwen.Refreshing(path), "whoever made the lock has died")
}
