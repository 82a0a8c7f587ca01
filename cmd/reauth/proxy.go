package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// proxyCmd runs the local proxy, which puts the credentials of providers on the requests of
// programs in any language. This file checks the flags and serves; proxy_backend.go has the
// providers, and proxy_listen.go opens the listeners. The package proxy does the work. Its own
// flags can also be set by variables, for containers and service managers.
type proxyCmd struct {
	Provider []string `arg:"" name:"provider" help:"The providers, such as xai-oauth; each of several is below its name."`
	addresses

	Listen         []string      `help:"Where to listen: an address, whose port 0 takes a free one, or a socket of the file system. May be there several times. Default: ${default}." default:"127.0.0.1:8787" env:"REAUTH_PROXY_LISTEN" placeholder:"HOST:PORT|unix:PATH"`
	AllowRemote    bool          `help:"Let other machines in: --listen may be any address. Needs --client-token-env." env:"REAUTH_PROXY_ALLOW_REMOTE"`
	ClientTokenEnv string        `help:"Serve only clients that send the value of this environment variable as their API key." env:"REAUTH_PROXY_CLIENT_TOKEN_ENV" placeholder:"NAME"`
	Host           []string      `help:"Further names by which clients reach the proxy, as their Host header says them." env:"REAUTH_PROXY_HOST" placeholder:"NAME[:PORT]"`
	Grace          time.Duration `help:"How long running requests may go on after SIGINT or SIGTERM; a second signal cuts them." default:"30s" env:"REAUTH_PROXY_GRACE"`
	Drain          time.Duration `help:"How long requests are still taken after the signal, while /healthz says 503." default:"0s" env:"REAUTH_PROXY_DRAIN"`
	MaxConnections int           `help:"Connections of clients at the same time. A further one takes the place of one without a request. 0: no limit." default:"4096" env:"REAUTH_PROXY_MAX_CONNECTIONS"`
	MaxPerClient   *int          `name:"max-connections-per-client" help:"The same for each IPv4 address or IPv6 /64. Default: 1024 with --allow-remote, else no limit." env:"REAUTH_PROXY_MAX_CONNECTIONS_PER_CLIENT" placeholder:"N"`
	TLSCert        string        `name:"tls-cert" help:"Serve https with the certificate of this PEM file, which is read again when it changes. Needs --tls-key." env:"REAUTH_PROXY_TLS_CERT" placeholder:"FILE"`
	TLSKey         string        `name:"tls-key" help:"The PEM file of its key." env:"REAUTH_PROXY_TLS_KEY" placeholder:"FILE"`
	StallTimeout   time.Duration `help:"How long a client may send nothing of its body, or take nothing of its answer. 0: no limit." default:"1m" env:"REAUTH_PROXY_STALL_TIMEOUT"`
	MaxBodyMemory  byteSize      `help:"Memory for the bodies of running requests, which are kept to be sent again; one that does not fit is sent once. 0: keep none." default:"256MiB" env:"REAUTH_PROXY_MAX_BODY_MEMORY" placeholder:"SIZE"`
	choosing
	MarkFinal bool   `help:"Add X-Should-Retry: false to refusals that no quick retry can help." default:"true" negatable:"" env:"REAUTH_PROXY_MARK_FINAL"`
	Verbose   bool   `help:"Tell the story of each request on standard error, as probe does." env:"REAUTH_PROXY_VERBOSE"`
	LogLevel  string `help:"What is logged to standard error, from this level on: ${enum}." enum:"debug,info,warn,error" default:"info" env:"REAUTH_PROXY_LOG_LEVEL"`
	LogJSON   bool   `name:"log-json" help:"Log JSON, one object a line." env:"REAUTH_PROXY_LOG_JSON"`
	JSON      bool   `name:"json" help:"Print where it listens and the base URLs as a line of JSON, for programs." env:"REAUTH_PROXY_JSON"`
}

// Help implements kong.HelpProvider.
func (*proxyCmd) Help() string {
	return `Set the base URL that is printed in any program and give it any API key: the proxy puts the real credential on each
request, refreshes it or switches to the next one when the provider refuses it, and replays the request.

    reauth proxy xai-oauth &
    OPENAI_BASE_URL=http://127.0.0.1:8787/v1 OPENAI_API_KEY=unused node agent.js

The provider's origin is served path for path. Of several providers, each is below its name:

    reauth proxy xai-oauth anthropic openrouter &
    ANTHROPIC_BASE_URL=http://127.0.0.1:8787/anthropic claude

The proxy's own paths are / (a status page), /healthz, /metrics and what begins with /-/. Requests of web pages are refused.`
}

