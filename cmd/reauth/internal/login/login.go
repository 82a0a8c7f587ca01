// Package login obtains a login from the authorization server of an LLM provider, with a person's
// consent: the device flow of RFC 8628 and what providers have made of it, and the authorization
// code with PKCE (RFC 7636), received on a loopback port (RFC 8252) or pasted.
//
// Nothing is stored here, and nothing is returned before it is complete. Device codes,
// authorization codes, verifiers and tokens are in no error and in nothing that the person is
// shown.
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

// Version is what requests say that we are, as the library's token calls do.
const Version = "0.1.0"

// Flow is a way to log in.
type Flow string

// The flows.
const (
	Device  Flow = vendors.FlowDevice  // the person opens an address on any device and types, or compares, a code
	Browser Flow = vendors.FlowBrowser // a browser on this host comes back to a loopback port
	Paste   Flow = vendors.FlowPaste   // a browser anywhere shows a code, or an address, that the person pastes
)

// Login is one login to be made. Provider and Person are required.
type Login struct {
	Provider string            // a name or an alias of one
	Flow     Flow              // empty: the provider's first (Flows)
	Issuer   string            // the authorization server; empty: the provider's own. https, or http on loopback
	ClientID string            // empty: the provider's default
	Scope    string            // space-separated; empty: the provider's default
	Port     int               // of the loopback listener; 0: those the provider has registered
	Header   http.Header       // added to each request
	Base     http.RoundTripper // nil: one of our own
	Person   Person
}

// Person is whoever logs in. Its methods are called by one goroutine at a time, except Paste's.
type Person interface {
	// Visit asks to open an address and, unless it is empty, to use the code there.
	Visit(address, code string)
	// Waiting is called about every second while the person's consent is waited for.
	Waiting(left time.Duration)
	// Note tells something that has come up.
	Note(text string)
	// Paste returns a line that the person has pasted. ctx ends when it is not wanted any more; Run
	// does not wait for Paste then, for who reads a terminal cannot be called off.
	Paste(ctx context.Context) (string, error)
}

// ErrUnsupported is matched by the errors of a Login that cannot be tried: a provider without
// logins, a flow it does not have, an issuer that is no address.
var ErrUnsupported = errors.New("not supported")

// Run logs in. The credential it returns is complete and belongs to the provider of that name; an
// error means that there is none. It ends early with ctx.
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
	return c, nil
}

// checkIssuer returns the address of an authorization server without a slash at its end.
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
	return "", fmt.Errorf("the issuer is %w: it must be https, or http on loopback, for tokens travel to it", ErrUnsupported)
}

// isSafe: nobody between here and there can read what is sent.
func isSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// await waits for what comes on ch, and tells the person each second how long there is left; not
// one who is about to type.
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

// errTooLate ends a login that nobody consented to in time.
var errTooLate = errors.New("nobody consented in time and the code has expired; nothing was stored. Run the command again for a new one")

// listen is for loopback only, whatever the name of the host resolves to.
func listen(ctx context.Context, port int) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
}
