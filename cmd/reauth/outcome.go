package main

import (
	"time"

	"github.com/reauth-go/reauth"
)

// outcomes is the flag of the commands that do something to credentials, and tell of each what became of it.
type outcomes struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// outcome is what became of a credential, as --json prints it. Programs parse it: names and meanings stay.
type outcome struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	// Result is one of the constants below.
	Result string `json:"result"`
	// Fingerprint and Expiry are of the token that it has now, of a refresh.
	Fingerprint string     `json:"fingerprint,omitempty"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	Error       string     `json:"error,omitempty"`
}

// What became of a credential.
const (
	resultRefreshed = "refreshed"
	resultAdopted   = "adopted" // newer tokens were in the store
	resultAsked     = "asked"   // its source gave a token
	resultLeftAlone = "left-alone"
	resultFailed    = "failed"
	resultReset     = "reset"
	resultRemoved   = "removed"
)

// of is the outcome for a credential.
func (o outcome) of(s reauth.CredentialStatus) outcome {
	o.Provider, o.ID = s.Provider, s.ID
	return o
}

// tell tells an outcome: to a person by the words, to a program by the values.
type tell func(one outcome, format string, args ...any)

// report runs a command that tells outcomes. With --json they are written at its end, also when it fails. Errors
// go to standard error, and to the exit code, in either case.
func (o outcomes) report(a *app, run func(tell) error) error {
	list := []outcome{}
	err := run(func(one outcome, format string, args ...any) {
		if o.JSON {
			list = append(list, one)
		} else if format != "" {
			a.printf(format, args...)
		}
	})
	if !o.JSON {
		return err
	}
	failed := writeJSON(a.stdout, struct {
		Credentials []outcome `json:"credentials"`
	}{list})
	if err == nil {
		err = failed
	}
	return err
}
