package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
)

// statusCmd prints how the credentials of the store stand.
type statusCmd struct {
	Provider string `arg:"" optional:"" help:"Only this provider's credentials."`
	JSON     bool   `name:"json" help:"Print JSON, for programs."`
}

// Help implements kong.HelpProvider.
func (*statusCmd) Help() string {
	return `Of a secret only a fingerprint is shown, the beginning of its digest, to tell two apart. In a store with sealed records the state says
of each with which key it is sealed, by the key's id.

Examples:

    reauth status
    reauth status --json | jq -r '.credentials[] | select(.state != "good") | .id'
`
}

// Run implements the command.
func (c *statusCmd) Run(a *app) error {
	if _, err := a.readOnce(); err != nil {
		return err
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	v, err := a.view(p, c.Provider)
	if err != nil {
		return err
	}
	// JSON is written for an empty store too: a program can rely on its form.
	if c.JSON {
		return writeJSON(a.stdout, v.doc(a.storeName()))
	}
	// An empty store is no failure. The advice is for people and not for a pipe.
	if v.isEmpty() {
		a.notef("reauth: there is no credential%s in %s; get one in with: reauth login, reauth import, reauth add\n",
			ofProvider(c.Provider), a.storeName())
		return nil
	}
	return writeStatus(a.stdout, v, a.width(), time.Now())
}

// view is the status at one look.
type view struct {
	list    []reauth.CredentialStatus
	recipes []recipe.Recipe
	seal    sealing
	closed  []sealedAs // records that do not open
}

// view returns the status of a provider's credentials, or of all.
func (a *app) view(p *reauth.Pool, provider string) (v view, err error) {
	v.seal, v.recipes = a.sealing(), a.recipes
	v.closed = v.seal.unopened(p.Status(), provider)
	v.list, err = only(p.Status(), provider, "")
	return v, err
}

func (v view) isEmpty() bool { return len(v.list)+len(v.closed) == 0 }

// recipe returns how the tokens of a credential are got, if it is from a source.
func (v view) recipe(s reauth.CredentialStatus) (recipe.Recipe, bool) { return recipeIn(v.recipes, s) }

// ofProvider returns " of name", or nothing without a name.
func ofProvider(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

// only returns the credentials of a provider, which is given by its name or an alias, and of those
// the one with this ID. An empty provider or ID means any. A name that is neither built in nor in
// the store is a usage error: most likely it is misspelt. only overwrites list.
func only(list []reauth.CredentialStatus, provider, id string) ([]reauth.CredentialStatus, error) {
	if provider != "" {
		// A program may have stored credentials of a provider that is not built in.
		name := provider
		if pr, ok := reauth.LookupProvider(provider); ok {
			name = pr.Name
		} else if !slices.ContainsFunc(list, func(s reauth.CredentialStatus) bool { return s.Provider == provider }) {
			_, err := lookup(provider)
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s reauth.CredentialStatus) bool {
			return s.Provider != name || id != "" && s.ID != id
		})
	}
	return list, nil
}

// chosen returns the credentials that a command names. If there is none, its error ends the command
// with the given exit code, and names the way to get one if a login is what helps. If only the ID
// is wrong, the error lists the IDs that exist.
func (a *app) chosen(p *reauth.Pool, provider, id string, code int) ([]reauth.CredentialStatus, error) {
	all := p.Status()
	// only overwrites its list, and the error below needs all of it.
	list, err := only(slices.Clone(all), provider, id)
	if err != nil || len(list) > 0 {
		return list, err
	}
	if others, _ := only(all, provider, ""); len(others) > 0 {
		return nil, fmt.Errorf("reauth: %s has no credential %q of %s; it has %s",
			a.storeName(), id, named(others[0].Provider, provider), idsOf(others))
	}
	name := provider
	if pr, ok := reauth.LookupProvider(provider); ok {
		name = pr.Name
	}
	err = fmt.Errorf("reauth: %s has no credential of %s", a.storeName(), named(name, provider))
	if code == exitLogin { // else there is nothing that one more credential would help
		err = fmt.Errorf("%w; %s", err, wayIn(name))
	}
	return nil, &exitError{code, err}
}

// idsOf returns the quoted IDs of the list, separated by commas.
func idsOf(list []reauth.CredentialStatus) string {
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, fmt.Sprintf("%q", s.ID))
	}
	return strings.Join(ids, ", ")
}
