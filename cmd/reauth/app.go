package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	_ "github.com/jackc/pgx/v5/stdlib" // for stores at postgres:// URLs

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/login"
)

// The exit codes. Of several things that went wrong the highest is told.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLogin  = 3 // a new login is needed
)

// app is what every command needs.
type app struct {
	ctx            context.Context //nolint:containedctx // of the process: it ends with Ctrl-C
	store          string
	stdin          io.Reader
	stdout, stderr io.Writer
	model          *kong.Application

	closers []func() error
}

// storeInWords is where the credentials are when nobody says, as the help has it: the same on every
// machine.
const storeInWords = "reauth/auth.json in $$XDG_CONFIG_HOME, or in the system's folder for settings, such as ~/.config"

// defaultStore is the file that is used when none is named.
func defaultStore() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME") // also where the system has another place of its own
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("reauth: there is no folder for settings (%w); name the store with --store or REAUTH_STORE", err)
		}
	}
	return filepath.Join(dir, "reauth", "auth.json"), nil
}

// printf writes to standard output. What cannot be written has no reader any more.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

// notef writes to standard error, for people: progress, advice, errors.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

// where returns the store's place, and whether that is a database.
func (a *app) where() (place string, database bool, err error) {
	switch place = a.store; {
	case place == "":
		place, err = defaultStore()
		return place, false, err
	case strings.HasPrefix(place, "postgres://"), strings.HasPrefix(place, "postgresql://"):
		return place, true, nil
	case strings.Contains(place, "://"):
		scheme, _, _ := strings.Cut(place, "://")
		return "", false, usagef("the store %s://… is none that is known; name a file, or a postgres:// URL", scheme)
	}
	return place, false, nil
}

// storeName is where the store is, for people: a file, or a URL without its password.
func (a *app) storeName() string {
	place, database, err := a.where()
	switch {
	case err != nil:
		return "no store"
	case !database:
		return place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "the database"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// open opens the store.
func (a *app) open() (reauth.Store, error) {
	place, database, err := a.where()
	if err != nil {
		return nil, err
	}
	if !database {
		return reauth.NewFileStore(place), nil
	}
	db, err := sql.Open("pgx", place)
	if err != nil {
		return nil, fmt.Errorf("reauth: open the store: %w", withoutPassword(err, place))
	}
	a.closers = append(a.closers, db.Close)
	s, err := reauth.NewSQLStore(a.ctx, db)
	if err != nil {
		return nil, withoutPassword(err, place)
	}
	return s, nil
}

// pool opens the store as a pool.
func (a *app) pool() (*reauth.Pool, error) {
	s, err := a.open()
	if err != nil {
		return nil, err
	}
	p, err := reauth.OpenPool(a.ctx, s)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, p.Close)
	return p, nil
}

// close gives back what was opened, the last first. It returns an exit code: what could not be
// ended may be lost.
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

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usagef is an error in how the command was called.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf("reauth: "+format, args...)}
}

// loginf is an error that a new login mends.
func loginf(format string, args ...any) error {
	return &exitError{exitLogin, fmt.Errorf("reauth: "+format, args...)}
}

// exit tells the error and returns the exit code for it.
func (a *app) exit(err error) int {
	if err == nil {
		return exitGood
	}
	if a.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.notef("reauth: interrupted\n")
		return exitFailed
	}
	a.notef("%s\n", err)
	var own *exitError
	var refused *reauth.RefreshError
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &refused) && refused.Permanent:
		return exitLogin
	}
	return exitFailed
}

// lookup returns the built-in provider of that name or alias.
func lookup(name string) (reauth.Provider, error) {
	pr, ok := reauth.LookupProvider(name)
	if !ok {
		return pr, usagef("provider %s is unknown; the known ones are listed by: reauth providers", quoted(name))
	}
	return pr, nil
}

// quoted repeats an argument, unless it is longer than any name: then it may be a key in the wrong
// place.
func quoted(arg string) string {
	if len(arg) > 24 {
		return "(not repeated, it may be a secret)"
	}
	return strconv.Quote(arg)
}

// wayIn says how a credential of the provider is obtained.
func wayIn(provider string) string {
	if login.Flows(provider) != nil {
		return "log in with: reauth login " + provider
	}
	hosts := ""
	if catalogue[provider].ownHost {
		hosts = " --hosts my-resource.openai.azure.com"
	}
	return "add a key with: reauth add " + provider + " --key-stdin" + hosts
}

// withoutPassword removes the password of a database's URL from an error.
func withoutPassword(err error, where string) error {
	u, bad := url.Parse(where)
	if bad != nil {
		return errors.New("the URL of the store is malformed; it is not repeated here, as it may hold a password")
	}
	secrets := []string{u.Query().Get("password")}
	if u.User != nil {
		password, _ := u.User.Password()
		_, escaped, _ := strings.Cut(u.User.String(), ":")
		secrets = append(secrets, password, escaped)
	}
	text := err.Error()
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
