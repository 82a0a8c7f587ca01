// Package login logs a person in at the authorization server of an LLM provider, and returns the
// credential for a pool of package reauth. It has the device flow (RFC 8628) and the providers'
// variants of it, and the authorization code with PKCE (RFC 7636): the package receives the code on a
// loopback port (RFC 8252), or the person pastes it.
//
// A login is a Session. Start returns as soon as there is something to show to the person, and Wait
// returns when the person has consented. In between the program shows the Prompt where it speaks with
// its user: in a terminal, in a window, on a page. An agent in a terminal asks for a device code and
// goes on when it has been entered, on this or on any other device:
//
//	s, err := login.Start(ctx, "xai-oauth", nil)
//	if err != nil { … }
//	defer s.Close()
//	p := s.Prompt()
//	fmt.Fprintf(os.Stderr, "Open %s and enter %s there.\n", p.URL, p.Code)
//	credential, err := s.Wait(ctx)
//	if err != nil { … }
//	id, err := pool.Add(ctx, credential)
//
// Where Prompt.Paste is set, the person brings back a code, and the program passes it on by Enter. The
// same steps serve a pool that asks for a new login when a grant is dead.
//
// The package stores nothing, and returns no credential that is incomplete. No error and no text for
// the person contains a device code, an authorization code, a verifier or a token. Its requests say
// reauth/<version>, and impersonate no other program; but the page of the consent names the vendor's
// own program unless Options.ClientID names a client of yours, and some vendors restrict the use of
// such logins in other programs.
package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

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

// Options change how a login is done. The zero value of each field is the default, and so is a nil
// *Options. Start keeps a copy.
type Options struct {
	// Flow is the way to log in. Empty: the provider's default, which is the first of Flows.
	Flow Flow
	// Issuer is the address of the authorization server: https, or http on loopback. Empty: the
	// provider's own. The paths there are those of the provider's own server. The credential
	// remembers another issuer in its Metadata, and reauth's refreshers send its tokens only there.
	// Kimi Code has a server for each of its regions: https://auth.kimi.com, which is the default,
	// and https://auth.kimi.ai.
	Issuer string
	// ClientID is the OAuth client that asks. Empty: the public one of the vendor's own program.
	// OpenRouter has no clients.
	ClientID string
	// Scope is what the login asks for, separated by spaces. Empty: the provider's default. OpenRouter
	// has no scopes.
	Scope string
	// Port is where the flow Browser listens, on 127.0.0.1 and ::1. 0: a port that the provider knows
	// for its own client, and where it takes any, as OpenRouter does, one that is free.
	Port int
	// Header is added to each request. A value here replaces the package's own.
	Header http.Header
	// Base sends the requests. nil: a clone of http.DefaultTransport. A request has 20 s for its
	// answer, and no redirect is followed.
	Base http.RoundTripper

	// EvenIfEnded tries a login that the vendor is known to have ended, instead of ErrEnded.
	EvenIfEnded bool

	// Note, unless nil, is told what happens meanwhile, such as a server that does not answer: an
	// English sentence for the person. Start and Wait call it, in the goroutine of their caller, and
	// go on when it returns. It may call Close.
	Note func(text string)
	// Waiting, unless nil, is told about every second how much time is left for the consent. Wait
	// calls it as Note.
	Waiting func(left time.Duration)
}

var (
	// ErrUnsupported is matched by the error of a Start that cannot try: the provider has no logins
	// or not that flow, or an option is none that Start may follow.
	ErrUnsupported = errors.New("not supported")
	// ErrEnded is matched by the error of a Start at a vendor that takes no such logins any more. It
	// says since when, and what to use instead. Options.EvenIfEnded tries all the same, and another
	// Issuer is not asked about it.
	ErrEnded = errors.New("the vendor has ended these logins")
	// ErrDenied is matched by the error of a Wait when the person, or a rule of the account, has
	// refused the consent.
	ErrDenied = errors.New("consent was refused")
	// ErrExpired is matched by the error of a Wait or an Enter when nobody has consented in time.
	ErrExpired = errors.New("nobody consented in time and the code has expired")
	// ErrClosed is matched by the error of a Wait or an Enter after Close.
	ErrClosed = errors.New("the session was closed")
)

// Start begins a login at a provider, named by its name or an alias, and returns when there is
// something to show to the person: it has got the device code, or it listens for the browser. The
// session must be used until Wait has ended the login, or be closed.
//
// ctx is for Start alone. When it ends, Start returns early with an error that matches ctx.Err().
func Start(ctx context.Context, provider string, opt *Options) (*Session, error) {
	row, err := find(provider)
	if err != nil {
		return nil, fmt.Errorf("reauth: login: %w", err)
	}
	if opt == nil {
		opt = new(Options)
	}
	s, err := start(ctx, row, *opt)
	switch {
	case err == nil:
		return s, nil
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return nil, failed(row, err)
}

// start is Start without the prefix of its errors.
func start(ctx context.Context, row vendors.Vendor, opt Options) (*Session, error) {
	f, err := flowOf(row, opt.Flow)
	if err != nil {
		return nil, err
	}
	s, err := newSession(row, f, opt)
	if err != nil {
		return nil, err
	}
	if err := s.checkEnded(); err != nil {
		return nil, err
	}
	defer s.closeIdle()
	s.course, err = dialects()[s.auth.Dialect][Flow(f.Name)](ctx, s)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkEnded says that the vendor has ended these logins, if it has. That is an error, unless the
// program wants to try: the person would consent for nothing.
func (s *Session) checkEnded() error {
	switch ended := s.auth.Ended; {
	case ended == "" || !s.own:
		return nil
	case !s.opt.EvenIfEnded:
		return fmt.Errorf("%w %s", ErrEnded, ended)
	default:
		s.say(fmt.Sprintf("The vendor has ended these logins %s.", ended))
		return nil
	}
}

// failed returns an error of a login at the provider of the row.
func failed(row vendors.Vendor, err error) error {
	return fmt.Errorf("reauth: login %s: %w", row.Name, err)
}
