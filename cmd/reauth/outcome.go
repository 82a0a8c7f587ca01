package main

import (
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// outcomes is the flag of the commands that do something to credentials, and tell of each what
// became of it.
type outcomes struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// outcome is what became of a credential, as --json prints it. Programs parse it: names and
// meanings stay.
type outcome struct {
	// Provider and ID are absent of what a file holds and is no credential.
	Provider string `json:"provider,omitempty"`
	ID       string `json:"id,omitempty"`
	// Result is one of the constants below.
	Result string `json:"result"`
	// Name is what the file calls it that it was imported from; Note says why it was skipped.
	Name string `json:"name,omitempty"`
	Note string `json:"note,omitempty"`
	// Source is what gives its token, of one that was added with a command or a file.
	Source *statusjson.Source `json:"source,omitempty"`
	// Fingerprint and Expiry are of the token that it has now, of a login or a refresh.
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
	resultLoggedIn  = "logged-in"
	resultAdded     = "added"
	resultReplaced  = "replaced"  // it has other tokens, or another source, now
	resultPriority  = "priority"  // its priority was changed, and nothing else
	resultUnchanged = "unchanged" // the store had it
	resultFollows   = "follows"
	resultCopied    = "copied"
	resultSkipped   = "skipped"
)

// outcomesDoc is the output of such a command. Program and From are the program whose logins were
// imported, by its kind, and where it keeps them.
type outcomesDoc struct {
	Program     string    `json:"program,omitempty"`
	From        string    `json:"from,omitempty"`
	Credentials []outcome `json:"credentials"`
}

// of is the outcome for a credential.
func (o outcome) of(s reauth.CredentialStatus) outcome {
	o.Provider, o.ID = s.Provider, s.ID
	return o
}

// tell tells an outcome: to a person by the words, to a program by the values.
type tell func(one outcome, format string, args ...any)

// report runs a command that tells outcomes. With --json they are written at its end, also when it
// fails. Errors go to standard error, and to the exit code, in either case.
func (o outcomes) report(a *app, run func(tell) error) error {
	return o.reportIn(a, &outcomesDoc{}, run)
}

// reportIn is report with a document of which run may fill in the rest.
func (o outcomes) reportIn(a *app, doc *outcomesDoc, run func(tell) error) error {
	doc.Credentials = []outcome{}
	err := run(func(one outcome, format string, args ...any) {
		if o.JSON {
			doc.Credentials = append(doc.Credentials, one)
		} else if format != "" {
			a.printf(format, args...)
		}
	})
	if !o.JSON {
		return err
	}
	failed := writeJSON(a.stdout, doc)
	if err == nil {
		err = failed
	}
	return err
}
