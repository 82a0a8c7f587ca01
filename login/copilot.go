package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// copilotDevice begins a login at GitHub. GitHub's token becomes the refresh token of the credential,
// and the library exchanges it for a token of Copilot whenever it needs one. The login makes the first
// exchange itself, so that a person without Copilot learns it at once.
func copilotDevice(ctx context.Context, s *Session) (course, error) {
	return s.device().begin(ctx, s, s.copilotCredential)
}

// copilotCredential returns the credential for GitHub's answer. On seats where GitHub's token expires,
// the answer has a second one that renews it, and when it expires; the library renews it by them.
func (s *Session) copilotCredential(ctx context.Context, a *answer) (reauth.Credential, error) {
	github, err := s.credential(a)
	if err != nil {
		return github, err
	}
	c := reauth.Credential{ClientID: s.opt.ClientID, RefreshToken: github.AccessToken}
	if github.RefreshToken != "" {
		s.note(&c, vendors.GitHubRefreshNote, github.RefreshToken)
		if !github.Expiry.IsZero() {
			s.note(&c, vendors.GitHubExpiryNote, github.Expiry.UTC().Format(time.RFC3339))
		}
	}
	if err := s.mint(ctx, &c); err != nil {
		return c, err
	}
	// Without the name of the account the library names the credential by a digest of the token.
	if who, err := s.do(ctx, request{
		url: s.gitHubAPI() + "/user", header: map[string]string{"Authorization": "token " + c.RefreshToken},
	}); err == nil && who.ok() {
		if name := who.text("login"); isPlain(name, 64) {
			c.AccountID = name
		}
	}
	return c, ctx.Err()
}

// mint exchanges GitHub's token for the first one of Copilot. GitHub's token may be one that Copilot
// takes as it is.
func (s *Session) mint(ctx context.Context, c *reauth.Credential) error {
	r, err := reauth.BuiltinRefresher(s.row.Name, reauth.OAuth2Config{
		TokenURL: s.auth.TokenURLAt(s.issuer), Header: s.opt.Header,
		HTTPClient: &http.Client{Transport: s.base, Timeout: callTimeout},
	})
	if err != nil {
		return err
	}
	got, err := r.Refresh(ctx, *c)
	var refused *reauth.RefreshError
	switch {
	case errors.Is(err, reauth.ErrNotRefreshable):
		return nil
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return fmt.Errorf(
			"GitHub knows the account, and it has no Copilot: %s. Get Copilot for it, or log in with another account",
			s.tell(err.Error()))
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return fmt.Errorf(
			"tokens of this client ID cannot be exchanged for Copilot's: %s. Use another one", s.tell(err.Error()))
	case err != nil:
		return fmt.Errorf("GitHub gave a token, but none of Copilot's for it: %s. "+
			"If it asks for the version of an editor, give yours as a header", s.tell(err.Error()))
	}
	c.AccessToken, c.Expiry = got.AccessToken, got.Expiry
	c.RefreshToken = cmp.Or(got.RefreshToken, c.RefreshToken) // GitHub's may have been renewed at once
	s.hide(c.AccessToken, c.RefreshToken)
	for name, value := range got.Metadata {
		s.note(c, name, value)
	}
	return nil
}

// gitHubAPI returns the address of the API of the GitHub that is the issuer.
func (s *Session) gitHubAPI() string {
	return strings.TrimSuffix(s.auth.TokenURLAt(s.issuer), s.auth.TokenPath())
}
