//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
	"github.com/reauth-go/reauth/internal/testrig"
)

// On macOS and on Windows each program's login is found where that program keeps it there, and is
// followed, and copied with --take-over. Claude Code has its own in the keychain on macOS.
func TestImportOnOtherSystems(t *testing.T) {
	other := map[string]string{"ant": "AppData/Roaming/Anthropic", "hermes": "AppData/Local/hermes"}
	for _, system := range []string{"darwin", "windows"} {
		for _, p := range logins.Programs() {
			t.Run(system+"/"+p.Kind, func(t *testing.T) {
				keychain := testrig.NewKeychain(t)
				t.Cleanup(logins.UseSystem(system))
				s := newClearShell(t)
				folder := filepath.Join(s.home, place[p.Kind])
				t.Setenv("HOME", s.home)
				for _, variable := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA"} {
					t.Setenv(variable, "")
				}
				if system == "windows" {
					t.Cleanup(logins.UseSecurity(""))
					t.Setenv("HOME", "")
					t.Setenv("USERPROFILE", s.home)
					t.Setenv("APPDATA", filepath.Join(s.home, "AppData", "Roaming"))
					t.Setenv("LOCALAPPDATA", filepath.Join(s.home, "AppData", "Local"))
					if other[p.Kind] != "" {
						folder = filepath.Join(s.home, filepath.FromSlash(other[p.Kind]))
					}
				} else if p.Kind == "ant" {
					folder = filepath.Join(s.home, ".config", "anthropic")
				}
				t.Setenv("REAUTH_STORE", s.store())
				relative, err := filepath.Rel(s.home, folder)
				require.NoError(t, err)
				where := s.writeProgram(p.Kind, relative)
				if p.Kind == "kimi" {
					where = filepath.Dir(where) // it keeps several files there
				}
				if system == "darwin" && p.Kind == "claude-code" {
					keychain.Put(programFiles()[p.Kind])
					require.NoError(t, os.Remove(where))
					where = `item "Claude Code-credentials" of jane in the login keychain`
				}
				code, out, errs := here(t, "import", p.Kind)
				require.Zero(t, code, errs)
				assert.Contains(t, out, p.Name+" keeps its logins in "+where+"\n")
				assert.Contains(t, out, "  follows  ")
				code, out, errs = here(t, "import", p.Kind, "--take-over")
				require.Zero(t, code, errs)
				if p.Kind != "ant" { // only its program can refresh that
					assert.Contains(t, out, "  copied  ")
				}
				_, out, _ = here(t, "status")
				assert.Contains(t, inLines(out), "good")
			})
		}
	}
}
