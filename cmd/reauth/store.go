package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/printable"
)

// storeCmd has the commands for the store as a whole.
type storeCmd struct {
	Seal        sealCmd        `cmd:"" help:"Seal the records that are in the clear."`
	Unseal      unsealCmd      `cmd:"" help:"Put all records in the clear."`
	Rekey       rekeyCmd       `cmd:"" help:"Seal all records anew, with the first key."`
	Check       checkCmd       `cmd:"" help:"Tell of each record with which key it is sealed, and whether it opens."`
	Key         keyCmd         `cmd:"" help:"Print a fresh key."`
	NewIdentity newIdentityCmd `cmd:"" help:"Make a copied store another one than its original."`
}

// Help implements kong.HelpProvider.
func (*storeCmd) Help() string {
	return `Examples:

    reauth store seal --seal keyring
    reauth store check
    reauth store new-identity --store staging.json
`
}

// newIdentityCmd gives the store another identity.
type newIdentityCmd struct {
	Yes  bool `help:"Do not ask."`
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// identityJSON is another identity of a store, as --json prints it, with the logins that still
// spend the same refresh tokens as those of the original. Programs parse it: names and meanings
// stay.
type identityJSON struct {
	Store    string      `json:"store"`
	Identity string      `json:"identity"`
	Logins   []loginJSON `json:"logins"`
}

type loginJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
}

// Help implements kong.HelpProvider.
func (*newIdentityCmd) Help() string {
	return `A store that was copied, for staging say, has the identity of its original. A program that held the original's logins takes the copy
for the original, and writes into it what the copy lacks: logins that were added since, and removals. After this command it takes
the copy for another store, and does not.

The logins stay in the copy, and both spend the same refresh tokens: the second use of one logs both out. So log in anew in the copy
(reauth login), or remove what it does not need (reauth remove), before a program uses it.

The command asks first; without a terminal it wants --yes. The result of an exchange that is under way is not stored any more.
Sealed records are bound to the identity: the command seals them anew, and wants their keys.

Examples:

    reauth store new-identity --store staging.json
    REAUTH_STORE=postgres://staging.example/reauth reauth store new-identity --yes
`
}

// identified is a store that can be given another identity.
type identified interface {
	reauth.Store
	NewIdentity(ctx context.Context) (string, error)
}

// Run implements the command.
func (c *newIdentityCmd) Run(a *app) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	// A store that cannot be read is told before the question.
	snap, err := s.Load(a.ctx, "")
	if err != nil {
		return err
	}
	if a.tellBroken(snap) {
		return fmt.Errorf("reauth: the identity of %s stays: sealed records are bound to it", a.storeName())
	}
	if !c.Yes {
		if err := a.confirm(sameTokens(a.storeName(), snap.Entries)); err != nil {
			return err
		}
	}
	identity, err := s.(identified).NewIdentity(a.ctx) // both kinds of store are, sealed or not
	if err != nil {
		return err
	}
	doc := identityJSON{a.storeName(), identity, []loginJSON{}}
	for _, e := range snap.Entries {
		if isLogin(e) {
			doc.Logins = append(doc.Logins, loginJSON{e.Credential.Provider, e.Credential.ID})
		}
	}
	if c.JSON {
		return writeJSON(a.stdout, doc)
	}
	a.printf("%s is another store now, %s\n", doc.Store, doc.Identity)
	for _, l := range doc.Logins {
		a.printf("  %s/%s still spends the same refresh token as the original; in a copy, %s\n",
			l.Provider, l.ID, wayIn(l.Provider))
	}
	return nil
}

// isLogin reports whether an entry has a refresh token.
func isLogin(e reauth.Entry) bool { return !e.Removed && e.Credential.RefreshToken != "" }

// sameTokens says what another identity of the store means.
func sameTokens(name string, entries []reauth.Entry) string {
	logins := 0
	for _, e := range entries {
		if isLogin(e) {
			logins++
		}
	}
	return fmt.Sprintf("Programs will take %s for another store than before.\nThe logins in it, %d, stay, and spend "+
		"the same refresh tokens as the store from which it was copied.\nGive it another identity?", name, logins)
}

// confirm asks a question at a terminal, and returns nil if the answer is yes. Anything but yes is
// no. Without a terminal there is nobody to ask.
func (a *app) confirm(question string) error {
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usagef("nobody can be asked without a terminal; say --yes")
	}
	a.notef("%s [y/N] ", printable.Prose(question))
	answer, err := readLine(a.ctx, f)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("reauth: nothing was changed")
}

// readLine reads a line, until ctx ends. Then the goroutine that reads is left behind: the process
// ends soon.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	given := make(chan answer, 1) // of size one: the goroutine can end after readLine has returned
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		given <- answer{line, err}
	}()
	select {
	case got := <-given:
		if got.err != nil && !errors.Is(got.err, io.EOF) {
			return "", fmt.Errorf("reauth: read the answer: %w", got.err)
		}
		return got.line, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
