package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
)

// loginCmd logs in at a provider with a person's consent and stores the tokens. The package login
// speaks to the provider; this file speaks to the person.
type loginCmd struct {
	Provider string   `arg:"" help:"The provider: anthropic, copilot, kimi-coding, minimax-oauth, minimax-cn, nous, openai-codex, openrouter, qwen-oauth or xai-oauth."`
	Flow     string   `help:"How: device (a code to type on any device), browser (on this host, which comes back by itself) or paste (a browser anywhere; you paste what it shows). Default: the first that the provider has." enum:",device,browser,paste" default:"" placeholder:"device|browser|paste"`
	Open     *bool    `help:"Open the address in this machine's browser. Default: at a terminal, with --flow browser." negatable:""`
	ClientID string   `name:"client-id" help:"Your own OAuth client instead of the public one of the vendor's program." placeholder:"ID"`
	Scope    string   `help:"Ask for this, space-separated, instead of the provider's default." placeholder:"SCOPES"`
	Issuer   string   `help:"Use this authorization server instead of the provider's own, with the same paths: https, or http on loopback." placeholder:"URL"`
	Port     int      `help:"With --flow browser: listen on this port of 127.0.0.1 and ::1. The provider must know it for your client." placeholder:"N"`
	Header   []string `help:"Add this header to the requests of the login, such as an editor's version that the provider asks for." placeholder:"NAME:VALUE" sep:"none"`
	Ended    bool     `name:"even-if-ended" help:"Try a login that its vendor is known to have ended."`
	ID       string   `name:"id" help:"The name of the credential; by default one made of the account." placeholder:"ID"`
	Priority int      `help:"Lower is preferred."`
	outcomes
}

// Help implements kong.HelpProvider.
func (c *loginCmd) Help() string {
	return `An address is shown, and a code where there is one. When you have consented there, access and refresh token are stored, and nothing
before that; Ctrl-C ends it at any time. Logging in again replaces the tokens of the same account and lifts its marks.

Flows: device for copilot, kimi-coding, minimax-oauth, minimax-cn, nous, qwen-oauth and xai-oauth; device, browser or paste for
openai-codex; paste or browser for anthropic; browser or paste for openrouter.

kimi-coding logs in at the region of kimi.com, and with --issuer https://auth.kimi.ai at that of kimi.ai; the tokens of a region go to no
other. openrouter gives an API key, which you find, and can revoke, in your account there; this login is for any program. The vendor
of qwen-oauth has ended its logins; --even-if-ended tries one all the same.

What is allowed: the page where you consent names the vendor's own program, because the client id is that program's public one
(--client-id takes another). reauth does not claim to be that program: its requests say reauth/` + release.Version + `. Some providers restrict the
use of consumer logins in other programs, and may close accounts over it. Whether yours may be used is decided by your agreement
with the provider; an API key (reauth add) is the safe choice.

Examples:

    reauth login xai-oauth
    reauth login anthropic --flow browser
    reauth login openai-codex --id work`
}

// Run implements the command.
func (c *loginCmd) Run(a *app) error {
	return c.report(a, func(tell tell) error { return c.run(a, tell) })
}

func (c *loginCmd) run(a *app, tell tell) error {
	header, err := readHeaders(c.Header)
	if err != nil {
		return err
	}
	// The store is opened first. If it cannot be used, the user learns that before the login, not
	// after it.
	p, err := a.pool()
	if err != nil {
		return err
	}
	person := newTerminal(a)
	got, err := c.login(a, person, header)
	// The countdown must be gone before anything else is printed.
	person.leave()
	switch {
	// A provider without logins, or a flow that it does not have, is wrong usage.
	case errors.Is(err, login.ErrUnsupported):
		return &exitError{exitUsage, c.keyInstead(err)}
	case errors.Is(err, login.ErrEnded):
		return fmt.Errorf("%w\nto try all the same: reauth login %s --even-if-ended", err, c.Provider)
	case err != nil && a.ctx.Err() != nil:
		return fmt.Errorf("reauth: login %s: interrupted; nothing was stored", c.Provider)
	case err != nil:
		return fmt.Errorf("%w\nnothing was stored", err)
	}
	got.ID, got.Priority = c.ID, c.Priority
	return c.store(a, p, got, tell)
}

