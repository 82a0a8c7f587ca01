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
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // for stores at postgres:// URLs

	"github.com/reauth-go/reauth"
)

// The exit codes.
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

	closers []func() error
}

// defaultStore is the file that is used when none is named.
func defaultStore() string {
	dir, err := os.UserConfigDir() // $XDG_CONFIG_HOME, or what the system has for it
	if err != nil {
		return "reauth-auth.json" // nobody's home: the working directory
	}
	return filepath.Join(dir, "reauth", "auth.json")
}

// printf writes to standard output. What cannot be written has no reader any more.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

// notef writes to standard error, for people: progress, advice, errors.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

// open opens the store.
func (a *app) open() (reauth.Store, error) {
	where := a.store
	if where == "" {
		where = defaultStore()
	}
	if !strings.HasPrefix(where, "postgres://") && !strings.HasPrefix(where, "postgresql://") {
		return reauth.NewFileStore(where), nil
	}
	db, err := sql.Open("pgx", where)
	if err != nil {
		return nil, fmt.Errorf("reauth: open the store: %w", withoutPassword(err, where))
	}
	a.closers = append(a.closers, db.Close)
	s, err := reauth.NewSQLStore(a.ctx, db)
	if err != nil {
		return nil, withoutPassword(err, where)
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

// close gives back what was opened, the last first.
func (a *app) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil {
			a.notef("%s\n", err)
		}
	}
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

// exit tells the error and returns the exit code for it.
func (a *app) exit(err error) int {
	if err == nil {
		return exitGood
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

// withoutPassword removes the password of a database's URL from an error.
func withoutPassword(err error, where string) error {
	u, bad := url.Parse(where)
	if bad != nil || u.User == nil {
		return err
	}
	if password, ok := u.User.Password(); ok && password != "" && strings.Contains(err.Error(), password) {
		return errors.New(strings.ReplaceAll(err.Error(), password, "xxxxx"))
	}
	return err
}
