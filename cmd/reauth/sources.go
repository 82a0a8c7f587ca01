package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
	"github.com/reauth-go/reauth/internal/printable"
)

// The sources of the store: commands and files that give the tokens of credentials. The package
// recipe keeps them in a file of the user's; here they are put into the pools of the commands.

// sourceFile returns the file with the recipes of the store. That of a database is in the folder of
// the default store.
func (a *app) sourceFile() (recipe.File, error) {
	at, err := a.where()
	if err != nil {
		return recipe.File{}, err
	}
	if at.database == nil {
		return recipe.Beside(at.file)
	}
	path, err := reauth.DefaultStorePath()
	if err != nil {
		return recipe.File{}, fmt.Errorf("%w: %w", errNoFolder, err)
	}
	name := a.storeName()
	if schemas := at.database.RuntimeParams["search_path"]; schemas != "" {
		name += " search_path=" + schemas // each schema has tables of its own
	}
	return recipe.ForDatabase(filepath.Dir(path), name)
}

// errNoFolder is the error where there is no folder for the sources of a database.
var errNoFolder = errors.New("reauth: the sources of a database are in a file of yours, and there is no place for it")

// sources returns the recipes of the store.
func (a *app) sources() ([]recipe.Recipe, error) {
	file, err := a.sourceFile()
	switch {
	case err == nil:
		return file.Load()
	case errors.Is(err, errNoFolder):
		return nil, nil // as of a service, which has a database and no home
	}
	return nil, err
}

// addSources puts the credentials of the recipes into a pool. It tells, once, of one that cannot be
// used. Nothing is run: a source is asked when a token is needed.
func (a *app) addSources(p *reauth.Pool) error {
	list, err := a.sources()
	if err != nil {
		return err
	}
	a.recipes = list
	for _, r := range list {
		if _, err := p.AddSource(a.ctx, r.Credential(), r.Source()); err != nil && !a.toldSources {
			a.notef("reauth: the source of %s is not used: %v\n", r.Name(), a.unusable(p, r, err))
		}
	}
	a.toldSources = true
	return nil
}

// unusable says why the source of a recipe is not used, and the way out.
func (a *app) unusable(p *reauth.Pool, r recipe.Recipe, err error) error {
	if _, ok := find(p.Status(), r.Provider, r.ID); ok {
		return fmt.Errorf("%s has a credential of that ID; remove one of them: reauth remove %s %s",
			a.storeName(), r.Provider, r.ID)
	}
	return err
}

// recipeOf returns the recipe of a credential that a pool has, if that is from a source.
func (a *app) recipeOf(s reauth.CredentialStatus) (recipe.Recipe, bool) {
	return recipeIn(a.recipes, s)
}

// recipeIn is recipeOf for a list of recipes.
func recipeIn(list []recipe.Recipe, s reauth.CredentialStatus) (recipe.Recipe, bool) {
	i := slices.IndexFunc(list, func(r recipe.Recipe) bool { return s.Source != "" && r.Is(s.Provider, s.ID) })
	if i < 0 {
		return recipe.Recipe{}, false
	}
	return list[i], true
}

// removeSource takes the recipe of a credential away.
func (a *app) removeSource(s reauth.CredentialStatus) error {
	file, err := a.sourceFile()
	if err != nil {
		return err
	}
	return file.Change(a.ctx, func(list []recipe.Recipe) ([]recipe.Recipe, error) {
		return slices.DeleteFunc(list, func(r recipe.Recipe) bool { return r.Is(s.Provider, s.ID) }), nil
	})
}

// keepSource adds a recipe to those of the store, and returns what that changed, as an outcome's
// result. One of the same name is replaced when the user has given that name.
func (a *app) keepSource(r recipe.Recipe, named bool) (done string, err error) {
	file, err := a.sourceFile()
	if err != nil {
		return "", err
	}
	err = file.Change(a.ctx, func(list []recipe.Recipe) ([]recipe.Recipe, error) {
		i := slices.IndexFunc(list, func(o recipe.Recipe) bool { return o.Is(r.Provider, r.ID) })
		switch {
		case i < 0:
			done = resultAdded
			return append(list, r), nil
		case list[i].Equal(r):
			done = resultUnchanged
			return list, nil
		case !named:
			return nil, usagef("%s has the source %s already; --id %s replaces it, and another --id keeps both",
				printable.Line(r.Name()), printable.Line(list[i].String()), r.ID)
		}
		done, list[i] = resultReplaced, r
		return list, nil
	})
	return done, err
}
