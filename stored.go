package reauth

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// storedCredential is a credential as the durable stores write it.
type storedCredential struct {
	Provider     string            `json:"provider"`
	ID           string            `json:"id"`
	AccessToken  string            `json:"access_token,omitempty"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	Expiry       time.Time         `json:"expiry,omitzero"`
	AccountID    string            `json:"account_id,omitempty"`
	ClientID     string            `json:"client_id,omitempty"`
	Hosts        []string          `json:"hosts,omitempty"`
	Priority     int               `json:"priority,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// storedStanding is a standing as the durable stores write it.
type storedStanding struct {
	AsideUntil  time.Time `json:"aside_until,omitzero"`
	Retired     bool      `json:"retired,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	LastRefresh time.Time `json:"last_refresh,omitzero"`
	At          time.Time `json:"at,omitzero"`
	Of          string    `json:"of,omitempty"`
	Spending    string    `json:"spending,omitempty"`
}

// toStored returns what is written of c. Stamps go without the monotonic clock and in UTC: they are read elsewhere.
func toStored(c Credential) storedCredential {
	s := storedCredential(c.clone())
	s.Expiry = stamp(s.Expiry)
	return s
}

func toStoredStanding(s Standing) storedStanding {
	s.AsideUntil, s.LastRefresh, s.At = stamp(s.AsideUntil), stamp(s.LastRefresh), stamp(s.At)
	return storedStanding(s)
}

// stamp makes a time fit for JSON, which knows the years up to 9999 only.
func stamp(t time.Time) time.Time {
	if t.IsZero() || t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// overlay writes v, a struct, over the JSON object that stood in its place, and keeps the members it does not know: a newer
// version of this package, or a person, may have put them there.
func overlay(old json.RawMessage, v any) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	if len(old) > 0 {
		if err := json.Unmarshal(old, &members); err != nil {
			return nil, err
		}
	}
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(members, name) // what is empty now is not written
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
