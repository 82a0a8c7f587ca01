package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/cmdline"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
)

// addSource keeps the command or the file that the flags name. It is tried first, unless the user
// does not want that: one that gives nothing would be found out by the first request.
func (c *addCmd) addSource(a *app, pr reauth.Provider, tell tell) error {
	r, err := c.recipe(pr.Name)
	if err != nil {
		return err
	}
	var token string
	if !c.NoCheck {
		if token, r, err = c.try(a, r); err != nil {
			return err
		}
	}
	var doubt error
	if r.ID, doubt, err = accepts(a.ctx, r, token); err != nil {
		return err
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	if s, ok := find(p.Status(), r.Provider, r.ID); ok && s.Source == "" {
		return usagef("%s has a credential %s already; give the source another --id, or remove it first: reauth remove %s %s",
			a.storeName(), nameOf(s), s.Provider, s.ID)
	}
	done, err := a.keepSource(r, c.ID != "")
	if err != nil {
		return err
	}
	words := map[string]string{
		resultAdded: "added", resultReplaced: "replaced the source of", resultUnchanged: "nothing new: there is already",
	}
	tell(outcome{Provider: r.Provider, ID: r.ID, Result: done, Source: sourceOf(r)},
		"%s %s, with the token of the %s\n", words[done], called(r.Provider, r.ID, c.Provider), r)
	if doubt != nil {
		a.notef("%s\n", doubt)
	}
	return nil
}

// recipe returns what the flags say.
func (c *addCmd) recipe(provider string) (recipe.Recipe, error) {
	r := recipe.Recipe{
		Provider: provider, ID: strings.TrimSpace(c.ID), Account: c.Account, Hosts: c.Hosts, Priority: c.Priority,
	}
	var err error
	switch {
	case c.Issuer != "":
		return r, usagef("--issuer is of a login; the tokens of a command or a file are renewed by that alone")
	case c.Command != "":
		r.Command, err = programOf(c.Command)
	case strings.HasPrefix(c.File, "~"):
		return r, usagef(`--file: "~" is replaced by a shell alone; give the whole path`)
	default:
		r.File, err = filepath.Abs(c.File)
	}
	return r, err
}

// programOf returns the words of --command. A program that is named by a path is kept by its whole
// path: the next command may be called in another folder.
func programOf(text string) ([]string, error) {
	words, err := cmdline.Split(text)
	if err != nil {
		return nil, usagef("--command: %w", err)
	}
	if filepath.Base(words[0]) != words[0] {
		words[0], err = filepath.Abs(words[0])
	}
	return words, err
}

// tryFor is how long a source may take when it is tried: as long as a pool waits for it.
const tryFor = 30 * time.Second

// try asks the source once. It returns the token, and the recipe with the account of the token
// where the provider has to be asked for it.
func (c *addCmd) try(a *app, r recipe.Recipe) (token string, _ recipe.Recipe, err error) {
	ctx, stop := context.WithTimeout(a.ctx, tryFor)
	defer stop()
	got, err := r.Source().Refresh(ctx, r.Credential())
	switch {
	case a.ctx.Err() != nil:
		return "", r, context.Cause(a.ctx)
	case err != nil && got.AccessToken != "": // it has expired by a clock that may be wrong
		a.notef("%s\n", err)
	case err != nil:
		way := "nothing was kept; --no-check keeps it all the same"
		if errors.Is(err, exec.ErrNotFound) && r.File == "" {
			way += ". There is no shell, so what only a shell knows cannot be run"
		}
		return "", r, fmt.Errorf("%w\n%s", err, way)
	}
	cred := r.Credential()
	cred.AccessToken = got.AccessToken
	if r.Account == "" {
		if cred, err = reauth.FillAccount(ctx, cred, nil); err != nil {
			return "", r, err
		}
	}
	r.Account, r.Notes = cred.AccountID, cred.Metadata
	return got.AccessToken, r, nil
}

// accepts returns the ID of the recipe's credential, or why no pool takes that. doubt says that the
// token which the source gave looks like another vendor's.
func accepts(ctx context.Context, r recipe.Recipe, token string) (id string, doubt, err error) {
	p := reauth.NewPool()
	defer p.Close()
	p.Observe = func(_ context.Context, e reauth.Event) {
		if e.Type == reauth.Doubtful {
			doubt = e.Err
		}
	}
	cred := r.Credential()
	cred.AccessToken = token
	id, err = p.AddSource(ctx, cred, r.Source())
	return id, doubt, err
}
