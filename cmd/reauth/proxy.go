package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
	"github.com/reauth-go/reauth/internal/vendors"
)

// proxyCmd runs the local proxy, which puts a provider's credentials on the requests of programs in
// any language. This file checks the flags and opens the listener; the package proxy serves. Its
// own flags can also be set by variables, for containers and service managers.
type proxyCmd struct {
	Provider string `arg:"" help:"The provider, such as xai-oauth."`
	endpoints

	Listen         string        `help:"Where to listen; port 0 takes a free one. Default: ${default}." default:"127.0.0.1:8787" env:"REAUTH_PROXY_LISTEN" placeholder:"HOST:PORT"`
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
	LogLevel       string        `help:"What is logged to standard error, from this level on: ${enum}." enum:"debug,info,warn,error" default:"info" env:"REAUTH_PROXY_LOG_LEVEL"`
	LogJSON        bool          `name:"log-json" help:"Log JSON, one object a line." env:"REAUTH_PROXY_LOG_JSON"`
}

// Help implements kong.HelpProvider.
func (*proxyCmd) Help() string {
	return `Set the base URL that is printed in any program and give it any API key: the proxy puts the real credential on each
request, refreshes it or switches to the next one when the provider refuses it, and replays the request.

    reauth proxy xai-oauth &
    OPENAI_BASE_URL=http://127.0.0.1:8787/v1 OPENAI_API_KEY=unused node agent.js

The provider's origin is served path for path. The proxy's own paths are / (a status page), /healthz, /metrics and what
begins with /-/. Requests of web pages are refused.`
}

// Run implements the command. It checks everything that can be checked before it listens: a proxy
// that starts must also be able to serve.
func (c *proxyCmd) Run(a *app) error {
	token, err := c.clientToken()
	if err != nil {
		return err
	}
	if err := c.mayListen(); err != nil {
		return err
	}
	pool, api, config, err := c.config(a)
	if err != nil {
		return err
	}
	if config.TLS, err = c.certificate(a); err != nil {
		return err
	}
	ln, err := c.listen(a.ctx)
	if err != nil {
		return err
	}
	config.ClientToken, config.BodyMemory = token, c.bodyMemory()
	config.BaseURLs = proxy.BaseURLs(api, c.address(ln))
	return c.serve(a, ln, pool, config)
}

// config returns a pool with the provider's credentials, where the provider's API is, and what a proxy
// needs to know of both.
func (c *proxyCmd) config(a *app) (*reauth.Pool, vendors.API, proxy.Config, error) {
	none := func(err error) (*reauth.Pool, vendors.API, proxy.Config, error) {
		return nil, vendors.API{}, proxy.Config{}, err
	}
	pool, err := a.pool()
	if err != nil {
		return none(err)
	}
	pr, err := c.provider(pool)
	if err != nil {
		return none(err)
	}
	api, err := c.api(pr)
	if err != nil {
		return none(err)
	}
	upstream, err := url.Parse(api.Origin)
	if err != nil {
		return none(usagef("--base-url: %s is no URL", api.Origin))
	}
	// The pool sends credentials to the hosts of their provider only. Another address would get
	// every request without one.
	at := *upstream
	at.Path = api.Path()
	if owner, ok := pool.ProviderFor(&at); !ok || owner.Name != pr.Name {
		return none(usagef("%s is no address of %s: no credential would be sent there", api.BaseURL(), pr.Name))
	}
	// Without a credential every request would fail. The user learns it now, and a script by the
	// exit code.
	if err := proxy.Check(pool, pr); err != nil {
		return none(&exitError{exitLogin, err})
	}
	return pool, api, proxy.Config{Pool: pool, Provider: pr, Upstream: upstream}, nil
}

// provider registers the provider, whose answers are read for limits too: the metrics tell them.
func (c *proxyCmd) provider(pool *reauth.Pool) (reauth.Provider, error) {
	pr, err := c.apply(pool, c.Provider)
	if err != nil {
		return pr, err
	}
	pr.ReadLimits = true
	return pr, pool.Register(pr)
}

