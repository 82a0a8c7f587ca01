package login

import (
	"context"
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
func (s *session) newCodeRequest(redirect string, more ...oauth2.AuthCodeOption) codeRequest {
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

// codexOptions returns the parameters of OpenAI's consent page for Codex. With the first one the ID
// token names the organizations of the account.
func codexOptions() []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("id_token_add_organizations", "true"),
		oauth2.SetAuthURLParam("codex_cli_simplified_flow", "true"),
	}
}

// codexBrowser logs in at OpenAI by a browser on this host. OpenAI has registered the two ports for
// Codex's client.
func codexBrowser(ctx context.Context, s *session) (reauth.Credential, error) {
	l, err := s.listen(ctx, "/auth/callback", 1455, 1457)
	if err != nil {
		return reauth.Credential{}, err
	}
	defer l.close()
	r := s.newCodeRequest(l.redirect(), codexOptions()...)
	code, err := l.wait(ctx, s, r)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemCodex(ctx, code, r.verifier, r.config.RedirectURL)
}

// codexPaste logs in at OpenAI by a browser anywhere. OpenAI sends that browser to a loopback
// address that nothing listens on there; the address holds the code, and the person pastes it.
func codexPaste(ctx context.Context, s *session) (reauth.Credential, error) {
	port := 1455
	if s.Port != 0 {
		port = s.Port
	}
	r := s.newCodeRequest(fmt.Sprintf("http://localhost:%d/auth/callback", port), codexOptions()...)
	code, err := s.pasted(
		ctx, r, "After you consent, the browser shows an address that it cannot open. Paste that address here.",
	)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemCodex(ctx, code, r.verifier, r.config.RedirectURL)
}

// redeemCodex exchanges an authorization code for tokens by a form (RFC 6749 §4.1.3). It sends the
// code once: a server that gets a code twice must refuse it, and should revoke the tokens that it
// gave for the code before (RFC 6749 §4.1.2).
func (s *session) redeemCodex(ctx context.Context, code, verifier, redirect string) (reauth.Credential, error) {
	s.hide(code, verifier)
	if code == "" || verifier == "" {
		return reauth.Credential{}, errors.New(
			"the server consented and gave no code; nothing was stored. Run the command again")
	}
	a, err := s.do(ctx, request{url: s.at(s.row.Auth.TokenPath()), form: url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect},
		"client_id": {s.client}, "code_verifier": {verifier},
	}})
	if err != nil {
		return reauth.Credential{}, s.unredeemed(err)
	}
	return s.redeemed(a)
}

// unredeemed returns the error of a code exchange that got no answer. The server may have accepted
// the code before the connection failed.
func (s *session) unredeemed(err error) error {
	return fmt.Errorf(
		"the code was not exchanged: %w; nothing was stored, and the code may be spent. Run the command again", err)
}

// redeemed returns the credential in the answer to a code exchange.
func (s *session) redeemed(a *answer) (reauth.Credential, error) {
	if !a.ok() || a.code != "" {
		return reauth.Credential{}, s.refusal("the code was not exchanged", a)
	}
	return s.credential(a)
}

// anthropicPaste logs in at Anthropic by a browser anywhere. The page at the end of the consent
// shows the code, and the person pastes it.
func anthropicPaste(ctx context.Context, s *session) (reauth.Credential, error) {
	redirect := s.at("/oauth/code/callback")
	if s.own { // Anthropic has registered an address at another host than the issuer's
		redirect = "https://console.anthropic.com/oauth/code/callback"
	}
	r := s.newCodeRequest(redirect, oauth2.SetAuthURLParam("code", "true")) // the page shows the code
	code, err := s.pasted(
		ctx, r, "After you consent, the page shows a code. Paste it here, with all that follows the #.",
	)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemAnthropic(ctx, code, r)
}

// anthropicBrowser logs in at Anthropic by a browser on this host.
func anthropicBrowser(ctx context.Context, s *session) (reauth.Credential, error) {
	l, err := s.listen(ctx, "/callback", 54545)
	if err != nil {
		return reauth.Credential{}, err
	}
	defer l.close()
	r := s.newCodeRequest(l.redirect(), oauth2.SetAuthURLParam("code", "true"))
	code, err := l.wait(ctx, s, r)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemAnthropic(ctx, code, r)
}

