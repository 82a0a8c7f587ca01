package login

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// OpenRouter's login is documented at openrouter.ai/docs/guides/overview/auth/oauth, for any program: an
// authorization code with PKCE that is exchanged for an API key, which the person controls there. It
// differs from RFC 6749: there is no client, no scope and no state.

// keyRequest is a request for a code that is exchanged for a key.
type keyRequest struct {
	s        *Session
	verifier string
}

// newKeyRequest returns a request with a new verifier.
func (s *Session) newKeyRequest() keyRequest {
	r := keyRequest{s, oauth2.GenerateVerifier()}
	s.hide(r.verifier)
	return r
}

// address returns the address that the person opens to consent. callback is where the browser is sent
// to; empty: the page shows the code.
func (r keyRequest) address(callback string) string {
	q := url.Values{
		"code_challenge": {oauth2.S256ChallengeFromVerifier(r.verifier)}, "code_challenge_method": {"S256"},
		"key_label": {"reauth"}, // the name of the key in the person's list
	}
	if callback != "" {
		q.Set("callback_url", callback)
	}
	return r.s.at("/auth") + "?" + q.Encode()
}

// openRouterBrowser begins a login at OpenRouter by a browser on this host. There is no state: a part of
// the path that nobody can guess tells that an answer is of this login.
func openRouterBrowser(ctx context.Context, s *Session) (course, error) {
	l, err := s.listen(ctx, "/callback/"+rand.Text(), 0)
	if err != nil {
		return course{}, err
	}
	r := s.newKeyRequest()
	return l.browsed(r.address(l.redirect()), codeOrRefusal, r.redeem), nil
}

// openRouterPaste begins a login at OpenRouter by a browser anywhere.
func openRouterPaste(_ context.Context, s *Session) (course, error) {
	r := s.newKeyRequest()
	return s.pasted(r.address(""), "After you consent, the page shows a code. Paste it here.", readBareCode, r.redeem), nil
}

// readBareCode returns the code in a pasted line. Without a state nobody can tell at once whether it is
// of this login: only the exchange tells.
func readBareCode(line string) (string, error) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return "", errors.New("the code is empty")
	case strings.ContainsAny(line, " \t\r\n") || !isPlain(line, 1000):
		return "", errors.New("this is no code: it has white space, or characters that no code has")
	}
	return line, nil
}

// redeem exchanges a code for the key.
func (r keyRequest) redeem(ctx context.Context, code string) (reauth.Credential, error) {
	r.s.hide(code)
	a, err := r.s.exchange(ctx, request{url: r.s.at(r.s.auth.TokenPath()), json: map[string]string{
		"code": code, "code_verifier": r.verifier, "code_challenge_method": "S256",
	}})
	if err != nil {
		return reauth.Credential{}, err
	}
	c := reauth.Credential{AccessToken: a.text("key")}
	if c.AccessToken == "" || !isPlain(c.AccessToken, 1000) {
		return c, errors.New("the server consented and gave no key; start another login")
	}
	if user := a.text("user_id"); isPlain(user, 256) {
		c.AccountID = user
	}
	return c, nil
}