// serve runs the proxy until a signal ends a.ctx. It then lets running requests finish, as Drain
// and Grace allow; a second signal cuts them.
func (c *proxyCmd) serve(a *app, ln net.Listener, pool *reauth.Pool, config proxy.Config) error {
	logger := c.logger(a)
	// The pool logs its own work, such as refreshes in the background, in the same place.
	pool.Logger = logger
	config.Pool, config.Logger, config.Addr, config.Names = pool, logger, ln.Addr(), c.Host
	p := proxy.New(config)
	c.announce(a, ln, config)
	if c.AllowRemote && config.TLS == nil {
		logger.Warn("other machines may reach this proxy, and the client token travels in the clear: " +
			"use --tls-cert and --tls-key, or put TLS in front of it")
	}
	now, cancel := untilSecondSignal(a.ctx)
	defer cancel()
	err := p.Serve(a.ctx, now, ln, c.limits())
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

// untilSecondSignal returns a context that ends at the first signal after ctx has ended, which is
// the second signal of the process. main has stopped handling signals by then, and an unhandled one
// would kill the process in the middle of the answers. The caller must call the returned function.
func untilSecondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	now, end := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, func() {
		// signal.Notify does not wait for a receiver; the buffer keeps the signal.
		second := make(chan os.Signal, 1)
		signal.Notify(second, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(second)
		select {
		case <-second:
			end()
		case <-now.Done():
		}
	})
	return now, func() {
		stop()
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

// mayListen returns a usage error for flags that would let other machines spend the account by
// accident. Without --allow-remote the address must be a loopback one. With it, a client token is
// required; and an unspecified address such as 0.0.0.0 needs --host, since the proxy refuses
// requests whose Host header it does not know.
func (c *proxyCmd) mayListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usagef("--listen %q is no address such as 127.0.0.1:8787", c.Listen)
	}
	if c.AllowRemote {
		if c.ClientTokenEnv == "" {
			return usagef("--allow-remote needs --client-token-env: " +
				"without a token everybody who reaches the port could spend the account")
		}
		// An empty host, as in ":8787", means every address too.
		if ip, err := netip.ParseAddr(host); len(c.Host) == 0 && (host == "" || err == nil && ip.IsUnspecified()) {
			return usagef("--listen %s takes any address: name those by which clients reach the proxy with --host",
				c.Listen)
		}
		return nil
	}
	if ip, err := netip.ParseAddr(host); !strings.EqualFold(host, "localhost") && (err != nil || !ip.IsLoopback()) {
		return usagef("--listen %s is not a loopback address, and other machines could spend the account; "+
			"use 127.0.0.1, or --allow-remote with --client-token-env", c.Listen)
	}
	return nil
}

// listen opens the listener. It checks the address that the system has bound, not only the one in
// the flag: a hosts file can map localhost to any address.
func (c *proxyCmd) listen(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("reauth: proxy: %s is in use, perhaps by another reauth proxy; stop that, "+
			"or choose another port: --listen 127.0.0.1:0 takes a free one", c.Listen)
	case err != nil:
		return nil, fmt.Errorf("reauth: proxy: listen: %w; choose another address with --listen", err)
	}
	if a, ok := ln.Addr().(*net.TCPAddr); !c.AllowRemote && (!ok || !a.IP.IsLoopback()) {
		// The listener has accepted nothing yet, so nothing is lost if Close fails.
		_ = ln.Close()
		return nil, usagef("--listen %s leads to %s, which is not a loopback address", c.Listen, ln.Addr())
	}
	return ln, nil
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

// address returns the URL by which clients reach the proxy, without a path.
func (c *proxyCmd) address(ln net.Listener) string {
	if c.TLSCert != "" {
		return "https://" + c.shown(ln)
	}
	return "http://" + c.shown(ln)
}

// shown returns the address to print for clients. An unspecified address such as 0.0.0.0 is no
// place to connect to, so shown returns the first --host instead.
func (c *proxyCmd) shown(ln net.Listener) string {
	addr := ln.Addr().String()
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() || len(c.Host) == 0 {
		return addr
	}
	// This name has a port of its own, that of a TLS proxy, for example.
	if strings.Contains(c.Host[0], ":") {
		return c.Host[0]
	}
	return net.JoinHostPort(c.Host[0], port)
}

// api is where the provider's API is: at the address of --base-url, of which only the path is
// known, else where the provider documents it to be.
func (c *proxyCmd) api(pr reauth.Provider) (vendors.API, error) {
	if c.BaseURL == "" {
		api := vendors.Of(pr.Name).API
		if api.BaseURL() == "" {
			return api, usagef("%s has no address that is the same for all accounts; say yours with --base-url", pr.Name)
		}
		return api, nil
	}
	u, err := parseBase("--base-url", c.BaseURL)
	if err != nil {
		return vendors.API{}, err
	}
	// Clients append paths such as /models, so a slash at the end would be doubled.
	path := strings.TrimRight(u.EscapedPath(), "/")
	return vendors.API{Origin: u.Scheme + "://" + u.Host, Native: cmp.Or(path, "/")}, nil
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

// announce prints on standard output what to set in a client: its base URL and its API key. A
// script can read it from there, since the log goes to standard error.
func (c *proxyCmd) announce(a *app, ln net.Listener, config proxy.Config) {
	a.printf("%s by way of %s\n", config.Provider.Name, c.address(ln))
	for _, b := range config.BaseURLs {
		name := b.ClientVariable()
		if name == "" {
			name = "base URL"
		}
		a.printf("  %-20s%s\n", name, b.URL)
	}
	// SDKs insist on a key. The proxy replaces it.
	key := "any: the proxy puts the credential"
	if c.ClientTokenEnv != "" {
		key = "the value of " + c.ClientTokenEnv
	}
	a.printf("  %-20s%s\n", "API key", key)
	a.printf("  %-20s%s/\n", "status page", c.address(ln))
}
