package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// endless is a body without an end. It counts the bytes that are read of it, and how often it is
// closed.
type endless struct{ read, closed int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return copy(b, bytes.Repeat([]byte(" "), len(b))), nil
}

func (e *endless) Close() error { e.closed++; return nil }

// The refresher reads at most 1 MiB of an answer.
func TestAnswerIsBounded(t *testing.T) {
	body := new(endless)
	w := newTokenWire(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: body}, nil
	})
	pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), exampleLogin())
	re := refreshError(t, pool.Refresh(context.Background(), "example", "me"))
	assert.False(t, re.Permanent)
	assert.LessOrEqual(t, body.read, 1<<20)
	assert.Equal(t, 1, body.closed)
	assert.Equal(t, oldTokens, tokensIn(t, pool))

	pad := strings.Repeat(" ", 1<<20-len(newPair))
	w = newTokenWire(says(200, pad+newPair))
	_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	require.NoError(t, err, "the refresher reads an answer of 1 MiB")
}

// The test tries every code at every status. A refusal is permanent only if the status is a
// definite answer and the code is a known word for a dead grant.
func TestWhichRefusalsArePermanent(t *testing.T) {
	dead := []string{
		"invalid_grant", "INVALID_GRANT", "invalid_token", "token_expired", "expired_token", "token_revoked",
		"bad_refresh_token", "invalid_refresh_token",
		"refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated", "refresh_token_revoked",
		"refresh_token_not_found",
		"app_session_terminated", "app_session_expired", "example_dead",
	}
	other := []string{
		"", "invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "server_error",
		"temporarily_unavailable", "slow_down", "rate_limit_error", "unsupported_country", "invalid_grant_of_access",
		"Example_Dead",
	}
	check := func(status int, code string, want bool) {
		onFakeClock(t, fmt.Sprintf("%d %s", status, code), func(t *testing.T) {
			for _, body := range []string{
				`{"error":%q}`, `{"error":{"code":%q,"type":"invalid_request_error"}}`, `{"error":{"type":%q}}`,
				`{"detail":{"code":%q}}`, `{"code":%q,"message":"no"}`,
			} {
				w := newTokenWire(says(status, fmt.Sprintf(body, code)))
				r := exampleRefresher(w, reauth.OAuth2Config{Permanent: []string{"example_dead"}})
				_, err := r.Refresh(context.Background(), exampleLogin())
				re := refreshError(t, err)
				assert.Equal(t, want, re.Permanent, body)
				if code != "" {
					assert.Equal(t, code, re.Code, body)
				}
				assert.Equal(t, status, re.Status)
			}
		})
	}
	for _, status := range []int{400, 401, 403, 404} {
		for _, code := range dead {
			check(status, code, true)
		}
		for _, code := range other {
			check(status, code, false)
		}
		check(status, "unauthorized", status == 401)
	}
	for _, status := range []int{429, 500, 502, 503, 529} {
		check(status, "invalid_grant", false)
		check(status, "example_dead", false)
	}
}

// Some endpoints answer with nothing but the code. It means what it means inside of JSON.
func TestBodyThatIsACode(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	w := newTokenWire(nil)
	r := exampleRefresher(w, reauth.OAuth2Config{Permanent: []string{"example_dead"}})
	refused := func(status int, body string, kind string) *reauth.RefreshError {
		w.RegisterNoResponder(says(status, body, "Content-Type", kind))
		_, err := r.Refresh(context.Background(), exampleLogin())
		return refreshError(t, err)
	}
	for _, code := range []string{
		"invalid_grant", "INVALID_GRANT", "refresh_token_reused", "example_dead", // dead
		"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	} {
		for _, status := range []int{400, 401} {
			twin := refused(status, fmt.Sprintf(`{"error":%q}`, code), "application/json")
			for _, kind := range []string{"text/plain; charset=utf-8", "text/html", "application/json", form, ""} {
				for _, body := range []string{code, " " + code + "\r\n", `"` + code + `"`} {
					assert.Equal(t, twin, refused(status, body, kind), "%d %s %q", status, kind, body)
				}
			}
		}
		for _, status := range []int{200, 403, 404, 429, 500} {
			assert.False(t, refused(status, code, "text/plain").Permanent, "%d %s", status, code)
		}
	}
	for _, body := range []string{"unauthorized", "Unauthorized", "invalid_grant invalid_grant", "<p>invalid_grant</p>", ""} {
		for _, status := range []int{400, 401} {
			re := refused(status, body, "text/plain")
			assert.Equal(t, []any{"", false}, []any{re.Code, re.Permanent}, "%d %s", status, body)
		}
	}
}

