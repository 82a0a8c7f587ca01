package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/foreign"
)

// importCmd uses the login of another program.
type importCmd struct {
	Program  string `arg:"" enum:"hermes,codex,claude-code,qwen,grok" help:"The program: ${enum}."`
	Path     string `arg:"" optional:"" help:"Its file, or the folder that is in; by default where the program keeps it."`
	TakeOver bool   `help:"Copy the tokens and refresh them here. The other program will be logged out at the next refresh."`
}

// Help implements kong.HelpProvider.
func (*importCmd) Help() string {
	return `By default the login is followed: the access token is read from the program's file, again when it is refused or has changed, and nothing
is refreshed or written there. It works while the program keeps its login fresh. A newer login in the store is never overwritten.

Examples:

    reauth import codex
    reauth import hermes ~/.hermes/profiles/work/auth.json
    reauth import grok --take-over
`
}

// Run implements the command.
func (c *importCmd) Run(a *app) error {
	program, _ := foreign.Lookup(c.Program) // kong has checked it
	path := program.Path(c.Path)
	found, err := program.Read(path)
	if err != nil {
		return cannotRead(program, path, err)
	}
	a.printf("%s keeps its logins in %s\n", program.Owner, path)
	for _, s := range found.Skipped {
		a.printf("  skipped  %s: %s\n", printable(s.Name), s.Why)
	}
	if len(found.Logins) == 0 {
		return loginf("import: %s holds no login that could be used; log in there first", path)
	}
	if c.TakeOver && program.Busy(path) {
		return fmt.Errorf("reauth: import: %s is refreshing its login just now; try again in some seconds", program.Owner)
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	im := &importer{app: a, pool: p, program: program, path: c.Path}
	if c.Path != "" {
		if im.path, err = filepath.Abs(path); err != nil {
			return err
		}
	}
	for _, l := range found.Logins {
		if c.TakeOver {
			err = im.takeOver(l)
		} else {
			err = im.follow(l)
		}
		if err != nil {
			return err
		}
	}
	if im.taken {
		a.printf("%s will be logged out at the next refresh here; log in there anew if you want to go on using it.\n", program.Owner)
		if program.Kind == "codex" {
			a.printf("Codex CLI revokes a login that it replaces: to log in there anew, first remove its file %s.\n", path)
		}
	}
	return nil
}

func cannotRead(program foreign.Program, path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("reauth: import: %s (%s): %w", path, program.Owner, err)
	}
	hint := "log in there first, or name the file"
	if program.Kind == "claude-code" && runtime.GOOS == "darwin" {
		hint = "on macOS it keeps the login in the keychain, where it cannot be followed; log in with: reauth login anthropic"
	}
	return loginf("import: %s keeps no login in %s; %s", program.Owner, path, hint)
}

// ownerOf is the name of the program that is followed, for people.
func ownerOf(kind string) string {
	if p, ok := foreign.Lookup(kind); ok {
		return p.Owner
	}
	return kind
}

// importer puts what was found into the store.
type importer struct {
	app     *app
	pool    *reauth.Pool
	program foreign.Program
	path    string // empty: the default
	taken   bool   // a refresh token was copied
}

// follower is the credential that follows a login.
func (im *importer) follower(l foreign.Login) reauth.Credential {
	c := reauth.Follow(im.program.Kind, im.path)
	c.Provider = l.Credential.Provider
	return c
}

func (im *importer) follow(l foreign.Login) error {
	switch {
	case l.Followed:
	case l.Credential.RefreshToken == "":
		im.say("skipped", l, "it is a key; --take-over copies it")
		return nil
	default:
		im.say("skipped", l, "only the first login of a provider is followed; --take-over copies the others")
		return nil
	}
	own, _, err := im.prepared(l)
	if err != nil {
		return err
	}
	c := im.follower(l)
	before := im.pool.Status()
	for _, id := range []string{c.ID, own.ID} {
		if old, ok := find(before, c.Provider, id); ok && old.Follows == "" {
			im.say("skipped", l, fmt.Sprintf("the store has a login of its own of that account, %s/%s, which is refreshed here; to follow instead: reauth remove %s %s", c.Provider, id, c.Provider, id))
			return nil
		}
	}
	id, err := im.pool.Add(im.app.ctx, c)
	if err != nil {
		return err
	}
	im.say(outcomeOf(before, im.pool.Status(), c.Provider, id, "follows"), l, "as "+c.Provider+"/"+id)
	return nil
}

// takeOver copies a login, and ends following it. It goes by expiry what is newer: that is what tokens tell of their age.
func (im *importer) takeOver(l foreign.Login) error {
	c, status, err := im.prepared(l)
	if err != nil {
		return err
	}
	before := im.pool.Status()
	if old, ok := find(before, c.Provider, c.ID); ok && old.Follows == "" && old.Fingerprint != status.Fingerprint && isNewer(old, status) {
		im.say("skipped", l, fmt.Sprintf("the store has a newer login, %s/%s", c.Provider, c.ID))
		return nil
	}
	if _, err := im.pool.Add(im.app.ctx, c); err != nil {
		return err
	}
	what := outcomeOf(before, im.pool.Status(), c.Provider, c.ID, "copied")
	im.say(what, l, "as "+c.Provider+"/"+c.ID)
	im.taken = im.taken || c.RefreshToken != "" && what != unchanged
	if f := im.follower(l); l.Followed && f.ID != c.ID {
		if old, ok := find(before, f.Provider, f.ID); ok && old.Follows != "" {
			if err := im.pool.Remove(im.app.ctx, f.Provider, f.ID); err != nil {
				return err
			}
			im.app.printf("  removed  %s/%s, which followed it\n", f.Provider, f.ID)
		}
	}
	return nil
}

// prepared returns the credential as the store would have it, and its status. A login that does not tell its account is
// called after its program, so that it stays one credential however often its tokens have changed.
func (im *importer) prepared(l foreign.Login) (reauth.Credential, reauth.CredentialStatus, error) {
	c := l.Credential
	scratch := reauth.NewPool()
	defer scratch.Close()
	id, err := scratch.Add(im.app.ctx, c)
	if err != nil {
		return c, reauth.CredentialStatus{}, err
	}
	status, _ := find(scratch.Status(), c.Provider, id)
	c.ID = id
	switch {
	case c.RefreshToken == "" || !isDigest(id):
	case l.Followed:
		c.ID = im.follower(l).ID
	case l.ID != "":
		c.ID = im.program.Kind + "-" + l.ID
	}
	return c, status, nil
}

// isDigest reports whether an ID was derived from a token, for want of an account.
func isDigest(id string) bool { return len(id) == 16 && id[:4] == "key-" }

// isNewer reports whether a login in the store is newer than one found elsewhere.
func isNewer(stored, found reauth.CredentialStatus) bool {
	switch {
	case stored.Expiry.IsZero() || found.Expiry.IsZero():
		return !stored.LastRefresh.IsZero() && time.Since(stored.LastRefresh) < time.Hour // nobody tells: one just renewed is
	default:
		return stored.Expiry.After(found.Expiry)
	}
}

const unchanged = "nothing new"

func outcomeOf(before, after []reauth.CredentialStatus, provider, id, done string) string {
	old, had := find(before, provider, id)
	now, _ := find(after, provider, id)
	if had && old.Fingerprint == now.Fingerprint && old.Follows == now.Follows {
		return unchanged
	}
	return done
}

func (im *importer) say(what string, l foreign.Login, more string) {
	im.app.printf("  %s  %s: %s\n", what, printable(l.Name), more)
}
