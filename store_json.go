package reauth

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// storedCredential is a credential in the JSON of the durable stores.
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

// storedRecord is a record in the JSON of the durable stores, without marks and Spending.
type storedRecord struct {
	storedCredential
	Login       time.Time `json:"login,omitzero"`
	Removed     bool      `json:"removed,omitempty"`
	Generation  int64     `json:"generation,omitempty"`
	Spent       []string  `json:"spent,omitempty"`
	LastRefresh time.Time `json:"last_refresh,omitzero"`
}

// toStoredRecord returns e as it is stored. The record of a removed credential has no tokens.
func toStoredRecord(e Entry) storedRecord {
	c := e.Credential
	if e.Removed {
		c.AccessToken, c.RefreshToken, c.Expiry = "", "", time.Time{}
	}
	return storedRecord{
		storedCredential: toStored(c), Login: stamp(e.Login), Removed: e.Removed,
		Generation: e.Generation, Spent: e.Spent, LastRefresh: stamp(e.LastRefresh),
	}
}

// entry returns the record without marks and Spending.
func (r *storedRecord) entry() Entry {
	return Entry{
		Credential: Credential(r.storedCredential), Login: r.Login, Removed: r.Removed,
		Generation: r.Generation, Spent: r.Spent, LastRefresh: r.LastRefresh,
	}
}

// storedMark is a mark in the JSON of the durable stores.
type storedMark struct {
	Until  time.Time `json:"until,omitzero"`
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason,omitempty"`
	Of     string    `json:"of,omitempty"`
}

// storedSpending is an exchange under way in the JSON of the durable stores.
type storedSpending struct {
	Of     string    `json:"of,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Holder string    `json:"holder,omitempty"`
}

// toStored returns c as it is stored.
func toStored(c Credential) storedCredential {
	s := storedCredential(c.clone())
	s.Expiry = stamp(s.Expiry)
	return s
}

// toStoredMark returns m as it is stored.
func toStoredMark(m Mark) storedMark {
	if m.retires() {
		m.Until = forever
	}
	m.Until, m.At = stamp(m.Until), stamp(m.At)
	return storedMark(m)
}

// toStoredSpending returns sp as it is stored.
func toStoredSpending(sp Spending) storedSpending {
	sp.Since = stamp(sp.Since)
	return storedSpending(sp)
}

// stamp returns t as it is stored: in UTC and without the monotonic clock, because other processes
// read it. A year that JSON cannot have (beyond 9999) makes it zero.
func stamp(t time.Time) time.Time {
	t = t.UTC().Round(0)
	if t.IsZero() || t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t
}

// overlay returns the JSON object old with the members of v, a struct, in it. It keeps the members
// that v does not know, because a newer version of this package, or a person, may have put them
// there. It drops those that v knows and leaves out.
func overlay(old json.RawMessage, v any) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	if len(old) > 0 {
		if err := json.Unmarshal(old, &members); err != nil {
			return nil, err
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(v)) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(members, name)
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