// keyInstead adds to the error of a provider without logins how to add a key.
func (c *loginCmd) keyInstead(err error) error {
	if pr, known := reauth.LookupProvider(c.Provider); known && login.Flows(pr.Name) == nil {
		return fmt.Errorf("%w\nTo %s", err, wayIn(pr.Name))
	}
	return err
}

// login logs in with the person's consent.
func (c *loginCmd) login(a *app, person *terminal, header http.Header) (reauth.Credential, error) {
	s, err := login.Start(a.ctx, c.Provider, &login.Options{
		Flow: login.Flow(c.Flow), Issuer: c.Issuer, ClientID: c.ClientID, Scope: c.Scope, Port: c.Port,
		Header: header, EvenIfEnded: c.Ended, Note: person.say, Waiting: person.waiting,
	})
	if err != nil {
		return reauth.Credential{}, err
	}
	defer s.Close()
	person.show(s.Prompt())
	if c.isToBeOpened(person) {
		openInBrowser(s.Prompt().URL, func(err error) {
			person.say("The browser could not be opened (" + err.Error() + "); open the address yourself.")
		})
	}
	if !s.Prompt().Paste {
		return s.Wait(a.ctx)
	}
	// The read of the terminal cannot be interrupted, and nobody waits for it after Ctrl-C.
	ctx, stop := context.WithCancelCause(a.ctx)
	defer stop(nil)
	go func() {
		if err := person.paste(s.Enter); err != nil {
			stop(fmt.Errorf("reauth: login %s: %w", c.Provider, err))
		}
	}()
	got, err := s.Wait(ctx)
	if err != nil && a.ctx.Err() == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return got, err
}

// store adds the tokens to the pool and prints how long the access token is valid. It goes on after
// Ctrl-C, for at most 20 s: nobody else has these tokens, and without them the person would have to
// log in again.
func (c *loginCmd) store(a *app, p *reauth.Pool, got reauth.Credential, tell tell) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(a.ctx), 20*time.Second)
	defer stop()
	id, err := p.Add(ctx, got)
	if err != nil {
		return fmt.Errorf("the login succeeded and could not be stored: %w. Mend that, then log in again", err)
	}
	s, _ := find(p.Status(), got.Provider, id) // it was just added
	tell(outcome{Result: resultLoggedIn, Fingerprint: s.Fingerprint, Expiry: statusjson.Time(got.Expiry)}.of(s),
		"logged in: %s%s\n", called(got.Provider, id, c.Provider), goodFor(got.Expiry))
	// The built-in refresher sends no token of this login to the vendor's own servers. The person
	// learns it now, not when the access token expires.
	if issuer := got.Metadata[vendors.IssuerNote]; issuer != "" {
		if _, known := vendors.Of(got.Provider).Login().RegionOf(issuer); !known {
			a.notef("Its tokens are of %s and are refreshed only there: name that by --issuer, "+
				"or in your program's Refresher, wherever they are refreshed.\n", issuer)
		}
	}
	return nil
}

// goodFor says how long the access token of a login is valid, if that is known.
func goodFor(expiry time.Time) string {
	if expiry.IsZero() {
		return ""
	}
	// A rounded minute says little about a token of a few minutes.
	left, unit := time.Until(expiry), time.Minute
	if left < 10*unit {
		unit = time.Second
	}
	return fmt.Sprintf(", the access token is good for %s and is refreshed when it is used", left.Round(unit))
}

