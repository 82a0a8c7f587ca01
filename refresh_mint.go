package reauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/loosejson"

	"github.com/reauth-go/reauth/internal/vendors"
)

// mintingGrant renews logins whose token is not spent: access tokens are minted for it. Where that
// token expires itself, a refresh token of its own renews it. That one rotates, and is kept in the
// metadata.
type mintingGrant struct {
	*grant         // mints
	renewal *grant // renews the token that mints
	prefix  string // of the refresh tokens for renewal
}

// newMintingGrant makes the grant of a row whose tokens mint. The renewal is GitHub's (docs.github.com,
// "Refreshing user access tokens"): RFC 6749 §6, as a form, by the client of the login, at the server
// of the login.
func newMintingGrant(g *grant, row vendors.Vendor) *mintingGrant {
	cfg := *g.cfg
	cfg.ClientID = cmp.Or(cfg.ClientID, row.Auth.ClientID)
	cfg.JSON, cfg.Reusable, cfg.Scopes = false, false, nil
	g.issuer = row.Auth.IssuerOf(g.endpoint)
	m := &mintingGrant{grant: g, prefix: row.Auth.RenewPrefix}
	m.renewal = &grant{
		provider: g.provider, cfg: &cfg, endpoint: g.issuer + row.Auth.LoginTokenPath(),
		build: func(ctx context.Context, endpoint string, c Credential, cfg OAuth2Config) (*http.Request, error) {
			c.RefreshToken = m.renewalToken(c)
			return buildGrant(ctx, endpoint, c, cfg)
		},
	}
	return m
}

// Refresh implements Refresher. What a renewal has brought it returns beside an error, too: the old
// tokens are spent.
func (m *mintingGrant) Refresh(ctx context.Context, c Credential) (Credential, error) {
	login, failed := c, error(nil)
	if m.isOver(c, time.Now()) {
		login, failed = m.renewed(ctx, c)
	}
	if m.isForRenewal(login.RefreshToken) {
		return keptOf(c, login), failed
	}
	got, err := m.grant.Refresh(ctx, login)
	if isUnauthorized(err) && failed == nil && login.RefreshToken == c.RefreshToken && m.renewalToken(c) != "" {
		if login, failed = m.renewed(ctx, c); failed == nil {
			got, err = m.grant.Refresh(ctx, login)
		}
	}
	kept := keptOf(c, login)
	got.RefreshToken, got.Metadata = kept.RefreshToken, kept.withNotes(got.Metadata).Metadata
	switch {
	case isUnauthorized(err) && failed != nil:
		err = failed // whether the login is dead, its own refresh token tells
	case isUnauthorized(err) && kept.RefreshToken != "":
		err = asTemporary(err) // GitHub has just renewed the login
	}
	return got, err
}

// isForRenewal reports whether a token renews the one that mints.
func (m *mintingGrant) isForRenewal(token string) bool {
	return m.prefix != "" && strings.HasPrefix(token, m.prefix)
}

// renewalToken returns the refresh token that renews the one that mints; empty: there is none. A
// program may have put it where other providers' refresh tokens are.
func (m *mintingGrant) renewalToken(c Credential) string {
	if m.isForRenewal(c.RefreshToken) {
		return c.RefreshToken
	}
	return c.Metadata[vendors.GitHubRefreshNote]
}

// isOver reports whether the clock says that the token which mints has expired, or there is none.
func (m *mintingGrant) isOver(c Credential, now time.Time) bool {
	if m.renewalToken(c) == "" || m.isForRenewal(c.RefreshToken) {
		return m.isForRenewal(c.RefreshToken)
	}
	ends, err := time.Parse(time.RFC3339, c.Metadata[vendors.GitHubExpiryNote])
	return err == nil && !now.Before(ends) // no time: not by the clock
}

// renewed returns the login with a new token that mints. Beside an error the login is as it was, or
// has only a new refresh token, in the place of the token that mints.
func (m *mintingGrant) renewed(ctx context.Context, c Credential) (Credential, error) {
	got, err := m.renewal.Refresh(ctx, c)
	switch {
	case got.AccessToken != "":
		err = nil // also of one that has "expired on arrival": trusted until it is refused
	case got.RefreshToken == "":
		return c, err
	}
	ends := ""
	if !got.Expiry.IsZero() {
		ends = got.Expiry.UTC().Format(time.RFC3339)
	}
	login := c.withNotes(map[string]string{
		vendors.GitHubRefreshNote: cmp.Or(got.RefreshToken, m.renewalToken(c)), vendors.GitHubExpiryNote: ends,
	})
	login.RefreshToken = cmp.Or(got.AccessToken, got.RefreshToken)
	return login, err
}

// keptOf returns what is new in a login that has been renewed; empty: nothing.
func keptOf(was, login Credential) (kept Credential) {
	if login.RefreshToken == was.RefreshToken {
		return kept
	}
	kept.RefreshToken = login.RefreshToken
	return kept.withNotes(map[string]string{
		vendors.GitHubRefreshNote: login.Metadata[vendors.GitHubRefreshNote],
		vendors.GitHubExpiryNote:  login.Metadata[vendors.GitHubExpiryNote],
	})
}

// isUnauthorized reports whether err is an answer with 401.
func isUnauthorized(err error) bool {
	var re *RefreshError
	return errors.As(err, &re) && re.Status == http.StatusUnauthorized
}

// asTemporary returns the error of an endpoint as one that says nothing about the grant.
func asTemporary(err error) error {
	var re *RefreshError
	if !errors.As(err, &re) {
		return err
	}
	temporary := *re
	temporary.Permanent = false
	return &temporary
}

// copilotQuirks: RefreshToken holds a GitHub token, which is not spent. The endpoint mints an
// access token for it and answers in its own form. It may want the version of an editor in a
// header, which the user sets in OAuth2Config.Header.
func copilotQuirks(g *grant, row vendors.Vendor) {
	g.build = func(ctx context.Context, endpoint string, c Credential, _ OAuth2Config) (*http.Request, error) {
		if row.IsKey(c.RefreshToken) {
			return nil, ErrNotRefreshable
		}
		return buildMint(ctx, endpoint, c)
	}
	g.read = func(a *tokenAnswer) {
		a.AccessToken = loosejson.Text(a.raw["token"])
		if n, ok := loosejson.Number(a.raw["expires_at"]); ok {
			a.ExpiresAt = unixSeconds(n)
		}
		if api := loosejson.Text(a.nested("endpoints", "api")); api != "" {
			a.Metadata = map[string]string{"endpoint": api}
		}
	}
	g.permanent = func(a *tokenAnswer) bool {
		// The token has been revoked, or is of a kind that cannot mint.
		return a.status == http.StatusUnauthorized || a.status == http.StatusNotFound
	}
}

// buildMint is the request that mints one of Copilot's tokens for a GitHub token.
func buildMint(ctx context.Context, endpoint string, c Credential) (*http.Request, error) {
	if err := checkTokenURL(endpoint); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, errors.New("the token URL is malformed")
	}
	req.Header.Set("Authorization", "token "+c.RefreshToken)
	return req, nil
}
