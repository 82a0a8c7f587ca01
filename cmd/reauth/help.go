package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// exitCodes are documented in the help, on the page, and here.
const exitCodes = `Exit codes:
  0  good
  1  failed
  2  wrong usage
  3  a new login is needed
`

// printHelp is kong's help, with the exit codes below it.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || options.Summary {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, "\n"+exitCodes)
	return err
}

// manCmd writes the page about this command. What it says is what the command line declares.
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
	a.printf("%s", b.String())
	return nil
}

// writeMan writes the page, in Markdown with the sections of a manual page.
func writeMan(w io.Writer, model *kong.Application) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // to memory
	p("<!-- Made by go generate in cmd/reauth. -->\n\n# reauth(1)\n\n## Name\n\nreauth – %s\n\n## Synopsis\n\n", lowerFirst(strings.TrimSuffix(description, ".")))
	for _, n := range model.Children {
		if !n.Hidden {
			p("    reauth %s\n", n.Summary())
		}
	}
	p("\n## Commands\n")
	for _, n := range model.Children {
		if n.Hidden {
			continue
		}
		p("\n### reauth %s\n\n%s\n\n    reauth %s\n", n.Name, n.Help, n.Summary())
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
	for line := range strings.Lines(exitCodes) {
		if code, what, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			p("- %s: %s\n", code, what)
		}
	}
	p("\n## Files\n\n%s\n", `The store is `+strings.ReplaceAll(storeInWords, "$$", "$")+`. It holds
tokens in the clear, has mode 0600, and is refused when others can read it. The locks beside it hold nothing and stay.`)
	p("\n## Environment\n\n- `REAUTH_STORE`: the store, as `--store` names it. A database's password is safer here than among the arguments.\n")
}

func envOf(f *kong.Flag) string {
	if len(f.Envs) == 0 {
		return ""
	}
	return " Environment: `" + strings.Join(f.Envs, "`, `") + "`."
}

func lowerFirst(s string) string {
	return cmp.Or(strings.ToLower(s[:min(1, len(s))])+s[min(1, len(s)):], s)
}