// The endpoint has answered. So the refresher does not repeat the exchange, and the pool keeps the
// pair.
func TestWhatARefusalSays(t *testing.T) {
	noToken := reauth.RefreshError{
		Status: 200, Code: "no_access_token", Description: "the token endpoint gave no access token",
	}
	const page = "the answer is a page, not of the token endpoint"
	for name, c := range map[string]struct {
		answer httpmock.Responder
		want   reauth.RefreshError
	}{
		"RFC 6749 §5.2": {
			says(400, `{"error":"invalid_grant","error_description":"gone","error_uri":"https://example.com"}`),
			reauth.RefreshError{Status: 400, Code: "invalid_grant", Description: "gone", Permanent: true},
		},
		"an API's error object": {
			answer: says(401, `{"error":{"code":"c","type":"t","message":"m"}}`),
			want:   reauth.RefreshError{Status: 401, Code: "c", Description: "m"},
		},
		"with a number for its code": {
			answer: says(401, `{"error":{"code":401,"type":"t","message":"m"}}`),
			want:   reauth.RefreshError{Status: 401, Code: "t", Description: "m"},
		},
		"a detail": {
			answer: says(404, `{"detail":"Not Found"}`),
			want:   reauth.RefreshError{Status: 404, Description: "Not Found"},
		},
		"a message": {
			answer: says(403, `{"message":"Bad credentials","status":"403"}`),
			want:   reauth.RefreshError{Status: 403, Description: "Bad credentials"},
		},
		"plain text": {
			answer: says(400, `invalid_grant`, "Content-Type", "text/plain"),
			want:   reauth.RefreshError{Status: 400, Code: "invalid_grant", Permanent: true},
		},
		"plain text that says more": {
			answer: says(400, `invalid_grant: no such token`, "Content-Type", "text/plain"),
			want:   reauth.RefreshError{Status: 400},
		},
		"a sentence beside its code": {
			answer: says(403, `{"code":"permission-denied","error":"Your plan has no access."}`),
			want:   reauth.RefreshError{Status: 403, Code: "permission-denied", Description: "Your plan has no access."},
		},
		"no body":        {says(403, ``), reauth.RefreshError{Status: 403}},
		"half of a body": {says(400, `{"error":"invalid_grant`), reauth.RefreshError{Status: 400}},
		"an error in a 200": {
			answer: says(200, `{"error":"bad_refresh_token","access_token":"at-EXAMPLE-new"}`),
			want:   reauth.RefreshError{Status: 200, Code: "bad_refresh_token", Permanent: true},
		},
		"a form": {
			answer: says(200, `error=bad_refresh_token&error_description=It+is+gone&access_token=at`,
				"Content-Type", "application/x-www-form-urlencoded"),
			want: reauth.RefreshError{
				Status: 200, Code: "bad_refresh_token", Description: "It is gone", Permanent: true,
			},
		},
		"a page that names a code": {
			answer: says(400, `<p>invalid_grant</p>`),
			want:   reauth.RefreshError{Status: 400, Description: page},
		},
		"a page by its type": {
			answer: says(403, `{"error":"invalid_grant"`, "Content-Type", "text/html; charset=utf-8"),
			want:   reauth.RefreshError{Status: 403, Description: page},
		},
		"when to come back": {
			answer: says(503, `{}`, "Retry-After", "7"),
			want:   reauth.RefreshError{Status: 503, RetryAfter: 7 * time.Second},
		},
		"when to come back, a date": {
			answer: says(503, ``, "Retry-After", "Sat, 01 Jan 2000 00:02:00 GMT"),
			want:   reauth.RefreshError{Status: 503, RetryAfter: 2 * time.Minute},
		},
		"when to come back, bounded": {
			answer: says(503, ``, "Retry-After", "99999999"),
			want:   reauth.RefreshError{Status: 503, RetryAfter: 24 * time.Hour},
		},
		"when the quota comes back": {
			answer: says(502, `{"error":{"type":"t","resets_in_seconds":77}}`),
			want:   reauth.RefreshError{Status: 502, Code: "t", RetryAfter: 77 * time.Second},
		},
		"nonsense about coming back": {
			answer: says(502, `{"error":{"type":"t","resets_in_seconds":-1}}`, "Retry-After", "soon"),
			want:   reauth.RefreshError{Status: 502, Code: "t"},
		},
		"what cannot be printed": {
			answer: says(400, `{"error":"a\u0000b\u001b[31m","error_description":"one\ntwo\u202e\t\u0007"}`),
			want:   reauth.RefreshError{Status: 400, Code: "ab[31m", Description: "one two "},
		},
		"a success without its token": {says(200, `{}`), noToken},
		"a page instead of a success": {says(200, `<html>`), noToken},
		"a list":                      {says(200, `[]`), noToken},
		"a token that is a number":    {says(200, `{"access_token":1}`), noToken},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(c.answer)
			pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), exampleLogin())
			c.want.Provider = "example"
			assert.Equal(t, &c.want, refreshError(t, pool.Refresh(context.Background(), "example", "me")))
			assert.Len(t, w.sent(), 1, "the exchange is not repeated")
			assert.Equal(t, oldTokens, tokensIn(t, pool), "the pool keeps the pair")
		})
	}
	long := says(400, `{"error":"`+strings.Repeat("c", 5000)+`","error_description":"`+strings.Repeat("ä", 5000)+`"}`)
	_, err := exampleRefresher(newTokenWire(long), reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
	assert.Less(t, len(err.Error()), 4<<10+400)
	assert.True(t, utf8.ValidString(err.Error()))
}

