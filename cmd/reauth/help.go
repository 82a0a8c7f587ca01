package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// exitCodes documents the exit codes of app.go. The help of every command and the manual page print
// it.
const exitCodes = `Exit codes:
  0  good
  1  failed
  2  wrong usage
  3  a new login is needed
`

// printHelp prints kong's help with the exit codes below it. kong's summary is one line, which
// stays alone.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || options.Summary {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, "\n"+exitCodes)
	return err
}

// manCmd prints the manual page in Markdown. The page is made from the declaration of the command
// line alone, so the two cannot differ. A test compares the result with docs/reauth.1.md.
type manCmd struct {
	Output string `help:"Write to this file instead of standard output." placeholder:"FILE"`
}

// Run implements the command.
func (c *manCmd) Run(a *app) error {
	var b strings.Builder
	writeMan(&b, a.model)
	if c.Output != "" {
		return os.WriteFile(c.Output, []byte(b.String()), 0o644) //nolint:gosec // a page for everybody
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// writeMan writes the manual page: Markdown with the sections that man-pages(7) names.
func writeMan(w io.Writer, model *kong.Application) {
	// p ignores errors: w is a strings.Builder or a bytes.Buffer, whose Write never fails.
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("<!-- Made by go generate in cmd/reauth. -->\n\n# reauth(1)\n\n## Name\n\nreauth – %s\n\n## Synopsis\n\n",
		lowerFirst(strings.TrimSuffix(description, ".")))
	for _, n := range model.Leaves(true) {
		p("    reauth %s\n", n.Summary())
	}
	p("\n## Commands\n")
	for _, n := range model.Leaves(true) {
		p("\n### %s\n\n%s\n\n    reauth %s\n", n.FullPath(), n.Help, n.Summary())
		// Markdown needs an empty line between the code block and the list.
		if len(n.Positional)+len(n.Flags) > 0 {
			p("\n")
		}
		for _, arg := range n.Positional {
			p("- `%s`: %s\n", arg.Summary(), arg.Help)
		}
		for _, f := range n.Flags {
			if !f.Hidden {
				p("- `%s`: %s\n", f.String(), f.Help)
			}
		}
		if n.Detail != "" {
			p("\n%s\n", strings.TrimSpace(n.Detail))
		}
	}
	p("\n## Options of all commands\n\n")
	for _, f := range model.Flags {
		p("- `%s`: %s%s\n", f.String(), f.Help, envOf(f))
	}
	p("\n## Exit status\n\n")
	// Two spaces separate code and meaning; the title has none.
	for line := range strings.Lines(exitCodes) {
		if code, what, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			p("- %s: %s\n", code, what)
		}
	}
	// The help gets storeInWords from kong, which halves the doubled $. The page does that itself.
	p("\n## Files\n\n%s\n", `The store is `+strings.ReplaceAll(storeInWords, "$$", "$")+`. It holds
tokens in the clear unless they are sealed (reauth store seal), has mode 0600, and is refused when others can read it. Beside it are its locks, auth.json.lock and
auth.json.locks/, with notes that tell which exchange is under way, whether the file was put back to an older state, and
which store it is. Do not remove them while a program uses the store. [stores.md](stores.md) tells more. sources-auth.json beside it has the
commands and files that give tokens (reauth add --command), and is refused when another user could have written it.`)
	p("\n## Environment\n\n- `REAUTH_STORE`: the store, as `--store` names it: a file, a `postgres://` URL, or " +
		"PostgreSQL's keywords, as in `host=… dbname=…`. " +
		"The name of a file that looks like one of those begins with `./`. " +
		"A database's password is safer here than among the arguments.\n- `REAUTH_SEAL`: where the key is that seals the " +
		"store, as `--seal` names it; several are separated by commas. `reauth store seal --help` tells more. For programs of " +
		"one's own, `reauth.NewSealedStore` seals in the same way.\n")
}

// envOf returns a sentence with the environment variables that set a flag, or nothing. It begins
// with a space, so that it can follow the flag's description.
func envOf(f *kong.Flag) string {
	if len(f.Envs) == 0 {
		return ""
	}
	return " Environment: `" + strings.Join(f.Envs, "`, `") + "`."
}

// lowerFirst returns s with its first byte in lower case. The descriptions begin with ASCII
// letters.
func lowerFirst(s string) string {
	return cmp.Or(strings.ToLower(s[:min(1, len(s))])+s[min(1, len(s)):], s)
}
