package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// socketScheme is what the value of --listen begins with that names a socket of the file system.
const socketScheme = "unix:"

// socketPath returns the path of a socket that --listen names.
func socketPath(listen string) (path string, ok bool) { return strings.CutPrefix(listen, socketScheme) }

// mayListen returns a usage error for flags that would let other machines spend the account by
// accident, or for addresses that are none.
func (c *proxyCmd) mayListen() error {
	if c.AllowRemote && c.ClientTokenEnv == "" {
		return usagef("--allow-remote needs --client-token-env: " +
			"without a token everybody who reaches the port could spend the account")
	}
	if len(c.Listen) == 0 {
		return usagef("--listen names no address")
	}
	for i, listen := range c.Listen {
		if slices.Contains(c.Listen[:i], listen) && !strings.HasSuffix(listen, ":0") {
			return usagef("--listen %s is there twice", listen)
		}
		if path, ok := socketPath(listen); ok {
			if err := checkSocketPath(path); err != nil {
				return usagef("--listen: %w", err)
			}
			continue
		}
		if err := c.mayListenAt(listen); err != nil {
			return err
		}
	}
	return nil
}

// mayListenAt checks an address. Without --allow-remote it must be a loopback one. With it, a
// client token is required; and an unspecified address such as 0.0.0.0 needs --host, since the
// proxy refuses requests whose Host header it does not know.
func (c *proxyCmd) mayListenAt(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen %q is no address such as 127.0.0.1:8787 or unix:/run/user/1000/reauth.sock", listen)
	}
	if c.AllowRemote {
		// An empty host, as in ":8787", means every address too.
		if ip, err := netip.ParseAddr(host); len(c.Host) == 0 && (host == "" || err == nil && ip.IsUnspecified()) {
			return usagef("--listen %s takes any address: name those by which clients reach the proxy with --host", listen)
		}
		return nil
	}
	if ip, err := netip.ParseAddr(host); !strings.EqualFold(host, "localhost") && (err != nil || !ip.IsLoopback()) {
		return usagef("--listen %s is not a loopback address, and other machines could spend the account; "+
			"use 127.0.0.1, or --allow-remote with --client-token-env", listen)
	}
	return nil
}

