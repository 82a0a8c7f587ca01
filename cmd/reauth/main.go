// Command reauth gets credentials of LLM providers into a store, shows how they stand, tries them,
// and lends them to programs in any language through a local proxy.
//
//	reauth login xai-oauth
//	reauth status
//	reauth proxy xai-oauth
//
// The store is a file by default; the programs that open the same file with reauth.NewFileStore
// share its logins.
package main

//go:generate go run . man --output ../../docs/reauth.1.md

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process as it would any other
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands is the command line. Each command is a struct with a Run(*app) error method and a Help()
// with an example, in a file of its own.
type commands struct {
	Store string `help:"Where the credentials are: a file, or a postgres:// URL. Default: ${store}." env:"REAUTH_STORE" placeholder:"FILE|URL"`

	Login      loginCmd      `cmd:"" help:"Log in at a provider: device flow, or a browser."`
	Add        addCmd        `cmd:"" help:"Add an API key, or a login that another tool obtained."`
	Import     importCmd     `cmd:"" help:"Use the login of another program."`
	Status     statusCmd     `cmd:"" help:"Show how the credentials stand."`
	Watch      watchCmd      `cmd:"" help:"Keep the status on the screen."`
	Proxy      proxyCmd      `cmd:"" help:"Lend the credentials to programs in any language: a local proxy that recovers."`
	Probe      probeCmd      `cmd:"" help:"Try a provider with one harmless request, and tell what happened."`
	Refresh    refreshCmd    `cmd:"" help:"Renew credentials now."`
	Reset      resetCmd      `cmd:"" help:"Lift the marks of credentials that were put aside or retired."`
	Remove     removeCmd     `cmd:"" help:"Remove a credential."`
	Classify   classifyCmd   `cmd:"" help:"Tell what reauth makes of a provider's answer."`
	Providers  providersCmd  `cmd:"" help:"List the providers, or tell about one."`
	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	Man      manCmd      `cmd:"" hidden:"" help:"Print this command's page."`
	Complete completeCmd `cmd:"" name:"__complete" hidden:"" passthrough:"all" help:"What a completion script asks."`
}

const description = "Credentials of LLM providers that keep working: get them in, see how they stand, try them, lend them."

// newParser declares the command line. exit is called when a flag such as --help has said
// everything.
func newParser(cli *commands, stdout, stderr io.Writer, exit func(int)) *kong.Kong {
	parser, err := kong.New(cli,
		kong.Name("reauth"),
		kong.Description(description),
		kong.Vars{"store": storeInWords},
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the command line's own declaration is wrong
	}
	return parser
}

// run is the whole program but for the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	said := false // all that there was to say, by a flag such as --help
	parser := newParser(&cli, stdout, stderr, func(int) { said = true })
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, model: parser.Model}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	switch {
	case said:
		return exitGood
	case err != nil:
		return a.misused(err)
	}
	a.store = cli.Store
	code := a.exit(parsed.Run(a))
	return max(code, a.close())
}

// misused tells how the command line is wrong. It repeats no argument that may be a key: what a
// person pastes by mistake must not go into a log as well.
func (a *app) misused(err error) int {
	text, try, named := err.Error(), "reauth --help", false
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Selected() != nil {
		try, named = wrong.Context.Selected().FullPath()+" --help", true
	}
	if arg, ok := strings.CutPrefix(text, "unexpected argument "); ok && (named || len(arg) > 60) {
		text = "there is an argument too many, which is not repeated here: it may be a secret, and a key is never an argument"
	}
	a.notef("reauth: %s\nTry: %s\n", text, try)
	return exitUsage
}
