package reauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// What RefreshError wraps is printed by test libraries and dumpers too.
func TestNoVerbShowsASecretOfAWrappedError(t *testing.T) {
	for name, r := range map[string]reauth.Refresher{
		"ours": exampleRefresher(newTokenWire(lost), reauth.OAuth2Config{}), "x/oauth2's": sourceRefresher(newTokenWire(lost)),
	} {
		_, err := r.Refresh(context.Background(), exampleLogin())
		for ; err != nil; err = errors.Unwrap(err) {
			for _, verb := range []string{"%#v", "%d", "%+d"} {
				for _, secret := range oldTokens {
					assert.NotContains(t, fmt.Sprintf(verb, err), secret, name)
				}
			}
		}
	}
}

// A Retry-After in seconds counts from receipt (RFC 9110 §10.2.3), whatever the Date; a date is of the server's clock.
func TestRetryAfterAndAClockThatIsOff(t *testing.T) {
	for _, skew := range []time.Duration{-3 * time.Hour, -4 * time.Minute, 0, 4 * time.Minute, 3 * time.Hour} {
		for name, c := range map[string]struct {
			wait  time.Duration
			sends []time.Duration
		}{
			"short": {2 * time.Second, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
			"long":  {time.Minute, []time.Duration{0}},
		} {
			for _, dated := range []bool{false, true} {
				onFakeClock(t, fmt.Sprintf("%s, server ahead by %s, a date %t", name, skew, dated), func(t *testing.T) {
					w := newTokenWire(func(req *http.Request) (*http.Response, error) {
						server, after := time.Now().Add(skew), fmt.Sprint(int(c.wait.Seconds()))
						if dated {
							after = server.Add(c.wait).UTC().Format(http.TimeFormat)
						}
						return says(429, `{}`, "Date", server.UTC().Format(http.TimeFormat), "Retry-After", after)(req)
					})
					_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
					assert.Equal(t, c.sends, w.times())
					assert.Equal(t, c.wait, refreshError(t, err).RetryAfter)
				})
			}
		}
	}
}

// Copilot's mint, say: an endpoint that is away for a minute must not hold a request for 30 s.
func TestReusableTokensAreNotRepeatedWhenTheWaitIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWire(says(503, ``, "Retry-After", "60"))
		pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{Reusable: true}), exampleLogin())
		err := pool.Refresh(context.Background(), "example", "me")
		assert.Zero(t, time.Since(w.begin))
		assert.Equal(t, time.Minute, refreshError(t, err).RetryAfter)
		assert.Len(t, w.sent(), 1)
	})
}

// The secret of a confidential client is one too.
func TestClientSecretIsInNoError(t *testing.T) {
	for name, answer := range map[string]string{
		"plain":   `{"error":"invalid_client","error_description":"bad secret cs-EXAMPLE"}`,
		"in code": `{"error":"cs-EXAMPLE"}`,
	} {
		_, err := exampleRefresher(newTokenWire(says(401, answer)), reauth.OAuth2Config{ClientID: "app", ClientSecret: "cs-EXAMPLE"}).Refresh(context.Background(), exampleLogin())
		assert.NotContains(t, err.Error(), "cs-EXAMPLE", name)
	}
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send cs-EXAMPLE") }
	_, err := exampleRefresher(newTokenWire(broken), reauth.OAuth2Config{ClientID: "app", ClientSecret: "cs-EXAMPLE"}).Refresh(context.Background(), exampleLogin())
	assert.NotContains(t, err.Error(), "cs-EXAMPLE", "no answer")
}

// Dropping what cannot be printed must not put a token together again.
func TestTokenTornByWhatCannotBePrintedIsRedacted(t *testing.T) {
	torn := oldTokens[1][:6] + `\u200b` + oldTokens[1][6:]
	_, err := exampleRefresher(newTokenWire(says(400, `{"error_description":"no `+torn+`"}`)), reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	assert.NotContains(t, err.Error(), oldTokens[1])
}

// As it does when there was an answer.
func TestErrorWithoutAnAnswerNamesTheProvider(t *testing.T) {
	_, err := exampleRefresher(newTokenWire(lost), reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	assert.Equal(t, "example", refreshError(t, err).Provider)
}

// Nothing was sent: there is nothing to wait for, nor to repeat.
func TestRefusedTokenThatCannotBeExchangedIsToldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		r     func(w *tokenWire) reauth.Refresher
		login reauth.Credential
	}{
		"GitHub's key": {func(w *tokenWire) reauth.Refresher { return builtinOver(t, w, "copilot", reauth.OAuth2Config{}) }, reauth.Credential{Provider: "copilot", ID: "me", AccessToken: oldTokens[0], RefreshToken: "gho_EXAMPLE"}},
		"a bad endpoint": {func(w *tokenWire) reauth.Refresher {
			return exampleRefresher(w, reauth.OAuth2Config{TokenURL: "http://auth.example.com"})
		}, exampleLogin()},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(lost)
			pool := loginPool(t, c.r(w), c.login)
			require.Error(t, pool.Report(context.Background(), c.login.Provider, "me", oldTokens[0], reauth.Verdict{Kind: reauth.Rejected}))
			assert.Zero(t, time.Since(w.begin))
			assert.Empty(t, w.sent())
		})
	}
}

// closing tells when a body is closed.
type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

// The exchange has happened: what came with the deadline counts.
func TestAnswerThatComesWithTheDeadlineIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		r := reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: exampleTokenURL, HTTPClient: &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) {
			time.Sleep(30 * time.Second)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: closing{bytes.NewReader([]byte(newPair)), &closed}}, nil
		})}})
		pool := loginPool(t, r, exampleLogin())
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, newTokens, tokensIn(t, pool))
		assert.True(t, closed)
	})
}

// As in JSON.
func TestExpiryInAForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Time{"3600": time.Now().Add(time.Hour), "NaN": {}, "soon": {}, "": {}, "1e999": {}} {
			w := newTokenWire(says(200, "access_token=at-EXAMPLE-new&expires_in="+value, "Content-Type", form))
			got, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
			require.NoError(t, err)
			assert.True(t, want.Equal(got.Expiry), "%s: want %s, got %s", value, want, got.Expiry)
		}
	})
}

// The pair is rotated: a wrong label on the answer must not lose it.
func TestAnswerUnderAWrongTypeIsRead(t *testing.T) {
	for _, kind := range []string{"text/html", "text/html; charset=utf-8", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded", ""} {
		got, err := exampleRefresher(newTokenWire(says(200, newPair, "Content-Type", kind)), reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
		require.NoError(t, err, kind)
		assert.Equal(t, newTokens, tokens(got), kind)
	}
}

// Discovery is a token call too.
func TestDiscoverySendsTheUsersHeader(t *testing.T) {
	w := newTokenWire(says(200, newPair))
	w.RegisterResponder("GET", xaiDiscoveryURL, discovers(xaiTokenURL))
	_, err := builtinOver(t, w, "xai", reauth.OAuth2Config{Header: http.Header{"User-Agent": {"example/1"}}}).Refresh(context.Background(), loginAt("xai-oauth"))
	require.NoError(t, err)
	for _, call := range w.sent() {
		assert.Equal(t, "example/1", call.headers()["User-Agent"], call.url)
	}
}
