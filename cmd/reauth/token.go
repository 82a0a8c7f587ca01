package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/reauth-go/reauth"
)

// tokenCmd prints an access token for a program that asks a command for it. This file gets the
// token; token_format.go speaks the protocols of those who ask.
type tokenCmd struct {
	Provider string `arg:"" help:"The provider, such as xai-oauth."`
	Action   string `arg:"" optional:"" help:"What Docker and git append when they call a helper: get, store, erase or list."`
	ID       string `name:"id" help:"The credential; without it, the one that any request would get." placeholder:"ID"`
	Format   string `help:"How to print it: ${enum}." enum:"bare,json,kubernetes,aws,docker,git" default:"bare"`
	JSON     bool   `name:"json" help:"Print JSON, for programs: --format json."`
	Refused  bool   `help:"The provider has refused the token that stands on standard input, its first line: print another one."`
	endpoints
}

// Help implements kong.HelpProvider.
func (*tokenCmd) Help() string {
	return `A token that has expired, or soon will, is refreshed first, once for all processes that share the store. The token goes to standard
output alone; no message repeats it. The exit code is 3 when only a new login, or a new key, helps.

With --refused the token that was refused is replaced: by the newer one that the store has already, else by a refresh, else by that of
the next credential. A key that nothing renews is put aside. A token that nobody has any more changes nothing.

Docker and git ask on standard input for a host. They get a token only for a host of the provider, or that of --base-url.
https://github.com/reauth-go/reauth/blob/main/docs/token.md tells what to set in the programs that ask.

Examples:

    curl -H "Authorization: Bearer $(reauth token groq)" "$URL/models"
    reauth token anthropic --json | jq -r .expires_at
    printf %s "$OLD" | reauth token xai-oauth --refused
`
}

// Run implements the command.
func (c *tokenCmd) Run(a *app) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	asked, err := form.read(a, c)
	if err != nil || asked.done {
		return err
	}
	cred, err := c.lend(a, asked)
	switch {
	case errors.Is(err, errForeign):
		return form.foreign(a, c.Provider)
	case err != nil || asked.erase:
		return err
	}
	text, err := form.write(cred, asked, time.Now())
	if err != nil {
		return err
	}
	a.warnOfTerminal()
	// A caller must not take a token that was cut off for one.
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("reauth: token: write to standard output: %w", err)
	}
	return nil
}

// errForeign says that no token of the provider goes to the host that is asked for.
var errForeign = errors.New("reauth: token: none goes to this host")

// lend returns the credential whose token the program gets.
func (c *tokenCmd) lend(a *app, asked asked) (reauth.Credential, error) {
	p, err := a.pool()
	if err != nil {
		return reauth.Credential{}, err
	}
	l := &lender{pool: p, app: a, refused: asked.refused}
	p.Observe = l.observe
	pr, err := c.apply(p, c.Provider)
	if err != nil {
		return reauth.Credential{}, err
	}
	if !asked.isFor(p, pr.Name) {
		return reauth.Credential{}, errForeign
	}
	list, err := a.chosen(p, c.Provider, c.ID, exitLogin)
	if err != nil {
		return reauth.Credential{}, err
	}
	cred, err := l.obtain(a.ctx, list, c.ID != "")
	if err == nil && !asked.isAmong(cred.Hosts) {
		err = errForeign
	}
	return cred, err
}

// warnOfTerminal warns a person whose terminal is about to show the token.
func (a *app) warnOfTerminal() {
	if f, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.notef("reauth: the token is a secret, and this terminal shows it; " +
			"give it to a program instead, as in $(reauth token …)\n")
	}
}

// lender gets a token that a program can use now.
type lender struct {
	app     *app
	pool    *reauth.Pool
	refused string   // the access token that a provider has refused; empty: none
	failed  sync.Map // by ID: the error of the last refresh; the pool observes from any goroutine
	// lost is the credential whose token was refused, and not renewed; no ID: there is none.
	lost reauth.CredentialStatus
}

// observe is the observer of the pool.
func (l *lender) observe(_ context.Context, e reauth.Event) {
	switch e.Type {
	case reauth.RefreshFailed:
		l.failed.Store(e.ID, e.Err)
	case reauth.StoreFailed:
		l.app.notef("reauth: the store failed (%s): %v\n", e.Reason, e.Err)
	default:
	}
}

// Why a token is not replaced when no refresh has failed.
var (
	errNothingRenews = errors.New("nothing renews it")
	errSameAgain     = fmt.Errorf("its source gives the same one again, and %w otherwise", errNothingRenews)
)

// whyNot returns why a credential has no newer token.
func (l *lender) whyNot(s reauth.CredentialStatus) error {
	err, _ := l.failed.Load(s.ID)
	switch failed, ok := err.(error); {
	case ok && !errors.Is(failed, reauth.ErrNotRefreshable):
		return failed
	case s.Source != "":
		return errSameAgain
	}
	return errNothingRenews
}

