package reauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// sourceRefresher returns a refresher that uses golang.org/x/oauth2 over the wire.
func sourceRefresher(w *tokenWire) reauth.Refresher {
	cfg := &oauth2.Config{
		ClientID: "app",
		Endpoint: oauth2.Endpoint{TokenURL: exampleTokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	return reauth.TokenSourceRefresher(func(ctx context.Context, c reauth.Credential) oauth2.TokenSource {
		ctx = context.WithValue(ctx, oauth2.HTTPClient, w.client())
		return cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: c.RefreshToken})
	})
}

func TestTokenSourceRefresher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grants := func(body string) httpmock.Responder { return says(200, body, "Content-Type", "application/json") }
		w := newTokenWire(inTurn(
			grants(`{"access_token":"at-EXAMPLE-new","refresh_token":"rt-EXAMPLE-new","expires_in":3600}`),
			grants(`{"access_token":"at-EXAMPLE-newer","expires_in":3600}`),
		))
		pool := loginPool(t, sourceRefresher(w), exampleLogin())
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, newTokens, tokensIn(t, pool))
		assert.WithinDuration(t, time.Now().Add(time.Hour), heldBy(t, pool, exampleLogin()).Expiry, 0)
		// Each refresh makes a new source. A source that was used may return the token that it has.
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, []string{"at-EXAMPLE-newer", "rt-EXAMPLE-new"}, tokensIn(t, pool))
		require.Len(t, w.sent(), 2)
		assert.Equal(t, map[string]string{
			"grant_type": "refresh_token", "refresh_token": "rt-EXAMPLE-old", "client_id": "app",
		}, w.sent()[0].params(t))
		assert.Equal(t, "rt-EXAMPLE-new", w.sent()[1].params(t)["refresh_token"])
	})
	none := reauth.TokenSourceRefresher(func(context.Context, reauth.Credential) oauth2.TokenSource { return nil })
	pool := loginPool(t, none, exampleLogin())
	require.ErrorIs(t, pool.Refresh(context.Background(), "example", "me"), reauth.ErrNotRefreshable)
}

// A RetrieveError of x/oauth2 becomes the same RefreshError as an answer that we read ourselves.
// Any other error stays temporary.
func TestTokenSourceErrors(t *testing.T) {
	for name, c := range map[string]struct {
		answer httpmock.Responder
		want   reauth.RefreshError
	}{
		"a dead grant": {
			answer: says(400, `{"error":"invalid_grant","error_description":"gone"}`),
			want:   reauth.RefreshError{Status: 400, Code: "invalid_grant", Description: "gone", Permanent: true},
		},
		"of an API, which x/oauth2 gives as bytes": {
			answer: says(401, `{"error":{"code":"refresh_token_reused","message":"used"}}`),
			want: reauth.RefreshError{
				Status: 401, Code: "refresh_token_reused", Description: "used", Permanent: true,
			},
		},
		"plain text": {
			answer: says(401, `invalid_grant`, "Content-Type", "text/plain"),
			want:   reauth.RefreshError{Status: 401, Code: "invalid_grant", Permanent: true},
		},
		"the client's fault": {
			answer: says(401, `{"error":"invalid_client"}`),
			want:   reauth.RefreshError{Status: 401, Code: "invalid_client"},
		},
		"unavailable": {
			answer: says(503, `{"error":"invalid_grant"}`, "Retry-After", "7"),
			want:   reauth.RefreshError{Status: 503, Code: "invalid_grant", RetryAfter: 7 * time.Second},
		},
		"too many": {
			answer: says(429, ``, "Retry-After", "60"),
			want:   reauth.RefreshError{Status: 429, RetryAfter: time.Minute},
		},
		"a page": {
			answer: says(403, `<p>invalid_grant</p>`, "Content-Type", "text/html"),
			want:   reauth.RefreshError{Status: 403, Description: "the answer is a page, not of the token endpoint"},
		},
		"an error in a 200": {
			answer: says(200, `{"error":"bad_refresh_token"}`),
			want:   reauth.RefreshError{Status: 200, Code: "bad_refresh_token", Permanent: true},
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(c.answer)
			pool := loginPool(t, sourceRefresher(w), exampleLogin())
			c.want.Provider = "example"
			assert.Equal(t, &c.want, refreshError(t, pool.Refresh(context.Background(), "example", "me")))
			assert.Equal(t, oldTokens, tokensIn(t, pool))
			assert.Len(t, w.sent(), 1)
		})
	}
	for name, a := range map[string]httpmock.Responder{
		"no answer": lost, "no access token": says(200, `{}`), "no JSON": says(200, `x`),
	} {
		t.Run(name, func(t *testing.T) {
			pool := loginPool(t, sourceRefresher(newTokenWire(a)), exampleLogin())
			re := refreshError(t, pool.Refresh(context.Background(), "example", "me"))
			assert.False(t, re.Permanent)
			require.Error(t, re.Err)
			assert.Equal(t, name == "no answer", errors.Is(re, io.ErrUnexpectedEOF))
			assert.Equal(t, oldTokens, tokensIn(t, pool))
		})
	}
}

