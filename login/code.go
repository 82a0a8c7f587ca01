package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// codeRequest is an authorization request for a code (RFC 6749 §4.1.1) with PKCE (RFC 7636).
type codeRequest struct {
	config          oauth2.Config
	verifier, state string
	more            []oauth2.AuthCodeOption // parameters that only this provider wants
}

// newCodeRequest returns a request with a new verifier and a new state. redirect is the address
// that the authorization server sends the browser to.
func (s *Session) newCodeRequest(redirect string, more ...oauth2.AuthCodeOption) codeRequest {
	r := codeRequest{
		config: oauth2.Config{
			ClientID: s.client, Scopes: strings.Fields(s.scope), RedirectURL: redirect,
			Endpoint: oauth2.Endpoint{AuthURL: s.at("/oauth/authorize")},
		},
		verifier: oauth2.GenerateVerifier(), state: oauth2.GenerateVerifier(), more: more,
	}
	s.hide(r.verifier)
	return r
}

// address returns the address that the person opens to consent.
func (r codeRequest) address() string {
	return r.config.AuthCodeURL(
		r.state, append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier)}, r.more...)...,
	)
}

// redeemer exchanges an authorization code for a credential.
type redeemer func(ctx context.Context, code string) (reauth.Credential, error)

// redeem sends a request that exchanges an authorization code, and returns the credential in the
// answer. It sends the code once: a server that gets a code twice must refuse it, and should revoke the
// tokens that it gave for the code before (RFC 6749 §4.1.2).
func (s *Session) redeem(ctx context.Context, r request) (reauth.Credential, error) {
	a, err := s.exchange(ctx, r)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.credential(a)
}

// exchange sends a request that exchanges an authorization code, once, and returns its answer if it is
// a success.
func (s *Session) exchange(ctx context.Context, r request) (*answer, error) {
	s.spent = true
	a, err := s.do(ctx, r)
	switch {
	case err != nil: // the server may have accepted the code before the connection failed
		return nil, fmt.Errorf("the code was not exchanged: %w; the code may be spent. Start another login", err)
	case a.ok() && a.code == "":
		return a, nil
	}
	err = s.refusal("the code was not exchanged", a)
	if s.advice(a) == nil && !errors.Is(err, ErrExpired) {
		err = fmt.Errorf("%w; start another login", err)
	}
	return nil, err
}

// brought is what a browser or a person has brought back: a code, or the server's refusal.
type brought struct {
	code string
	err  error
}

// coded returns the course of a login that waits for a code and exchanges it. A code that has come is
// kept until it is exchanged, also if a Wait ends before.
func (s *Session) coded(
	prompt Prompt, wait func(ctx context.Context) (brought, error), redeem redeemer,
) course {
	var got brought
	return course{prompt: prompt, wait: func(ctx context.Context) (c reauth.Credential, err error) {
		if got == (brought{}) {
			if got, err = wait(ctx); err != nil {
				return c, err
			}
		}
		var told *refusedError
		switch {
		case errors.As(got.err, &told):
			return c, s.refusal("consent was not given",
				&answer{raw: emptyObject(), code: told.code, description: told.description})
		case got.err != nil:
			return c, got.err
		case ctx.Err() != nil: // the code is kept for the next Wait
			return c, ctx.Err()
		}
		return redeem(ctx, got.code)
	}}
}

// pasted returns the course of a login whose code the person pastes. read finds the code in what was
// pasted, and refuses what is not of this login. hint tells the person what to paste.
func (s *Session) pasted(address, hint string, read func(text string) (string, error), redeem redeemer) course {
	prompt := Prompt{URL: address, Paste: true, Hint: hint, Expires: time.Now().Add(defaultLife)}
	ch := make(chan brought, 1)
	c := s.coded(prompt, func(ctx context.Context) (brought, error) {
		return await(ctx, s, ch, prompt.Expires)
	}, redeem)
	entered := false
	c.enter = func(text string) error { // mu is held
		code, err := read(text)
		var told *refusedError
		switch {
		case err != nil && !errors.As(err, &told):
			return err
		case entered:
			return errors.New("a code was entered before; Wait tells whether it is good")
		}
		entered = true
		ch <- brought{code, err} // there is room
		return nil
	}
	return c
}

// read returns the code in a pasted line. The line is "code#state", or the address that the
// authorization server has sent the browser to.
func (r codeRequest) read(line string) (string, error) {
	line = strings.TrimSpace(line)
	if u, err := url.Parse(line); err == nil && u.RawQuery != "" {
		return r.check(u.Query())
	}
	code, state, ok := strings.Cut(line, "#")
	switch {
	case line == "":
		return "", errors.New("the code is empty")
	case !ok:
		return "", errors.New("the code has no state, so nobody knows to which login it belongs; paste all of it")
	}
	return r.check(url.Values{"code": {code}, "state": {state}})
}

// errAnotherLogin is the error for an authorization response that is not of this login.
var errAnotherLogin = errors.New("the code belongs to another login: its state is not ours")

// check returns the code in an authorization response (RFC 6749 §4.1.2). It returns errAnotherLogin if
// the state is not that of this login, so that nobody can slip a code of another account to the person
// (RFC 6749 §10.12).
func (r codeRequest) check(q url.Values) (string, error) {
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(r.state)) != 1 {
		return "", errAnotherLogin
	}
	return codeOrRefusal(q)
}

// codeOrRefusal returns the code in an authorization response that is of this login.
func codeOrRefusal(q url.Values) (string, error) {
	switch {
	case q.Get("error") != "":
		return "", &refusedError{q.Get("error"), q.Get("error_description")}
	case q.Get("code") == "":
		return "", errors.New("the server consented and gave no code; start another login")
	}
	return q.Get("code"), nil
}

// refusedError is an error response of the authorization server (RFC 6749 §4.1.2.1) that the
// browser has brought.
type refusedError struct{ code, description string }

// Error implements error. The text is never shown: callers turn the response into a refusal.
func (e *refusedError) Error() string { return "refused" }
