package jwt_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth/internal/jwt"
)

// of returns a token with the claims.
func of(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".sig"
}

func TestRead(t *testing.T) {
	c, ok := jwt.Read(of(`{"sub":"me","exp":1e9,"iat":5,"https://api.openai.com/auth":{"chatgpt_account_id":"acc","chatgpt_account_is_fedramp":true}}`))
	assert.True(t, ok)
	want := jwt.Claims{Subject: "me", Expires: 1e9, IssuedAt: 5}
	want.OpenAI.AccountID, want.OpenAI.FedRAMP = "acc", true
	assert.Equal(t, want, c)
	for _, token := range []string{"", "at-opaque", "eyJ.x", "eyJ.%.x", of(`[]`), of(`{"sub":7}`), of(`{`), "a.b.c"} {
		c, ok := jwt.Read(token)
		assert.False(t, ok, token)
		assert.Zero(t, c, token)
	}
}

// The account is that of the login, whichever of the tokens tells it. One that the library finds by itself, in
// the access token, is left to it.
func TestAccount(t *testing.T) {
	openAI := of(`{"sub":"me","https://api.openai.com/auth":{"chatgpt_account_id":"acc"}}`)
	mine := of(`{"sub":"me"}`)
	for _, c := range []struct{ what, access, identity, told, want string }{
		{"nothing tells it", "opaque", "", "", ""},
		{"the ID token", "opaque", mine, "", "me"},
		{"the ID token, of OpenAI", "opaque", openAI, "", "acc"},
		{"the access token", mine, of(`{"sub":"other"}`), "", ""},
		{"the access token, of OpenAI", openAI, mine, "", "acc"},
		{"both", mine, openAI, "", "acc"},
		{"the server", "opaque", "", "uuid", "uuid"},
		{"the server goes before a subject", "opaque", mine, "uuid", "uuid"},
	} {
		assert.Equal(t, c.want, jwt.Account(c.access, c.identity, c.told), c.what)
	}
}