// obtain returns a credential of the list whose token can be used now: that of any request, and
// where it has none, the next one. A pinned list has only the credential that the user has named.
func (l *lender) obtain(ctx context.Context, list []reauth.CredentialStatus, pinned bool) (reauth.Credential, error) {
	provider := list[0].Provider
	if err := l.report(ctx, list); err != nil {
		return reauth.Credential{}, err
	}
	first := ctx
	if pinned {
		first = reauth.WithCredential(ctx, provider, list[0].ID)
	}
	cred, err := l.usable(first, provider)
	switch {
	case err == nil && l.lost.ID != "" && l.lost.ID != cred.ID:
		l.app.notef("%s\nreauth: the token is that of %s\n", l.refusal(l.lost), nameOf(status(cred)))
		return cred, nil
	case err == nil:
		return cred, nil
	case cred.ID == "": // no credential has a token
		return cred, l.advise(provider, "", err)
	}
	for _, s := range list {
		if s.ID == cred.ID || s.State == reauth.Retired || ctx.Err() != nil {
			continue
		}
		if other, failed := l.usable(reauth.WithCredential(ctx, provider, s.ID), provider); failed == nil {
			l.app.notef("%s\nreauth: the token is that of %s\n", err, nameOf(s))
			return other, nil
		}
	}
	return reauth.Credential{}, l.advise(provider, cred.ID, err)
}

// status returns the name of a credential in the form in which nameOf takes it.
func status(c reauth.Credential) reauth.CredentialStatus {
	return reauth.CredentialStatus{Provider: c.Provider, ID: c.ID}
}

// report tells the pool of the token that was refused. The pool renews the credential that has it,
// or puts it aside; when none has it any more, nothing happens.
func (l *lender) report(ctx context.Context, list []reauth.CredentialStatus) error {
	if l.refused == "" {
		return nil
	}
	for _, s := range list {
		told := reauth.Verdict{Kind: reauth.Rejected, Reason: "token:refused"}
		err := l.pool.Report(ctx, s.Provider, s.ID, l.refused, told)
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			l.failed.Store(s.ID, err)
			l.lost = s
		}
	}
	return nil
}

// refusal says that the token of a credential was refused, and why there is no newer one.
func (l *lender) refusal(s reauth.CredentialStatus) error {
	return fmt.Errorf("reauth: token: that of %s was refused: %w", nameOf(s), l.whyNot(s))
}

// usable returns the credential that a request with this context would get, with a token that can
// be used for a while. With an error it returns the credential that has none.
func (l *lender) usable(ctx context.Context, provider string) (reauth.Credential, error) {
	cred, err := l.pool.Token(ctx, provider)
	if err != nil {
		return cred, err
	}
	s, _ := find(l.pool.Status(), provider, cred.ID)
	switch now := time.Now(); {
	case cred.AccessToken == l.refused:
		return cred, l.refusal(s)
	case hasExpired(s, now):
		return cred, fmt.Errorf("reauth: token: that of %s expired %s: %w", nameOf(s), ago(s.Expiry, now), l.whyNot(s))
	case cred.RefreshToken != "" && isDue(s, now):
		return l.renewed(ctx, cred)
	}
	return cred, nil
}

// renewed returns the credential after a refresh. A token that lives a little longer is better than
// none, so a refresh that fails is told, and nothing more.
func (l *lender) renewed(ctx context.Context, cred reauth.Credential) (reauth.Credential, error) {
	// The pool may have begun this refresh already, in the background; then Refresh joins it.
	err := l.pool.Refresh(ctx, cred.Provider, cred.ID)
	switch {
	case err == nil:
		return l.pool.Token(reauth.WithCredential(ctx, cred.Provider, cred.ID), cred.Provider)
	case ctx.Err() != nil:
		return cred, err
	}
	l.app.notef("%s\n", l.advise(cred.Provider, cred.ID, err))
	return cred, nil
}

// advise adds to an error what the person can do about it.
func (l *lender) advise(provider, id string, err error) error {
	var refused *reauth.RefreshError
	switch {
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "source_"):
		return err // it says what to do
	case errors.As(err, &refused) && !refused.Permanent:
		return fmt.Errorf("%w\n%s", err, afterFailure(refused))
	case errors.As(err, &refused), errors.Is(err, errNothingRenews):
		return &exitError{exitLogin, fmt.Errorf("%w\n%s", err, wayOut(l.pool, provider, id))}
	}
	return err
}

// isTrusted reports whether the expiry of a token tells something. One that had passed when the
// token came is that of a clock that is wrong: the provider decides about such a token.
func isTrusted(s reauth.CredentialStatus) bool {
	return !s.Expiry.IsZero() && (s.LastRefresh.IsZero() || s.Expiry.After(s.LastRefresh))
}

// hasExpired reports whether the clock says that the token is useless.
func hasExpired(s reauth.CredentialStatus, now time.Time) bool {
	return isTrusted(s) && !s.Expiry.After(now)
}

// mostAhead is how long before its expiry a token is renewed at most. Programs that ask a command
// for a token keep it for some minutes: Claude Code and Codex for five.
const mostAhead = 5 * time.Minute

// isDue reports whether the token lives so shortly that it is renewed: for less than a tenth of its
// lifetime, and less than mostAhead. A pool renews in the background then; here the caller waits,
// because it keeps what it gets.
func isDue(s reauth.CredentialStatus, now time.Time) bool {
	ahead := mostAhead
	if !s.LastRefresh.IsZero() {
		ahead = min(ahead, s.Expiry.Sub(s.LastRefresh)/10)
	}
	return isTrusted(s) && s.Expiry.Sub(now) < ahead
}
