package reauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/reauth-go/reauth/internal/vendors"
)

// FillAccount returns a credential with the account that its provider tells of its access token, where
// the API wants the account beside a token that does not tell it: personal access tokens of a ChatGPT
// workspace, which Codex takes ("at-…"). It asks the authorization server of the provider once, or the one
// that Metadata names, and no other. A credential of another kind is returned as it is, without a request.
//
// When the server tells of another account than AccountID, or refuses the token, that is an error. client
// sends the request, and follows no redirect; nil: a client of our own, with a time-out of 30 s. It may be
// called from several goroutines at once.
func FillAccount(ctx context.Context, c Credential, client *http.Client) (Credential, error) {
	row := vendors.Of(c.Provider)
	token := strings.TrimSpace(c.AccessToken)
	isPersonal := row.Auth != nil && row.Auth.Account != "" && strings.HasPrefix(token, row.Auth.AccountPrefix)
	if !isPersonal || c.RefreshToken != "" {
		return c, nil
	}
	address := strings.TrimRight(cmp.Or(c.Metadata[vendors.IssuerNote], row.Auth.Issuer), "/") + row.Auth.Account
	found, err := askAccount(ctx, address, token, client)
	if errors.Is(err, errTokenRefused) {
		err = fmt.Errorf("%w; %s", err, row.HowRemade(token))
	}
	if err == nil && c.AccountID != "" && c.AccountID != found.AccountID {
		err = errors.New("the token is of another account than AccountID; leave that empty")
	}
	if err != nil {
		return c, fmt.Errorf("reauth: account of a credential of %s: %w", row.Name, newRedactedError(err, secretsOf(c)...))
	}
	c = c.clone()
	c.AccountID = found.AccountID
	fedRAMP := ""
	if found.FedRAMP {
		fedRAMP = "true"
	}
	if fedRAMP != c.Metadata[vendors.FedRAMPNote] {
		c = c.withNotes(map[string]string{vendors.FedRAMPNote: fedRAMP})
	}
	return c, nil
}

// accountAnswer is what the server tells of a token.
type accountAnswer struct {
	AccountID string `json:"chatgpt_account_id"`
	FedRAMP   bool   `json:"chatgpt_account_is_fedramp"`
}

var errTokenRefused = errors.New("the server refuses the token: it has expired, was revoked, or is of another kind")

// askAccount asks whose a token is.
func askAccount(ctx context.Context, address, token string, client *http.Client) (found accountAnswer, err error) {
	if err := checkTokenURL(address); err != nil {
		return found, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return found, errors.New("the address of the server is malformed")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "reauth/"+version)
	resp, err := newTokenClient(OAuth2Config{HTTPClient: client}).HTTPClient.Do(req)
	if err != nil {
		return found, fmt.Errorf("its server does not answer: %w; try again, or set AccountID", withoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return found, fmt.Errorf("reading the answer: %w", err)
	}
	return readAccount(resp.StatusCode, body)
}

// readAccount reads what the server answers.
func readAccount(status int, body []byte) (found accountAnswer, err error) {
	isPage := bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
	switch {
	case !isPage && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		return found, fmt.Errorf("%w, with status %d", errTokenRefused, status)
	case status != http.StatusOK, json.Unmarshal(body, &found) != nil:
		return found, fmt.Errorf("the answer, with status %d, is not what that server says; try again, "+
			"or set AccountID", status)
	case found.AccountID == "" || !isFit(found.AccountID):
		return found, errors.New("the server names no account; set AccountID")
	}
	return found, nil
}
