package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/sealkey"
)

// sealCmd seals what is in the clear.
type sealCmd struct{ rewritten }

// rewritten is the flag of the commands that write all records anew.
type rewritten struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// rewrittenJSON is what such a command did, as --json prints it. Programs parse it: names and
// meanings stay.
type rewrittenJSON struct {
	Store string `json:"store"`
	// Records is how many were written.
	Records int `json:"records"`
	// Sealed is the id of the key that seals them now; absent: they are in the clear.
	Sealed string `json:"sealed,omitempty"`
}

// Help implements kong.HelpProvider.
func (*sealCmd) Help() string {
	return `A sealed record holds tokens and all metadata encrypted. Provider and ID stay legible, and when a person last logged in. Without the
key the logins are lost: keep it apart from the store. Programs that share the store must have the key from now on.

The key is 32 random bytes, in Base64 or hexadecimal digits:

    keyring            in the operating system's keyring, made on first use
    keyring:NAME       in another entry of it
    env:NAME           in a variable
    file:PATH          in a file that nobody else may read
    command:PROGRAM …  printed by a program

A file may be a mounted secret, or a credential of systemd (file:%d/NAME in a unit). For a program there is no shell, and an array of
JSON may stand for its words.

Several keys are separated by commas, or given by several --seal: the first one seals, the others only open. With --seal or
REAUTH_SEAL a command seals each record that it writes; this one seals the rest at once. What backups hold stays in the clear.

Examples:

    reauth store seal --seal keyring
    (umask 077; reauth store key > key) && reauth store seal --seal file:key
`
}

// Run implements the command.
func (c *sealCmd) Run(a *app) error {
	keys, err := a.mustHaveKeys()
	if err != nil {
		return err
	}
	n, err := a.rewrite(keys[0], keys[1:], func(e reauth.Entry) bool { return e.SealedWith() == "" })
	id := reauth.SealingKeyID(keys[0])
	return c.wrote(a, rewrittenJSON{a.storeName(), n, id}, err, "sealed %s of %s with the key %s\n", records(n), a.storeName(), id)
}

// rekeyCmd seals everything anew.
type rekeyCmd struct{ rewritten }

// Help implements kong.HelpProvider.
func (*rekeyCmd) Help() string {
	return `To replace a key while programs use the store: give all programs the new key behind the old one, then in front of it. Then run this
command, and give the programs the new key alone. A program that has only the old key goes on with the records that it can open,
and says which ones it cannot.

Example:

    reauth store rekey --seal env:NEW_KEY,env:OLD_KEY
`
}

// Run implements the command.
func (c *rekeyCmd) Run(a *app) error {
	keys, err := a.mustHaveKeys()
	if err != nil {
		return err
	}
	n, err := a.rewrite(keys[0], keys[1:], func(reauth.Entry) bool { return true })
	id := reauth.SealingKeyID(keys[0])
	return c.wrote(a, rewrittenJSON{a.storeName(), n, id}, err,
		"sealed %s of %s anew with the key %s\n", records(n), a.storeName(), id)
}

// unsealCmd is the way back.
type unsealCmd struct {
	Yes bool `help:"Do not ask."`
	rewritten
}

// Help implements kong.HelpProvider.
func (*unsealCmd) Help() string {
	return `Afterwards, use the store without --seal and REAUTH_SEAL: with them, each record is sealed again when it is written. The command asks
first; without a terminal it wants --yes.

Example:

    reauth store unseal --seal keyring
`
}

// Run implements the command.
func (c *unsealCmd) Run(a *app) error {
	keys, err := a.mustHaveKeys()
	if err != nil {
		return err
	}
	if !c.Yes {
		if err := a.confirm(fmt.Sprintf("Whoever can read %s, or a copy of it, will have the tokens in it.\n"+
			"Put all records in the clear?", a.storeName())); err != nil {
			return err
		}
	}
	n, err := a.rewrite(nil, keys, func(e reauth.Entry) bool { return e.SealedWith() != "" })
	return c.wrote(a, rewrittenJSON{a.storeName(), n, ""}, err, "put %s of %s in the clear\n", records(n), a.storeName())
}

// wrote prints what became of the records: for people unless an error has left all as they were,
// for programs in any case. It returns the error.
func (f rewritten) wrote(a *app, doc rewrittenJSON, err error, format string, args ...any) error {
	switch {
	case f.JSON:
		if failed := writeJSON(a.stdout, doc); err == nil {
			err = failed
		}
	case err == nil || doc.Records > 0:
		a.printf(format, args...)
	}
	return err
}

// records says how many there are.
func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// errGone says that a record is not in the store any more.
var errGone = errors.New("it is gone")

// rewrite writes the records of the store that are wanted as they are, sealed with the key; nil: in
// the clear. It goes on after one that fails, and returns how many were written.
func (a *app) rewrite(key []byte, old [][]byte, wanted func(reauth.Entry) bool) (n int, err error) {
	bare, snap, err := a.asItIs()
	if err != nil {
		return 0, err
	}
	s, err := reauth.NewSealedStore(bare, key, old...)
	if err != nil {
		return 0, err
	}
	for _, broken := range snap.Broken {
		a.notef("%s\n", broken)
	}
	failed := len(snap.Broken)
	for _, e := range snap.Entries {
		if !wanted(e) {
			continue
		}
		switch err := rewriteOne(a.ctx, s, e); {
		case errors.Is(err, errGone):
		case a.ctx.Err() != nil:
			return n, fmt.Errorf("reauth: the rest of the records is as it was: %w", context.Cause(a.ctx))
		case err != nil:
			failed++
			a.notef("reauth: record %s/%s: %s\n", e.Credential.Provider, e.Credential.ID, err)
		default:
			n++
		}
	}
	if failed > 0 {
		return n, fmt.Errorf("reauth: %s could not be read or written; nothing of that was changed", records(failed))
	}
	return n, nil
}

