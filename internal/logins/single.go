package logins

import (
	"encoding/json"
	"fmt"
	"slices"
)

// The readers of the files that hold one login each.

func readClaude(content []byte, _ Canonical) (found Found, err error) {
	var file struct {
		OAuth struct {
			AccessToken  string   `json:"accessToken"`
			RefreshToken string   `json:"refreshToken"`
			ExpiresAt    stamp    `json:"expiresAt"`
			ClientID     string   `json:"clientId"`
			Scopes       []string `json:"scopes"`
		} `json:"claudeAiOauth"`
		MCP map[string]json.RawMessage `json:"mcpOAuth"`
	}
	if err := decode(content, &file); err != nil {
		return found, err
	}
	o := file.OAuth
	if access := token(o.AccessToken); access != "" {
		name := "Claude login"
		if len(o.Scopes) > 0 && !slices.Contains(o.Scopes, "user:inference") {
			name += ", without the scope user:inference"
		}
		found.addFollowed(Login{
			Provider: "anthropic", Name: name,
			AccessToken: access, RefreshToken: token(o.RefreshToken), Expiry: o.ExpiresAt.Time,
			ClientID: sendable(o.ClientID),
		})
	}
	if n := len(file.MCP); n > 0 {
		found.skip(fmt.Sprintf("%d login(s) of MCP servers", n), "they are no LLM provider's")
	}
	return found, nil
}

func readQwen(content []byte, _ Canonical) (found Found, err error) {
	var file struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ResourceURL  string `json:"resource_url"`
		ExpiryDate   stamp  `json:"expiry_date"`
		IDToken      text   `json:"id_token"`
	}
	if err := decode(content, &file); err != nil {
		return found, err
	}
	access := token(file.AccessToken)
	if access == "" {
		return found, nil
	}
	l := Login{
		Provider: "qwen-oauth", Name: "Qwen login",
		AccessToken: access, RefreshToken: token(file.RefreshToken), Expiry: file.ExpiryDate.Time,
		AccountID: accountOf(access, file.IDToken, ""),
	}
	if file.ResourceURL != "" {
		l.Metadata = map[string]string{"resource_url": file.ResourceURL}
	}
	found.addFollowed(l)
	return found, nil
}
