package login

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// miniMaxDevice begins a login at MiniMax by a user code with PKCE. MiniMax's protocol looks like RFC
// 8628 and differs from it: expired_in is an instant, interval is in milliseconds, status tells the
// outcome, and a poll names the user code.
func miniMaxDevice(ctx context.Context, s *Session) (course, error) {
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	s.hide(verifier)
	header := map[string]string{"X-Request-Id": requestID()}
	a, err := s.begin(ctx, request{url: s.at(s.auth.Device.Code), header: header, form: url.Values{
		"response_type": {"code"}, "client_id": {s.client}, "scope": {s.scope}, "state": {state},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}})
	if err != nil {
		return course{}, err
	}
	if a.text("state") != state {
		return course{}, errors.New("the server's answer belongs to another login: its state is not ours")
	}
	prompt, every := promptOfMiniMax(a)
	ask := func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{url: s.at(s.auth.TokenPath()), header: header, form: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:user_code"}, "client_id": {s.client},
			"user_code": {prompt.Code}, "code_verifier": {verifier},
		}})
	}
	return s.polled(prompt, polling{every: every, ask: ask, judge: judgeMiniMax, read: s.grantedBy})
}

// promptOfMiniMax is promptOf for MiniMax.
func promptOfMiniMax(a *answer) (Prompt, time.Duration) {
	p := Prompt{
		Code: a.text("user_code"), URL: livePage(a.text("verification_uri")), Expires: time.Now().Add(defaultLife),
	}
	if at := instant(a, "expired_in"); !at.IsZero() {
		p.Expires = time.Now().Add(min(time.Until(at), longestLife))
	}
	every := 2 * time.Second
	if n := seconds(a.number("interval") / 1000); n > 0 {
		every = n
	}
	return p, every
}

// livePage returns the address of MiniMax's page for logins. MiniMax names an address at www, which
// answers with its home page; the page for logins is at platform.
func livePage(address string) string {
	for _, domain := range []string{"minimax.io", "minimaxi.com"} {
		if rest, ok := strings.CutPrefix(address, "https://www."+domain+"/oauth-authorize"); ok {
			return "https://platform." + domain + "/oauth-authorize" + rest
		}
	}
	return address
}

// judgeMiniMax reads MiniMax's answer to a poll. If the HTTP status is a success, the member
// status tells the outcome. MiniMax reports an expired code by a description without an error code.
func judgeMiniMax(a *answer) outcome {
	if !a.ok() {
		if a.code == "" && strings.Contains(a.description, "expired") {
			a.code = "expired_token"
		}
		return judge(a)
	}
	switch a.text("status") {
	case "success":
		return granted
	case "error":
		a.code = cmp.Or(a.code, "access_denied")
		return refused
	}
	return pending
}
