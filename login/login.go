// Package login logs a person in at the authorization server of an LLM provider, and returns the
// credential. It implements the device flow (RFC 8628) and the providers' variants of it. It also
// implements the authorization code with PKCE (RFC 7636): the package receives the code on a
// loopback port (RFC 8252), or the person pastes it.
//
// The package stores nothing, and returns no credential that is incomplete. No error and no text
// for the person contains a device code, an authorization code, a verifier or a token.
package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Flow is a way to log in.
type Flow string

// The flows.
const (
	// Device: the person opens an address on any device, and types or compares a code there.
	Device Flow = vendors.FlowDevice
	// Browser: a browser on this host brings the code to a loopback port.
	Browser Flow = vendors.FlowBrowser
	// Paste: a browser anywhere shows a code or an address, and the person pastes it.
	Paste Flow = vendors.FlowPaste
)

// Login describes one login. Provider and Person are required.
type Login struct {
	Provider string            // the provider's name, or an alias of it
	Flow     Flow              // empty: the provider's default, which is the first of Flows
	Issuer   string            // authorization server, https or http on loopback; empty: the provider's own
	ClientID string            // empty: the provider's default
	Scope    string            // space-separated; empty: the provider's default
	Port     int               // of the loopback listener; 0: one that the provider has registered
	Header   http.Header       // added to each request; a value here replaces the package's own
	Base     http.RoundTripper // sends the requests; nil: a clone of http.DefaultTransport
	Person   Person            // consents
}

// Person is how a login speaks with the person who logs in. Run calls Visit, Waiting and Note from
// one goroutine at a time. It calls Paste from a goroutine of its own.
type Person interface {
	// Visit asks the person to open an address, and to use the code there unless it is empty.
	Visit(address, code string)
	// Waiting is called about every second while Run waits for the person's consent. left is the
	// time until the code expires.
	Waiting(left time.Duration)
	// Note tells the person about an event, such as a server that does not answer.
	Note(text string)
	// Paste returns a line that the person has pasted. ctx ends when Run no longer wants the line.
	// Run does not wait for Paste then, since a read from a terminal cannot be cancelled.
	Paste(ctx context.Context) (string, error)
}

// ErrUnsupported is matched by the error of a Login that Run cannot try: the provider has no logins
// or not that flow, or the issuer is not an address that Run may send tokens to.
var ErrUnsupported = errors.New("not supported")

// Run logs in. The credential that it returns is complete and names its provider canonically. With
// an error, the credential is empty. When ctx ends, Run returns early with an error that matches
// ctx.Err().
func (l Login) Run(ctx context.Context) (reauth.Credential, error) {
	c, err := l.run(ctx)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return reauth.Credential{}, fmt.Errorf("reauth: login %s: %w", l.Provider, err)
}

// run is Run without the prefix of its errors.
func (l Login) run(ctx context.Context) (reauth.Credential, error) {
	row, err := find(l.Provider)
	if err != nil {
		return reauth.Credential{}, err
	}
	f, err := flowOf(row, l.Flow)
	if err != nil {
		return reauth.Credential{}, err
	}
	s, err := newSession(l, row, f)
	if err != nil {
		return reauth.Credential{}, err
	}
	defer s.plain.CloseIdleConnections()
	c, err := dialects()[row.Auth.Dialect][Flow(f.Name)](ctx, s)
	if err != nil {
		return reauth.Credential{}, err
	}
	c.Provider, c.ClientID = row.Name, l.ClientID
	if !s.own {
		s.note(&c, vendors.IssuerNote, s.issuer) // the library's refreshers send the tokens nowhere else
	}
	return c, nil
}

// checkIssuer returns the address of an authorization server without a slash at its end. It returns
// an error for an address that tokens must not be sent to.
func checkIssuer(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("the issuer is %w: it is no address such as https://auth.example.com", ErrUnsupported)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the issuer is %w: only scheme, host, port and path may stand in it", ErrUnsupported)
	case isSafe(u):
		return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
	}
	return "", fmt.Errorf(
		"the issuer is %w: it must be https, or http on loopback, for tokens travel to it", ErrUnsupported)
}

// isSafe reports whether nobody on the way to u can read a request: u is https, or on this host.
func isSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback reports whether host is this host: an address of loopback, or localhost.
func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// await returns the value that arrives on ch. Its error is errTooLate at the time until, or that of
// ctx. Each second it tells the person how much time is left, except when the person is asked to
// paste: the text would disturb the line that the person types.
func await[T any](ctx context.Context, s *session, ch <-chan T, until time.Time) (got T, err error) {
	last := time.NewTimer(time.Until(until))
	defer last.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		if !s.typing {
			s.Person.Waiting(time.Until(until).Round(time.Second))
		}
		select {
		case got := <-ch:
			return got, nil
		case <-second.C:
		case <-last.C:
			return got, errTooLate
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// errTooLate is the error of a login that nobody consented to in time.
var errTooLate = errors.New(
	"nobody consented in time and the code has expired; nothing was stored. Run the command again for a new one")

// listen listens on a port of 127.0.0.1, and of ::1 if it can: a browser may resolve localhost to
// either. It does not use the name localhost, which a host may resolve to an address that others can
// reach (RFC 8252 §8.3). Many hosts have no ::1, so only a failure of 127.0.0.1 is an error.
func listen(ctx context.Context, port int) ([]net.Listener, error) {
	var c net.ListenConfig
	first, err := c.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	listeners := []net.Listener{first}
	if second, err := c.Listen(ctx, "tcp6", fmt.Sprintf("[::1]:%d", portOf(first))); err == nil {
		listeners = append(listeners, second)
	}
	return listeners, nil
}

// portOf returns the port of a TCP listener.
func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
