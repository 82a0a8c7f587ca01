// Command reauth gets credentials of LLM providers into a store, shows how they stand, tries them, and lends them to
// programs in any language through a local proxy.
//
//	reauth login xai-oauth
//	reauth status
//	reauth proxy xai-oauth
//
// The store is a file by default; the programs that open the same file with reauth.NewFileStore share its logins.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands is the command line. Each command is a struct with a Run(*app) error method in a file of its own.
type commands struct {
	Store string `help:"Where the credentials are: a file, or a postgres:// URL. Default: ${store}." env:"REAUTH_STORE" placeholder:"FILE|URL"`

	Add   addCmd   `cmd:"" help:"Add an API key."`
	Proxy proxyCmd `cmd:"" help:"Lend the credentials to programs in any language: a local proxy that recovers."`
}

// run is the whole program but for the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("reauth"),
		kong.Description("Credentials of LLM providers that keep working."),
		kong.Vars{"store": defaultStore()},
		kong.Writers(stdout, stderr),
		kong.UsageOnError(),
	)
	if err != nil {
		panic(err) // the command line's own declaration is wrong
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "reauth: %s\nTry: reauth --help\n", err)
		return exitUsage
	}
	a := &app{ctx: ctx, store: cli.Store, stdin: stdin, stdout: stdout, stderr: stderr}
	defer a.close()
	return a.exit(parsed.Run(a))
}