// rewriteOne writes a record as it is.
func rewriteOne(ctx context.Context, s reauth.Store, e reauth.Entry) error {
	_, err := s.Update(ctx, e.Credential.Provider, e.Credential.ID, func(h reauth.Holding) (reauth.Entry, error) {
		if !h.Found {
			return reauth.Entry{}, errGone
		}
		return h.Entry, nil
	})
	return err
}

// checkCmd tells how the records are sealed.
type checkCmd struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// Help implements kong.HelpProvider.
func (*checkCmd) Help() string {
	return `Removed credentials have a record too, until a thousand others are removed. The exit code is 1 when a record does not open.

Examples:

    reauth store check
    reauth store check --seal env:NEW_KEY,env:OLD_KEY
`
}

// Run implements the command.
func (c *checkCmd) Run(a *app) error {
	keys, err := a.keys()
	if err != nil {
		return err
	}
	_, snap, err := a.asItIs()
	if err != nil {
		return err
	}
	for _, broken := range snap.Broken {
		a.notef("%s\n", broken)
	}
	shut, err := c.write(a, snap, keys)
	if err != nil {
		return err
	}
	if shut += len(snap.Broken); shut > 0 {
		return fmt.Errorf("reauth: %s of %d cannot be read; a sealed one opens with its key (--seal, REAUTH_SEAL)",
			records(shut), len(snap.Entries)+len(snap.Broken))
	}
	return nil
}

// checkedJSON is a record in the output of --json. Programs parse it: names and meanings stay.
type checkedJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Removed  bool   `json:"removed,omitempty"`
	// Sealed is the id of the key that seals it; absent: it is in the clear.
	Sealed string `json:"sealed,omitempty"`
	Opens  bool   `json:"opens"`
	// Note says that the key which opens it is not the one that seals, or why it does not open.
	Note string `json:"note,omitempty"`
}

// write writes a row for each record, and returns how many do not open.
func (c *checkCmd) write(a *app, snap reauth.Snapshot, keys [][]byte) (shut int, err error) {
	closed, err := a.closed(snap, keys)
	if err != nil {
		return 0, err
	}
	list := []checkedJSON{}
	for _, e := range snap.Entries {
		one := checkedJSON{
			Provider: e.Credential.Provider, ID: e.Credential.ID, Removed: e.Removed, Sealed: e.SealedWith(), Opens: true,
		}
		if why := closed[[2]string{one.Provider, one.ID}]; why != nil {
			shut++
			one.Opens, one.Note = false, why.Error()
		} else if one.Sealed != "" && one.Sealed != reauth.SealingKeyID(keys[0]) {
			one.Note = "with a key that only opens"
		}
		list = append(list, one)
	}
	if c.JSON {
		return shut, writeJSON(a.stdout, struct {
			Records []checkedJSON `json:"records"`
		}{list})
	}
	return shut, writeChecked(a, list)
}

// writeChecked writes a table.
func writeChecked(a *app, list []checkedJSON) error {
	row, flush := columns(a.stdout, a.width())
	row("PROVIDER", "CREDENTIAL", "SEALED", "OPENS")
	for _, r := range list {
		opens := "yes"
		switch {
		case !r.Opens:
			opens = "no: " + r.Note
		case r.Note != "":
			opens = "yes, " + r.Note
		}
		if r.Removed {
			r.ID += " (removed)"
		}
		row(r.Provider, r.ID, cmp.Or(r.Sealed, "in the clear"), opens)
	}
	return flush()
}

// errNoKey is why a sealed record does not open when its key is not given.
var errNoKey = errors.New("its key is not given")

// closed returns why records of the store do not open with the keys, by provider and ID.
func (a *app) closed(snap reauth.Snapshot, keys [][]byte) (map[[2]string]error, error) {
	why := make(map[[2]string]error)
	if len(keys) == 0 {
		for _, e := range snap.Entries {
			if e.SealedWith() != "" {
				why[[2]string{e.Credential.Provider, e.Credential.ID}] = errNoKey
			}
		}
		return why, nil
	}
	s, err := a.open()
	if err != nil {
		return nil, err
	}
	opened, err := s.Load(a.ctx, "")
	if err != nil {
		return nil, err
	}
	for _, err := range opened.Broken {
		if broken, ok := errors.AsType[*reauth.RecordError](err); ok {
			key := [2]string{broken.Provider, broken.ID}
			if why[key] = broken.Err; errors.Is(err, reauth.ErrSealed) {
				why[key] = errNoKey
			}
		}
	}
	return why, nil
}

// keyCmd prints a key.
type keyCmd struct {
	JSON bool `name:"json" help:"Print JSON, for programs: the key, and the id by which it is named."`
}

// keyJSON is a fresh key, as --json prints it. Programs parse it: names and meanings stay.
type keyJSON struct {
	Key string `json:"key"` // a secret
	ID  string `json:"id"`  // that of "reauth store check": no secret
}

// Help implements kong.HelpProvider.
func (*keyCmd) Help() string {
	return `The key is 32 random bytes in Base64. Nothing is stored: keep it where --seal will find it, and not beside the store.

Example:

    (umask 077; reauth store key > key)
`
}

// Run implements the command.
func (c *keyCmd) Run(a *app) error {
	text := sealkey.New()
	if c.JSON {
		key, err := sealkey.Decode(text)
		if err != nil {
			return err
		}
		return writeJSON(a.stdout, keyJSON{text, reauth.SealingKeyID(key)})
	}
	_, err := io.WriteString(a.stdout, text+"\n")
	return err
}
