package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/printable"
)

// refreshCmd refreshes one credential, or all of a provider, without waiting for a request to need
// it.
type refreshCmd struct {
	Provider string `arg:"" help:"The provider, such as xai-oauth."`
	ID       string `arg:"" optional:"" help:"The credential; without it, all of the provider."`
	outcomes
	endpoints
}

// Help implements kong.HelpProvider.
func (*refreshCmd) Help() string {
	return `A newer pair that another process has stored is taken; else the refresh token is exchanged, once, and the new pair stored. What fails
for a time leaves the tokens as they are. API keys are left alone, and so are logins that are followed: their program refreshes them. A
source is asked, which shows whether it gives a token.

Examples:

    reauth refresh xai-oauth
    reauth refresh openai-codex work || echo "exit code 3: log in again"
`
}

// Run implements the command. It refreshes every credential that the arguments name, even after one
// has failed. Then it returns the error that matters most: see worse.
func (c *refreshCmd) Run(a *app) error {
	return c.report(a, func(tell tell) error { return c.run(a, tell) })
}

func (c *refreshCmd) run(a *app, tell tell) error {
	p, err := a.pool()
	if err != nil {
		return err
	}
	r := &renewer{pool: p, app: a, tell: tell, named: c.ID != "", given: c.Provider}
	p.Observe = r.observe
	// --base-url and --issuer replace the provider's own addresses.
	if _, err := c.apply(p, c.Provider); err != nil {
		return err
	}
	list, err := a.chosen(p, c.Provider, c.ID, exitLogin)
	if err != nil {
		return err
	}
	for _, s := range list {
		r.renew(s)
	}
	// A script that asked for a refresh must not take this for one.
	if r.worst == nil && r.renewed == 0 && !r.named {
		return fmt.Errorf("reauth: there was nothing to refresh of %s", list[0].Provider)
	}
	return r.worst
}

// renewer renews credentials one after the other.
type renewer struct {
	pool  *reauth.Pool
	app   *app
	tell  tell
	named bool   // the user has named the credential
	given string // the provider, as the user has called it
	// how maps "provider/id" to the type of the event that brought new tokens. The pool observes
	// from any goroutine.
	how     sync.Map
	renewed int
	worst   error
}

// observe is the observer of the pool.
func (r *renewer) observe(_ context.Context, e reauth.Event) {
	switch e.Type {
	case reauth.Refreshed, reauth.Adopted:
		r.how.Store(e.Provider+"/"+e.ID, e.Type)
	case reauth.StoreFailed:
		r.app.notef("reauth: the store failed (%s): %v\n", e.Reason, e.Err)
	default:
	}
}

// renew renews a credential, and tells what became of it.
func (r *renewer) renew(s reauth.CredentialStatus) {
	left, name := outcome{Result: resultLeftAlone}.of(s), called(s.Provider, s.ID, r.given)
	// A followed login belongs to another program, which refreshes it. Without an ID it is
	// passed over, as is an API key. With one, the user asked for it: Refresh takes newer
	// tokens from that program, or says why it has none.
	if s.Follows != "" && !r.named {
		r.tell(left, "%s: left alone, it is the login of %s, which refreshes it\n", name, programName(s.Follows))
		return
	}
	switch err := r.pool.Refresh(r.app.ctx, s.Provider, s.ID); {
	case err == nil:
		// s is from before the refresh, so renewal reads the status again.
		r.renewed++
		by, _ := r.how.Load(s.Provider + "/" + s.ID)
		one, text := renewal(s, r.pool.Status(), by == reauth.Adopted)
		r.tell(one, "%s: %s\n", name, text)
	case errors.Is(err, reauth.ErrNotRefreshable) && !r.named:
		r.tell(left, "%s: left alone, it is a key\n", name)
	default:
		r.tell(outcome{Result: resultFailed, Error: err.Error()}.of(s), "")
		r.worst = worse(r.app, r.worst, afterRefresh(s, err))
	}
}

// renewal describes the outcome of a refresh: the new token's fingerprint, when it expires, and
// whether this process exchanged the refresh token or adopted tokens that another one had stored.
func renewal(before reauth.CredentialStatus, all []reauth.CredentialStatus, adopted bool) (outcome, string) {
	// The credential is still there: this process has just refreshed it.
	now, _ := find(all, before.Provider, before.ID)
	result, what := resultRefreshed, "refreshed"
	switch {
	case before.Source != "":
		result, what = resultAsked, "its source gives a token, which is kept nowhere"
	case adopted:
		result, what = resultAdopted, "newer tokens found in the store"
	}
	text := fmt.Sprintf("%s, token %s", what, now.Fingerprint)
	if !now.Expiry.IsZero() {
		text += ", expires " + in(now.Expiry, time.Now())
	}
	return outcome{Result: result, Fingerprint: now.Fingerprint, Expiry: statusjson.Time(now.Expiry)}.of(before), text
}