// An answer holds a new refresh token and no access token. The provider accepts the old refresh
// token no more, so the pool keeps the new one.
func TestRotatedRefreshTokenIsKeptWithoutAnAccessToken(t *testing.T) {
	for _, body := range []string{
		`{"refresh_token":"rt-EXAMPLE-new"}`, `{"access_token":"","refresh_token":"rt-EXAMPLE-new"}`,
		`{"access_token":null,"refresh_token":"rt-EXAMPLE-new","expires_in":3600}`,
	} {
		w := newTokenWire(says(200, body).Then(says(200, `{"access_token":"at-EXAMPLE-new"}`)))
		pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), exampleLogin())
		re := refreshError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.False(t, re.Permanent)
		assert.Equal(t, []string{oldTokens[0], newTokens[1]}, tokensIn(t, pool))

		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		again := w.sent()[1].params(t)["refresh_token"]
		assert.Equal(t, "rt-EXAMPLE-new", again, "the pool does not spend the old one twice")
		assert.Equal(t, newTokens, tokensIn(t, pool), "the refresh token stays when an answer leaves it out")
	}
}

func TestExpiryOfNewTokens(t *testing.T) {
	const never, latency, years = time.Duration(0), time.Second, 10 * 365 * 24 * time.Hour
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // every bubble starts then
	inAnHour := jwt(fmt.Sprintf(`{"exp":%d}`, start.Add(time.Hour).Unix()))
	for name, c := range map[string]struct {
		token, rest string        // the access token, and the rest of the answer
		skew        time.Duration // how far the answer's Date is ahead; zero: it has no Date
		want        time.Duration // the expiry, counted from the request
	}{
		"a number":                        {"at", `"expires_in":3600`, 0, latency + time.Hour},
		"a string":                        {"at", `"expires_in":"3600"`, 0, latency + time.Hour},
		"a fraction":                      {"at", `"expires_in":0.5`, 0, latency + time.Second/2},
		"absurd":                          {"at", `"expires_in":1e30`, 0, latency + years},
		"beyond any number":               {"at", `"expires_in":"1e999"`, 0, never},
		"no number":                       {"at", `"expires_in":"NaN"`, 0, never},
		"words":                           {"at", `"expires_in":"soon"`, 0, never},
		"null":                            {"at", `"expires_in":null`, 0, never},
		"unsaid":                          {"at", `"x":0`, 0, never},
		"from receipt, whatever the Date": {"at", `"expires_in":3600`, -time.Hour, latency + time.Hour},
		"a JWT's":                         {inAnHour, `"x":0`, 0, time.Hour},
		"a JWT's, the server ahead":       {inAnHour, `"x":0`, 10 * time.Minute, latency + 50*time.Minute},
		"a JWT's, the server behind":      {inAnHour, `"x":0`, -10 * time.Minute, latency + 70*time.Minute},
		"a JWT's, after expires_in":       {inAnHour, `"expires_in":60`, -time.Hour, latency + time.Minute},
		"a JWT's, absurd":                 {jwt(`{"exp":1e15}`), `"x":0`, 0, never},
		"a JWT's, malformed":              {"eyJ.!.x", `"x":0`, 0, never},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			answer := says(200, fmt.Sprintf(`{"access_token":%q,%s}`, c.token, c.rest)).Delay(latency)
			if c.skew != 0 {
				answer = answer.HeaderSet(http.Header{"Date": {start.Add(c.skew).Format(http.TimeFormat)}})
			}
			want := time.Time{}
			if c.want != never {
				want = start.Add(c.want)
			}
			pool := loginPool(t, exampleRefresher(newTokenWire(answer), reauth.OAuth2Config{}), exampleLogin())
			require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
			got := heldBy(t, pool, exampleLogin())
			assert.True(t, want.Equal(got.Expiry), "want %s, got %s", want, got.Expiry)
			assert.Equal(t, c.token, got.AccessToken)
		})
	}
}

// An answer says that its token has expired already. The pool keeps the new pair, and uses the
// token until a provider refuses it.
func TestTokenThatIsExpiredOnArrival(t *testing.T) {
	for _, seconds := range []string{"0", "-3600", `"0"`} {
		w := newTokenWire(says(200, strings.Replace(newPair, "{", `{"expires_in":`+seconds+",", 1)))
		got, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(context.Background(), exampleLogin())
		re := refreshError(t, err)
		assert.Equal(t, "expired_on_arrival", re.Code)
		assert.False(t, re.Permanent)
		assert.Equal(t, newTokens, tokens(got))

		pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{}), exampleLogin())
		require.NoError(t, pool.Refresh(context.Background(), "example", "me"))
		before := len(w.sent())
		assert.Equal(t, newTokens, tokensIn(t, pool))
		assert.Len(t, w.sent(), before, "the clock alone causes no further refresh")
	}
}
