package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// declared returns the command line as kong has parsed it from the tags.
func declared(t testing.TB) *kong.Application {
	t.Helper()
	var cli commands
	return newParser(&cli, new(bytes.Buffer), new(bytes.Buffer), func(int) {}).Model
}

func TestHelpOfEveryCommand(t *testing.T) {
	s := newShell(t)
	s.golden("help", s.run("", "--help").ok())
	assert.Equal(t, s.run("", "--help").ok(), s.run("").ok(), "nothing said is a question")
	for _, n := range visible(declared(t).Node) {
		words := strings.Fields(n.FullPath())[1:]
		text := s.run("", append(words, "--help")...).ok()
		assert.Contains(t, n.Detail, n.FullPath(), "the help of %s has an example", words)
		assert.Contains(t, text, exitCodes, "%v", words)
		s.golden("help-"+strings.Join(words, "-"), text)
	}
}

// visible returns the commands below node, and those below them.
func visible(node *kong.Node) (list []*kong.Node) {
	for _, n := range node.Children {
		if !n.Hidden {
			list = append(append(list, n), visible(n)...)
		}
	}
	return list
}

func TestPageIsCurrent(t *testing.T) {
	var b bytes.Buffer
	writeMan(&b, declared(t))
	page, err := os.ReadFile("../../docs/reauth.1.md")
	require.NoError(t, err)
	assert.Equal(t, string(page), b.String(), "run go generate in cmd/reauth")
	s := newShell(t)
	assert.Equal(t, b.String(), s.run("", "man").ok(), "the page does not depend on where it is made")
}

func TestWrongUsage(t *testing.T) {
	s := newShell(t)
	s.golden("usage", s.transcript(
		[]string{"statsu"},
		[]string{"status", "--jsno"},
		[]string{"add"},
		[]string{"add", "openrouter"},
		[]string{"add", "nobody", "--key-stdin"},
		[]string{"add", "openrouter", "--key-stdin", "--token-stdin"},
		[]string{"add", "openrouter", "--key-stdin"},
		[]string{"add", "openrouter", "--token-stdin"},
		[]string{"add", "openrouter", "--key-from-env", "NOT_SET"},
		[]string{"add", "azure", "--key-stdin"},
		[]string{"import", "emacs"},
		[]string{"probe", "nobody"},
		[]string{"refresh", "nobody"},
		[]string{"providers", "nobody"},
		[]string{"status", "nobody"},
		[]string{"watch", "--interval", "1ms"},
		[]string{"classify", "-p", "nobody", os.DevNull},
		[]string{"completion", "cmd.exe"},
		[]string{"status", "--store", "mysql://root@db/x"},
		[]string{"store"},
		[]string{"store", "new-identity"},
		[]string{"store", "chek"},
		[]string{"store", "nonsense"},
		[]string{"providers", "--wid"},
		[]string{"import", "codx"},
		[]string{"add", "groq", "--priority", "high"},
		[]string{"add", "groq", "--priority", "-1"},
		[]string{"add", "groq", "--priority"},
		[]string{"watch", "--interval", "5"},
		[]string{"status", "--json=perhaps"},
		[]string{"token", "groq", "--format", "yaml"},
		[]string{"exec", "groq"},
		[]string{"remove", "claude"},
		[]string{"reset", "xai"},
		[]string{"token", "grok"},
	))
}

// A user who gives a key as an argument has it in the shell's history. The error message must not
// put it into a log as well.
func TestKeysAmongTheArgumentsAreNotRepeated(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{
		{"add", "openrouter", "sk-or-" + marker + "0123456789"},
		{"add", "openrouter", "--key-stdin", "sk-or-" + marker + "0123456789"},
		{"add", "openrouter", "--key-from-env", "sk-or-" + marker + "0123456789"},
		{"add", "sk-or-v1-" + marker + "0123456789", "--key-stdin"},
		{"sk-or-v1-" + marker + "0123456789012345678901234567890123456789012345678901234567890123"},
		{"add", "openrouter", "--key=sk-or-" + marker + "0123456789"},
		{"status", "--store", "postgres://u:" + marker + "@127.0.0.1:1/x?password=" + marker + "2"},
		{"status", "--store", "postgres://u:" + marker + "@[::1:1/x"},
		{"postgres://u:" + marker + "@127.0.0.1:1/x", "status"},
		{"password=" + marker, "status"},
		{"watch", "--interval", "sk-or-" + marker + "01234567890123456789"},
		{"login", "openai-codex", "--flow", "sk-or-" + marker + "01234567890123456789"},
		{"login", "openai-codex", "--port", "sk-or-" + marker + "01234567890123456789"},
		{"status", "--seal", "sk-" + marker},
		{"status", "--seal", "env:sk-" + marker},
		{"status", "--seal", "command:pass '" + marker + "'"},
		{"status", "--seal", "command:no-such-program " + marker},
	} {
		r := s.run("", args...)
		assert.NotZero(t, r.code, "%v", args)
		assert.NotEmpty(t, r.errors)
	}
}

