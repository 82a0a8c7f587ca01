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

// Test libraries and dumpers print the errors that a RefreshError wraps. Those hold no token
// either.
func TestNoVerbShowsASecretOfAWrappedError(t *testing.T) {
	for name, r := range map[string]reauth.Refresher{
		"ours":       exampleRefresher(newTokenWire(lost), reauth.OAuth2Config{}),
		"x/oauth2's": sourceRefresher(newTokenWire(lost)),
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

// A Retry-After in seconds counts from the moment we receive it (RFC 9110 §10.2.3), whatever the
// Date header says. A Retry-After that is a date is read on the server's clock, which Date tells.
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
				name := fmt.Sprintf("%s, server ahead by %s, a date %t", name, skew, dated)
				onFakeClock(t, name, func(t *testing.T) {
					w := newTokenWire(func(req *http.Request) (*http.Response, error) {
						server, after := time.Now().Add(skew), fmt.Sprint(int(c.wait.Seconds()))
						if dated {
							after = server.Add(c.wait).UTC().Format(http.TimeFormat)
						}
						date := server.UTC().Format(http.TimeFormat)
						return says(429, `{}`, "Date", date, "Retry-After", after)(req)
					})
					_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
					assert.Equal(t, c.sends, w.times())
					assert.Equal(t, c.wait, refreshError(t, err).RetryAfter)
				})
			}
		}
	}
}

// Copilot's endpoint is an example of one whose refresh tokens are reusable. When it is away for a
// minute, a request must not wait for it.
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

// An endpoint may repeat the secret of a confidential client. The error holds no such secret.
func TestClientSecretIsInNoError(t *testing.T) {
	cfg := reauth.OAuth2Config{ClientID: "app", ClientSecret: "cs-EXAMPLE"}
	for name, answer := range map[string]string{
		"plain":   `{"error":"invalid_client","error_description":"bad secret cs-EXAMPLE"}`,
		"in code": `{"error":"cs-EXAMPLE"}`,
	} {
		_, err := exampleRefresher(newTokenWire(says(401, answer)), cfg).Refresh(context.Background(), exampleLogin())
		assert.NotContains(t, err.Error(), "cs-EXAMPLE", name)
	}
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send cs-EXAMPLE") }
	_, err := exampleRefresher(newTokenWire(broken), cfg).Refresh(context.Background(), exampleLogin())
	assert.NotContains(t, err.Error(), "cs-EXAMPLE", "no answer")
}

// The description of an error is cleared of characters that cannot be printed. Two halves of a
// token that such a character separated must not come together as a token.
func TestTokenTornByWhatCannotBePrintedIsRedacted(t *testing.T) {
	torn := oldTokens[1][:6] + `\u200b` + oldTokens[1][6:]
	w := newTokenWire(says(400, `{"error_description":"no `+torn+`"}`))
	_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	assert.NotContains(t, err.Error(), oldTokens[1])
}

// The error names the provider with and without an answer.
func TestErrorWithoutAnAnswerNamesTheProvider(t *testing.T) {
	_, err := exampleRefresher(newTokenWire(lost), reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	assert.Equal(t, "example", refreshError(t, err).Provider)
}

// The refresher sent nothing. So the caller gets the error at once, without a wait or a second try.
func TestRefusedTokenThatCannotBeExchangedIsToldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		r     func(w *tokenWire) reauth.Refresher
		login reauth.Credential
	}{
		"GitHub's key": {
			r: func(w *tokenWire) reauth.Refresher { return builtinOver(t, w, "copilot", reauth.OAuth2Config{}) },
			login: reauth.Credential{
				Provider: "copilot", ID: "me", AccessToken: oldTokens[0], RefreshToken: "gho_EXAMPLE",
			},
		},
		"a bad endpoint": {func(w *tokenWire) reauth.Refresher {
			return exampleRefresher(w, reauth.OAuth2Config{TokenURL: "http://auth.example.com"})
		}, exampleLogin()},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(lost)
			pool := loginPool(t, c.r(w), c.login)
			rejected := reauth.Verdict{Kind: reauth.Rejected}
			require.Error(t, pool.Report(context.Background(), c.login.Provider, "me", oldTokens[0], rejected))
			assert.Zero(t, time.Since(w.begin))
			assert.Empty(t, w.sent())
		})
	}
}

// closing is a body that notes that it was closed.
type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

// The answer arrives at the very moment of the deadline. The endpoint has rotated the pair, so the
// refresher reads the answer all the same.
func TestAnswerThatComesWithTheDeadlineIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		late := roundTripFunc(func(*http.Request) (*http.Response, error) {
			time.Sleep(30 * time.Second) // the time limit of an exchange
			body := closing{bytes.NewReader([]byte(newPair)), &closed}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body}, nil
		})
		r := reauth.OAuth2Refresher(reauth.OAuth2Config{
			TokenURL: exampleTokenURL, HTTPClient: &http.Client{Transport: late},
		})
		pool := loginPool(t, r, exampleLogin())
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, newTokens, tokensIn(t, pool))
		assert.True(t, closed)
	})
}

// expires_in means the same in a form as in JSON. A value that is no number sets no expiry.
func TestExpiryInAForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Time{
			"3600": time.Now().Add(time.Hour), "NaN": {}, "soon": {}, "": {}, "1e999": {},
		} {
			w := newTokenWire(says(200, "access_token=at-EXAMPLE-new&expires_in="+value, "Content-Type", form))
			got, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
			require.NoError(t, err)
			assert.True(t, want.Equal(got.Expiry), "%s: want %s, got %s", value, want, got.Expiry)
		}
	})
}

// The endpoint has rotated the pair. A wrong Content-Type on its answer must not lose the new pair.
func TestAnswerUnderAWrongTypeIsRead(t *testing.T) {
	for _, kind := range []string{
		"text/html", "text/html; charset=utf-8", "text/plain", "application/octet-stream",
		"application/x-www-form-urlencoded", "",
	} {
		w := newTokenWire(says(200, newPair, "Content-Type", kind))
		got, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
		require.NoError(t, err, kind)
		assert.Equal(t, newTokens, tokens(got), kind)
	}
}

// The user's header goes out with the request for xAI's metadata as with the exchange.
func TestDiscoverySendsTheUsersHeader(t *testing.T) {
	w := newTokenWire(says(200, newPair))
	w.RegisterResponder("GET", xaiDiscoveryURL, discovers(xaiTokenURL))
	cfg := reauth.OAuth2Config{Header: http.Header{"User-Agent": {"example/1"}}}
	_, err := builtinOver(t, w, "xai", cfg).Refresh(context.Background(), loginAt("xai-oauth"))
	require.NoError(t, err)
	for _, call := range w.sent() {
		assert.Equal(t, "example/1", call.headers()["User-Agent"], call.url)
	}
}
