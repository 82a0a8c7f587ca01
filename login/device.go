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

// deviceGrant is the grant type of the requests that ask for the tokens (RFC 8628 §3.4).
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// device is the device flow (RFC 8628) at one authorization server. Code and Token are paths at the
// issuer, or whole addresses. The package does not use the device flow of x/oauth2: its polling
// ends at the first request without an answer, ignores the interval that GitHub names in a
// slow_down, and reports no progress to the person.
type device struct {
	vendors.Device
	header map[string]string // of each request
}

// device returns the provider's device flow. Its Token is the endpoint for logins, which can differ
// from the endpoint that renews tokens.
func (s *Session) device() device {
	d := device{Device: s.auth.Device, header: make(map[string]string)}
	d.Token = s.auth.LoginTokenPath()
	if d.RequestID {
		d.header["X-Request-Id"] = requestID()
	}
	return d
}

// deviceFlow begins the device flow with the addresses of the provider's row.
func deviceFlow(ctx context.Context, s *Session) (course, error) {
	return s.device().begin(ctx, s, s.grantedBy)
}

// grantedBy returns the credential in the answer that grants a login.
func (s *Session) grantedBy(_ context.Context, a *answer) (reauth.Credential, error) {
	return s.credential(a)
}

// begin asks for a device code (RFC 8628 §3.1), and returns the login that waits for the consent. read
// makes the credential of the answer with the tokens.
func (d device) begin(
	ctx context.Context, s *Session, read func(context.Context, *answer) (reauth.Credential, error),
) (course, error) {
	form, poll := d.forms(s)
	a, err := s.begin(ctx, request{url: s.at(d.Code), form: form, header: d.header})
	if err != nil {
		return course{}, err
	}
	code := a.text("device_code")
	s.hide(code)
	if code == "" {
		return course{}, errors.New("the server gave no device code")
	}
	poll.Set("device_code", code)
	ask := func(ctx context.Context) (*answer, error) {
		return s.do(ctx, request{url: s.at(d.Token), form: poll, header: d.header})
	}
	prompt, every := promptOf(a, cmp.Or(d.Every, defaultEvery))
	return s.polled(prompt, polling{every: every, ask: ask, judge: judge, read: read})
}

// forms returns the parameters of the request for a code and of a poll, the latter without the code.
func (d device) forms(s *Session) (begin, poll url.Values) {
	begin = url.Values{"client_id": {s.client}}
	if s.scope != "" {
		begin.Set("scope", s.scope)
	}
	poll = url.Values{"grant_type": {deviceGrant}, "client_id": {s.client}}
	if d.PKCE {
		verifier := oauth2.GenerateVerifier()
		s.hide(verifier)
		begin.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
		begin.Set("code_challenge_method", "S256")
		poll.Set("code_verifier", verifier)
	}
	return begin, poll
}

// at returns the address of a path at the issuer. It returns a whole address unchanged.
func (s *Session) at(path string) string {
	if strings.HasPrefix(path, "/") {
		return s.issuer + path
	}
	return path
}

// begin sends the first request of a device login, which asks for a code. It repeats a request that
// fails, since an unused code costs nothing. If the server refuses, begin returns the answer with
// the error.
func (s *Session) begin(ctx context.Context, r request) (*answer, error) {
	r.again = true
	a, err := s.do(ctx, r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server cannot be reached: %w; check the network, or the issuer", err)
	case !a.ok() || a.code != "":
		return a, s.refusal("the server gave no code", a)
	}
	return a, nil
}

// promptOf returns the address and the code in an answer (RFC 8628 §3.2), and the time between polls.
// every is that time if the answer names none.
func promptOf(a *answer, every time.Duration) (Prompt, time.Duration) {
	life := defaultLife
	if n := seconds(a.number("expires_in")); n > 0 {
		life = min(n, longestLife)
	}
	if n := seconds(a.number("interval")); n > 0 {
		every = n
	}
	return Prompt{
		URL:     cmp.Or(a.text("verification_uri_complete"), a.text("verification_uri"), a.text("verification_url")),
		Code:    cmp.Or(a.text("user_code"), a.text("usercode")),
		Expires: time.Now().Add(life),
	}, every
}

// checkPrompt returns an error if the address is neither https nor http on loopback, or if printing
// the address or the code could move a terminal's cursor.
func checkPrompt(p Prompt) error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || !isSafe(u) || !isPlain(p.URL, 2000) {
		return errors.New("the server named no address to log in at that is fit to be opened")
	}
	if p.Code == "" || !isPlain(p.Code, 64) {
		return errors.New("the server gave no code that can be shown")
	}
	return nil
}

// isPlain reports whether text is printable ASCII of at most longest bytes. Such a text moves no
// terminal's cursor.
func isPlain(text string, longest int) bool {
	return len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsPrint(r)
	})
}

// xaiDevice begins the device flow at the endpoints that the issuer's metadata names (OpenID Connect
// Discovery 1.0 §4). It sends nothing to an endpoint that is not the issuer's.
func xaiDevice(ctx context.Context, s *Session) (course, error) {
	d := s.device()
	a, err := s.do(ctx, request{url: s.at("/.well-known/openid-configuration"), again: true})
	switch {
	case ctx.Err() != nil:
		return course{}, ctx.Err()
	case err != nil, !a.ok(): // the endpoints have probably not moved, so the row's paths are tried
		return d.begin(ctx, s, s.grantedBy)
	}
	for member, to := range map[string]*string{"device_authorization_endpoint": &d.Code, "token_endpoint": &d.Token} {
		endpoint := a.text(member)
		switch {
		case endpoint == "":
		case !s.owns(endpoint):
			return course{}, errors.New(
				"the server's metadata names an address that is not its own; nothing was sent there")
		default:
			*to = endpoint
		}
	}
	return d.begin(ctx, s, s.grantedBy)
}

// owns reports whether an endpoint is the issuer's. An endpoint of the provider's own issuer must
// be https, at the provider's domain or below it. An endpoint of an issuer that the user has named
// must have the scheme, host and port of that issuer.
func (s *Session) owns(endpoint string) bool {
	u, err := url.Parse(endpoint)
	issuer, _ := url.Parse(s.issuer) // the row's, or checkIssuer has parsed it
	switch {
	case err != nil || u.User != nil:
		return false
	case !s.own:
		return u.Scheme == issuer.Scheme && u.Host == issuer.Host
	}
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") &&
		(host == s.auth.Domain || strings.HasSuffix(host, "."+s.auth.Domain))
}
