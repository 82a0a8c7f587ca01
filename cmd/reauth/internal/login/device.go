package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// device is the flow of RFC 8628 at one authorization server. Code and Token are paths at the
// issuer, or addresses. x/oauth2 has this flow too; its polling ends at the first request without
// an answer and knows neither GitHub's interval nor a person who wants to see how it stands.
type device vendors.Device

// device returns the provider's device flow.
func (s *session) device() device {
	d := device(s.row.Auth.Device)
	d.Token = s.row.Auth.LoginTokenPath()
	return d
}

// deviceFlow is RFC 8628 as the provider's row has it.
func deviceFlow(ctx context.Context, s *session) (reauth.Credential, error) {
	return s.device().run(ctx, s)
}

func (d device) run(ctx context.Context, s *session) (reauth.Credential, error) {
	a, err := d.obtain(ctx, s)
	if err != nil {
		return reauth.Credential{}, err
	}
	return s.credential(a)
}

// obtain has the person consent, and returns the answer with the tokens.
func (d device) obtain(ctx context.Context, s *session) (*answer, error) {
	form, verifier, header := url.Values{"client_id": {s.client}, "scope": {s.scope}}, "", map[string]string{}
	if d.PKCE {
		verifier = oauth2.GenerateVerifier()
		s.hide(verifier)
		form.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
		form.Set("code_challenge_method", "S256")
	}
	if d.RequestID {
		header["X-Request-Id"] = requestID()
	}
	a, err := s.begin(ctx, request{url: s.at(d.Code), form: form, header: header})
	if err != nil {
		return nil, err
	}
	code := a.text("device_code")
	s.hide(code)
	if code == "" {
		return nil, errors.New("the server gave no device code")
	}
	c, err := s.consent(a, cmp.Or(d.Every, defaultEvery))
	if err != nil {
		return nil, err
	}
	poll := url.Values{"grant_type": {deviceGrant}, "device_code": {code}, "client_id": {s.client}}
	if d.PKCE {
		poll.Set("code_verifier", verifier)
	}
	return s.poll(ctx, c, func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{url: s.at(d.Token), form: poll, header: header})
	}, judge)
}

// at is an address of the issuer.
func (s *session) at(path string) string {
	if strings.HasPrefix(path, "/") {
		return s.issuer + path
	}
	return path
}

// begin asks for a code. That may be repeated: an unused code costs nothing. A refusal comes with
// its answer.
func (s *session) begin(ctx context.Context, r request) (*answer, error) {
	r.again = true
	a, err := s.do(ctx, r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server cannot be reached: %w; check the network, or --issuer", err)
	case !a.ok() || a.code != "":
		return a, s.refusal("the server gave no code", a)
	}
	return a, nil
}

// consent shows the person where to go, and says what to wait for.
func (s *session) consent(a *answer, every time.Duration) (consent, error) {
	c := consent{userCode: cmp.Or(a.text("user_code"), a.text("usercode")), every: every, until: time.Now().Add(defaultLife)}
	if n := seconds(a.number("interval")); n > 0 {
		c.every = n
	}
	if n := seconds(a.number("expires_in")); n > 0 {
		c.until = time.Now().Add(min(n, longestLife))
	}
	c.address = cmp.Or(a.text("verification_uri_complete"), a.text("verification_uri"), a.text("verification_url"))
	return c, s.visit(c)
}

// visit sends the person to an address that is fit to be opened.
func (s *session) visit(c consent) error {
	u, err := url.Parse(c.address)
	if err != nil || u.Host == "" || !isSafe(u) || !isPlain(c.address, 2000) {
		return errors.New("the server named no address to log in at that is fit to be opened")
	}
	if c.userCode == "" || !isPlain(c.userCode, 64) {
		return errors.New("the server gave no code that can be shown")
	}
	s.Person.Visit(c.address, c.userCode)
	return nil
}

// isPlain: nothing in it moves a terminal's cursor.
func isPlain(text string, longest int) bool {
	return len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}

// xaiDevice finds its endpoints by discovery, and takes only the issuer's own.
func xaiDevice(ctx context.Context, s *session) (reauth.Credential, error) {
	d := s.device()
	a, err := s.do(ctx, request{url: s.at("/.well-known/openid-configuration"), again: true})
	switch {
	case ctx.Err() != nil:
		return reauth.Credential{}, ctx.Err()
	case err != nil, !a.ok(): // the paths known are tried: metadata only tells whether they have moved
		return d.run(ctx, s)
	}
	for member, to := range map[string]*string{"device_authorization_endpoint": &d.Code, "token_endpoint": &d.Token} {
		endpoint := a.text(member)
		switch {
		case endpoint == "":
		case !s.owns(endpoint):
			return reauth.Credential{}, errors.New("the server's metadata names an address that is not its own; nothing was sent there")
		default:
			*to = endpoint
		}
	}
	return d.run(ctx, s)
}

// owns reports whether an endpoint is the issuer's: at the provider's domain, or at the very host
// that the user has named.
func (s *session) owns(endpoint string) bool {
	u, err := url.Parse(endpoint)
	issuer, _ := url.Parse(s.issuer) // was checked
	switch {
	case err != nil || u.User != nil:
		return false
	case !s.own:
		return u.Scheme == issuer.Scheme && u.Host == issuer.Host
	}
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && (host == s.row.Auth.Domain || strings.HasSuffix(host, "."+s.row.Auth.Domain))
}
