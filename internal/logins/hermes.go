package logins

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reauth-go/reauth/internal/jwt"
)

// hermesFile is Hermes's auth.json. Hermes prefers its pool to what a provider keeps for itself.
type hermesFile struct {
	Active    string                     `json:"active_provider"`
	Pool      map[string]json.RawMessage `json:"credential_pool"`
	Providers map[string]json.RawMessage `json:"providers"`
}

// hermesEntry is an entry of the pool, or a provider's own. Some keep their tokens below "tokens".
type hermesEntry struct {
	ID             string       `json:"id"`
	Label          string       `json:"label"`
	Source         string       `json:"source"`
	AccessToken    string       `json:"access_token"`
	RefreshToken   string       `json:"refresh_token"`
	AgentKey       string       `json:"agent_key"` // of nous: what its inference takes, when it is a JWT
	AgentKeyEnd    stamp        `json:"agent_key_expires_at"`
	ExpiresAt      stamp        `json:"expires_at"`
	ExpiresAtMS    stamp        `json:"expires_at_ms"`
	ClientID       string       `json:"client_id"`
	AccountID      string       `json:"account_id"`
	IDToken        text         `json:"id_token"`
	ChatGPTAccount string       `json:"chatgpt_account_id"`
	LastStatus     string       `json:"last_status"`
	Priority       int          `json:"priority"`
	Fingerprint    string       `json:"secret_fingerprint"` // digest of a secret that is kept elsewhere
	Tokens         *hermesEntry `json:"tokens"`

	name string // for people
}

// readHermes reads the pool, and of what providers keep for themselves only what the pool lacks.
func readHermes(content []byte, canonical Canonical) (found Found, err error) {
	var file hermesFile
	if err := decode(content, &file); err != nil {
		return found, err
	}
	if file.Pool == nil && file.Providers == nil {
		return found, errForeign
	}
	found.Active = sendable(file.Active)
	found.addPool(file.Pool, canonical)
	found.addProviders(file.Providers, canonical)
	return found, nil
}

func (f *Found) addPool(pool map[string]json.RawMessage, canonical Canonical) {
	for _, name := range slices.Sorted(maps.Keys(pool)) {
		var list []json.RawMessage
		if json.Unmarshal(pool[name], &list) != nil {
			f.skip(name, "its entries cannot be read")
			continue
		}
		provider, known := canonical(name)
		if !known {
			f.skip(fmt.Sprintf("%s, %d in its pool", name, len(list)), "reauth does not know the provider")
			continue
		}
		for _, e := range f.poolEntries(name, list) {
			f.addHermes(provider, e)
		}
	}
}

// poolEntries returns the entries of a provider's pool in the order in which Hermes would use them.
func (f *Found) poolEntries(name string, list []json.RawMessage) []hermesEntry {
	var entries []hermesEntry
	for i, content := range list {
		var e hermesEntry
		position := fmt.Sprintf("entry %d", i+1)
		if json.Unmarshal(content, &e) != nil { // one odd entry must not hide the others
			f.skip(name+", "+position, "it cannot be read")
			continue
		}
		e.name = name + ", " + cmp.Or(e.Label, e.Source, position)
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b hermesEntry) int { return cmp.Compare(a.Priority, b.Priority) })
	return entries
}

func (f *Found) addProviders(providers map[string]json.RawMessage, canonical Canonical) {
	pooled := make(map[string]bool)
	for _, l := range f.Logins {
		pooled[l.Provider] = true
	}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		provider, known := canonical(name)
		e := hermesEntry{name: name}
		switch {
		case !known:
			f.skip(name, "reauth does not know the provider")
		case pooled[provider]:
		case json.Unmarshal(providers[name], &e) != nil:
			f.skip(name, "it cannot be read")
		default:
			f.addHermes(provider, e)
		}
	}
}

// addHermes adds the login of an entry, or says why the entry is of no use. An exhausted entry is
// of use: exhaustion ends, and until then the provider itself says so.
func (f *Found) addHermes(provider string, e hermesEntry) {
	l := e.login()
	switch {
	case l.AccessToken == "" && e.keptElsewhere():
		f.skip(e.name, "Hermes keeps its secret elsewhere, in "+cmp.Or(e.Source, "its environment"))
		f.advise(provider, "Hermes keeps the secret of "+provider+" elsewhere; "+
			"add that secret as a credential of its own")
	case l.AccessToken == "":
		f.skip(e.name, "it holds no token")
	case e.LastStatus == "dead":
		f.skip(e.name, "Hermes found it dead; log in there again")
		f.advise(provider, "Hermes found its login of "+provider+" dead; log in there again")
	default:
		l.Provider, l.Name, l.ID, l.Priority = provider, e.name, sendable(e.ID), max(e.Priority, 0)
		f.addFollowed(l)
	}
}

// login returns what the entry tells of its tokens.
func (e hermesEntry) login() Login {
	if e.Tokens != nil {
		return e.Tokens.login()
	}
	l := Login{
		AccessToken: token(e.AccessToken), RefreshToken: token(e.RefreshToken), Expiry: e.ExpiresAt.Time,
		ClientID: sendable(e.ClientID),
	}
	l.AccountID = accountOf(l.AccessToken, e.IDToken, cmp.Or(e.AccountID, e.ChatGPTAccount))
	if !e.ExpiresAtMS.IsZero() {
		l.Expiry = e.ExpiresAtMS.Time
	}
	if key := token(e.AgentKey); jwt.Is(key) {
		l.AccessToken, l.Expiry = key, e.AgentKeyEnd.Time
	}
	return l
}

// keptElsewhere reports whether the entry stands for a secret that Hermes keeps in an environment
// variable, a vault or a configuration file. In its place it writes a digest.
func (e hermesEntry) keptElsewhere() bool {
	if e.Tokens != nil && e.Tokens.keptElsewhere() {
		return true
	}
	return e.Fingerprint != "" || strings.HasPrefix(e.AccessToken, digestPrefix)
}