// readHeaders parses the values of --header, each NAME:VALUE. It rejects line breaks, which would
// begin a further header, and repeats no value, which may be a secret.
func readHeaders(given []string) (http.Header, error) {
	h := make(http.Header)
	for _, g := range given {
		name, value, ok := strings.Cut(g, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, usagef("--header takes NAME:VALUE, as in --header 'Editor-Version: acme/1.0'")
		}
		// A header may be given twice, as HTTP allows.
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

// terminal speaks with the person who logs in: it asks on standard error and reads the answers from
// standard input. On a terminal one line counts down while the person logs in. Elsewhere, for
// example in a log, every message is a line of its own.
type terminal struct {
	app *app
	in  *bufio.Reader
	// live: standard error is a terminal, so a line can be redrawn.
	live bool
	// typing: the person is asked to paste something. A countdown would disturb the line.
	typing bool
	// mu guards the fields below it.
	mu sync.Mutex
	// shown is how many columns the line on the screen has; 0: there is none.
	shown int
	// announced: standard error is no terminal, and the one line about the waiting is out.
	announced bool
	// left: the login is over, and nothing more is said here.
	left bool
}

// newTerminal returns the terminal of a command. Its caller must call leave at the end, so that no
// half line stays on the screen.
func newTerminal(a *app) *terminal {
	t := &terminal{app: a, in: bufio.NewReader(a.stdin)}
	if f, ok := a.stderr.(*os.File); ok {
		t.live = term.IsTerminal(int(f.Fd()))
	}
	return t
}

// show tells the person where to log in. The address and the code have lines of their own, so that
// they can be marked by a double click and copied.
func (t *terminal) show(p login.Prompt) {
	t.typing = p.Paste
	t.say("Open this address and log in:\n\n  " + p.URL + "\n")
	if p.Code != "" {
		t.say("The code there is\n\n  " + p.Code + "\n")
	}
	if p.Hint != "" {
		t.say(p.Hint)
	}
}

// waiting tells how much time is left. login calls it about once a second.
func (t *terminal) waiting(left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.typing, t.left:
	// The countdown has minutes and seconds, as 4:07.
	case t.live:
		t.draw(fmt.Sprintf("Waiting for your consent, %d:%02d left (Ctrl-C ends it) ",
			int(left.Minutes()), int(left.Seconds())%60))
	case !t.announced:
		t.announced = true
		t.app.notef("Waiting for your consent, for %s at most.\n", left)
	}
}

// draw replaces the line on the screen by text, padded over a longer line before it. An empty text
// leaves the cursor at the start of an empty line. The caller holds t.mu.
func (t *terminal) draw(text string) {
	t.app.notef("\r%s%s", text, strings.Repeat(" ", max(0, t.shown-len(text))))
	if text == "" {
		t.app.notef("\r")
	}
	t.shown = len(text)
}

// say removes the countdown and prints text. The next Waiting draws the countdown below it.
func (t *terminal) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left {
		return
	}
	t.clear()
	t.app.notef("%s\n", printable.Prose(text))
}

// clear removes the countdown. The caller holds t.mu.
func (t *terminal) clear() {
	if t.shown > 0 {
		t.draw("")
	}
}

// leave removes the countdown for good. What a browser that was opened says afterwards is no news.
func (t *terminal) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	t.left = true
}

// maxTries is how many lines a person may paste before the login ends.
const maxTries = 3

// paste reads lines of the person until enter takes one. Its error ends the login: there is nothing
// to read any more, or the last of maxTries was not taken.
func (t *terminal) paste(enter func(string) error) error {
	for try := 1; ; try++ {
		if t.live {
			t.app.notef("> ")
		}
		line, err := t.in.ReadString('\n')
		if err != nil && strings.TrimSpace(line) == "" {
			return fmt.Errorf("nothing was pasted (%w); run the command where you can paste, or with another --flow", err)
		}
		err = enter(line)
		if err == nil {
			return nil
		}
		err = errors.Unwrap(err) // without the beginning that all errors of the login have
		if try == maxTries {
			return err
		}
		t.say("That is not it: " + err.Error() + ".")
	}
}
