package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// Everything that is for people fits a terminal of 80 columns.
func TestGoldensFitATerminal(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.golden"))
	require.NoError(t, err)
	require.Greater(t, len(files), 50)
	for _, file := range files {
		if verbatim[strings.TrimSuffix(filepath.Base(file), ".golden")] != "" {
			continue
		}
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSuffix(line, "\n")
			assert.True(t, utf8.RuneCountInString(line) <= usualWidth || isOneLine(line), "%s: %s", file, line)
		}
	}
}

// hostile is the name of something of others: in a terminal its end shows in another order, and a
// part of it does not show at all. A Store takes it, as it holds no control character.
const hostile = "you\u202e\u2066\u200b\U000e0041@corp"

// escapes would recolour a terminal, and forge a line of the command.
const escapes = "\x1b[31m\x1b]0;x\a\u009b2J\nreauth: all is well\r\u2028"

// storeHostile puts a login whose names are hostile into the store, as another program might.
func (s *shell) storeHostile(access, refresh string) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(s.home+"/config/reauth", 0o700))
	store := s.open(s.store())
	_, err := store.Update(s.t.Context(), "xai-oauth", hostile, func(h reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{
			Credential: reauth.Credential{
				Provider: "xai-oauth", ID: hostile, AccountID: hostile + "2", AccessToken: access, RefreshToken: refresh,
			},
			Generation: 1,
		}, nil
	})
	require.NoError(s.t, err)
}

// checkPrintable fails the test if an output has a character that a terminal does not just show, or
// a line that a text of others has begun.
func checkPrintable(t *testing.T, what string, r *ended) {
	t.Helper()
	require.NotEmpty(t, r.out+r.errors, what)
	for _, c := range r.out + r.errors {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
			t.Errorf("%s prints %U:\n%q", what, c, r.out+r.errors)
			return
		}
	}
	assert.NotContains(t, "\n"+r.out+r.errors, "\nreauth: all is well", what)
}

// Whatever a provider, a store or a file of another program calls itself, a terminal shows it as
// one line of text. JSON, for programs, has every character.
func TestNamesOfOthersInATerminal(t *testing.T) {
	s := newShell(t)
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	access, refresh := fake.Login()
	s.storeHostile(access, refresh)
	for _, c := range [][]string{
		{"status"},
		{"status", "--json"},
		append([]string{"refresh", "xai"}, at(server)...),
		append([]string{"refresh", "xai", "another" + escapes}, at(server)...),
		append([]string{"probe", "xai"}, at(server)...),
		{"reset", "xai"},
		{"__complete", "remove", "xai", ""},
		{"store", "new-identity", "--yes"},
		{"status", "--store", escapes + ".json"},
		{"status", "--store", escapes + "://"},
		{"status" + escapes},
		{"status", "--" + escapes},
		{"import", "hermes", s.write(hostileHermes, "hermes.json")},
		{"import", "codex", s.write(`{"tokens":{"access_token":"at","account_id":"`+hostile+`"}}`, "codex.json")},
		{"import", "codex", s.home + "/\x1b[31m" + hostile},
		{"classify", s.write("HTTP/1.1 401 No\nContent-Encoding: br"+"\x1b[31m"+"\n\n{}", "answer")},
		{"remove", "xai"},
	} {
		r := s.run("", c...)
		checkPrintable(t, strings.Join(c, " "), r)
		if len(c) == 2 && c[1] == "--json" {
			assert.Contains(t, r.out, `"id": "you\u202e\u2066\u200b\udb40\udc41@corp"`)
		}
	}
	assert.NotContains(t, s.run("", "status", "--json").ok(), "corp", "it was removed by its provider's name")
}

// A refresh that fails for good, and a login whose names are refused, are told on lines that cannot
// be forged.
func TestNamesOfOthersInErrors(t *testing.T) {
	s := newShell(t)
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	access, refresh := fake.Login()
	fake.Revoke(refresh)
	fake.Expire(access)
	s.storeHostile(access, refresh)
	for _, command := range []string{"refresh", "probe"} {
		r := s.run("", append([]string{command, "xai"}, at(server)...)...)
		assert.Equal(t, exitLogin, r.code, r.errors)
		checkPrintable(t, command, r)
	}
	for _, args := range [][]string{{"--id", hostile}, {"--id", "you" + escapes}} {
		r := s.run("key-"+marker, append([]string{"add", "openrouter", "--key-stdin"}, args...)...)
		assert.Equal(t, exitFailed, r.code, r.errors)
		checkPrintable(t, "add", r)
	}
}

// hostileHermes is a file of Hermes whose providers and labels are hostile.
const hostileHermes = `{"version":1,"providers":{"x\u001b[31m\nreauth: all is well":{"access_token":"at"}},
	"credential_pool":{"groq":[{"label":"\u202e\u009b2J\nreauth: all is well","source":"manual",
		"auth_type":"api_key","access_token":"gsk-at"}]}}`