// listen opens the listeners: all of them, or none.
func (c *proxyCmd) listen(ctx context.Context) (listeners []net.Listener, err error) {
	for _, listen := range c.Listen {
		ln, err := c.listenAt(ctx, listen)
		if err != nil {
			for _, ln := range listeners {
				_ = ln.Close() // it has accepted nothing yet
			}
			return nil, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

// listenAt opens a listener. It checks the address that the system has bound, not only the one in
// the flag: a hosts file can map localhost to any address.
func (c *proxyCmd) listenAt(ctx context.Context, listen string) (net.Listener, error) {
	if path, ok := socketPath(listen); ok {
		ln, err := listenSocket(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("reauth: proxy: %w", err)
		}
		return ln, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("reauth: proxy: %s is in use, perhaps by another reauth proxy; stop that, "+
			"or choose another port: --listen 127.0.0.1:0 takes a free one", listen)
	case err != nil:
		return nil, fmt.Errorf("reauth: proxy: listen: %w; choose another address with --listen", err)
	}
	if a, ok := ln.Addr().(*net.TCPAddr); !c.AllowRemote && (!ok || !a.IP.IsLoopback()) {
		// The listener has accepted nothing yet, so nothing is lost if Close fails.
		_ = ln.Close()
		return nil, usagef("--listen %s leads to %s, which is not a loopback address", listen, ln.Addr())
	}
	return ln, nil
}

// addrs returns where the listeners listen.
func addrs(listeners []net.Listener) []net.Addr {
	list := make([]net.Addr, 0, len(listeners))
	for _, ln := range listeners {
		list = append(list, ln.Addr())
	}
	return list
}

// onTCP returns the listeners that have a port.
func onTCP(listeners []net.Listener) (list []net.Listener) {
	for _, ln := range listeners {
		if ln.Addr().Network() != "unix" {
			list = append(list, ln)
		}
	}
	return list
}

// address returns the URL by which clients reach the proxy, without a path: that of the first
// listener with a port. Through a socket, a client names any host.
func (c *proxyCmd) address(listeners []net.Listener) string {
	list := onTCP(listeners)
	if len(list) == 0 {
		return "http://localhost"
	}
	return c.addressOf(list[0])
}

// addressOf is address for one listener with a port.
func (c *proxyCmd) addressOf(ln net.Listener) string {
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

// announce prints on standard output what to set in a client: its base URL and its API key. A
// script can read it from there, since the log goes to standard error.
func (c *proxyCmd) announce(a *app, listeners []net.Listener, config proxy.Config) error {
	if c.JSON {
		line, err := jsonLine(c.announced(listeners, config))
		if err == nil {
			_, err = io.WriteString(a.stdout, line)
		}
		return err
	}
	names := make([]string, 0, len(config.Backends))
	for _, b := range config.Backends {
		names = append(names, named(b.Provider.Name, b.Names[len(b.Names)-1])) // as the user has typed it
	}
	a.printf("%s by way of %s\n", strings.Join(names, ", "), c.address(listeners))
	for _, b := range config.Backends {
		c.announceBases(a, b, len(config.Backends) > 1)
	}
	// SDKs insist on a key. The proxy replaces it.
	key := "any: the proxy puts the credential"
	if c.ClientTokenEnv != "" {
		key = "the value of " + c.ClientTokenEnv
	}
	a.printf("  %-20s%s\n", "API key", key)
	if list := onTCP(listeners); len(list) > 0 {
		a.printf("  %-20s%s/\n", "status page", c.addressOf(list[0]))
		for _, ln := range list[1:] {
			a.printf("  %-20s%s\n", "also at", c.addressOf(ln))
		}
	}
	for _, ln := range listeners {
		if ln.Addr().Network() == "unix" {
			a.printf("  %-20s%s\n", "socket", ln.Addr())
		}
	}
	return nil
}

// announcedJSON is where a proxy listens, as --json prints it. Programs parse it: names and
// meanings stay.
type announcedJSON struct {
	// Listeners are addresses such as http://127.0.0.1:8787 and unix:/run/reauth.sock, in the order
	// of --listen.
	Listeners []string        `json:"listeners"`
	Providers []announcedBase `json:"providers"`
	// ClientToken is the variable whose value clients send as their API key; absent: any key will
	// do.
	ClientToken string `json:"client_token_env,omitempty"`
}

type announcedBase struct {
	Provider string          `json:"provider"`
	BaseURLs []proxy.BaseURL `json:"base_urls"`
}

// announced is what announce says, for programs.
func (c *proxyCmd) announced(listeners []net.Listener, config proxy.Config) announcedJSON {
	doc := announcedJSON{ClientToken: c.ClientTokenEnv}
	for _, ln := range listeners {
		if ln.Addr().Network() == "unix" {
			doc.Listeners = append(doc.Listeners, socketScheme+ln.Addr().String())
			continue
		}
		doc.Listeners = append(doc.Listeners, c.addressOf(ln))
	}
	for _, b := range config.Backends {
		doc.Providers = append(doc.Providers, announcedBase{b.Provider.Name, b.BaseURLs})
	}
	return doc
}

// announceBases prints the base URLs of a provider: of several providers, a line names it.
func (*proxyCmd) announceBases(a *app, b proxy.Backend, several bool) {
	label := b.Provider.Name
	for _, base := range b.BaseURLs {
		name := base.ClientVariable()
		switch {
		case !several:
			a.printf("  %-20s%s\n", cmp.Or(name, "base URL"), base.URL)
		case name == "":
			a.printf("  %-20s%s\n", label, base.URL)
		default:
			a.printf("  %-20s%s=%s\n", label, name, base.URL)
		}
		label = ""
	}
}