// redeemAnthropic exchanges an authorization code for tokens. Anthropic wants a JSON object that
// holds the state, which x/oauth2 cannot send. The code is sent once, as in redeemCodex.
func (s *session) redeemAnthropic(ctx context.Context, code string, r codeRequest) (reauth.Credential, error) {
	endpoint := s.at(s.row.Auth.TokenPath())
	if s.own {
		endpoint = s.row.Auth.TokenURL // Anthropic exchanges codes at another host than the issuer's
	}
	s.hide(code)
	a, err := s.do(ctx, request{url: endpoint, json: map[string]string{
		"grant_type": "authorization_code", "code": code, "state": r.state, "client_id": s.client,
		"redirect_uri": r.config.RedirectURL, "code_verifier": r.verifier,
	}})
	if err != nil {
		return reauth.Credential{}, s.unredeemed(err)
	}
	return s.redeemed(a)
}

// maxTries is how many lines a person may paste before the login ends.
const maxTries = 3

// pasted sends the person to the consent page and returns the code that the person pastes. how
// tells the person what to paste. pasted asks again after a line without a code of this login,
// until maxTries.
func (s *session) pasted(ctx context.Context, r codeRequest, how string) (string, error) {
	until := time.Now().Add(defaultLife)
	s.Person.Visit(r.address(), "")
	s.Person.Note(how)
	s.typing = true
	for try := 1; ; try++ {
		line, err := s.line(ctx, until)
		if err != nil {
			return "", err
		}
		code, err := r.read(line)
		var told *refusedError
		switch {
		case err == nil:
			return code, nil
		case errors.As(err, &told):
			return "", s.refusal("consent was not given",
				&answer{raw: emptyObject(), code: told.code, description: told.description})
		case try == maxTries:
			return "", fmt.Errorf("%w; nothing was stored. Run the command again", err)
		}
		s.Person.Note("That is not it: " + err.Error() + ".")
	}
}

// line returns the next line that the person pastes. It waits no longer than until.
func (s *session) line(ctx context.Context, until time.Time) (string, error) {
	type pasted struct {
		line string
		err  error
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// A read from a terminal cannot be cancelled. The channel has room for its line, so that the
	// goroutine ends even if nobody receives the line any more.
	ch := make(chan pasted, 1)
	go func() {
		line, err := s.Person.Paste(ctx)
		ch <- pasted{line, err}
	}()
	got, err := await(ctx, s, ch, until)
	switch {
	case err != nil:
		return "", err
	case got.err != nil && strings.TrimSpace(got.line) == "":
		return "", fmt.Errorf(
			"nothing was pasted (%w); nothing was stored. Run the command where you can paste, or with another --flow",
			got.err)
	}
	return got.line, nil
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
		return "", errors.New("it is empty")
	case !ok:
		return "", errors.New("it has no state, so nobody knows to which login it belongs; paste all of it")
	}
	return r.check(url.Values{"code": {code}, "state": {state}})
}

// check returns the code in an authorization response (RFC 6749 §4.1.2). It returns an error if
// the state is not that of this login, so that nobody can slip a code of another account to the
// person (RFC 6749 §10.12).
func (r codeRequest) check(q url.Values) (string, error) {
	switch {
	case q.Get("state") != r.state:
		return "", errors.New("it belongs to another login: its state is not ours")
	case q.Get("error") != "":
		return "", &refusedError{q.Get("error"), q.Get("error_description")}
	case q.Get("code") == "":
		return "", errors.New("it holds no code")
	}
	return q.Get("code"), nil
}

// refusedError is an error response of the authorization server (RFC 6749 §4.1.2.1) that the
// browser has brought.
type refusedError struct{ code, description string }

// Error implements error. The text is never shown: callers turn the response into a refusal.
func (e *refusedError) Error() string { return "refused" }
