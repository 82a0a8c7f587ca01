package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reauth-go/reauth"
)

// These types have the fields and methods of the errors of SDKs.
type (
	fieldError struct { // openai-go, anthropic-sdk-go
		StatusCode int
		Response   *http.Response
		text       string
	}
	methodError  struct{ status int }
	spelledError struct { // go-openai
		HTTPStatusCode int
		text           string
	}
	unrelatedError struct{ StatusCode string }
	embeddedError  struct{ *fieldError }
	quietError     struct { // openai-go: RawJSON returns the body, and Error does not hold it
		StatusCode int
		raw        string
	}
	googleError struct { // genai, googleapi
		Code    int
		Message string
	}
	hollowError struct{ *quietError }
)

func (e *fieldError) Error() string    { return e.text }
func (e methodError) Error() string    { return "refused" }
func (e methodError) StatusCode() int  { return e.status }
func (e *spelledError) Error() string  { return e.text }
func (e unrelatedError) Error() string { return "unrelated" }
func (e embeddedError) Error() string  { return "embedded" }
func (e *embeddedError) Unwrap() error { return nil }
func (e quietError) Error() string     { return "OpenAI API error: 403 Forbidden" }
func (e quietError) RawJSON() string   { return e.raw }
func (e googleError) Error() string    { return fmt.Sprintf("Error %d, Message: %s", e.Code, e.Message) }
func (e hollowError) Error() string    { return "hollow" }

func TestClassifyError(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want reauth.Kind
	}{
		"nil":         {nil, reauth.Pass},
		"plain":       {errors.New("connection refused"), reauth.Pass},
		"io":          {io.ErrUnexpectedEOF, reauth.Pass},
		"own context": {context.DeadlineExceeded, reauth.Pass},
		"field":       {&fieldError{StatusCode: 401, text: "no"}, reauth.Rejected},
		"field and body": {
			err: &fieldError{
				StatusCode: 429,
				text: `POST "https://api.openai.com/v1": 429 Too Many Requests ` +
					`{"message":"You exceeded your current quota","type":"insufficient_quota"}`,
			},
			want: reauth.Exhausted,
		},
		"field, xAI": {
			err: &fieldError{
				StatusCode: 403, text: `403 Forbidden {"code":"unauthenticated:bad-credentials","error":"x"}`,
			},
			want: reauth.Rejected,
		},
		"field, scope": {
			err:  &fieldError{StatusCode: 401, text: `401 {"message":"Missing scopes: x","code":"missing_scope"}`},
			want: reauth.Forbidden,
		},
		"field, header": {
			err: &fieldError{
				StatusCode: 403,
				text:       "no",
				Response:   &http.Response{Header: http.Header{"Cf-Mitigated": {"challenge"}}},
			},
			want: reauth.Pass,
		},
		"field 500": {&fieldError{StatusCode: 500, text: "invalid api key"}, reauth.Pass},
		"method":    {methodError{402}, reauth.Exhausted},
		"raw body": {
			err: &quietError{403, `{"code":"unauthenticated:bad-credentials","error":"x"}`}, want: reauth.Rejected,
		},
		"no raw body":     {&quietError{403, ""}, reauth.Forbidden},
		"nil raw body":    {hollowError{}, reauth.Pass},
		"Google's":        {googleError{429, "You exceeded your current quota"}, reauth.Exhausted},
		"Google's key":    {googleError{400, "API key not valid. Please pass a valid API key."}, reauth.Rejected},
		"some other code": {googleError{16, "unauthorized"}, reauth.Pass},
		"spelled":         {&spelledError{HTTPStatusCode: 401, text: "no"}, reauth.Rejected},
		"no number":       {unrelatedError{"401"}, reauth.Pass},
		"nil embedded":    {embeddedError{}, reauth.Pass},
		"embedded":        {embeddedError{&fieldError{StatusCode: 401}}, reauth.Rejected},
		"wrapped":         {fmt.Errorf("chat: %w", &fieldError{StatusCode: 401, text: "no"}), reauth.Rejected},
		"joined": {
			err: errors.Join(errors.New("first"), &fieldError{StatusCode: 401, text: "no"}), want: reauth.Rejected,
		},
		"text, python": {errors.New("Error code: 401 - {'error': {'message': 'no'}}"), reauth.Rejected},
		"text, 403": {
			err:  errors.New(`Error code: 403 - {"error":"Your team has used all available credits"}`),
			want: reauth.Exhausted,
		},
		"text, status": {errors.New("unexpected status code 429: slow down"), reauth.Exhausted},
		"text, HTTP":   {errors.New("HTTP 401 Unauthorized"), reauth.Rejected},
		"text, socket": {
			err:  errors.New("failed to WebSocket dial: expected handshake response status code 101 but got 403"),
			want: reauth.Forbidden,
		},
		"text, prose code": {errors.New("Error code: 403 - unauthenticated:bad-credentials"), reauth.Rejected},
		"text, overdue":    {errors.New("Error code: 403 - your account has an overdue balance"), reauth.Exhausted},
		"text, marker":     {errors.New("rpc error: unauthenticated:bad-credentials"), reauth.Rejected},
		"text, JSON": {
			err: errors.New(`stream: {"type":"error",` +
				`"error":{"type":"authentication_error","code":"token_expired"}}`),
			want: reauth.Rejected,
		},
		"text, words":    {errors.New("unauthorized access to the file"), reauth.Pass},
		"text, a number": {errors.New("read 401 bytes"), reauth.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			v := reauth.ClassifyError(c.err)
			assert.Equal(t, c.want, v.Kind, v.Reason)
		})
	}
}

// An error of an SDK keeps the scope that the answer stated.
func TestClassifyErrorKeepsTheScope(t *testing.T) {
	const perModel = `Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000`
	for name, c := range map[string]struct {
		err  error
		want reauth.Scope
	}{
		"of a model":      {quietError{429, `{"message":"` + perModel + `"}`}, reauth.OneModel},
		"in its text":     {&fieldError{StatusCode: 429, text: `429 {"error":{"message":"` + perModel + `"}}`}, reauth.OneModel},
		"without a field": {errors.New(`status code 429: {"error":{"message":"` + perModel + `"}}`), reauth.OneModel},
		"without status":  {errors.New(`{"code":"rate_limit_exceeded","message":"` + perModel + `"}`), reauth.OneModel},
		"of the account":  {quietError{429, `{"message":"You exceeded your current quota"}`}, reauth.WholeCredential},
	} {
		v := reauth.ClassifyError(c.err)
		assert.Equal(t, reauth.Exhausted, v.Kind, name)
		assert.Equal(t, c.want.String(), v.Scope.String(), name)
	}
}
