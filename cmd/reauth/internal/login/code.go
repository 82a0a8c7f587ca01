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

// codeRequest asks for consent by an authorization code (RFC 6749 §4.1) with PKCE.
type codeRequest struct {
	config          oauth2.Config
	verifier, state string
	more            []oauth2.AuthCodeOption // what else the provider wants
}

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

func (r codeRequest) address() string {
	return r.config.AuthCodeURL(r.state, append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier)}, r.more...)...)
}

// The extra parameters are the vendors': Codex's account comes with its organizations, Anthropic's
// page shows the code.
func codexOptions() []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("id_token_add_organizations", "true"), oauth2.SetAuthURLParam("codex_cli_simplified_flow", "true")}
}

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

func codexPaste(ctx context.Context, s *session) (reauth.Credential, error) {
	port := 1455
	if s.Port != 0 {
		port = s.Port
	}
	r := s.newCodeRequest(fmt.Sprintf("http://localhost:%d/auth/callback", port), codexOptions()...)
	code, err := s.pasted(ctx, r, "After you consent, the browser shows an address that it cannot open. Paste that address here.")
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemCodex(ctx, code, r.verifier, r.config.RedirectURL)
}

// redeemCodex exchanges a code by a form. It is sent once: a code that comes a second time ends the
// login (RFC 6749 §4.1.2).
func (s *session) redeemCodex(ctx context.Context, code, verifier, redirect string) (reauth.Credential, error) {
	s.hide(code, verifier)
	if code == "" || verifier == "" {
		return reauth.Credential{}, errors.New("the server consented and gave no code; nothing was stored. Run the command again")
	}
	a, err := s.do(ctx, request{url: s.at(s.row.Auth.TokenPath()), form: url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "client_id": {s.client}, "code_verifier": {verifier},
	}})
	if err != nil {
		return reauth.Credential{}, s.unredeemed(err)
	}
	return s.redeemed(a)
}

func (s *session) unredeemed(err error) error {
	return fmt.Errorf("the code was not exchanged: %w; nothing was stored, and the code may be spent. Run the command again", err)
}

func (s *session) redeemed(a *answer) (reauth.Credential, error) {
	if !a.ok() || a.code != "" {
		return reauth.Credential{}, s.refusal("the code was not exchanged", a)
	}
	return s.credential(a)
}

func anthropicPaste(ctx context.Context, s *session) (reauth.Credential, error) {
	redirect := s.at("/oauth/code/callback")
	if s.own {
		redirect = "https://console.anthropic.com/oauth/code/callback"
	}
	r := s.newCodeRequest(redirect, oauth2.SetAuthURLParam("code", "true"))
	code, err := s.pasted(ctx, r, "After you consent, the page shows a code. Paste it here, with all that follows the #.")
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemAnthropic(ctx, code, r)
}

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

// redeemAnthropic exchanges a code by JSON with the state in it, for which x/oauth2 has no form. It
// is sent once.
func (s *session) redeemAnthropic(ctx context.Context, code string, r codeRequest) (reauth.Credential, error) {
	endpoint := s.at(s.row.Auth.TokenPath())
	if s.own {
		endpoint = s.row.Auth.TokenURL // at another host than the issuer
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

// maxTries is how often a person may paste something else.
const maxTries = 3

// pasted asks the person for a code until it is one of this login.
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
			return "", s.refusal("consent was not given", &answer{raw: emptyObject(), code: told.code, description: told.description})
		case try == maxTries:
			return "", fmt.Errorf("%w; nothing was stored. Run the command again", err)
		}
		s.Person.Note("That is not it: " + err.Error() + ".")
	}
}

// line waits for what the person pastes.
func (s *session) line(ctx context.Context, until time.Time) (string, error) {
	type pasted struct {
		line string
		err  error
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ch := make(chan pasted, 1) // whoever reads a terminal cannot be called off, and must not wait for us either
	go func() {
		line, err := s.Person.Paste(ctx)
		ch <- pasted{line, err}
	}()
	got, err := await(ctx, s, ch, until)
	switch {
	case err != nil:
		return "", err
	case got.err != nil && strings.TrimSpace(got.line) == "":
		return "", fmt.Errorf("nothing was pasted (%w); nothing was stored. Run the command where you can paste, or with another --flow", got.err)
	}
	return got.line, nil
}

// read finds the code in what was pasted: "code#state", or the address that the browser was sent
// to.
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

// check finds the code in an authorization response (RFC 6749 §4.1.2) and makes sure that it
// belongs to this login.
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

// refusedError is the authorization server's no, brought by the browser.
type refusedError struct{ code, description string }

func (e *refusedError) Error() string { return "refused" }
