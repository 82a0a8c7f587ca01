// Package recipe keeps how the tokens of a credential are got: by a command, or from a file.
// Recipes are in a file of the user's beside the store. They are never in the store itself: whoever
// may write there could have any program run.
package recipe

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reauth-go/reauth"
)

// Recipe is how the tokens of one credential are got. It has Command or File, and no token.
type Recipe struct {
	Provider string            `json:"provider"`
	ID       string            `json:"id"`
	Account  string            `json:"account,omitempty"`
	Hosts    []string          `json:"hosts,omitempty"`
	Priority int               `json:"priority,omitempty"`
	Notes    map[string]string `json:"notes,omitempty"` // Credential.Metadata
	Command  []string          `json:"command,omitempty"`
	File     string            `json:"file,omitempty"` // absolute
}

// Is reports whether the recipe is that of a credential.
func (r Recipe) Is(provider, id string) bool { return r.Provider == provider && r.ID == id }

// Equal reports whether two recipes say the same.
func (r Recipe) Equal(o Recipe) bool {
	return r.Is(o.Provider, o.ID) && r.Account == o.Account && slices.Equal(r.Hosts, o.Hosts) && r.Priority == o.Priority &&
		slices.Equal(r.Command, o.Command) && r.File == o.File
}

// Kind is "command" or "file".
func (r Recipe) Kind() string {
	if r.File != "" {
		return "file"
	}
	return "command"
}

// Of is the program without its arguments, which may hold a secret, or the path of the file.
func (r Recipe) Of() string {
	if r.File != "" {
		return r.File
	}
	return r.Command[0]
}

// String names the source, as in "command gh".
func (r Recipe) String() string { return r.Kind() + " " + r.Of() }

// Name names the credential.
func (r Recipe) Name() string { return r.Provider + "/" + r.ID }

// Credential is the credential without its token.
func (r Recipe) Credential() reauth.Credential {
	return reauth.Credential{
		Provider: r.Provider, ID: r.ID, AccountID: r.Account, Hosts: r.Hosts, Priority: r.Priority, Metadata: r.Notes,
	}
}

// Source gives the tokens.
func (r Recipe) Source() reauth.Refresher {
	if r.File != "" {
		return reauth.FileSource(r.File)
	}
	return reauth.CommandSource(r.Command[0], r.Command[1:]...)
}

// check tells what is wrong with a recipe of a file that a person may have edited.
func (r Recipe) check() error {
	switch {
	case r.Provider == "" || r.ID == "":
		return errors.New("it names no provider, or no id")
	case (len(r.Command) > 0) == (r.File != ""):
		return errors.New("it has to have either a command or a file")
	case r.File == "" && strings.TrimSpace(r.Command[0]) == "":
		return errors.New("its command names no program")
	case r.File != "" && !filepath.IsAbs(r.File):
		return errors.New("its file is no absolute path")
	}
	return nil
}

// checkAll tells what is wrong with the first recipe that is not in order.
func checkAll(list []Recipe) error {
	for i, r := range list {
		if err := r.check(); err != nil {
			return fmt.Errorf("source %d (%s): %w; mend it", i+1, r.Name(), err)
		}
	}
	return nil
}
