package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/logins"
)

// importCmd imports the logins of another program. It follows them, or copies them with
// --take-over.
type importCmd struct {
	Program  string `arg:"" enum:"${programs}" help:"The program: ${enum}."`
	Path     string `arg:"" optional:"" help:"Its file, or the folder that is in; by default where the program keeps it."`
	TakeOver bool   `help:"Copy the tokens and refresh them here. The other program will be logged out at the next refresh."`
	outcomes
}

// Help implements kong.HelpProvider.
func (*importCmd) Help() string {
	return `By default the login is followed: the access token is read from the program's file, again when it is refused or has changed, and nothing
is refreshed or written there. It works while the program keeps its login fresh. A newer login in the store is never overwritten.

On macOS Claude Code keeps its login in the login keychain: it is read there, by the system's program security, where there is no file.
A profile of Anthropic's CLI (ant) is only followed. OpenCode 2 keeps its logins in a database, which is not read.

Examples:

    reauth import codex
    reauth import ant ~/.config/anthropic/configs/work.json
    reauth import hermes ~/.hermes/profiles/work/auth.json
    reauth import grok --take-over
`
}

// Run reads the program's file and puts each of its logins into the store.
func (c *importCmd) Run(a *app) error {
	var doc outcomesDoc
	return c.reportIn(a, &doc, func(tell tell) error { return c.run(a, &doc, tell) })
}

func (c *importCmd) run(a *app, doc *outcomesDoc, tell tell) error {
	program, _ := logins.Lookup(c.Program) // kong accepts no other name
	path := program.Path(c.Path)
	found, err := program.Read(path, knownProvider)
	if err != nil {
		return cannotRead(program, path, err)
	}
	where := program.Where(path)
	doc.Program, doc.From = program.Kind, where
	c.sayf(a, "%s keeps its logins in %s\n", program.Name, where)
	for _, s := range found.Skipped {
		tell(outcome{Result: resultSkipped, Name: s.Name, Note: s.Why}, "  skipped  %s: %s\n", s.Name, s.Why)
	}
	if len(found.Logins) == 0 {
		return loginf("import: %s holds no login that could be used; log in there first", where)
	}
	if c.TakeOver && program.Refreshing(path) {
		return fmt.Errorf(
			"reauth: import: %s is refreshing its login just now; try again in some seconds", program.Name)
	}
	im, err := c.importer(a, program, path)
	if err != nil {
		return err
	}
	im.tell = tell
	for _, l := range found.Logins {
		if err := im.put(l); err != nil {
			return err
		}
	}
	if im.taken {
		c.warnOfLogout(a, program, path)
	}
	return nil
}

// sayf prints for people what --json has elsewhere.
func (c *importCmd) sayf(a *app, format string, args ...any) {
	if !c.JSON {
		a.printf(format, args...)
	}
}

// warnOfLogout says what becomes of the program's own login, now that its refresh token was copied.
// With --json it stands on standard error.
func (c *importCmd) warnOfLogout(a *app, program logins.Program, path string) {
	warnf := a.printf
	if c.JSON {
		warnf = a.notef
	}
	warnf("%s will be logged out at the next refresh here; log in there anew if you want to go on using it.\n",
		program.Name)
	if program.Kind == "codex" {
		warnf("Codex CLI revokes a login that it replaces: to log in there anew, first remove its file %s.\n", path)
	}
}

// importer returns the importer of the program's file at path.
func (c *importCmd) importer(a *app, program logins.Program, path string) (*importer, error) {
	pool, err := a.pool()
	if err != nil {
		return nil, err
	}
	pool.Observe = a.doubt
	im := &importer{app: a, pool: pool, program: program, copies: c.TakeOver}
	if c.Path != "" {
		im.path, err = filepath.Abs(path)
	}
	return im, err
}

// cannotRead returns the error for a program's file that cannot be read, with the way out if the
// file does not exist.
func cannotRead(program logins.Program, path string, err error) error {
	where := program.Where(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reauth: import: %s (%s): %w", where, program.Name, err)
	}
	return loginf("import: %s keeps no login in %s; %s, or name the file", program.Name, where, program.WayOut(path))
}

// programKinds lists the programs for the command line.
func programKinds() string {
	var kinds []string
	for _, p := range logins.Programs() {
		kinds = append(kinds, p.Kind)
	}
	return strings.Join(kinds, ",")
}

// knownProvider returns the canonical name of a provider, and whether the library's table has it. A
// login of another provider is of no use, since no request gets it.
func knownProvider(name string) (string, bool) {
	p, known := reauth.LookupProvider(name)
	return p.Name, known
}

// programName returns the name that people know a followed program by. kind is how the library
// names the program.
func programName(kind string) string {
	if p, known := logins.Lookup(kind); known {
		return p.Name
	}
	return kind
}

// importer puts the logins of a program's file into the store.
type importer struct {
	app     *app
	tell    tell
	pool    *reauth.Pool
	program logins.Program
	path    string // of the file; empty: where the program keeps it by default
	copies  bool   // logins are copied, not followed
	taken   bool   // a refresh token was copied: the program will be logged out
}

// put follows a login, or copies it. One that no request could use hides no other.
func (im *importer) put(l logins.Login) error {
	own, status, err := im.prepared(l)
	switch {
	case err != nil:
		im.skip(l, strings.TrimPrefix(err.Error(), "reauth: "))
		return nil
	case im.copies:
		return im.takeOver(l, own, status)
	}
	return im.follow(l, own)
}