func TestNoFolderForTheStore(t *testing.T) {
	s := newShell(t)
	s.env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
	assert.Contains(t, s.run("", "status").fails(exitFailed), "name the store with --store or REAUTH_STORE")
}

func TestProvidersAndVersion(t *testing.T) {
	s := newShell(t)
	s.golden("providers", s.run("", "providers").ok())
	s.golden("providers-one", s.transcript(
		[]string{"providers", "claude"}, []string{"providers", "azure"},
		[]string{"providers", "xai"}, []string{"providers", "copilot-acp"}))
	assert.Regexp(t, `^reauth \S+ go1\.\S+ \w+/\w+\n$`, s.run("", "version").ok())
	assert.Equal(t, s.run("", "version").ok(), s.run("", "--version").ok())
	assert.Contains(t, inLines(s.run("", "providers", "--wide").ok()),
		"moonshot key no GET https://api.moonshot.ai/v1/users/me/balance")
	var doc struct{ Providers []providerJSON }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "providers", "--json").ok()), &doc))
	assert.Len(t, doc.Providers, len(reauth.ProviderNames()))
	require.NoError(t, json.Unmarshal([]byte(s.run("", "providers", "claude", "--json").ok()), &doc))
	require.Len(t, doc.Providers, 1)
	assert.Equal(t, "https://api.anthropic.com", doc.Providers[0].BaseURL)
	assert.Equal(t, []string{"paste", "browser"}, doc.Providers[0].Logins)
	assert.Contains(t, doc.Providers[0].Aliases, "claude")
}

func TestCompletion(t *testing.T) {
	s := newShell(t)
	s.run("key-"+marker, "add", "openrouter", "--key-stdin", "--id", "spare").ok()
	for _, c := range []struct {
		words []string
		want  []string
	}{
		{[]string{"re"}, []string{"refresh", "reset", "remove"}},
		{[]string{"remove", "openr"}, []string{"openrouter"}},
		{[]string{"remove", "openrouter", ""}, []string{"spare"}},
		{[]string{"proxy", "xai-oauth", "groq", "openr"}, []string{"openrouter"}},
		{[]string{"proxy", "xai-oauth", "openrouter", "openr"}, nil},
		{[]string{"exec", "openr"}, []string{"openrouter"}},
		{[]string{"exec", "xai-oauth", "groq", "openr"}, []string{"openrouter"}},
		{[]string{"exec", "--strategy", "round-robin", "xai-oauth", "openr"}, []string{"openrouter"}},
		{[]string{"exec", "--strategy", "ran"}, []string{"random"}},
		{[]string{"exec", "xai-oauth", "--", "openr"}, nil},
		{[]string{"exec", "xai-oauth", "--", "claude", "--"}, nil},
		{[]string{"--store", "elsewhere", "remove", "openrouter", ""}, nil},
		{[]string{"status", "--j"}, []string{"--json"}},
		{[]string{"sto"}, []string{"store"}},
		{[]string{"store", ""}, []string{"seal", "unseal", "rekey", "check", "key", "new-identity"}},
		{[]string{"store", "new-identity", "--y"}, []string{"--yes"}},
		{[]string{"import", "c"}, []string{"codex", "claude-code"}},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}},
		{[]string{"classify", "-p", "gro"}, nil},
		{[]string{"nothing", ""}, nil},
		{[]string{""}, []string{"add", "import", "status"}},
	} {
		out := s.run("", append([]string{"__complete"}, c.words...)...).ok()
		var found []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			found = append(found, word)
		}
		if len(c.want) > 0 && c.words[len(c.words)-1] == "" && len(c.words) == 1 {
			assert.Subset(t, found, c.want)
			assert.NotContains(t, found, "man")
			continue
		}
		assert.Equal(t, c.want, found, "%v", c.words)
	}
	s.golden("completion", s.transcript(
		[]string{"completion", "bash"}, []string{"completion", "zsh"}, []string{"completion", "fish"}))
}

// A real bash, with the script loaded, completes a provider's name.
func TestCompletionInBash(t *testing.T) {
	s := newShell(t)
	script := s.run("", "completion", "bash").ok()
	cmd := exec.Command("bash", "--norc", "-c",
		`PATH="$1:$PATH"; eval "$2"; complete -p reauth; `+
			`COMP_WORDS=(reauth probe xa); COMP_CWORD=2; _reauth; echo "${COMPREPLY[@]}"`,
		"bash", binary[:strings.LastIndex(binary, "/")], script)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "complete -o default -F _reauth reauth\nxai-oauth\n", string(out))
}
