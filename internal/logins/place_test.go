package logins_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
)

// home gives the test a home, and none of the variables that move a program's folder.
func home(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, variable := range []string{
		"ANTHROPIC_CONFIG_DIR", "ANTHROPIC_PROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA",
		"KIMI_CODE_HOME", "KIMI_SHARE_DIR", "CLAUDE_CONFIG_DIR",
	} {
		t.Setenv(variable, "")
	}
	t.Setenv("HOME", folder)
	t.Setenv("USERPROFILE", folder)
	return folder
}

// write writes a file below a folder, and returns its path.
func write(t *testing.T, content string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

func TestPathOfOpenCode(t *testing.T) {
	home, data := home(t), t.TempDir()
	p := program(t, "opencode")
	assert.Equal(t, filepath.Join(home, ".local", "share", "opencode", "auth.json"), p.Path(""))
	t.Setenv("XDG_DATA_HOME", data)
	assert.Equal(t, filepath.Join(data, "opencode", "auth.json"), p.Path(""))
	assert.Equal(t, filepath.Join(data, "auth.json"), p.Path(data), "a folder stands for the file in it")
	assert.Equal(t, "some/file", p.Path("some/file"))

	assert.Equal(t, "log in there first", p.WayOut(p.Path("")))
	write(t, "", data, "opencode", "opencode.db")
	assert.Contains(t, p.WayOut(p.Path("")), "OpenCode 2 keeps its logins in its database")
}

func TestPathOfAnt(t *testing.T) {
	home, folder := home(t), t.TempDir()
	p := program(t, "ant")
	if runtime.GOOS != "windows" {
		assert.Equal(t, filepath.Join(home, ".config", "anthropic", "configs", "default.json"), p.Path(""))
		t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "xdg"))
		assert.Equal(t, filepath.Join(home, "xdg", "anthropic", "configs", "default.json"), p.Path(""))
	}
	t.Setenv("ANTHROPIC_CONFIG_DIR", folder)
	assert.Equal(t, filepath.Join(folder, "configs", "default.json"), p.Path(""))
	write(t, " work\n", folder, "active_config")
	work := write(t, "{}", folder, "configs", "work.json")
	tokens := write(t, "{}", folder, "credentials", "work.json")
	for _, named := range []string{"", folder, filepath.Dir(work), filepath.Dir(tokens), work, tokens} {
		assert.Equal(t, work, p.Path(named), named)
	}
	t.Setenv("ANTHROPIC_PROFILE", "other")
	assert.Equal(t, filepath.Join(folder, "configs", "other.json"), p.Path(""), "the variable goes before the file")
	t.Setenv("ANTHROPIC_PROFILE", "../../other")
	assert.Equal(t, filepath.Join(folder, "configs"), filepath.Dir(p.Path("")), "no name leads out of the folder")
	assert.Equal(t, "some/file", p.Path("some/file"))
}

func TestPathOfKimi(t *testing.T) {
	home := home(t)
	p := program(t, "kimi")
	current, former := filepath.Join(home, ".kimi-code"), filepath.Join(home, ".kimi")
	assert.Equal(t, filepath.Join(current, "credentials"), p.Path(""), "where a login would be")
	old := write(t, "{}", former, "credentials", "kimi-code.json")
	write(t, "global", current, "region")
	write(t, "{}", current, "credentials", "kimi-code.json.tmp.7.ab")
	assert.Equal(t, filepath.Dir(old), p.Path(""), "the predecessor has the only login")
	file := write(t, "{}", current, "credentials", "kimi-code.json")
	for _, named := range []string{"", current, filepath.Dir(file)} {
		assert.Equal(t, filepath.Dir(file), p.Path(named), named)
	}
	assert.Equal(t, file, p.Path(file))
	t.Setenv("KIMI_CODE_HOME", filepath.Join(home, "elsewhere"))
	assert.Equal(t, filepath.Dir(old), p.Path(""))
	t.Setenv("KIMI_SHARE_DIR", current)
	assert.Equal(t, filepath.Dir(file), p.Path(""))
}

func TestRefreshingOfKimi(t *testing.T) {
	folder := t.TempDir()
	file := write(t, "{}", folder, "kimi-code.json")
	p := program(t, "kimi")
	assert.False(t, p.Refreshing(folder))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "kimi-code.lock-target.lock"), 0o700))
	assert.True(t, p.Refreshing(folder))
	assert.True(t, p.Refreshing(file))
}

// The state of a program's files changes with each of them, also when one goes. It is not worth
// reading again when there is none.
func TestStateOfFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "configs", "default.json")
	p := program(t, "ant")
	none := p.State(path)
	assert.False(t, none.Changed(logins.State{}))
	write(t, `{"authentication":{"type":"user_oauth"}}`, path)
	profile := p.State(path)
	assert.True(t, profile.Changed(none))
	tokens := write(t, `{"access_token":"at"}`, folder, "credentials", "default.json")
	both := p.State(path)
	assert.True(t, both.Changed(profile))
	assert.False(t, p.State(path).Changed(both))
	later := time.Now().Add(time.Second)
	require.NoError(t, os.Chtimes(tokens, later, later))
	assert.True(t, p.State(path).Changed(both))
	require.NoError(t, os.Remove(tokens))
	assert.True(t, p.State(path).Changed(both))
	assert.False(t, none.Changed(both), "what is gone cannot be read")
	assert.False(t, both.InKeychain())
}

// A login in the keychain does not tell when it was written. It is worth reading again after five
// minutes.
func TestStateOfTheKeychain(t *testing.T) {
	home(t)
	t.Cleanup(logins.UseSecurity("security"))
	p := program(t, "claude-code")
	synctest.Test(t, func(t *testing.T) {
		seen := p.State(p.Path(""))
		assert.True(t, seen.InKeychain())
		assert.True(t, seen.Changed(logins.State{}))
		time.Sleep(5*time.Minute - time.Nanosecond)
		assert.False(t, p.State(p.Path("")).Changed(seen))
		time.Sleep(time.Nanosecond)
		assert.True(t, p.State(p.Path("")).Changed(seen))
	})
	assert.False(t, p.State(filepath.Join(t.TempDir(), "none.json")).InKeychain(), "a person named a file")
	write(t, "{}", p.Path(""))
	assert.False(t, p.State(p.Path("")).InKeychain(), "the file goes first")
}

// The name of Kimi Code's file of a global login is made of the two addresses of that region.
func TestNameOfKimisGlobalFile(t *testing.T) {
	sum := sha256.Sum256([]byte(`{"oauthHost":"https://auth.kimi.ai","baseUrl":"https://api.kimi.ai/coding/v1"}`))
	name := "kimi-code-env-" + hex.EncodeToString(sum[:8]) + ".json"
	found, err := program(t, "kimi").Read(write(t, `{"access_token":"at"}`, t.TempDir(), name), canonical)
	require.NoError(t, err)
	require.Len(t, found.Logins, 1)
	assert.Equal(t, []string{"api.kimi.ai/coding"}, found.Logins[0].Hosts)
}
