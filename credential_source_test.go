package reauth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// A source's token, in no public form.
const sourceToken = "st-EXAMPLE-0123456789abcdef"

// writeSource writes a source's file, and returns its path.
func writeSource(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// ask asks a source for a token, as a pool does.
func ask(t testing.TB, source reauth.Refresher) (reauth.Credential, error) {
	t.Helper()
	return source.Refresh(t.Context(), reauth.Credential{Provider: "example", ID: "source"})
}

// What a source gives is read in the same way, whether a command has printed it or a file has it.
func TestSourceText(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	unix := soon.Unix()
	at := func(layout string) string { return soon.UTC().Format(layout) }
	jwt := "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjQxMDI0NDQ4MDB9.c2ln"
	for text, want := range map[string]struct {
		token  string
		expiry time.Time // zero: the text does not say
	}{
		sourceToken:                          {sourceToken, time.Time{}},
		sourceToken + "\n":                   {sourceToken, time.Time{}},
		"\ufeff  " + sourceToken + " \r\n\n": {sourceToken, time.Time{}},
		jwt:                                  {jwt, time.Time{}}, // the pool reads it

		`{"access_token":"a"}`:              {"a", time.Time{}},
		`{"accessToken":"a"}`:               {"a", time.Time{}},
		`{"token":"a"}`:                     {"a", time.Time{}},
		`{"key":"a"}`:                       {"a", time.Time{}},
		`{"api_key":"a"}`:                   {"a", time.Time{}},
		`{"apiKey":"a"}`:                    {"a", time.Time{}},
		`{"token":"b","access_token":"a"}`:  {"a", time.Time{}},
		`{"access_token":null,"token":"a"}`: {"a", time.Time{}},
		`{"access_token":"","key":"a\n"}`:   {"a", time.Time{}},
		"\n{\n \"token\": \"a\"\n}\n":       {"a", time.Time{}},

		`{"token":"a","expires_in":3600}`:                                      {"a", soon},
		`{"token":"a","expires_in":"3600"}`:                                    {"a", soon},
		`{"token":"a","expiresIn":3600.0}`:                                     {"a", soon},
		fmt.Sprintf(`{"token":"a","expires_at":%d}`, unix):                     {"a", soon},
		fmt.Sprintf(`{"token":"a","expires_at":"%d"}`, unix):                   {"a", soon},
		fmt.Sprintf(`{"token":"a","expires_on":%d}`, unix):                     {"a", soon},
		fmt.Sprintf(`{"token":"a","expiry":%q}`, at(time.RFC3339)):             {"a", soon},
		fmt.Sprintf(`{"token":"a","expiration":%q}`, at(time.RFC3339Nano)):     {"a", soon},
		fmt.Sprintf(`{"token":"a","expiresAt":%d}`, unix*1000):                 {"a", soon},
		fmt.Sprintf(`{"token":"a","expiresAt":"%d000"}`, unix):                 {"a", soon},
		fmt.Sprintf(`{"token":"a","expiry":%q}`, "2099-01-02T03:04:05+05:30"):  {"a", time.Date(2099, 1, 1, 21, 34, 5, 0, time.UTC)},
		fmt.Sprintf(`{"token":"a","expires_in":3600,"expires_at":%d}`, unix+9): {"a", soon},
		// az: expiresOn is in local time; the older versions have it alone.
		fmt.Sprintf(`{"accessToken":"a","expiresOn":"2031-01-02 03:04:05.000000","expires_on":%d}`, unix): {"a", soon},
		`{"accessToken":"a","expiresOn":"2031-01-02 03:04:05.000000"}`: {
			"a", time.Date(2031, 1, 2, 3, 4, 5, 0, time.Local),
		},
		fmt.Sprintf(`{"token":"a","expiresOn":%q}`, at(time.RFC3339)): {"a", soon}, // azd
		// Kubernetes' ExecCredential.
		fmt.Sprintf(`{"kind":"ExecCredential","status":{"token":"a","expirationTimestamp":%q}}`, at(time.RFC3339)): {"a", soon},

		// What is no time counts as absent.
		`{"token":"a","expires_at":0}`:                           {"a", time.Time{}},
		`{"token":"a","expires_at":-1}`:                          {"a", time.Time{}},
		`{"token":"a","expires_at":1e300}`:                       {"a", time.Time{}},
		`{"token":"a","expiry":"0001-01-01T00:00:00Z"}`:          {"a", time.Time{}},
		`{"token":"a","expiry":"in an hour","expires_in":null}`:  {"a", time.Time{}},
		`{"token":"a","expiry":"2031-01-02 03:04:05"}`:           {"a", time.Time{}}, // of no zone
		`{"token":"a","status":"active","expires_in":{"n":"3"}}`: {"a", time.Time{}},
	} {
		got, err := ask(t, reauth.FileSource(writeSource(t, text)))
		require.NoError(t, err, text)
		assert.Equal(t, want.token, got.AccessToken, text)
		assert.Empty(t, got.RefreshToken, text)
		if want.expiry.IsZero() {
			assert.True(t, got.Expiry.IsZero(), text)
		} else {
			assert.WithinDuration(t, want.expiry, got.Expiry, 2*time.Minute, text)
		}
	}
	got, err := ask(t, reauth.FileSource(writeSource(t, `{"token":"a","expires_in":1e300}`)))
	require.NoError(t, err)
	assert.True(t, got.Expiry.After(time.Now().AddDate(9, 0, 0)), "a lifetime is bounded, and does not overflow")
}

// Each bad text is an error that names the source, says what is wrong, and tells nothing of the text.
func TestSourceTextThatIsBad(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "there is nothing in it",
		" \n\t\n":                          "there is nothing in it",
		sourceToken + "\n" + sourceToken:   "it has 2 lines",
		"# token\n" + sourceToken + "\n":   "it has 2 lines",
		"<!doctype html><p>Log in</p>":     "it is a page of HTML",
		"<html>" + sourceToken + "</html>": "it is a page of HTML",
		`["` + sourceToken + `"]`:          "it is a JSON array",
		`"` + sourceToken + `"`:            "the token stands in quotes",
		"null":                             `it is "null", which stands for no value`,
		"undefined\n":                      "stands for no value",
		"None":                             "stands for no value",
		"Please log in first":              "it holds white space, so it is no token but words",
		"st-EXAMPLE 0123456789":            "it holds white space",
		"st-EXAMPLE\x00123456789":          "holds a control character",
		"st-EXAMPLE\x1b[0m":                "holds a control character",
		"st-EXAMPLE\r123456789":            "holds a control character",
		"st-EXAMPLE\xff\xfe123":            "no valid UTF-8",
		"st-ÉXAMPLE-0123456789":            "outside of ASCII",
		"Bearer " + sourceToken:            `begins with "Bearer"`,
		"OPENAI_API_KEY=" + sourceToken:    `begins with "OPENAI_API_KEY="`,
		"$OPENAI_API_KEY":                  "the name of a variable and not its value",
		"\xff\xfes\x00t\x00":               "it is UTF-16; write it as UTF-8",
		"\xfe\xff\x00s\x00t":               "it is UTF-16; write it as UTF-8",

		`{"access_token":"` + sourceToken[:10]:         "its JSON is cut off",
		`{"access_token":"` + sourceToken + `"`:        "its JSON is cut off",
		`{access_token:"` + sourceToken + `"}`:         "it begins as JSON, and is none",
		`{"token":"` + sourceToken + `"} trailing`:     "something stands behind its JSON object",
		`{"token":"` + sourceToken + `"}{"token":"b"}`: "something stands behind its JSON object",
		`{}`:                               "its JSON object has no token: none of the members access_token,",
		`{"secret":"` + sourceToken + `"}`: "has no token",
		`{"token":{"value":"` + sourceToken + `"}}`: "has no token",
		`{"token":42}`: "has no token",
		`{"status":{"clientCertificateData":"x"}}`:             "has no token",
		`{"error":"invalid_grant","error_description":"told"}`: `has no token and says "invalid_grant"`,
		`{"error":{"code":"expired_token"}}`:                   `has no token and says "expired_token"`,
		`{"message":"` + sourceToken + `"}`:                    "has no token: none",
		`{"error":"` + strings.Repeat("S3cret", 10) + `"}`:     "has no token: none",
		`{"token":"a b"}`:                        "it holds white space",
		`{"token":"a\nb"}`:                       "holds a control character",
		`{"token":"Bearer ` + sourceToken + `"}`: `begins with "Bearer"`,
	} {
		path := writeSource(t, text)
		got, err := ask(t, reauth.FileSource(path))
		re := refreshError(t, err)
		assert.Equal(t, "source_output", re.Code, text)
		assert.Equal(t, "example", re.Provider)
		assert.False(t, re.Permanent)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, fmt.Sprintf("the file %q", path), text)
		assert.Empty(t, got.AccessToken, text)
		for _, part := range []string{"0123456789", "abcdef", "S3cret", "EXAMPLE"} {
			assert.NotContains(t, strings.ReplaceAll(err.Error(), path, ""), part, text)
		}
	}
}

// A token that has expired comes beside an error: the provider decides, whose clock may be right.
func TestSourceTokenThatHasExpired(t *testing.T) {
	for _, text := range []string{
		`{"token":"a","expiry":"2026-01-02T03:04:05Z"}`,
		`{"token":"a","expires_on":1767323045}`,
	} {
		got, err := ask(t, reauth.FileSource(writeSource(t, text)))
		assert.Equal(t, "expired_on_arrival", refreshError(t, err).Code)
		require.ErrorContains(t, err, "the token has expired at 2026-01-02T03:04:05Z; "+
			"what renews it has stopped, or a clock is wrong")
		assert.Equal(t, "a", got.AccessToken)
		assert.Equal(t, int64(1767323045), got.Expiry.Unix())
	}
	got, err := ask(t, reauth.FileSource(writeSource(t, `{"token":"a","expires_in":0}`)))
	assert.Equal(t, "expired_on_arrival", refreshError(t, err).Code)
	assert.Equal(t, "a", got.AccessToken)
}
