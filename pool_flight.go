package reauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

const (
	claimTimeout = 45 * time.Second // waiting for the credential's lock: longer than any exchange
)

var (
	errClosed       = errors.New("reauth: the pool is closed")
	errRefusedAgain = errors.New("reauth: the tokens of this request's own refresh were refused as well")
	errGone         = errors.New("reauth: the credential has been removed")
	errNothingNewer = errors.New("reauth: the store holds nothing newer")
	errUnproven     = errors.New("reauth: the tokens of the last refresh were refused as well")

	errNoRefreshToken error = notRefreshableError("the credential is a static key, without a refresh token; " +
		"one that a command, a file or a service renews is added by Pool.AddSource")
	errNoRefresher error = notRefreshableError("the provider has no Refresher; Register it with one")

	// errNotReplayed is why a request gets its refusal although its credential may be good by now.
	errNotReplayed = errors.New("reauth: the request was not sent again")
)

// notRefreshableError says why it is ErrNotRefreshable. Such a value costs nothing when the package is
// imported, and one of fmt.Errorf does.
type notRefreshableError string

func (e notRefreshableError) Error() string { return ErrNotRefreshable.Error() + ": " + string(e) }
func (e notRefreshableError) Unwrap() error { return ErrNotRefreshable }

// staticError is errNoRefreshToken for those tokens, with what a person can do where that is known.
func staticError(t *tokens) error {
	how := vendors.Of(t.cred.Provider).HowRemade(t.cred.AccessToken)
	if how == "" {
		return errNoRefreshToken
	}
	return fmt.Errorf("%w; %s", errNoRefreshToken, how)
}

// cause is why a caller wants new tokens.
type cause uint8

const (
	early    cause = iota // they are about to expire
	expired               // the clock says that they have expired
	rejected              // the provider has refused them
	forced                // Pool.Refresh was called
)

// String is the reason that Refreshing gives.
func (c cause) String() string { return [...]string{"early", "expired", "rejected", "forced"}[c] }

// demand is why a caller wants new tokens, and what they must meet.
type demand struct {
	why       cause
	refusal   *Refusal // because of which it wants them; nil: of none
	challenge string   // what the refusal asks for beyond a valid token; empty: nothing
}

// because is the demand of a caller whose tokens were refused.
func because(r *Refusal) demand { return demand{why: rejected, refusal: r, challenge: r.asks()} }

// flight is one renewal, for all callers that wait for it. It belongs to none of them.
type flight struct {
	of       *tokens // the tokens that it replaces
	exchange bool    // it may spend the refresh token; else it only looks for newer tokens
	carries  string  // the challenge that the exchange is to meet; empty: none
	refused  bool    // the refresher is told that the provider has refused the tokens
	done     chan struct{}

	// What follows is set before done is closed.
	tokens *tokens // new ones; nil with err
	err    error
	tell   []Event // for the observer, which may call the pool: told when the flight is over

	announced <-chan struct{} // closed when the observer knows that the exchange has begun; nil: nobody is told
}

func newFlight(of *tokens, exchange bool, carries string) *flight {
	return &flight{of: of, exchange: exchange, carries: carries, done: make(chan struct{})}
}

// serves reports whether the flight is one for a caller who wants an exchange, or none, and tokens
// that meet the challenge.
func (f *flight) serves(exchange bool, challenge string) bool {
	return (f.exchange || !exchange) && (challenge == "" || !exchange || f.carries == challenge)
}

// landed is a flight that is over, for an outcome that needs no waiting.
func landed(t *tokens, err error) *flight {
	f := &flight{tokens: t, err: err, done: make(chan struct{})}
	close(f.done)
	return f
}

// wait returns the flight's outcome, or a callerError when ctx ends before.
func (f *flight) wait(ctx context.Context, during string) (*tokens, error) {
	select {
	case <-f.done:
		return f.tokens, f.err
	default:
	}
	select {
	case <-f.done:
		return f.tokens, f.err
	case <-ctx.Done():
		return nil, newCallerError(ctx, during)
	}
}

// failedAtOnce returns the error of a flight made by landed; nil of any other.
func (f *flight) failedAtOnce() error {
	if f.of != nil {
		return nil
	}
	return f.err
}

// callerError is the end of a caller's own context, or of its Request.Cancel.
type callerError struct {
	during string // what the caller was waiting for
	cause  error
	err    error // the context's
}

func newCallerError(ctx context.Context, during string) *callerError {
	return &callerError{during: during, cause: context.Cause(ctx), err: ctx.Err()}
}

func (e *callerError) Error() string { return "reauth: " + e.during + ": " + e.cause.Error() }

func (e *callerError) Unwrap() []error { return []error{e.err, e.cause} }

// Timeout makes url.Error report a time-out where the context's deadline ended the wait.
func (e *callerError) Timeout() bool { return errors.Is(e.err, context.DeadlineExceeded) }

// isCallerError reports whether err is the end of the caller's own wait, and nothing about the
// credential.
func isCallerError(err error) bool {
	var own *callerError
	return errors.As(err, &own)
}

// isPanic reports whether err is the panic of a function that the program has given.
func isPanic(err error) bool {
	_, ok := errors.AsType[*panicError](err)
	return ok
}

// followedError ends the renewal of a login that only another program may renew.
type followedError struct {
	follower *follower
	err      error // why the program's file cannot be read; nil: it holds nothing newer
	static   bool  // it holds a token that the program does not renew
}

// Error names the program and its file, and tells the user the way out.
func (e *followedError) Error() string {
	if e.err != nil {
		return "reauth: " + e.err.Error()
	}
	wayOut := "use that program, or log in there again"
	if e.static {
		wayOut = "that program does not renew it, so put another one there"
	}
	return fmt.Sprintf("reauth: the login is that of %s (%s), whose token is refused or has expired; %s",
		e.follower.program.Name, e.follower.where(), wayOut)
}

func (e *followedError) Unwrap() error { return ErrNotRefreshable }

// reloginError says why a new login was asked for in vain.
type reloginError struct {
	of  string // the credential
	err error
}

func (e *reloginError) Error() string { return "reauth: relogin " + e.of + ": " + e.err.Error() }

func (e *reloginError) Unwrap() error { return e.err }

// failureReason is a short and stable word for a failed refresh.
func failureReason(err error) string {
	var re *RefreshError
	var followed *followedError
	var asked *reloginError
	switch {
	case errors.As(err, &asked):
		return reloginReason
	case errors.As(err, &followed):
		return "borrowed:" + followed.follower.kind
	case errors.As(err, &re) && re.Code != "":
		return "refresh:" + re.Code
	case errors.As(err, &re) && re.Status != 0:
		return fmt.Sprintf("refresh:status-%d", re.Status)
	case errors.Is(err, ErrNotRefreshable):
		return "not-refreshable"
	case errors.Is(err, errUnproven), errors.Is(err, errRefusedAgain):
		return "refresh:useless"
	case errors.Is(err, errClosed):
		return "pool-closed"
	case errors.Is(err, errGone):
		return "removed"
	}
	return "refresh:failed"
}
