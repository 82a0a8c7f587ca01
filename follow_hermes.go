package reauth

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// hermesFile is Hermes's auth.json. An entry of its pool goes before what a provider keeps for itself.
type hermesFile struct {
	Pool      map[string]json.RawMessage `json:"credential_pool"`
	Providers map[string]json.RawMessage `json:"providers"`
}

// hermesEntry is one of the pool, or a provider's own, which some keep flat and some below "tokens".
type hermesEntry struct {
	AccessToken    string       `json:"access_token"`
	AgentKey       string       `json:"agent_key"` // of nous
	ExpiresAt      looseTime    `json:"expires_at"`
	ExpiresAtMS    float64      `json:"expires_at_ms"`
	AgentKeyEnd    looseTime    `json:"agent_key_expires_at"`
	LastStatus     string       `json:"last_status"`
	Priority       int          `json:"priority"`
	Tokens         *hermesEntry `json:"tokens"`
	AccountID      string       `json:"account_id"`
	ChatGPTAccount string       `json:"chatgpt_account_id"`
}

func readHermesFile(b []byte, provider string) (Credential, error) {
	var file hermesFile
	if err := readOwner(b, &file); err != nil {
		return Credential{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(file.Pool)) {
		var entries []hermesEntry
		if canonicalName(name) != provider || json.Unmarshal(file.Pool[name], &entries) != nil { // one odd entry must not hide the others
			continue
		}
		entries = slices.DeleteFunc(entries, func(e hermesEntry) bool { return e.AccessToken == "" && e.AgentKey == "" })
		if len(entries) > 0 {
			return slices.MinFunc(entries, compareHermes).credential(), nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(file.Providers)) {
		var e hermesEntry
		if canonicalName(name) == provider && json.Unmarshal(file.Providers[name], &e) == nil {
			return e.credential(), nil
		}
	}
	return Credential{}, nil
}

// compareHermes puts what Hermes would use first: not what it has found dead, then by its priority.
func compareHermes(a, b hermesEntry) int {
	dead := func(e hermesEntry) int {
		if e.LastStatus == "dead" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(dead(a), dead(b)), cmp.Compare(a.Priority, b.Priority))
}

func (e hermesEntry) credential() Credential {
	if e.Tokens != nil {
		return e.Tokens.credential()
	}
	c := Credential{AccessToken: e.AccessToken, Expiry: e.ExpiresAt.Time, AccountID: cmp.Or(e.AccountID, e.ChatGPTAccount)}
	if e.ExpiresAtMS > 0 {
		c.Expiry = millis(e.ExpiresAtMS)
	}
	if isJWT(e.AgentKey) { // what nous's inference takes
		c.AccessToken, c.Expiry = e.AgentKey, e.AgentKeyEnd.Time
	}
	return c
}