// afterRefresh adds to the error of a refresh what the user can do about it. A refresh token that
// the provider has refused for good ends the command with exitLogin.
func afterRefresh(s reauth.CredentialStatus, err error) error {
	var refused *reauth.RefreshError
	switch {
	case errors.As(err, &refused) && refused.Permanent:
		return &exitError{exitLogin, fmt.Errorf("%w\n%s: %s", err, nameOf(s), wayIn(s.Provider))}
	case errors.As(err, &refused) && s.Source != "":
		return err // it says what to do
	case errors.As(err, &refused):
		return fmt.Errorf("%w\n%s: %s", err, nameOf(s), afterFailure(refused))
	case errors.Is(err, reauth.ErrNotRefreshable) && s.Follows == "":
		return fmt.Errorf("reauth: %s is a key: there is nothing to refresh", nameOf(s))
	}
	return err
}

// nameOf returns the name of a credential on one line, for an error that has several.
func nameOf(s reauth.CredentialStatus) string { return printable.Line(s.Provider + "/" + s.ID) }

// afterFailure says what the user can do about a refresh that has failed, but not for good.
func afterFailure(err *reauth.RefreshError) string {
	if err.Code == "issuer_mismatch" {
		return "the tokens are kept; name the server of the login by --issuer"
	}
	return "the tokens are kept; try again later"
}

// worse returns that one of two errors that determines the exit code, and prints the other. An
// error that asks for a new login wins, because its exit code is the highest. one is nil as long as
// nothing has failed.
func worse(a *app, one, other error) error {
	var login *exitError
	if one == nil {
		return other
	}
	if errors.As(one, &login) && login.code == exitLogin {
		one, other = other, one
	}
	a.notef("%s\n", one)
	return other
}

// resetCmd lifts the marks of credentials that are put aside or retired.
type resetCmd struct {
	Provider string `arg:"" help:"The provider, such as xai-oauth."`
	ID       string `arg:"" optional:"" help:"The credential; without it, all of the provider."`
	outcomes
}

// Help implements kong.HelpProvider.
func (*resetCmd) Help() string {
	return `After a reset a credential is in good standing: it is preferred again, and may be refreshed again at once. Its tokens stay as they are.

Examples:

    reauth reset openrouter
    reauth reset anthropic work
`
}

// Run implements the command. It resets also those in good standing, since their refresh may be
// backing off.
func (c *resetCmd) Run(a *app) error {
	return c.report(a, func(tell tell) error { return c.run(a, tell) })
}

func (c *resetCmd) run(a *app, tell tell) error {
	p, err := a.pool()
	if err != nil {
		return err
	}
	list, err := a.chosen(p, c.Provider, c.ID, exitFailed)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := p.Reset(a.ctx, s.Provider, s.ID); err != nil {
			return err
		}
		// s is from before the reset.
		was := "was in good standing already"
		if s.State != reauth.Good {
			was = "is in good standing again; it was " + stateOf(s, time.Now())
		}
		tell(outcome{Result: resultReset}.of(s), "%s %s\n", called(s.Provider, s.ID, c.Provider), was)
	}
	return nil
}

// removeCmd removes one credential from the store. It never removes several at once: without an ID
// the provider must have exactly one.
type removeCmd struct {
	Provider string `arg:"" help:"The provider, such as xai-oauth."`
	ID       string `arg:"" optional:"" help:"The credential; it may be left out when the provider has one only."`
	LostKey  bool   `help:"Remove the record of a credential that is sealed with a key that nobody has any more."`
	outcomes
}

// Help implements kong.HelpProvider.
func (*removeCmd) Help() string {
	return `The tokens are removed from the store, not revoked at the provider. A login that is followed stays where it is. Of a credential that a
source gives, the command or the path is removed.

Examples:

    reauth remove openrouter key-1a2b3c4d5e6f
    reauth remove copilot
    reauth remove groq spare --lost-key
`
}

// Run implements the command.
func (c *removeCmd) Run(a *app) error {
	return c.report(a, func(tell tell) error { return c.run(a, tell) })
}

func (c *removeCmd) run(a *app, tell tell) error {
	if c.LostKey {
		return a.removeSealed(c.Provider, c.ID, tell)
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	list, err := a.chosen(p, c.Provider, c.ID, exitFailed)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return usagef("%s has %d credentials; name one of %s", list[0].Provider, len(list), idsOf(list))
	}
	if list[0].Source != "" {
		if err := a.removeSource(list[0]); err != nil {
			return err
		}
	}
	// Remove waits for a refresh of this credential that another process has begun.
	if err := p.Remove(a.ctx, list[0].Provider, list[0].ID); err != nil {
		return err
	}
	tell(outcome{Result: resultRemoved}.of(list[0]), "removed %s\n", called(list[0].Provider, list[0].ID, c.Provider))
	return nil
}
