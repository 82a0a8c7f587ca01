package logins_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
)

// on makes the programs keep their files where they do on another system, in an empty home.
func on(t *testing.T, system string) (folder string) {
	t.Helper()
	folder = home(t)
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	t.Cleanup(logins.UseSystem(system))
	if system != "windows" {
		t.Setenv("HOME", folder)
		return folder
	}
	t.Setenv("USERPROFILE", folder)
	t.Setenv("APPDATA", filepath.Join(folder, "AppData", "Roaming"))
	t.Setenv("LOCALAPPDATA", filepath.Join(folder, "AppData", "Local"))
	return folder
}

// Each program's file is where that program has it on the system.
func TestPathsOnEachSystem(t *testing.T) {
	usual := map[string]string{
		"codex": ".codex/auth.json", "claude-code": ".claude/.credentials.json", "qwen": ".qwen/oauth_creds.json",
		"grok": ".grok/auth.json", "hermes": ".hermes/auth.json", "ant": ".config/anthropic/configs/default.json",
		"kimi": ".kimi-code/credentials", "opencode": ".local/share/opencode/auth.json",
	}
	other := map[string]map[string]string{
		"windows": {
			"hermes": "AppData/Local/hermes/auth.json", "ant": "AppData/Roaming/Anthropic/configs/default.json",
		},
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			folder := on(t, system)
			for _, p := range logins.Programs() {
				want := other[system][p.Kind]
				if want == "" {
					want = usual[p.Kind]
				}
				require.NotEmpty(t, want, p.Kind)
				assert.Equal(t, filepath.Join(folder, filepath.FromSlash(want)), p.Path(""), p.Kind)
			}
		})
	}
}

// On Windows a variable of the program's own goes first. What an older version has left in the home serves as
// long as there is no other folder.
func TestOtherPlacesOnWindows(t *testing.T) {
	folder := on(t, "windows")
	hermes, ant := program(t, "hermes"), program(t, "ant")
	own := filepath.Join(folder, "AppData", "Local", "hermes", "auth.json")
	old := write(t, "{}", folder, ".hermes", "auth.json")
	assert.Equal(t, old, hermes.Path(""))
	require.NoError(t, os.MkdirAll(filepath.Dir(own), 0o700))
	assert.Equal(t, own, hermes.Path(""))
	t.Setenv("HERMES_HOME", filepath.Join(folder, "elsewhere"))
	assert.Equal(t, filepath.Join(folder, "elsewhere", "auth.json"), hermes.Path(""))
	t.Setenv("HERMES_HOME", "")
	t.Setenv("LOCALAPPDATA", "")
	t.Setenv("APPDATA", "")
	assert.Equal(t, old, hermes.Path(""))
	assert.Equal(t, filepath.Join(folder, ".config", "anthropic", "configs", "default.json"), ant.Path(""))
}
