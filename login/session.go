package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Prompt is what a program shows to the person who logs in.
type Prompt struct {
	// URL is the address to open in a browser. It is https, or on this host, and printable.
	URL string
	// Code is what the person types or compares there. Empty: there is no code.
	Code string
	// Paste tells that the person brings something back, which Enter takes.
	Paste bool
	// Hint says in an English sentence what to do beside opening URL and using Code. Empty: nothing.
	Hint string
	// Expires is when the login ends unless the person has consented.
	Expires time.Time
}

// Session is a login under way. Its methods may be called by several goroutines.
//
// Between Start and Wait, and after a Wait that its context has ended, a session runs no goroutine. The
// flow Browser holds its port then: a browser that comes back meanwhile is answered by the next Wait.
type Session struct {
	row     vendors.Vendor // of the provider
	auth    *vendors.Auth  // row.Login()
	opt     Options
	issuer  string // without a slash at its end
	own     bool   // the issuer is the provider's own
	client  string // the client ID
	scope   string // space-separated
	course  course
	plain   *http.Client          // sends a request once: an exchange of a code, a poll
	patient *retryablehttp.Client // repeats a request that fails: for metadata, or for a new code
	hidden  []string              // secrets that no text may show
	base    http.RoundTripper     // sends the requests
	ours    bool                  // base is of this session alone
	spent   bool                  // a code was sent that may be sent only once: no Wait can go on after this one

	mu     sync.Mutex         // guards what is below it
	stop   context.CancelFunc // of the Wait under way; nil: there is none
	closed bool               // Close was called
	over   bool               // the login has ended, by got or why
	got    reauth.Credential
	why    error
}

// course is what a flow has begun in Start, and how it goes on.
type course struct {
	prompt Prompt
	// wait waits for the consent and returns the credential. It may be called again after its ctx
	// has ended.
	wait func(ctx context.Context) (reauth.Credential, error)
	// enter takes what the person has pasted, and refuses what cannot be of this login. nil: the
	// person brings nothing back.
	enter func(text string) error
	// close ends what does not end by itself. nil: nothing is left.
	close func()
}

// Prompt returns what to show to the person. It stays the same.
func (s *Session) Prompt() Prompt { return s.course.prompt }

// Enter takes what the person has pasted: a code, or the address that the browser has been sent to. It
// returns an error for what cannot be of this login, and the person may try again. Wait finds out
// whether the code is good. Enter returns an error, too, in a flow that takes no code from the person,
// and when the login has ended or has a code already. It may be called before Wait and beside it.
func (s *Session) Enter(code string) error {
	if s.course.enter == nil {
		return failed(s.row, errors.New("this flow takes no code: the consent is enough, and Wait learns of it"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed, s.over && errors.Is(s.why, ErrClosed):
		return failed(s.row, ErrClosed)
	case s.over:
		return failed(s.row, errors.New("the login has ended; start another one"))
	case !time.Now().Before(s.course.prompt.Expires):
		return failed(s.row, errTooLate())
	}
	if err := s.course.enter(code); err != nil {
		return failed(s.row, err)
	}
	return nil
}

// Wait waits until the person has consented, and returns the credential: complete, with the canonical
// name of its provider, for Pool.Add. With an error the credential is empty. One Wait is under way at a
// time.
//
// When ctx ends, Wait returns early with an error that matches ctx.Err(), and may be called again as
// long as the person has time to consent. There are two exceptions, in which the login has ended with
// ctx. An authorization code was just being exchanged, which a server allows once only (RFC 6749
// §4.1.2). Or ctx has cut off the very answer that brought the tokens: then the next Wait says that the
// server refuses the code.
//
// Every other error ends the login, and another Start is the way on. When the login has ended, a
// further Wait returns the same as the one before.
func (s *Session) Wait(ctx context.Context) (reauth.Credential, error) {
	within, c, err := s.beginWait(ctx)
	if within == nil {
		return c, err
	}
	c, err = s.course.wait(within)
	return s.endWait(ctx, c, err)
}

// beginWait begins a Wait. It returns no context if there is nothing to wait for: the login has ended,
// with the result that it returns, or another Wait is under way.
func (s *Session) beginWait(ctx context.Context) (context.Context, reauth.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return nil, s.got, s.why
	case s.stop != nil:
		return nil, reauth.Credential{}, failed(s.row, errors.New("another Wait is under way"))
	}
	within, stop := context.WithCancel(ctx)
	s.stop = stop
	return within, reauth.Credential{}, nil
}

// endWait ends a Wait with its result. It ends the login as well, unless another Wait may go on.
func (s *Session) endWait(ctx context.Context, c reauth.Credential, err error) (reauth.Credential, error) {
	s.closeIdle()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.stop = nil
	switch {
	case err == nil: // also after Close: nobody else has these tokens
	case s.closed:
		err = ErrClosed
	case ctx.Err() != nil && s.spent:
		err = fmt.Errorf("the code was being exchanged and may be spent: %w; start another login", ctx.Err())
	case ctx.Err() != nil:
		return reauth.Credential{}, failed(s.row, ctx.Err())
	}
	if err != nil {
		s.end(reauth.Credential{}, failed(s.row, err))
		return s.got, s.why
	}
	s.end(s.complete(c), nil)
	return s.got, nil
}

// end ends the login. mu is held.
func (s *Session) end(c reauth.Credential, why error) {
	s.over, s.got, s.why = true, c, why
	if s.course.close != nil {
		s.course.close()
	}
}

// Close ends the login: it ends a Wait that is under way, with an error that matches ErrClosed, and
// gives up the port of the flow Browser. After a Wait that has ended the login it does nothing. It may
// be called more than once, and returns nil.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
	case s.stop != nil: // the Wait ends the login when it leaves
		s.closed = true
		s.stop()
	default:
		s.end(reauth.Credential{}, failed(s.row, ErrClosed))
	}
	return nil
}

// String names the provider and the authorization server. It tells no secret.
func (s *Session) String() string { return "login at " + s.issuer + " of " + s.row.Name }

// Format prints String under any verb and flag, since the fields hold secrets.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue is what slog shows.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
