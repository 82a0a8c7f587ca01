package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/vendors"
)

// The exit codes. When several things fail, the command returns the highest of their codes. The
// help documents these codes too: see exitCodes.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
	// exitLogin: only a new login, or a new key, helps.
	exitLogin = 3
)

// app is the environment of a command: its streams, and the store that the command line names.
type app struct {
	ctx context.Context //nolint:containedctx // of the process: it ends with Ctrl-C
	// store is the value of --store or REAUTH_STORE, which may hold a password. It is empty for the
	// default file. See location.
	store string
	// seal has the values of --seal or REAUTH_SEAL. None: what is written is in the clear. See
	// keys.
	seal           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	// opened is the store that bare has opened.
	opened reauth.Store
	// unsealed is opened as open returns it, with the keys of the seal.
	unsealed reauth.Store
	// recipes are the sources that addSources has put into the last pool.
	recipes []recipe.Recipe
	// toldSources: it was told which sources cannot be used.
	toldSources bool
	// model is the declared command line. The manual page and the completions are made from it.
	model *kong.Application

	// closers release what the command has opened. close calls them in reverse order.
	closers []func() error
}

// storeInWords describes the default store for the help and the manual page. It names no folder of
// this machine, so that the committed page is the same wherever it is made. The $ is doubled
// because kong expands variables in help texts.
const storeInWords = "reauth/auth.json in $$XDG_CONFIG_HOME, or in the system's folder for settings, such as ~/.config"

// defaultStore returns the path of the file that is used when the user names no store.
func defaultStore() (string, error) {
	path, err := reauth.DefaultStorePath()
	if err != nil {
		return "", fmt.Errorf("%w with --store or REAUTH_STORE", err)
	}
	return path, nil
}

// printf writes to standard output, and makes its arguments printable: see printable.Args. At a
// terminal it breaks lines between words. It ignores errors: when the output cannot be written, for
// example to a closed pipe, nobody reads it any more.
func (a *app) printf(format string, args ...any) {
	_, _ = io.WriteString(a.stdout, fold(fmt.Sprintf(format, printable.Args(args)...), widthOf(a.stdout, 0)))
}

// notef writes to standard error what is for people and not for pipes: progress, advice and errors.
// It makes its arguments printable, as printf does.
func (a *app) notef(format string, args ...any) {
	_, _ = io.WriteString(a.stderr, fold(fmt.Sprintf(format, printable.Args(args)...), widthOf(a.stderr, 0)))
}

// open opens the store, once, under its seal if there is one.
func (a *app) open() (reauth.Store, error) {
	if a.unsealed != nil {
		return a.unsealed, nil
	}
	keys, err := a.keys()
	if err != nil {
		return nil, err
	}
	s, err := a.bare()
	if err == nil && len(keys) > 0 {
		s, err = reauth.NewSealedStore(s, keys[0], keys[1:]...)
	}
	if err != nil {
		return nil, err
	}
	a.unsealed = s
	return s, nil
}

// bare opens the store, once, as it is: with sealed records as they are. A file need not exist yet:
// the first credential that is added creates it. A database must be reachable now, as NewSQLStore
// creates its tables.
func (a *app) bare() (reauth.Store, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	at, err := a.where()
	if err != nil {
		return nil, err
	}
	if at.database == nil {
		a.opened = reauth.NewFileStore(at.file)
		return a.opened, nil
	}
	db := stdlib.OpenDB(*at.database)
	a.closers = append(a.closers, db.Close)
	// OpenDB has not connected yet. This is the first error of an unreachable database.
	s, err := reauth.NewSQLStore(a.ctx, db)
	if err != nil {
		return nil, at.withoutPassword(err)
	}
	a.opened = s
	return s, nil
}

// pool opens the store and reads it into a pool, with the credentials that a source gives. It tells
// of records that cannot be read: they would look like logins that are gone. close closes both.
func (a *app) pool() (*reauth.Pool, error) {
	s, err := a.open()
	if err != nil {
		return nil, err
	}
	if snap, err := s.Load(a.ctx, ""); err == nil { // else OpenPool says so
		if a.tellBroken(snap) && len(a.seal) == 0 {
			s = keyless{s}
		}
	}
	p, err := reauth.OpenPool(a.ctx, s)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, p.Close)
	return p, a.addSources(p)
}

// doubt prints why a credential that was added probably cannot work. It is the observer of a pool.
func (a *app) doubt(_ context.Context, e reauth.Event) {
	if e.Type == reauth.Doubtful {
		a.notef("%s\n", e.Err)
	}
}

// close closes what the command has opened, in reverse order. It returns exitFailed if a close
// fails, because the last writes may then be lost.
func (a *app) close() int {
	code := exitGood
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil {
			a.notef("%s\n", err)
			code = exitFailed
		}
	}
	a.closers = nil
	return code
}

// exitError is an error that ends the command with an exit code other than exitFailed. Without an
// err there is nothing to tell: a program that the command has run told it.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef returns an error for a command that was called the wrong way.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf("reauth: "+format, args...)}
}

// loginf returns an error that only a new login can fix.
func loginf(format string, args ...any) error {
	return &exitError{exitLogin, fmt.Errorf("reauth: "+format, args...)}
}

// exit prints the error of a command and returns the exit code for it. A refresh token that the
// provider has refused for good asks for a new login.
func (a *app) exit(err error) int {
	if err == nil {
		return exitGood
	}
	var own *exitError
	if errors.As(err, &own) && own.err == nil {
		return own.code
	}
	// After Ctrl-C the error says little more than "context canceled".
	if a.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.notef("reauth: interrupted\n")
		return exitFailed
	}
	a.notef("%s\n", err)
	var refused *reauth.RefreshError
	switch {
	case own != nil:
		return own.code
	case errors.As(err, &refused) && refused.Permanent:
		return exitLogin
	}
	return exitFailed
}

// lookup returns the built-in provider with this name or alias. Its error is a usage error.
func lookup(name string) (reauth.Provider, error) {
	pr, ok := reauth.LookupProvider(name)
	if !ok {
		return pr, usagef("%s", vendors.Unknown(name, "the known ones are listed by: reauth providers"))
	}
	return pr, nil
}

// named returns the name of a provider, and beside it the one that the user has given, if that is
// another.
func named(provider, given string) string {
	return provider + beside(provider, given)
}

// called returns the name of a credential, and beside it the name of its provider that the user has
// given, if that is another.
func called(provider, id, given string) string {
	return provider + "/" + id + beside(provider, given)
}

// beside returns what stands behind a name: " (given)", or nothing when the user has given no other
// name.
func beside(provider, given string) string {
	if given = strings.TrimSpace(given); given == "" || strings.EqualFold(given, provider) {
		return ""
	}
	return " (" + given + ")"
}

// notRepeated stands for an argument that may be a secret.
const notRepeated = "(not repeated, it may be a secret)"

// wayIn returns the command that gets a credential of the provider into the store, or why there is
// none.
func wayIn(provider string) string {
	row := vendors.Of(provider)
	key, hosts := "add a key with: reauth add "+provider+" --key-stdin", ""
	if row.OwnHost {
		hosts = " --hosts " + row.Own.Host()
	}
	switch auth := row.Login(); {
	case auth == nil:
		return key + hosts
	case auth.Ended != "":
		return "its vendor has ended these logins " + auth.Ended
	case row.KeyLogin != nil:
		return "log in with: reauth login " + provider + ", or " + key
	default:
		return "log in with: reauth login " + provider
	}
}
