package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// execCmd runs a program with a proxy of its own. This file runs the program;
// exec_env.go makes its environment.
type execCmd struct {
	Provider string   `arg:"" help:"The provider, such as xai-oauth."`
	Program  []string `arg:"" passthrough:"" complete:"provider" help:"Further providers, then -- and the program with its arguments."`
	Env      []string `help:"Set one more variable, NAME=TEMPLATE; --help tells what may stand in it. An empty one is taken out." sep:"none" placeholder:"NAME=TEMPLATE"`
	Log      string   `help:"Append the log of the proxy to this file; without it, nothing is logged." placeholder:"FILE"`
	addresses
	choosing

	providers []string // all of them, as the user has typed them
}

// Help implements kong.HelpProvider.
func (*execCmd) Help() string {
	return `The program gets the base URL and the key of a private proxy in the variables that its SDK reads: OPENAI_BASE_URL and OPENAI_API_KEY,
ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN, GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY, and the like. The key is a random one that only
this proxy takes: the program never has the credential. The proxy listens on a free loopback port, and ends with the program.

Of several providers, each is below its name at that proxy, and gets the variables of its own kind; those of a dialect that two
speak are of the first one.

In a template {token} stands for the key, {url} for the base URL and {origin} for it without the path; {url:NAME} and {origin:NAME}
are those of another provider than the first.

The program has the terminal, and gets the signals. The exit code is the program's, 128 and the number of the signal that ended it,
126 when it cannot be started, or 127 when there is no such program. Flags stand in front of the providers.

Examples:

    reauth exec xai-oauth -- node agent.js
    reauth exec anthropic -- claude
    reauth exec --env 'MY_KEY={token}' --env 'MY_URL={url}' groq -- agent
`
}

// Exit codes of a program that does not run, as those of env(1) and of shells.
const (
	exitCannotStart = 126
	exitNoProgram   = 127
	// exitSignal is added to the number of the signal that has ended the program.
	exitSignal = 128
)

// Run implements the command. Everything that can be checked is checked before the program starts.
func (c *execCmd) Run(a *app) error {
	program, err := c.words()
	if err != nil {
		return err
	}
	path, err := exec.LookPath(program[0])
	if err != nil {
		return notStarted(program[0], err)
	}
	logger, done, err := c.logger()
	if err != nil {
		return err
	}
	defer done()
	token := rand.Text()
	list, end, err := c.serve(a, token, logger)
	if err != nil {
		return err
	}
	defer end()
	env, err := environment(os.Environ(), token, list, c.Env)
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: path, Args: program, Env: env, Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr,
	}
	return runProgram(cmd)
}

// words returns the program, and sets the providers.
func (c *execCmd) words() (program []string, err error) {
	at := slices.Index(c.Program, "--")
	if at < 0 || at == len(c.Program)-1 {
		return nil, usagef("say which program: reauth exec PROVIDER… -- PROGRAM ARGS…")
	}
	c.providers = append([]string{c.Provider}, c.Program[:at]...)
	for _, name := range c.providers {
		if strings.HasPrefix(name, "-") {
			return nil, usagef("flags stand in front of the providers, and the program behind --")
		}
		if _, err := lookup(name); err != nil {
			return nil, err
		}
	}
	return c.Program[at+1:], nil
}

// notStarted returns the error for a program that does not start.
func notStarted(program string, err error) error {
	code := exitCannotStart
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		code = exitNoProgram
	}
	// The texts of these two repeat the name.
	var unknown *exec.Error
	var failed *os.PathError
	switch {
	case errors.As(err, &unknown):
		err = unknown.Err
	case errors.As(err, &failed):
		err = failed.Err
	}
	return &exitError{code, fmt.Errorf("reauth: exec %s: %w", program, err)}
}

// logger returns the logger of the proxy, and what closes its file. A terminal belongs to the
// program.
func (c *execCmd) logger() (*slog.Logger, func(), error) {
	if c.Log == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	f, err := os.OpenFile(c.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("reauth: exec: --log: %w", err)
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { _ = f.Close() }, nil // nothing waits for the log
}

// execConnections bounds what strangers on the host can open. No deadline bounds the program's own
// requests: it may be stopped at its terminal, and go on.
const execConnections = 4096

// serve starts a proxy for the providers, which only clients with the token may use. end ends it
// and waits for that.
func (c *execCmd) serve(a *app, token string, logger *slog.Logger) (list []*served, end func(), err error) {
	one := &proxyCmd{
		Provider: c.providers, addresses: c.addresses, Listen: []string{"127.0.0.1:0"},
		choosing: c.choosing, MarkFinal: true,
	}
	config, list, err := one.config(a)
	if err != nil {
		return nil, nil, err
	}
	listeners, err := one.listen(a.ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range list {
		if s.own { // the user's address speaks what the provider's own clients do
			s.api = s.row.Spoken(s.api.Origin, cmp.Or(s.api.Path(), "/"))
		}
	}
	config.Backends = backends(list, one.address(listeners))
	config.Pool.Logger = logger
	config.Logger, config.Addrs, config.ClientToken = logger, addrs(listeners), token
	return list, serveUntilEnd(proxy.New(config), listeners, logger), nil
}

// serveUntilEnd serves a proxy, and returns what ends it. Requests that still run then are cut: the
// program that sent them has ended. They do not end with a signal, because the program may go on.
func serveUntilEnd(p *proxy.Proxy, listeners []net.Listener, logger *slog.Logger) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.Serve(ctx, ctx, listeners, proxy.Limits{Connections: execConnections}); err != nil {
			logger.Error("the proxy has failed", "error", err)
		}
	}()
	return sync.OnceFunc(func() {
		stop()
		<-ended
	})
}

// runProgram runs the program until it ends, and passes signals on to it. The error has its exit
// code.
func runProgram(cmd *exec.Cmd) error {
	// Before the start: a signal that comes in between would end this process alone. The buffer
	// keeps signals that come at once.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedSignals()...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return notStarted(cmd.Args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	typed := sharesTerminal(cmd)
	for {
		select {
		case s := <-signals:
			// The terminal sends what a person types to the program too, which must not get it
			// twice.
			if !typed || s != os.Interrupt && s != syscall.SIGQUIT {
				_ = cmd.Process.Signal(s) // it has ended meanwhile, or the system has no such signal
			}
		case err := <-ended:
			return exitOf(cmd.ProcessState, err)
		}
	}
}

// sharesTerminal reports whether the program has this process's terminal.
func sharesTerminal(cmd *exec.Cmd) bool {
	return slices.ContainsFunc([]any{cmd.Stdin, cmd.Stdout, cmd.Stderr}, func(stream any) bool {
		f, ok := stream.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	})
}

// exitOf returns the error with the exit code of a program that has ended, or nil for 0.
func exitOf(state *os.ProcessState, err error) error {
	switch status, ok := state.Sys().(syscall.WaitStatus); {
	case ok && status.Signaled():
		return &exitError{code: exitSignal + int(status.Signal())}
	case state.ExitCode() > 0:
		return &exitError{code: state.ExitCode()}
	}
	return err // nil, or a stream that could not be copied
}
