package foreign

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
)

// The files that hold several logins.

// grokEntry is one of the Grok CLI's, under "<issuer>::<client id>", or under a plain URL.
type grokEntry struct {
	Key          string `json:"key"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    stamp  `json:"expires_at"`
	ClientID     string `json:"oidc_client_id"`
	name         string
}

// readGrok takes the entry that the CLI itself would: one that can be refreshed, and of those the one that lives longest.
func readGrok(b []byte) (found Found, err error) {
	var raw map[string]json.RawMessage
	if err := decode(b, &raw); err != nil {
		return found, err
	}
	var list []grokEntry
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		e := grokEntry{name: name}
		if json.Unmarshal(raw[name], &e) != nil || e.Key == "" {
			found.skip(name, "it holds no token")
			continue
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return found, nil
	}
	best := slices.MaxFunc(list, func(a, b grokEntry) int {
		return cmp.Or(cmp.Compare(min(len(a.RefreshToken), 1), min(len(b.RefreshToken), 1)), longest(a.ExpiresAt.Time, b.ExpiresAt.Time))
	})
	for _, e := range list {
		if e.name != best.name {
			found.skip(e.name, "the Grok CLI prefers another entry")
		}
	}
	found.Logins = append(found.Logins, Login{Name: best.name, Followed: true, Credential: reauth.Credential{
		Provider: "xai-oauth", AccessToken: best.Key, RefreshToken: best.RefreshToken, Expiry: best.ExpiresAt.Time, ClientID: best.ClientID,
	}})
	return found, nil
}

// longest compares expiries; none is for ever.
func longest(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// hermesEntry is one of Hermes's pool, or a provider's own, which some keep flat and some below "tokens".
type hermesEntry struct {
	ID             string       `json:"id"`
	Label          string       `json:"label"`
	Source         string       `json:"source"`
	AccessToken    string       `json:"access_token"`
	RefreshToken   string       `json:"refresh_token"`
	AgentKey       string       `json:"agent_key"` // of nous
	AgentKeyEnd    stamp        `json:"agent_key_expires_at"`
	ExpiresAt      stamp        `json:"expires_at"`
	ExpiresAtMS    float64      `json:"expires_at_ms"`
	ClientID       string       `json:"client_id"`
	AccountID      string       `json:"account_id"`
	ChatGPTAccount string       `json:"chatgpt_account_id"`
	LastStatus     string       `json:"last_status"`
	Priority       int          `json:"priority"`
	Fingerprint    string       `json:"secret_fingerprint"`
	Tokens         *hermesEntry `json:"tokens"`
}

// readHermes reads the pool, and of what providers keep for themselves only what the pool has not: Hermes does so too.
func readHermes(b []byte) (found Found, err error) {
	var file struct {
		Pool      map[string]json.RawMessage `json:"credential_pool"`
		Providers map[string]json.RawMessage `json:"providers"`
	}
	if err := decode(b, &file); err != nil {
		return found, err
	}
	if file.Pool == nil && file.Providers == nil {
		return found, errForeign
	}
	pooled := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(file.Pool)) {
		var entries []hermesEntry
		if json.Unmarshal(file.Pool[name], &entries) != nil {
			found.skip(name, "its entries cannot be read")
			continue
		}
		pr, ok := reauth.LookupProvider(name)
		if !ok {
			found.skip(fmt.Sprintf("%s, %d in its pool", name, len(entries)), "reauth does not know the provider")
			continue
		}
		if found.pool(pr.Name, name, entries) {
			pooled[pr.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(file.Providers)) {
		pr, ok := reauth.LookupProvider(name)
		var e hermesEntry
		switch {
		case !ok:
			found.skip(name, "reauth does not know the provider")
		case pooled[pr.Name]:
		case json.Unmarshal(file.Providers[name], &e) != nil:
			found.skip(name, "it cannot be read")
		default:
			found.one(pr.Name, name, e, true)
		}
	}
	return found, nil
}

// pool takes the entries of a provider's pool, in the order in which Hermes would use them. It reports whether there was one.
func (f *Found) pool(provider, name string, entries []hermesEntry) bool {
	slices.SortStableFunc(entries, func(a, b hermesEntry) int { return cmp.Compare(a.Priority, b.Priority) })
	found := false
	for i, e := range entries {
		label := name + ", " + cmp.Or(e.Label, e.Source, fmt.Sprintf("entry %d", i+1))
		if f.one(provider, label, e, !found) {
			found = true
		}
	}
	return found
}

func (f *Found) one(provider, label string, e hermesEntry, followed bool) bool {
	c := e.credential()
	switch {
	case c.AccessToken == "" && (e.Fingerprint != "" || strings.HasPrefix(e.AccessToken, "sha256:")):
		f.skip(label, "Hermes keeps its secret elsewhere, in "+cmp.Or(e.Source, "its environment"))
		return false
	case c.AccessToken == "":
		f.skip(label, "it holds no token")
		return false
	}
	if e.LastStatus == "dead" {
		f.skip(label, "Hermes found it dead; log in there again")
		return false
	}
	c.Provider, c.Priority = provider, max(e.Priority, 0)
	f.Logins = append(f.Logins, Login{Name: label, ID: e.ID, Credential: c, Followed: followed})
	return true
}

func (e hermesEntry) credential() reauth.Credential {
	if e.Tokens != nil {
		return e.Tokens.credential()
	}
	c := reauth.Credential{
		AccessToken: e.AccessToken, RefreshToken: e.RefreshToken, Expiry: e.ExpiresAt.Time, ClientID: e.ClientID, AccountID: cmp.Or(e.AccountID, e.ChatGPTAccount),
	}
	if strings.HasPrefix(c.AccessToken, "sha256:") {
		c.AccessToken = ""
	}
	if e.ExpiresAtMS > 0 {
		c.Expiry = instant(e.ExpiresAtMS)
	}
	if strings.HasPrefix(e.AgentKey, "eyJ") && strings.Count(e.AgentKey, ".") == 2 { // what nous's inference takes
		c.AccessToken, c.Expiry = e.AgentKey, e.AgentKeyEnd.Time
	}
	return c
}
