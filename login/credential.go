package login

import (
	"errors"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/vendors"
)

// credential returns the credential in an answer with tokens, with the metadata that the library's
// refreshers read. It returns an error if a token is missing: a login without a refresh token would
// end when its access token expires, without a word to the person.
func (s *Session) credential(a *answer) (reauth.Credential, error) {
	c := reauth.Credential{AccessToken: a.text("access_token"), RefreshToken: a.text("refresh_token")}
	s.hide(c.AccessToken, c.RefreshToken, a.text("id_token"))
	switch {
	case c.AccessToken == "":
		return c, errors.New(
			"the server consented and gave no access token; start another login")
	case c.RefreshToken == "" && !s.auth.Mints:
		return c, errors.New(
			"the server gave no refresh token: the login could not be renewed. Ask for one in the scope, often by offline_access")
	}
	access, _ := jwt.Read(c.AccessToken) // no JWT: no claims
	switch in := seconds(a.number("expires_in")); {
	case in > 0:
		c.Expiry = time.Now().Add(in)
	case a.number("expired_in") > 0: // MiniMax names the instant
		c.Expiry = instant(a, "expired_in")
	case access.Expires > 0 && access.Expires < 1e11: // 1e11 s is the year 5138
		c.Expiry = byOurClock(a, time.Unix(int64(access.Expires), 0))
	}
	// The library then derives the same ID for the credential at the next login.
	c.AccountID = jwt.Account(c.AccessToken, a.text("id_token"), a.object("account").text("uuid"))
	s.note(&c, "resource_url", a.text("resource_url"))
	if base := a.text("inference_base_url"); s.auth.BaseNote != "" && s.row.HasAPIAt(base) {
		s.note(&c, s.auth.BaseNote, base)
	}
	return c, nil
}

// complete adds to the credential of a login what the login knows without an answer.
func (s *Session) complete(c reauth.Credential) reauth.Credential {
	c.Provider, c.ClientID = s.row.Name, s.opt.ClientID
	if !s.own && s.row.Auth != nil {
		s.note(&c, vendors.IssuerNote, s.issuer) // the library's refreshers send the tokens nowhere else
	}
	return c
}

// note adds a value to the metadata of c, unless the value is empty, not printable ASCII, or longer
// than 2000 bytes.
func (s *Session) note(c *reauth.Credential, name, value string) {
	if value == "" || !isPlain(value, 2000) {
		return
	}
	if c.Metadata == nil {
		c.Metadata = make(map[string]string)
	}
	c.Metadata[name] = value
}
