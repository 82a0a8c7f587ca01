// Package logins reads the files in which other programs keep their logins. It never writes one.
//
// reauth.Follow and the command's import both read through it, so that they agree on which login of
// a file is the one that is followed.
package logins

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Program is a program whose logins can be read.
type Program struct {
	Kind string // as reauth.Follow names it
	Name string // for people
	// Provider is the provider of the login that is followed. It is empty for a program that keeps
	// logins of several providers.
	Provider string

	folderVariable string // the environment variable that names the program's folder
	homeFolder     string // the program's folder without that variable, below the user's home
	file           string // the name of the file in that folder
	// lock is the name of a file that stands beside it while the program refreshes its login. It is
	// empty where the program has no such file.
	lock string
	read func(content []byte, canonical Canonical) (Found, error)
}

// Canonical returns the one name of a provider, and false for a provider whose logins are of no use
// to the caller. A program may write an alias of it.
type Canonical func(provider string) (name string, known bool)

var programs = []Program{ //nolint:gochecknoglobals // a table
	{
		Kind: "hermes", Name: "Hermes",
		folderVariable: "HERMES_HOME", homeFolder: ".hermes", file: "auth.json", read: readHermes,
	},
	{
		Kind: "codex", Name: "Codex CLI", Provider: "openai-codex",
		folderVariable: "CODEX_HOME", homeFolder: ".codex", file: "auth.json", read: readCodex,
	},
	{
		Kind: "claude-code", Name: "Claude Code", Provider: "anthropic",
		folderVariable: "CLAUDE_CONFIG_DIR", homeFolder: ".claude", file: ".credentials.json", read: readClaude,
	},
	{
		Kind: "qwen", Name: "Qwen Code", Provider: "qwen-oauth",
		folderVariable: "QWEN_HOME", homeFolder: ".qwen", file: "oauth_creds.json", lock: "oauth_creds.lock",
		read: readQwen,
	},
	{
		Kind: "grok", Name: "Grok CLI", Provider: "xai-oauth",
		folderVariable: "GROK_HOME", homeFolder: ".grok", file: "auth.json", read: readGrok,
	},
}

// Programs returns all programs whose logins can be read.
func Programs() []Program { return slices.Clone(programs) }

// Lookup returns the program of a kind.
func Lookup(kind string) (Program, bool) {
	i := slices.IndexFunc(programs, func(p Program) bool { return p.Kind == kind })
	if i < 0 {
		return Program{}, false
	}
	return programs[i], true
}

// Path returns the path of the program's file. named is the file, or the folder that the file is
// in; empty, it is where the program keeps its file by default.
func (p Program) Path(named string) string {
	if named != "" {
		if info, err := os.Stat(named); err == nil && info.IsDir() {
			return filepath.Join(named, p.file)
		}
		return named
	}
	if dir := os.Getenv(p.folderVariable); dir != "" {
		return filepath.Join(dir, p.file)
	}
	// A user without a home gets a relative path, which the error of reading it shows.
	home, _ := os.UserHomeDir()
	return filepath.Join(home, p.homeFolder, p.file)
}

// staleLock is the age at which Qwen Code ignores its own lock: the program that made it has died.
const staleLock = 10 * time.Second

// Refreshing reports whether the program is refreshing the login at path, as far as its lock tells.
// A refresh token that is copied meanwhile is one that has just been spent.
func (p Program) Refreshing(path string) bool {
	if p.lock == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(path), p.lock))
	return err == nil && time.Since(info.ModTime()) < staleLock
}
