package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// codexDevice begins a login at OpenAI by a protocol of OpenAI's own. Requests are JSON. A poll is
// answered with 403 or 404 until the person has consented, then with an authorization code and the
// PKCE verifier that the server has made for it.
func codexDevice(ctx context.Context, s *Session) (course, error) {
	const path = "/api/accounts/deviceauth"
	a, err := s.begin(ctx, request{url: s.at(path + "/usercode"), json: map[string]string{"client_id": s.client}})
	if err != nil {
		if a != nil && a.status == http.StatusNotFound {
			err = fmt.Errorf("%w; this server has no device login, take the flow browser", err)
		}
		return course{}, err
	}
	id := a.text("device_auth_id")
	s.hide(id)
	if id == "" {
		return course{}, errors.New("the server gave no id of the login; take the flow browser")
	}
	prompt, every := promptOf(a, defaultEvery)
	// The answer names no lifetime and no address.
	prompt.URL, prompt.Expires = s.at("/codex/device"), time.Now().Add(defaultLife)
	ask := func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{
			url: s.at(path + "/token"), json: map[string]string{"device_auth_id": id, "user_code": prompt.Code},
		})
	}
	read := func(ctx context.Context, a *answer) (reauth.Credential, error) {
		return s.redeemCodex(ctx, a.text("authorization_code"), a.text("code_verifier"), s.at("/deviceauth/callback"))
	}
	return s.polled(prompt, polling{every: every, ask: ask, judge: judgeCodex, read: read})
}

// judgeCodex reads OpenAI's answer to a poll.
func judgeCodex(a *answer) outcome {
	if a.status == http.StatusForbidden || a.status == http.StatusNotFound {
		return pending
	}
	return judge(a)
}

// codexOptions returns the parameters of OpenAI's consent page for Codex. With the first one the ID
// token names the organizations of the account.
func codexOptions() []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("id_token_add_organizations", "true"),
		oauth2.SetAuthURLParam("codex_cli_simplified_flow", "true"),
	}
}

// codexBrowser begins a login at OpenAI by a browser on this host. OpenAI has registered the two ports
// for Codex's client.
func codexBrowser(ctx context.Context, s *Session) (course, error) {
	l, err := s.listen(ctx, "/auth/callback", 1455, 1457)
	if err != nil {
		return course{}, err
	}
	r := s.newCodeRequest(l.redirect(), codexOptions()...)
	return l.browsed(r.address(), r.check, s.redeemerOfCodex(r)), nil
}

// codexPaste begins a login at OpenAI by a browser anywhere. OpenAI sends that browser to a loopback
// address that nothing listens on there; the address holds the code, and the person pastes it.
func codexPaste(_ context.Context, s *Session) (course, error) {
	port := 1455
	if s.opt.Port != 0 {
		port = s.opt.Port
	}
	r := s.newCodeRequest(fmt.Sprintf("http://localhost:%d/auth/callback", port), codexOptions()...)
	hint := "After you consent, the browser shows an address that it cannot open. Paste that address here."
	return s.pasted(r.address(), hint, r.read, s.redeemerOfCodex(r)), nil
}

// redeemerOfCodex exchanges the code that answers a request.
func (s *Session) redeemerOfCodex(r codeRequest) redeemer {
	return func(ctx context.Context, code string) (reauth.Credential, error) {
		return s.redeemCodex(ctx, code, r.verifier, r.config.RedirectURL)
	}
}

// redeemCodex exchanges an authorization code for tokens by a form (RFC 6749 §4.1.3).
func (s *Session) redeemCodex(ctx context.Context, code, verifier, redirect string) (reauth.Credential, error) {
	s.hide(code, verifier)
	if code == "" || verifier == "" {
		return reauth.Credential{}, errors.New("the server consented and gave no code; start another login")
	}
	return s.redeem(ctx, request{url: s.at(s.auth.TokenPath()), form: url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect},
		"client_id": {s.client}, "code_verifier": {verifier},
	}})
}
