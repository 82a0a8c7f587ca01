package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
	"github.com/reauth-go/reauth/internal/printable"
)

// statusJSON is a credential in the output of --json. Programs parse it: names and meanings stay.
// Times are in UTC and whole seconds (RFC 3339); an unknown time is absent.
type statusJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Account  string `json:"account,omitempty"`
	// Fingerprint is the beginning of the access token's digest.
	Fingerprint string `json:"fingerprint"`
	// State is "good", "aside" or "retired". Reason is the rule that decided; of a good one it is
	// "probing" while one request tries it after a rest, else absent.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Follows is the kind of program whose login it is, as "reauth import" names it.
	Follows string `json:"follows,omitempty"`
	// Source is what gives the token, when that is a command or a file.
	Source *sourceJSON `json:"source,omitempty"`
	// Sealed is the id of the key that seals the record; absent: it is in the clear.
	Sealed string `json:"sealed,omitempty"`
	// Priority: lower is preferred.
	Priority    int        `json:"priority"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	AsideUntil  *time.Time `json:"aside_until,omitempty"`
	LastRefresh *time.Time `json:"last_refresh,omitempty"`
	// Models are those for which the credential is put aside. A name that ends in "*" is a family's.
	Models []statusjson.Model `json:"models,omitempty"`
}

// sourceJSON is what gives a token: the kind "command" with the program, or "file" with the path.
type sourceJSON struct {
	Kind string `json:"kind"`
	Of   string `json:"of"`
}

// closedJSON is a credential whose record does not open.
type closedJSON struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Sealed   string `json:"sealed"`
}

// writeStatusJSON writes the list as an indented JSON object. An empty list is [], not null, so
// that "jq .credentials[]" works. Closed is absent when every record opens.
func writeStatusJSON(w io.Writer, store string, v view) error {
	doc := struct {
		Store       string       `json:"store"`
		Credentials []statusJSON `json:"credentials"`
		Closed      []closedJSON `json:"closed,omitempty"`
	}{Store: store, Credentials: []statusJSON{}}
	for _, s := range v.list {
		doc.Credentials = append(doc.Credentials, statusJSON{
			Provider: s.Provider, ID: s.ID, Account: s.AccountID, Fingerprint: s.Fingerprint,
			State: string(s.State), Reason: s.Reason, Follows: s.Follows, Sealed: v.seal.of(s.Provider, s.ID), Priority: s.Priority,
			Expiry: statusjson.Time(s.Expiry), AsideUntil: statusjson.Time(s.AsideUntil), LastRefresh: statusjson.Time(s.LastRefresh),
			Models: statusjson.Models(s),
		})
		last := &doc.Credentials[len(doc.Credentials)-1]
		if r, ok := v.recipe(s); ok {
			last.Source = &sourceJSON{r.Kind(), r.Of()}
		}
	}
	for _, r := range v.closed {
		doc.Closed = append(doc.Closed, closedJSON{r.provider, r.id, r.key})
	}
	return writeJSON(w, doc)
}

// writeJSON writes v as indented JSON that is fit for programs and for a terminal.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	// The output goes into no page: & stays readable.
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable.JSON(b.String()))
	return err
}