func TestRefreshErrorTellsWhatIsKnown(t *testing.T) {
	broken := errors.New("broken")
	for want, e := range map[string]*reauth.RefreshError{
		"reauth: refresh":                          {},
		"reauth: refresh example: status 503":      {Provider: "example", Status: 503, RetryAfter: time.Second},
		"reauth: refresh example: no_access_token": {Provider: "example", Code: "no_access_token"},
		"reauth: refresh example: broken":          {Provider: "example", Err: broken},
		"reauth: refresh example: status 400: invalid_grant: it is gone; a new login is needed": {
			Provider: "example", Status: 400, Code: "invalid_grant", Description: "it is gone", Permanent: true,
		},
	} {
		assert.EqualError(t, e, want)
		assert.Equal(t, e.Err, errors.Unwrap(e))
	}
}

// assertSecretless fails if a failed refresh shows a token: in its error, in the event that the
// observer gets, or in the log.
func assertSecretless(t *testing.T, r reauth.Refresher, c reauth.Credential) {
	t.Helper()
	pool := loginPool(t, r, c)
	var events eventLog
	var log bytes.Buffer
	pool.Observe, pool.Logger = events.observe, slog.New(slog.NewTextHandler(&log, nil))
	_, direct := r.Refresh(context.Background(), c)
	pooled := pool.Refresh(context.Background(), c.Provider, c.ID)
	var said []string
	for _, err := range []error{direct, pooled} {
		said = append(said, fmt.Sprintf("%#v", err), fmt.Sprintf("%#v", *refreshError(t, err)))
		for ; err != nil; err = errors.Unwrap(err) {
			said = append(said, err.Error(), fmt.Sprintf("%v %+v %q", err, err, err))
		}
	}
	failed := events.all(reauth.RefreshFailed)
	require.Len(t, failed, 1)
	require.Contains(t, log.String(), "refresh-failed")
	said = append(said, fmt.Sprintf("%+v", failed), fmt.Sprintf("%#v", failed), log.String())
	for _, s := range said {
		for _, secret := range secretsIn(c) {
			assert.NotContains(t, s, secret)
		}
	}
}

// secretsIn returns the secrets of a credential.
func secretsIn(c reauth.Credential) []string {
	list := []string{c.RefreshToken, c.AccessToken}
	for _, name := range vendors.SecretNotes() {
		if c.Metadata[name] != "" {
			list = append(list, c.Metadata[name])
		}
	}
	return list
}

// echoes are answers and failures of an endpoint that repeats the tokens that it got.
func echoes(c reauth.Credential) map[string]httpmock.Responder {
	both := strings.Join(secretsIn(c), " and ")
	return map[string]httpmock.Responder{
		"a description":    says(400, `{"error":"invalid_grant","error_description":"no such token: `+both+`"}`),
		"a code":           says(400, `{"error":"`+both+`"}`),
		"an object":        says(401, `{"error":{"code":"`+both+`","message":"`+both+`"}}`),
		"a message":        says(404, `{"message":"`+both+`"}`),
		"a detail":         says(400, `{"detail":"`+both+`"}`),
		"a status message": says(200, `{"status":"error","base_resp":{"status_code":5,"status_msg":"`+both+`"}}`),
		"a page":           says(400, `<p>`+both+`</p>`),
		"a text":           says(400, both, "Content-Type", "text/plain"),
		"a form": says(400, url.Values{"error": {both}, "error_description": {both}}.Encode(),
			"Content-Type", "application/x-www-form-urlencoded"),
		"where to go instead": says(307, both,
			"Location", "https://stranger.example/?"+url.Values{"token": {both}}.Encode()),
		"no answer": httpmock.NewErrorResponder(fmt.Errorf("broken while sending %s", both)),
	}
}

func TestNoSecretInWhatARefresherSays(t *testing.T) {
	keyed := reauth.OAuth2Config{TokenURL: exampleTokenURL + "?key=key-EXAMPLE"}
	_, err := exampleRefresher(newTokenWire(lost), keyed).Refresh(context.Background(), exampleLogin())
	assert.NotContains(t, err.Error(), "key-EXAMPLE", "the error does not hold the URL's query")
	for name, answer := range echoes(exampleLogin()) {
		onFakeClock(t, name, func(t *testing.T) {
			assertSecretless(t, exampleRefresher(newTokenWire(answer), reauth.OAuth2Config{}), exampleLogin())
			assertSecretless(t, sourceRefresher(newTokenWire(answer)), exampleLogin())
		})
	}
}

func TestOAuth2ConfigInALogHoldsNoSecret(t *testing.T) {
	var b bytes.Buffer
	cfg := reauth.OAuth2Config{
		TokenURL: "https://auth.example.com/token", ClientID: "me", ClientSecret: "very-secret",
		Header: http.Header{"X": {"very-secret"}},
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "value", cfg, "pointer", &cfg)
	assert.NotContains(t, b.String(), "very-secret")
	assert.Contains(t, b.String(), "auth.example.com")
}