// Run implements the command. It checks everything that can be checked before it listens: a proxy
// that starts must also be able to serve.
func (c *proxyCmd) Run(a *app) error {
	token, err := c.clientToken()
	if err != nil {
		return err
	}
	if c.Verbose && c.LogJSON {
		return usagef("--verbose is for people; with --log-json, --log-level debug tells of each decision")
	}
	if err := c.mayListen(); err != nil {
		return err
	}
	config, lent, err := c.config(a)
	if err != nil {
		return err
	}
	if config.TLS, err = c.certificate(a); err != nil {
		return err
	}
	listeners, err := c.listen(a.ctx)
	if err != nil {
		return err
	}
	config.ClientToken, config.BodyMemory = token, c.bodyMemory()
	config.Backends = backends(lent, c.address(listeners))
	return c.serve(a, listeners, config)
}

// serve runs the proxy until a signal ends a.ctx. It then lets running requests finish, as Drain
// and Grace allow; a second signal cuts them.
func (c *proxyCmd) serve(a *app, listeners []net.Listener, config proxy.Config) error {
	logger := c.logger(a)
	// The pool logs its own work, such as refreshes in the background, in the same place.
	config.Pool.Logger = logger
	config.Logger, config.Addrs, config.Names = logger, addrs(listeners), c.Host
	if c.Verbose {
		config.Story = a.stderr
	}
	p := proxy.New(config)
	if err := c.announce(a, listeners, config); err != nil {
		return err
	}
	if c.AllowRemote && config.TLS == nil {
		logger.Warn("other machines may reach this proxy, and the client token travels in the clear: " +
			"use --tls-cert and --tls-key, or put TLS in front of it")
	}
	now, cancel := untilSecondSignal(a.ctx)
	defer cancel()
	err := p.Serve(a.ctx, now, listeners, c.limits())
	if err != nil {
		return fmt.Errorf("reauth: proxy: %w", err)
	}
	return nil
}

// bodyMemory is what --max-body-memory means to the package proxy, where 0 is a default.
func (c *proxyCmd) bodyMemory() int64 {
	if c.MaxBodyMemory == 0 {
		return -1
	}
	return int64(c.MaxBodyMemory)
}

// limits are the limits of the flags.
func (c *proxyCmd) limits() proxy.Limits {
	l := proxy.Limits{Connections: c.MaxConnections, Stall: c.StallTimeout, Drain: c.Drain, Grace: c.Grace}
	switch {
	case c.MaxPerClient != nil:
		l.PerClient = *c.MaxPerClient
	// Without it all clients are on this machine, and often at the same address.
	case c.AllowRemote:
		l.PerClient = 1024
	}
	return l
}

// untilSecondSignal returns a context that ends at the second signal of the process; ctx ends at
// the first. main stops handling signals then, and an unhandled one would kill the process in the
// middle of the answers: so this listens before the first. The caller must call the returned
// function.
func untilSecondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ahead := 2
	if ctx.Err() != nil {
		ahead = 1
	}
	now, end := context.WithCancel(context.Background())
	// signal.Notify does not wait for a receiver; the buffer keeps the signals.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer end()
		for range ahead {
			select {
			case <-signals:
			case <-now.Done():
				return
			}
		}
	}()
	return now, func() {
		signal.Stop(signals)
		end()
	}
}

// minToken is the minimum length of a client token, in bytes. When other machines may connect, the
// token alone keeps them from the account.
const minToken = 16

// clientToken returns the token that clients must send, or nothing if any client is welcome. It
// comes from a variable, because other processes can read the arguments of this one.
func (c *proxyCmd) clientToken() (string, error) {
	if c.ClientTokenEnv == "" {
		return "", nil
	}
	// A value that a script has read from a file often ends with a line break.
	token := strings.TrimSpace(os.Getenv(c.ClientTokenEnv))
	switch {
	case token == "":
		return "", usagef("the environment variable %s, for the client token, is not set", c.ClientTokenEnv)
	case len(token) < minToken:
		return "", usagef("the client token in %s is shorter than %d characters; make one with: openssl rand -hex 32",
			c.ClientTokenEnv, minToken)
	}
	return token, nil
}

// certificate is that of the flags, or nil: the proxy serves http.
func (c *proxyCmd) certificate(a *app) (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return nil, usagef("--tls-cert and --tls-key need each other")
	}
	certificate, err := proxy.OpenCertificate(c.TLSCert, c.TLSKey, c.logger(a))
	if err != nil {
		return nil, usagef("%w", err)
	}
	return certificate.Config(), nil
}

// logger returns a logger to standard error with the level and the format of the flags.
func (c *proxyCmd) logger(a *app) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		// Unreachable: the flag's enum has the four words that slog knows.
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}
