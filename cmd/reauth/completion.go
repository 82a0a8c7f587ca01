package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// completionCmd prints the script that makes a shell ask this command for completions.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help implements kong.HelpProvider.
func (*completionCmd) Help() string {
	return `Commands, flags, providers and the credentials in the store are completed.

Examples:

    source <(reauth completion bash)     # in ~/.bashrc
    source <(reauth completion zsh)      # in ~/.zshrc, after compinit
    reauth completion fish | source      # in config.fish
`
}

// Run implements the command.
func (c *completionCmd) Run(a *app) error {
	_, err := io.WriteString(a.stdout, completionScripts[c.Shell])
	return err
}

// completionScripts has a script for each shell. Each passes the words up to the cursor to "reauth
// __complete" and reads lines from it: a word, a tab and a description. bash has no use for the
// descriptions. Where reauth offers nothing, bash and zsh complete file names; fish does so for the
// commands that take a file.
var completionScripts = map[string]string{ //nolint:gochecknoglobals // a table
	"bash": `_reauth() {
	local IFS=$'\n'
	COMPREPLY=($(reauth __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _reauth reauth
`,
	"zsh": `_reauth() {
	local -a found
	local word what
	while IFS=$'\t' read -r word what; do
		found+=("${word//:/\\:}:$what")
	done < <(reauth __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
	if (( $#found )); then _describe reauth found; else _files; fi
}
compdef _reauth reauth
`,
	"fish": `complete -c reauth -f -a '(reauth __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
complete -c reauth -n 'string match -qr -- "classify|import" (commandline -opc)' -F
`,
}

// completeCmd answers the completion scripts. Its last word is the one at the cursor; it may be
// empty.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

// Run implements the command. It never fails: an error message in the middle of a command line
// helps nobody, so an unreadable store offers no IDs. It offers flags only when the user has typed
// a "-".
func (c *completeCmd) Run(a *app) error {
	if len(c.Words) == 0 {
		return nil
	}
	words, last := c.Words[:len(c.Words)-1], c.Words[len(c.Words)-1]
	for _, found := range a.candidates(words) {
		word, _, _ := strings.Cut(found, "\t")
		if strings.HasPrefix(word, last) && (last != "" || !strings.HasPrefix(word, "-")) {
			_, _ = fmt.Fprintln(a.stdout, found) // nobody reads what cannot be written
		}
	}
	return nil
}

// candidates returns everything that can follow the words, as lines of completionScripts. It reads
// the words by itself, because kong rejects a line that is not complete yet.
func (a *app) candidates(words []string) []string {
	// node is the command that the words have named so far, args are its arguments, and open is a
	// flag whose value is still to come.
	node, args, open := a.model.Node, []string{}, (*kong.Flag)(nil)
	for _, word := range words {
		switch {
		// What is behind -- is another program's.
		case word == "--" && open == nil:
			return nil
		// This word is the value of the flag before it. Later IDs must come from the store that it
		// names.
		case open != nil:
			if open.Name == "store" {
				a.store = word
			}
			open = nil
		case strings.HasPrefix(word, "-"):
			open = valued(node, word)
		// The first words that are no flags name the command. Behind an unknown one nothing is
		// known.
		case len(node.Children) > 0:
			i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word })
			if i < 0 {
				return nil
			}
			node = node.Children[i]
		default:
			args = append(args, word)
		}
	}
	// Only a value can follow, and only an enum has values that are known.
	if open != nil {
		return strings.FieldsFunc(open.Enum, func(r rune) bool { return r == ',' })
	}
	found := a.flags(node)
	for _, n := range node.Children {
		if !n.Hidden {
			found = append(found, n.Name+"\t"+n.Help)
		}
	}
	if arg := argumentAt(node, len(args)); arg != nil {
		found = append(found, a.values(arg, args)...)
	}
	return found
}

// argumentAt returns the positional argument that stands behind so many, or nil. The last may take
// several.
func argumentAt(node *kong.Node, n int) *kong.Positional {
	last := len(node.Positional) - 1
	switch {
	case n <= last:
		return node.Positional[n]
	case last >= 0 && node.Positional[last].IsCumulative():
		return node.Positional[last]
	}
	return nil
}

// valued returns the flag that word names if the next word is its value. It returns nil for a
// switch, an unknown flag, a short flag, and --flag=value.
func valued(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if word == "--"+f.Name && !f.IsBool() {
				return f
			}
		}
	}
	return nil
}

// flags returns the long flags of a command and of the commands above it.
func (*app) flags(node *kong.Node) []string {
	var found []string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			found = append(found, "--"+f.Name+"\t"+f.Help)
		}
	}
	return found
}

// values returns what the positional argument arg can be; before are the arguments in front of it.
// It goes by the argument's enum, else by its name, or by the tag complete where the name says
// something else. A provider that is there already is not offered again.
func (a *app) values(arg *kong.Positional, before []string) []string {
	switch {
	case arg.Enum != "":
		return strings.Split(arg.Enum, ",")
	case arg.Name == "id" && len(before) > 0:
		return a.knownIDs(before[0])
	case arg.Name == "provider", arg.Name == "name", arg.Tag.Get("complete") == "provider":
		return slices.DeleteFunc(reauth.ProviderNames(), func(name string) bool { return slices.Contains(before, name) })
	}
	return nil
}

// knownIDs returns the IDs of the provider's credentials in the store, with their states. It drops
// control characters: the lines go to the shell. It asks for no key while somebody types: an ID is
// legible without.
func (a *app) knownIDs(provider string) []string {
	a.seal = nil
	p, err := a.pool()
	if err != nil {
		return nil
	}
	list, _ := only(p.Status(), provider, "")
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, fmt.Sprintf("%s\t%s", printable.Line(s.ID), s.State))
	}
	for _, r := range a.sealing().unopened(list, provider) {
		ids = append(ids, printable.Line(r.id)+"\tsealed")
	}
	return ids
}
