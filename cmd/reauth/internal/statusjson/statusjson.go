// Package statusjson is how a credential stands as JSON: in "reauth status --json", in "reauth
// watch --json" and in the proxy's /-/status.json alike. Programs parse it: names and meanings
// stay. Times are in UTC and whole seconds (RFC 3339); an unknown time is absent.
package statusjson

import (
	"time"

	"github.com/reauth-go/reauth"
)

// Credential is how a credential stands.
type Credential struct {
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
	Follows string  `json:"follows,omitempty"`
	Source  *Source `json:"source,omitempty"`
	// Sealed is the id of the key that seals its record; absent: it is in the clear, or the proxy
	// tells, which does not look.
	Sealed string `json:"sealed,omitempty"`
	// Refreshable: something renews the token. Another one is of no use after its expiry.
	Refreshable bool `json:"refreshable"`
	// Priority: lower is preferred.
	Priority    int        `json:"priority"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	AsideUntil  *time.Time `json:"aside_until,omitempty"`
	LastRefresh *time.Time `json:"last_refresh,omitempty"`
	// Models are those for which the credential is put aside.
	Models []Model `json:"models,omitempty"`
}

// Source is what gives the token: the kind "command" with the program, without its arguments, or
// "file" with the path.
type Source struct {
	Kind string `json:"kind"`
	Of   string `json:"of"`
}

// String names the source, as in "command gh".
func (s Source) String() string { return s.Kind + " " + s.Of }

// Model is a model for which a credential is put aside. A name that ends in "*" is a family's.
// Without a host it is so everywhere.
type Model struct {
	Model      string     `json:"model"`
	Host       string     `json:"host,omitempty"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	AsideUntil *time.Time `json:"aside_until"`
}

// Limit is what is left of a limit of the account: a share, 0 to 1.
type Limit struct {
	Name   string     `json:"name"`
	Model  string     `json:"model,omitempty"` // absent: of all models, or not known
	Left   float64    `json:"left"`
	Window float64    `json:"window_seconds,omitempty"`
	Reset  *time.Time `json:"reset,omitempty"`
}

// Of is how a credential stands, with what gives its token; nil: no command and no file does.
func Of(s reauth.CredentialStatus, source *Source) Credential {
	c := Credential{
		Provider: s.Provider, ID: s.ID, Account: s.AccountID, Fingerprint: s.Fingerprint, State: string(s.State),
		Reason: s.Reason, Follows: s.Follows, Source: source, Refreshable: s.Refreshable, Priority: s.Priority,
		Expiry: Time(s.Expiry), AsideUntil: Time(s.AsideUntil), LastRefresh: Time(s.LastRefresh),
	}
	for _, m := range s.Models {
		c.Models = append(c.Models, Model{m.Model, m.Host, string(m.State), m.Reason, Time(m.AsideUntil)})
	}
	return c
}

// Limits are what is left of the limits of an account.
func Limits(of []reauth.Limit) (list []Limit) {
	for _, l := range of {
		list = append(list, Limit{l.Name, l.Model, l.Left, l.Window.Seconds(), Time(l.Reset)})
	}
	return list
}

// Time is a time in UTC and whole seconds (RFC 3339), or nil for an unknown one.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
