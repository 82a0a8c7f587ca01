// Package jwt reads the claims of a token that looks like a JWT (RFC 7519), and tells whose login a pair of
// tokens is. It verifies no signature: only the provider relies on a token.
package jwt

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Claims are the claims of an access token, or of an ID token (OpenID Connect Core 1.0, section 2), that matter.
type Claims struct {
	Subject  string  `json:"sub"`
	Expires  float64 `json:"exp"` // seconds since 1970
	IssuedAt float64 `json:"iat"`
	OpenAI   struct {
		AccountID string `json:"chatgpt_account_id"`
		FedRAMP   bool   `json:"chatgpt_account_is_fedramp"`
	} `json:"https://api.openai.com/auth"`
}

// Is reports whether a token looks like a JWT.
func Is(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}

// Payload returns the claims of a token that looks like a JWT as they are written; nil: it is none.
func Payload(token string) []byte {
	if !Is(token) {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.SplitN(token, ".", 3)[1], "="))
	if err != nil {
		return nil
	}
	return payload
}

// Read decodes the claims of a token that looks like a JWT.
func Read(token string) (c Claims, ok bool) {
	payload := Payload(token)
	if payload == nil || json.Unmarshal(payload, &c) != nil {
		return Claims{}, false
	}
	return c, true
}

// Account returns the account of a login of which the library would not find one in the access token: that of
// OpenAI's claim in either token, the one that the server told beside them, or else the subject of the ID
// token. It is empty where the access token's own subject names the login.
func Account(access, identity, told string) string {
	a, _ := Read(access) // no JWT: no claims
	i, _ := Read(identity)
	account := cmp.Or(a.OpenAI.AccountID, i.OpenAI.AccountID, told)
	if account == "" && a.Subject == "" {
		return i.Subject
	}
	return account
}
