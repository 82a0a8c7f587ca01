// Package statusjson has what the JSON of "reauth status", of other commands and of the proxy say in the
// same form. Programs parse it: names and meanings stay.
package statusjson

import (
	"time"

	"github.com/reauth-go/reauth"
)

// Model is a model for which a credential is put aside. A name that ends in "*" is a family's. Without
// a host it is so everywhere.
type Model struct {
	Model      string     `json:"model"`
	Host       string     `json:"host,omitempty"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	AsideUntil *time.Time `json:"aside_until"`
}

// Models are those for which the credential is put aside.
func Models(s reauth.CredentialStatus) (list []Model) {
	for _, m := range s.Models {
		list = append(list, Model{m.Model, m.Host, string(m.State), m.Reason, Time(m.AsideUntil)})
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
