package reauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

const whoAmI = "https://auth.openai.com/api/accounts/v1/user-auth-credential/whoami"

// personal returns a personal access token of Codex as a program adds it.
func personal() reauth.Credential {
	return reauth.Credential{Provider: "codex", AccessToken: " at-EXAMPLE-personal\n"}
}

// The account of a personal access token is asked for once, at OpenAI's server or the one that the
// metadata names. With it the edge of ChatGPT lets requests through.
func TestFillAccount(t *testing.T) {
	for name, fedRAMP := range map[string]bool{"usual": false, "FedRAMP": true} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			fake.AddPersonalToken("at-EXAMPLE-personal", "acct-1", fedRAMP)
			w := newTokenWire(func(req *http.Request) (*http.Response, error) { return fake.Transport().RoundTrip(req) })
			for _, c := range []reauth.Credential{
				{Provider: "groq", AccessToken: "at-EXAMPLE"},
				{Provider: "codex", AccessToken: "eyJ.a.b"},
				{Provider: "codex", AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE"},
			} {
				same, err := reauth.FillAccount(t.Context(), c, w.client())
				require.NoError(t, err)
				assert.Equal(t, c, same)
			}
			assert.Empty(t, w.urls(), "a credential of another kind")
			given := personal()
			c, err := reauth.FillAccount(t.Context(), given, w.client())
			require.NoError(t, err)
			assert.Equal(t, []string{whoAmI}, w.urls())
			assert.Equal(t, map[string]string{
				"Accept": "application/json", "Authorization": "Bearer at-EXAMPLE-personal", "User-Agent": "reauth",
			}, w.sent()[0].headers())
			assert.Equal(t, personal(), given, "the argument stays as it is")
			again, err := reauth.FillAccount(t.Context(), c, w.client())
			require.NoError(t, err)
			assert.Equal(t, c, again)

			pool := poolOf(t, c)
			client := &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)}
			send := func(ctx context.Context) (int, string) {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost,
					"https://chatgpt.com/backend-api/codex/responses", strings.NewReader("{}"))
				require.NoError(t, err)
				resp, err := client.Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				return resp.StatusCode, string(body)
			}
			status, _ := send(t.Context())
			assert.Equal(t, 200, status)
			assert.Equal(t, "acct-1", pool.Status()[0].AccountID)
			bareID, err := pool.Add(t.Context(), personal())
			require.NoError(t, err)
			status, body := send(reauth.WithCredential(t.Context(), "codex", bareID))
			assert.Equal(t, 403, status)
			assert.Contains(t, body, "<html>", "without the account")
			fake.Expire()
			status, _ = send(reauth.WithCredential(t.Context(), "codex", "acct-1"))
			assert.Equal(t, 401, status, "nothing renews it")
			require.ErrorIs(t, pool.Refresh(t.Context(), "codex", "acct-1"), reauth.ErrNotRefreshable)
		})
	}
}

func TestFillAccountElsewhere(t *testing.T) {
	w := newTokenWire(says(200, `{"chatgpt_account_id":"acct-1"}`))
	c := personal()
	c.Metadata = map[string]string{vendors.IssuerNote: "https://auth.corp.example/", vendors.FedRAMPNote: "true"}
	got, err := reauth.FillAccount(t.Context(), c, w.client())
	require.NoError(t, err)
	assert.Equal(t, []string{"https://auth.corp.example/api/accounts/v1/user-auth-credential/whoami"}, w.urls())
	assert.Empty(t, got.Metadata[vendors.FedRAMPNote], "the server says otherwise")
	assert.Equal(t, "true", c.Metadata[vendors.FedRAMPNote], "the argument stays as it is")
	for _, issuer := range []string{"http://auth.corp.example", "https://me:pw@auth.corp.example", "%", "auth.corp.example"} {
		c.Metadata[vendors.IssuerNote] = issuer
		_, err = reauth.FillAccount(t.Context(), c, w.client())
		require.ErrorContains(t, err, "token URL", issuer)
	}
	assert.Len(t, w.urls(), 1, "the token goes to none of them")
}

func TestAccountsThatCannotBeFilled(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	waits := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	for name, c := range map[string]struct {
		answer httpmock.Responder
		ctx    context.Context
		given  string // AccountID
		want   string
	}{
		"refused":          {answer: says(401, `{"error":{"code":"token_invalid"}}`), want: "make a new one at https://chatgpt.com/admin"},
		"forbidden":        {answer: says(403, `{"detail":"no"}`), want: "another kind, with status 403"},
		"edge":             {answer: says(403, `<html>`), want: "not what that server says; try again, or set AccountID"},
		"down":             {answer: says(503, ``), want: "with status 503"},
		"a page":           {answer: says(200, `<html>`), want: "with status 200"},
		"a redirect":       {answer: says(302, ``, "Location", "https://stranger.example/"), want: "with status 302"},
		"no account":       {answer: says(200, `{}`), want: "names no account; set AccountID"},
		"an unfit account": {answer: says(200, `{"chatgpt_account_id":"a\nb"}`), want: "names no account"},
		"half an answer":   {answer: says(200, `{"chatgpt_account_id":"a`), want: "with status 200"},
		"no connection":    {answer: noDial, want: "does not answer"},
		"a secret in it":   {answer: httpmock.NewErrorResponder(errors.New("broken while sending at-EXAMPLE-personal")), want: "does not answer: Get"},
		"another account":  {answer: says(200, `{"chatgpt_account_id":"acct-1"}`), given: "acct-2", want: "of another account than AccountID"},
		"an ended context": {answer: waits, ctx: ended, want: "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			given := personal()
			given.AccountID = c.given
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			got, err := reauth.FillAccount(c.ctx, given, newTokenWire(c.answer).client())
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "reauth: account of a credential of openai-codex: ")
			assert.NotContains(t, err.Error(), "EXAMPLE")
			assert.Equal(t, given, got)
		})
	}
}
