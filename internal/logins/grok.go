package logins

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/vendors"
)

// grokEntry is an entry of the Grok CLI's file. Its name is "<issuer>::<client id>", or the URL of
// an API key.
type grokEntry struct {
	Key          string `json:"key"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    stamp  `json:"expires_at"`
	ClientID     string `json:"oidc_client_id"`
	UserID       text   `json:"user_id"`
	name         string
}

// readGrok takes the entry that the CLI itself would use: one that can be refreshed, and of those
// the one that lives longest.
func readGrok(content []byte, _ Canonical) (found Found, err error) {
	var file map[string]json.RawMessage
	if err := decode(content, &file); err != nil {
		return found, err
	}
	var entries []grokEntry
	for _, name := range slices.Sorted(maps.Keys(file)) {
		e, ok := decodeGrokEntry(name, file[name])
		if !ok {
			found.skip(name, "it holds no token")
			continue
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return found, nil
	}
	best := slices.MaxFunc(entries, compareGrok)
	for _, e := range entries {
		if e.name != best.name {
			found.skip(e.name, "the Grok CLI prefers another entry")
		}
	}
	found.addFollowed(Login{
		Provider: "xai-oauth", Name: best.name,
		AccessToken: best.Key, RefreshToken: best.RefreshToken, Expiry: best.ExpiresAt.Time,
		ClientID: sendable(best.ClientID), AccountID: best.account(), Metadata: best.issuerNote(),
	})
	return found, nil
}

// account is that of the login, where the access token does not tell it.
func (e grokEntry) account() string {
	if access, _ := jwt.Read(e.Key); access.Subject != "" {
		return ""
	}
	return sendable(string(e.UserID))
}

// issuerNote returns the metadata of a login at another authorization server than xAI's: its tokens
// must not go to xAI. It is nil for any other entry.
func (e grokEntry) issuerNote() map[string]string {
	issuer, _, ok := strings.Cut(e.name, "::")
	u, err := url.Parse(issuer)
	if !ok || err != nil || u.Host == "" {
		return nil
	}
	host, domain := strings.ToLower(u.Hostname()), vendors.Of("xai-oauth").Auth.Domain
	if u.Scheme == "https" && (host == domain || strings.HasSuffix(host, "."+domain)) {
		return nil
	}
	return map[string]string{vendors.IssuerNote: u.Scheme + "://" + u.Host}
}

// decodeGrokEntry returns false for an entry without a token.
func decodeGrokEntry(name string, content json.RawMessage) (grokEntry, bool) {
	var e grokEntry
	if json.Unmarshal(content, &e) != nil {
		return e, false
	}
	e.name, e.Key, e.RefreshToken = name, token(e.Key), token(e.RefreshToken)
	return e, e.Key != ""
}

// compareGrok puts the entry last that the CLI prefers.
func compareGrok(a, b grokEntry) int {
	refreshable := func(e grokEntry) int { return min(len(e.RefreshToken), 1) }
	return cmp.Or(cmp.Compare(refreshable(a), refreshable(b)), longest(a.ExpiresAt.Time, b.ExpiresAt.Time))
}
