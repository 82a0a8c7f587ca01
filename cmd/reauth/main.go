// Command reauth stores credentials of LLM providers, shows their state, tries them, and lends them
// to programs in any language through a local proxy.
//
//	reauth login xai-oauth
//	reauth status
//	reauth proxy xai-oauth
//
// The store is a file unless --store names a database. Programs that open the same file with
// reauth.NewFileStore share its logins with this command.
package main

//go:generate go run . man --output ../../docs/reauth.1.md

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// main runs the command under a context that ends with SIGINT (Ctrl-C) or SIGTERM.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal, stop restores the default handling. A second Ctrl-C therefore kills a
	// command that does not react to the first.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands declares the command line, which kong reads from the tags. Each command is a struct with
// a method Run(*app) error that does the work and a method Help that returns an example.
type commands struct {
	Store       string           `help:"Where the credentials are: a file, or a postgres:// URL. Default: ${store}." env:"REAUTH_STORE" placeholder:"FILE|URL"`
	Seal        []string         `help:"Where the key is that seals the store: keyring, env:NAME, file:PATH or command:PROGRAM. Further ones only open. Default: the store is in the clear." env:"REAUTH_SEAL" sep:"none" placeholder:"KEY"`
	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`

	Login      loginCmd      `cmd:"" help:"Log in at a provider: device flow, or a browser."`
	Add        addCmd        `cmd:"" help:"Add an API key, a login that another tool obtained, or a command or file that gives the token."`
	Import     importCmd     `cmd:"" help:"Use the login of another program."`
	Status     statusCmd     `cmd:"" help:"Show how the credentials stand."`
	Watch      watchCmd      `cmd:"" help:"Keep the status on the screen."`
	Proxy      proxyCmd      `cmd:"" help:"Lend the credentials to programs in any language: a local proxy that recovers."`
	Health     healthCmd     `cmd:"" help:"Ask a running proxy how it is."`
	Exec       execCmd       `cmd:"" help:"Run a program with the credentials: a private proxy, as long as the program runs."`
	Probe      probeCmd      `cmd:"" help:"Try a provider with one harmless request, and tell what happened."`
	Token      tokenCmd      `cmd:"" help:"Print a usable access token, for programs that ask a command for it."`
	Refresh    refreshCmd    `cmd:"" help:"Renew credentials now."`
	Reset      resetCmd      `cmd:"" help:"Lift the marks of credentials that were put aside or retired."`
	Remove     removeCmd     `cmd:"" help:"Remove a credential."`
	StoreCmd   storeCmd      `cmd:"" name:"store" help:"Change the store as a whole."`
	Classify   classifyCmd   `cmd:"" help:"Tell what reauth makes of a provider's answer."`
	Providers  providersCmd  `cmd:"" help:"List the providers, or tell about one."`
	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	// The help does not list these two: go generate calls the first, completion scripts call the
	// second.
	Man      manCmd      `cmd:"" hidden:"" help:"Print this command's page."`
	Complete completeCmd `cmd:"" name:"__complete" hidden:"" passthrough:"all" help:"What a completion script asks."`
}

// description is the first line of the help and of the manual page.
const description = "Credentials of LLM providers that keep working: " +
	"get them in, see how they stand, try them, lend them."

// newParser declares the command line. kong calls exit after a flag such as --help, which needs no
// command, has printed its text.
func newParser(cli *commands, stdout, stderr io.Writer, exit func(int)) *kong.Kong {
	parser, err := kong.New(cli,
		kong.Name("reauth"),
		kong.Description(description),
		kong.Vars{"store": storeInWords, "programs": programKinds(), "version": versionLine()},
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		// Only a mistake in the tags of commands leads here.
		panic(err)
	}
	return parser
}

// run parses args, runs the command they name and returns the exit code. It is the whole program
// but for the process: it exits nowhere and touches no global stream.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	// answered: a flag such as --help has printed everything that the user asked for.
	answered := false
	parser := newParser(&cli, stdout, stderr, func(int) { answered = true })
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, model: parser.Model}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	switch {
	case answered:
		return exitGood
	case err != nil:
		return a.misused(err)
	}
	a.store, a.seal = cli.Store, cli.Seal
	code := a.exit(parsed.Run(a))
	// A command that succeeded has still failed if its last writes are lost when the store closes.
	return max(code, a.close())
}
