package login

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// anthropicPaste begins a login at Anthropic by a browser anywhere. The page at the end of the consent
// shows the code, and the person pastes it.
func anthropicPaste(_ context.Context, s *Session) (course, error) {
	redirect := s.at("/oauth/code/callback")
	if s.own { // Anthropic has registered an address at another host than the issuer's
		redirect = "https://console.anthropic.com/oauth/code/callback"
	}
	r := s.newCodeRequest(redirect, oauth2.SetAuthURLParam("code", "true")) // the page shows the code
	hint := "After you consent, the page shows a code. Paste it here, with all that follows the #."
	return s.pasted(r.address(), hint, r.read, s.redeemerOfAnthropic(r)), nil
}

// anthropicBrowser begins a login at Anthropic by a browser on this host.
func anthropicBrowser(ctx context.Context, s *Session) (course, error) {
	l, err := s.listen(ctx, "/callback", 54545)
	if err != nil {
		return course{}, err
	}
	r := s.newCodeRequest(l.redirect(), oauth2.SetAuthURLParam("code", "true"))
	return l.browsed(r.address(), r.check, s.redeemerOfAnthropic(r)), nil
}

// redeemerOfAnthropic exchanges the code that answers a request for tokens. Anthropic wants a JSON
// object that holds the state, which x/oauth2 cannot send.
func (s *Session) redeemerOfAnthropic(r codeRequest) redeemer {
	endpoint := s.at(s.auth.TokenPath())
	if s.own {
		endpoint = s.auth.TokenURL // Anthropic exchanges codes at another host than the issuer's
	}
	return func(ctx context.Context, code string) (reauth.Credential, error) {
		s.hide(code)
		return s.redeem(ctx, request{url: endpoint, json: map[string]string{
			"grant_type": "authorization_code", "code": code, "state": r.state, "client_id": s.client,
			"redirect_uri": r.config.RedirectURL, "code_verifier": r.verifier,
		}})
	}
}
