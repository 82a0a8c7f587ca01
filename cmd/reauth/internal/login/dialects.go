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

// miniMaxDevice is a grant by user code with PKCE, which looks like RFC 8628 and differs in each
// member: expired_in is an instant, interval is in milliseconds, and status tells the outcome.
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
		return reauth.Credential{}, errors.New("the server's answer belongs to another login: its state is not ours; nothing was stored")
	}
	c := consent{userCode: a.text("user_code"), address: livePage(a.text("verification_uri")), every: 2 * time.Second, until: time.Now().Add(defaultLife)}
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
			"grant_type": {"urn:ietf:params:oauth:grant-type:user_code"}, "client_id": {s.client}, "user_code": {c.userCode}, "code_verifier": {verifier},
		}})
	}, judgeMiniMax)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.credential(got)
}

// livePage: the page at www answers with the home page, the one at platform is that for logins.
func livePage(address string) string {
	for _, domain := range []string{"minimax.io", "minimaxi.com"} {
		if rest, ok := strings.CutPrefix(address, "https://www."+domain+"/oauth-authorize"); ok {
			return "https://platform." + domain + "/oauth-authorize" + rest
		}
	}
	return address
}

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

// instant reads a number of seconds from now, or an instant in seconds or milliseconds by the
// server's clock.
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

// byOurClock is zero for an instant that has passed as soon as it is told: then the clocks differ
// and nobody knows by how much.
func byOurClock(a *answer, at time.Time) time.Time {
	at = at.Add(-a.skew())
	if !at.After(time.Now()) {
		return time.Time{}
	}
	return at
}

// codexDevice is OpenAI's own protocol: JSON, 403 or 404 while nobody has consented, and at its end
// a code that is exchanged with a verifier of the server's making.
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
	c := consent{userCode: cmp.Or(a.text("user_code"), a.text("usercode")), address: s.at("/codex/device"), every: defaultEvery, until: time.Now().Add(defaultLife)}
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
		return s.do(ctx, request{url: s.at(path + "/token"), json: map[string]string{"device_auth_id": id, "user_code": c.userCode}})
	}, judgeCodex)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.redeemCodex(ctx, got.text("authorization_code"), got.text("code_verifier"), s.at("/deviceauth/callback"))
}

func judgeCodex(a *answer) outcome {
	if a.status == http.StatusForbidden || a.status == http.StatusNotFound {
		return pending
	}
	return judge(a)
}

// copilotDevice logs in at GitHub, whose token is kept and exchanged for one of Copilot's whenever
// one is needed: here for the first time.
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
		TokenURL: api + s.row.Auth.TokenPath(), Header: s.Header, HTTPClient: &http.Client{Transport: s.Base, Timeout: callTimeout},
	})
	if err != nil {
		return c, err
	}
	got, err := r.Refresh(ctx, c)
	var refused *reauth.RefreshError
	switch {
	case errors.Is(err, reauth.ErrNotRefreshable): // a token that is sent as it is
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return c, fmt.Errorf("GitHub knows the account, and it has no Copilot: %s. Get Copilot for it, or log in with another account", s.tell(err.Error()))
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return c, fmt.Errorf("tokens of this client cannot be exchanged for Copilot's: %s. See --client-id", s.tell(err.Error()))
	case err != nil:
		return c, fmt.Errorf("GitHub gave a token, but none of Copilot's for it: %s. If it asks for the version of an editor, give yours by --header", s.tell(err.Error()))
	default:
		c.AccessToken, c.Expiry, c.Metadata = got.AccessToken, got.Expiry, got.Metadata
		s.hide(c.AccessToken)
	}
	if who, err := s.do(ctx, request{url: api + "/user", header: map[string]string{"Authorization": "token " + c.RefreshToken}}); err == nil && who.ok() {
		if name := who.text("login"); isPlain(name, 64) { // without it the credential is named by a digest
			c.AccountID = name
		}
	}
	return c, nil
}

// gitHubAPI is where the API of a GitHub is: beside it, but for a server on this host.
func (s *session) gitHubAPI() string {
	u, _ := url.Parse(s.issuer) // was checked
	if isLoopback(u.Hostname()) {
		return s.issuer
	}
	return u.Scheme + "://api." + u.Host
}
