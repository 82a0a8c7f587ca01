package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// miniMaxDevice logs in at MiniMax by a user code with PKCE. MiniMax's protocol looks like RFC 8628
// and differs from it: expired_in is an instant, interval is in milliseconds, status tells the
// outcome, and a poll names the user code.
func miniMaxDevice(ctx context.Context, s *session) (reauth.Credential, error) {
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	s.hide(verifier)
	header := map[string]string{"X-Request-Id": requestID()}
	a, err := s.begin(ctx, request{url: s.at(s.row.Auth.Device.Code), header: header, form: url.Values{
		"response_type": {"code"}, "client_id": {s.client}, "scope": {s.scope}, "state": {state},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}})
	if err != nil {
		return reauth.Credential{}, err
	}
	if a.text("state") != state {
		return reauth.Credential{}, errors.New(
			"the server's answer belongs to another login: its state is not ours; nothing was stored")
	}
	c := consent{
		userCode: a.text("user_code"), address: livePage(a.text("verification_uri")),
		every: 2 * time.Second, until: time.Now().Add(defaultLife),
	}
	if n := seconds(a.number("interval") / 1000); n > 0 {
		c.every = n
	}
	if at := instant(a, "expired_in"); !at.IsZero() {
		c.until = time.Now().Add(min(time.Until(at), longestLife))
	}
	if err := s.visit(c); err != nil {
		return reauth.Credential{}, err
	}
	got, err := s.poll(ctx, c, func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{url: s.at(s.row.Auth.TokenPath()), header: header, form: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:user_code"}, "client_id": {s.client},
			"user_code": {c.userCode}, "code_verifier": {verifier},
		}})
	}, judgeMiniMax)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.credential(got)
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

// instant reads a point in time, which servers write in one of three units. A number below 1e9 is
// seconds from now; one below 1e12 is seconds since 1970 by the server's clock; a larger one is
// milliseconds since 1970. instant returns the zero time if there is no number, or if byOurClock
// does.
func instant(a *answer, member string) time.Time {
	switch n := a.number(member); {
	case n <= 0:
		return time.Time{}
	case n < 1e9:
		return time.Now().Add(seconds(n))
	case n < 1e12:
		return byOurClock(a, time.Unix(int64(n), 0))
	default:
		return byOurClock(a, time.UnixMilli(int64(min(n, 1e16))))
	}
}

// byOurClock converts an instant of the server's clock to one of ours. It returns the zero time for
// an instant in the past: no server gives a code or a token that has expired, so the clocks differ
// by an unknown time.
func byOurClock(a *answer, at time.Time) time.Time {
	at = at.Add(-a.skew())
	if !at.After(time.Now()) {
		return time.Time{}
	}
	return at
}

// codexDevice logs in at OpenAI by a protocol of OpenAI's own. Requests are JSON. A poll is
// answered with 403 or 404 until the person has consented, then with an authorization code and the
// PKCE verifier that the server has made for it.
func codexDevice(ctx context.Context, s *session) (reauth.Credential, error) {
	const path = "/api/accounts/deviceauth"
	a, err := s.begin(ctx, request{url: s.at(path + "/usercode"), json: map[string]string{"client_id": s.client}})
	if err != nil {
		if a != nil && a.status == http.StatusNotFound {
			err = fmt.Errorf("%w; this server has no device login, use --flow browser", err)
		}
		return reauth.Credential{}, err
	}
	id := a.text("device_auth_id")
	s.hide(id)
	c := consent{
		userCode: cmp.Or(a.text("user_code"), a.text("usercode")), address: s.at("/codex/device"),
		every: defaultEvery, until: time.Now().Add(defaultLife),
	}
	if n := seconds(a.number("interval")); n > 0 {
		c.every = n
	}
	if id == "" {
		return reauth.Credential{}, errors.New("the server gave no id of the login; use --flow browser")
	}
	if err := s.visit(c); err != nil {
		return reauth.Credential{}, err
	}
	got, err := s.poll(ctx, c, func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{
			url: s.at(path + "/token"), json: map[string]string{"device_auth_id": id, "user_code": c.userCode},
		})
	}, judgeCodex)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemCodex(ctx, got.text("authorization_code"), got.text("code_verifier"), s.at("/deviceauth/callback"))
}

// judgeCodex reads OpenAI's answer to a poll.
func judgeCodex(a *answer) outcome {
	if a.status == http.StatusForbidden || a.status == http.StatusNotFound {
		return pending
	}
	return judge(a)
}

// copilotDevice logs in at GitHub. GitHub's token becomes the refresh token of the credential, and
// the library exchanges it for a token of Copilot whenever it needs one. copilotDevice makes the
// first exchange itself, so that a person without Copilot learns it at once.
func copilotDevice(ctx context.Context, s *session) (reauth.Credential, error) {
	a, err := s.device().obtain(ctx, s)
	if err != nil {
		return reauth.Credential{}, err
	}
	c, err := s.credential(a)
	if err != nil {
		return c, err
	}
	c = reauth.Credential{Provider: s.row.Name, RefreshToken: c.AccessToken}
	api := s.gitHubAPI()
	r, err := reauth.BuiltinRefresher(s.row.Name, reauth.OAuth2Config{
		TokenURL: api + s.row.Auth.TokenPath(), Header: s.Header,
		HTTPClient: &http.Client{Transport: s.Base, Timeout: callTimeout},
	})
	if err != nil {
		return c, err
	}
	got, err := r.Refresh(ctx, c)
	var refused *reauth.RefreshError
	switch {
	case errors.Is(err, reauth.ErrNotRefreshable): // GitHub's token is sent to Copilot as it is
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return c, fmt.Errorf(
			"GitHub knows the account, and it has no Copilot: %s. Get Copilot for it, or log in with another account",
			s.tell(err.Error()))
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return c, fmt.Errorf(
			"tokens of this client cannot be exchanged for Copilot's: %s. See --client-id", s.tell(err.Error()))
	case err != nil:
		return c, fmt.Errorf("GitHub gave a token, but none of Copilot's for it: %s. If it asks for the version of an editor, give yours by --header",
			s.tell(err.Error()))
	default:
		c.AccessToken, c.Expiry, c.Metadata = got.AccessToken, got.Expiry, got.Metadata
		s.hide(c.AccessToken)
	}
	// Without the name of the account the library names the credential by a digest of the token.
	if who, err := s.do(ctx, request{
		url: api + "/user", header: map[string]string{"Authorization": "token " + c.RefreshToken},
	}); err == nil && who.ok() {
		if name := who.text("login"); isPlain(name, 64) {
			c.AccountID = name
		}
	}
	return c, nil
}

// gitHubAPI returns the address of the API of the GitHub that is the issuer: the host api. of its
// domain. For an issuer on loopback it is the issuer itself: an address has no subdomains.
func (s *session) gitHubAPI() string {
	u, _ := url.Parse(s.issuer) // the row's, or checkIssuer has parsed it
	if isLoopback(u.Hostname()) {
		return s.issuer
	}
	return u.Scheme + "://api." + u.Host
}
