package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
)

// healthCmd asks a running proxy how it is, for images that have no curl.
type healthCmd struct {
	Address string        `arg:"" optional:"" help:"Where the proxy listens, as its --listen says it." default:"127.0.0.1:8787" env:"REAUTH_PROXY_LISTEN" placeholder:"HOST:PORT|unix:PATH"`
	TLSCert string        `name:"tls-cert" help:"Ask by https, and trust the certificate of this PEM file: that of the proxy." env:"REAUTH_PROXY_TLS_CERT" placeholder:"FILE"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"2s"`
	JSON    bool          `name:"json" help:"Print JSON, for programs."`
}

// healthJSON is how a proxy is, as --json prints it. Programs parse it: names and meanings stay.
type healthJSON struct {
	Address string `json:"address"`
	Healthy bool   `json:"healthy"`
	Status  int    `json:"status,omitempty"` // absent: there was no answer
	Error   string `json:"error,omitempty"`
}

// Help implements kong.HelpProvider.
func (*healthCmd) Help() string {
	return `It asks for /healthz and exits with 0 when the proxy answers 200. It reads the same variables as the proxy, so that it
needs no argument in a container. Of several addresses it asks the first.

Examples:

    reauth health
    reauth health unix:/run/reauth/proxy.sock
`
}

// Run implements the command.
func (c *healthCmd) Run(a *app) error {
	address, _, _ := strings.Cut(c.Address, ",")
	status, body, err := c.ask(a, address)
	if !c.JSON {
		if err == nil {
			_, err = a.stdout.Write(body)
		}
		return err
	}
	doc := healthJSON{Address: address, Healthy: err == nil, Status: status}
	if err != nil {
		doc.Error = err.Error()
	}
	if failed := writeJSON(a.stdout, doc); err == nil {
		err = failed
	}
	return err
}

// ask asks the proxy at an address. Any answer but 200 is an error.
func (c *healthCmd) ask(a *app, address string) (status int, body []byte, err error) {
	ctx, stop := context.WithTimeout(a.ctx, c.Timeout)
	defer stop()
	client, url, err := c.client(address)
	if err != nil {
		return 0, nil, err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, usagef("%q is no address of a proxy: HOST:PORT is one, or unix:PATH", address)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("reauth: health: the proxy at %s does not answer: %w", address, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what came is enough
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("reauth: health: the proxy at %s says %s", address, resp.Status)
	}
	return resp.StatusCode, body, err
}

// client returns a client that reaches the proxy, and the URL to ask for.
func (c *healthCmd) client(address string) (*http.Client, string, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	scheme := "http"
	path, atSocket := socketPath(address)
	if c.TLSCert != "" && !atSocket { // a socket serves http in any case
		config, err := trusted(c.TLSCert)
		if err != nil {
			return nil, "", err
		}
		transport.TLSClientConfig, scheme = config, "https"
	}
	if atSocket {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		address = "localhost"
	}
	return &http.Client{Transport: transport}, scheme + "://" + reachable(address) + "/healthz", nil
}

// reachable returns where a listener is reached from this machine.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	at, err := netip.ParseAddr(cmp.Or(host, "0.0.0.0"))
	switch {
	case err != nil || !at.IsUnspecified():
	case at.Is4():
		host = "127.0.0.1"
	default:
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// trusted returns the settings by which the certificate in file is trusted, and no other. The name
// is one of its own, because the proxy is asked by its address.
func trusted(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reauth: health: --tls-cert: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, usagef("--tls-cert: %s has no certificate", file)
	}
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, usagef("--tls-cert: the first part of %s is no certificate", file)
	}
	name := ""
	switch {
	case len(leaf.DNSNames) > 0:
		name = strings.Replace(leaf.DNSNames[0], "*", "any", 1)
	case len(leaf.IPAddresses) > 0:
		name = leaf.IPAddresses[0].String()
	}
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, nil
}
