// Package logins reads the files in which other programs keep their logins, and the item of one in
// the login keychain of macOS. It never writes one.
//
// reauth.Follow and the command's import both read through it, so that they agree on which login of
// a file is the one that is followed.
package logins

import (
	"cmp"
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

	place place
	// locks are names of files that stand beside it while the program refreshes its login. There are
	// none where the program has no such file.
	locks []string

	read   func(content []byte, canonical Canonical) (Found, error) // of its one file
	gather func(path string, open opener) (Found, error)            // instead, of several files
	parts  func(path string) []string                               // the files that gather opens; nil: the one

	keychain func() item              // where macOS has what its file has elsewhere; nil: nowhere
	absent   func(path string) string // the way out when there is no file; nil: to log in there
}

// opener returns the content of a file, as readFile does.
type opener func(path string) ([]byte, error)

// Canonical returns the one name of a provider, and false for a provider whose logins are of no use
// to the caller. A program may write an alias of it.
type Canonical func(provider string) (name string, known bool)

var programs = []Program{ //nolint:gochecknoglobals // a table
	{
		Kind: "hermes", Name: "Hermes", read: readHermes,
		place: place{
			variable: "HERMES_HOME", home: ".hermes", file: "auth.json", windows: onWindows{"LOCALAPPDATA", "hermes"},
		},
	},
	{
		Kind: "codex", Name: "Codex CLI", Provider: "openai-codex", read: readCodex,
		place: place{variable: "CODEX_HOME", home: ".codex", file: "auth.json"},
	},
	{
		Kind: "claude-code", Name: "Claude Code", Provider: "anthropic", read: readClaude, keychain: claudeItem,
		place: place{variable: claudeVariable, home: ".claude", file: ".credentials.json"},
	},
	{
		Kind: "qwen", Name: "Qwen Code", Provider: "qwen-oauth", read: readQwen,
		place: place{variable: "QWEN_HOME", home: ".qwen", file: "oauth_creds.json"}, locks: []string{"oauth_creds.lock"},
	},
	{
		Kind: "grok", Name: "Grok CLI", Provider: "xai-oauth", read: readGrok,
		place: place{variable: "GROK_HOME", home: ".grok", file: "auth.json"},
	},
	{
		Kind: "ant", Name: "Anthropic's CLI", Provider: "anthropic", gather: gatherAnt, parts: antParts,
		place: place{locate: locateAnt},
	},
	{
		Kind: "kimi", Name: "Kimi Code CLI", Provider: kimiProvider, gather: gatherKimi, parts: kimiParts,
		place: place{locate: locateKimi}, locks: kimiLocks,
	},
	{
		Kind: "opencode", Name: "OpenCode", read: readOpenCode, absent: absentOpenCode,
		place: place{variable: "XDG_DATA_HOME", home: ".local/share", below: "opencode", file: "auth.json"},
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

// staleLock is the age at which Qwen Code ignores its own lock: the program that made it has died.
// Kimi Code does so sooner.
const staleLock = 10 * time.Second

// Refreshing reports whether the program is refreshing the login at path, as far as its lock tells.
// A refresh token that is copied meanwhile is one that has just been spent.
func (p Program) Refreshing(path string) bool {
	folder := path
	if !isFolder(path) {
		folder = filepath.Dir(path)
	}
	return slices.ContainsFunc(p.locks, func(lock string) bool {
		info, err := os.Stat(filepath.Join(folder, lock))
		return err == nil && time.Since(info.ModTime()) < staleLock
	})
}

// WayOut says what a person can do when the program has nothing at path.
func (p Program) WayOut(path string) string {
	way := ""
	if p.absent != nil {
		way = p.absent(path)
	}
	return cmp.Or(way, "log in there first")
}