// follower returns the credential that follows a login.
func (im *importer) follower(l logins.Login) reauth.Credential {
	c := reauth.Follow(im.program.Kind, im.path)
	c.Provider = l.Provider
	return c
}

// follow adds the credential that follows a login, which would be own if it was copied. A login of
// the same account that the store refreshes itself stays: its tokens may be newer than the
// program's.
func (im *importer) follow(l logins.Login, own reauth.Credential) error {
	switch {
	case l.Followed:
	case l.RefreshToken == "":
		im.skip(l, "it is a key; --take-over copies it")
		return nil
	default:
		im.skip(l, "only the first login of a provider is followed; --take-over copies the others")
		return nil
	}
	c := im.follower(l)
	before := im.pool.Status()
	for _, id := range []string{c.ID, own.ID} {
		if old, ok := find(before, c.Provider, id); ok && old.Follows == "" {
			im.skip(l, fmt.Sprintf("the store has a login of its own of that account, %[1]s/%[2]s, which is refreshed here; "+
				"to follow instead: reauth remove %[1]s %[2]s", c.Provider, id))
			return nil
		}
	}
	id, err := im.pool.Add(im.app.ctx, c)
	if err != nil {
		return err
	}
	im.done(outcomeOf(before, im.pool.Status(), c.Provider, id, resultFollows), l, c.Provider, id)
	return nil
}

// takeOver copies a login as the credential c, unless the store has a newer one, and removes the
// credential that followed it.
func (im *importer) takeOver(l logins.Login, c reauth.Credential, status reauth.CredentialStatus) error {
	if l.FollowOnly {
		im.skip(l, "only "+im.program.Name+" can refresh it; without --take-over it is followed")
		return nil
	}
	before := im.pool.Status()
	old, had := find(before, c.Provider, c.ID)
	if had && old.Follows == "" && old.Fingerprint != status.Fingerprint && isNewer(old, status) {
		im.skip(l, fmt.Sprintf("the store has a newer login, %s/%s", c.Provider, c.ID))
		return nil
	}
	if _, err := im.pool.Add(im.app.ctx, c); err != nil {
		return err
	}
	what := outcomeOf(before, im.pool.Status(), c.Provider, c.ID, resultCopied)
	im.done(what, l, c.Provider, c.ID)
	im.taken = im.taken || c.RefreshToken != "" && what != resultUnchanged
	return im.endFollowing(l, c.ID, before)
}

// endFollowing removes the credential that followed a login, now that the login has been copied to
// the credential of the ID copied.
func (im *importer) endFollowing(l logins.Login, copied string, before []reauth.CredentialStatus) error {
	f := im.follower(l)
	old, had := find(before, f.Provider, f.ID)
	if !l.Followed || f.ID == copied || !had || old.Follows == "" {
		return nil
	}
	if err := im.pool.Remove(im.app.ctx, f.Provider, f.ID); err != nil {
		return err
	}
	im.tell(outcome{Provider: f.Provider, ID: f.ID, Result: resultRemoved}, "  removed  %s/%s, which followed it\n", f.Provider, f.ID)
	return nil
}

// prepared returns a login as the credential that the store would have, and its status. A login
// that does not tell its account gets its ID from the program, so that it stays one credential
// however often its tokens change.
func (im *importer) prepared(l logins.Login) (reauth.Credential, reauth.CredentialStatus, error) {
	c := asCredential(l)
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

// asCredential returns a login as a credential of its own. Its ID is left to the account.
func asCredential(l logins.Login) reauth.Credential {
	return reauth.Credential{
		Provider: l.Provider, AccessToken: l.AccessToken, RefreshToken: l.RefreshToken, Expiry: l.Expiry,
		AccountID: l.AccountID, ClientID: l.ClientID, Hosts: l.Hosts, Priority: l.Priority, Metadata: l.Metadata,
	}
}

// isDigest reports whether the library derived an ID from a digest of a token. It does so if the
// token tells no account.
func isDigest(id string) bool { return len(id) == 16 && id[:4] == "key-" }

// isNewer reports whether a login in the store is newer than a login found in a program's file.
// Only the expiry of a token tells its age. If one of the two has no expiry, the stored login
// counts as newer if the store refreshed it within the last hour.
func isNewer(stored, found reauth.CredentialStatus) bool {
	if stored.Expiry.IsZero() || found.Expiry.IsZero() {
		return !stored.LastRefresh.IsZero() && time.Since(stored.LastRefresh) < time.Hour
	}
	return stored.Expiry.After(found.Expiry)
}

// outcomeOf returns done if adding a credential has changed the store, else resultUnchanged.
func outcomeOf(before, after []reauth.CredentialStatus, provider, id, done string) string {
	old, had := find(before, provider, id)
	now, _ := find(after, provider, id)
	if had && old.Fingerprint == now.Fingerprint && old.Follows == now.Follows {
		return resultUnchanged
	}
	return done
}

// skip tells why a login was not taken.
func (im *importer) skip(l logins.Login, why string) {
	im.tell(outcome{Provider: l.Provider, Result: resultSkipped, Name: l.Name, Note: why}, "  skipped  %s: %s\n", l.Name, why)
}

// done tells what became of a login, which is the credential of that ID now.
func (im *importer) done(result string, l logins.Login, provider, id string) {
	words := result
	if result == resultUnchanged {
		words = "nothing new"
	}
	im.tell(outcome{Provider: provider, ID: id, Result: result, Name: l.Name}, "  %s  %s: as %s/%s\n", words, l.Name, provider, id)
}
