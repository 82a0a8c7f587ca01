// Package contract_test checks what http.RoundTripper requires of a middleware, and what
// http.Client, the transports of net/http and the SDKs rely on beyond its text.
//
// A test that waits runs in a bubble of testing/synctest. A test in which net/http takes part uses
// a server on the loopback interface, over HTTP/1.1 and HTTP/2.
package contract_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// The bases and servers of the contract refuse every token but liveToken. A refresh yields
// liveToken.
const (
	staleToken = "at-EXAMPLE-stale"
	liveToken  = "at-EXAMPLE-live"
	refusal    = `{"error":{"code":"token_expired","message":"example"}}`
)

// contractURL belongs to the provider of the contract, and leads to its test servers.
const contractURL = "https://api.example.com/v1/chat"

// contract is a transport with a pool of its own.
type contract struct {
	*reauth.RecoveringTransport
	refresh   func(context.Context) (string, error) // returns the access token of an exchange
	exchanges atomic.Int32
}

// newContract makes a transport over base with credentials of the provider "example".
func newContract(t testing.TB, base http.RoundTripper, creds ...reauth.Credential) *contract {
	t.Helper()
	pool := reauth.NewPool()
	c := &contract{RecoveringTransport: reauth.NewRecoveringTransport(base, pool)}
	c.refresh = func(context.Context) (string, error) { return liveToken, nil }
	exchange := func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
		c.exchanges.Add(1)
		token, err := c.refresh(ctx)
		return reauth.Credential{AccessToken: token}, err
	}
	hosts := []string{"api.example.com", "127.0.0.1"}
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "example", Hosts: hosts, Refresher: reauth.RefresherFunc(exchange),
	}))
	for _, cred := range creds {
		cred.Provider = "example"
		_, err := pool.Add(t.Context(), cred)
		require.NoError(t, err)
	}
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	return c
}

// refreshable returns a credential that can be refreshed.
func refreshable(token string) reauth.Credential {
	return reauth.Credential{ID: "login", AccessToken: token, RefreshToken: "rt-EXAMPLE"}
}

// staticKey returns a credential that cannot be refreshed.
func staticKey(token string) reauth.Credential {
	return reauth.Credential{ID: token, AccessToken: token}
}

// bothWays runs a test with a token that serves at once, and with one whose refusal causes a
// refresh and a replay.
func bothWays(t *testing.T, test func(t *testing.T, token string)) {
	t.Run("served", func(t *testing.T) { test(t, liveToken) })
	t.Run("replayed", func(t *testing.T) { test(t, staleToken) })
}

// bothProtocols runs a test over HTTP/1.1 and HTTP/2.
func bothProtocols(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("http1", func(t *testing.T) { test(t, false) })
	t.Run("http2", func(t *testing.T) { test(t, true) })
}

// startContract serves h at contractURL, and returns a transport that leads there.
func startContract(t *testing.T, http2 bool, h http.Handler) (*httptest.Server, *http.Transport) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, s.Client().Transport.(*http.Transport)
}

// isLive reports whether a request carries the live token.
func isLive(req *http.Request) bool { return req.Header.Get("Authorization") == "Bearer "+liveToken }

// consume reads and closes the body of a request, as a base does.
func consume(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	b, _ := io.ReadAll(req.Body) // other tests are about bodies that fail
	_ = req.Body.Close()
	return b
}

// refuseStale is a base that answers like a server. It answers 401 to every token but the live one.
func refuseStale(req *http.Request) (*http.Response, error) {
	consume(req)
	if !isLive(req) {
		return testrig.Answer(req, 401, refusal), nil
	}
	return testrig.Answer(req, 200, "welcome"), nil
}

// contractRequest makes a request whose body, if any, has no GetBody.
func contractRequest(ctx context.Context, t testing.TB, body io.Reader) *http.Request {
	t.Helper()
	if body != nil {
		body = io.NopCloser(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, contractURL, body)
	require.NoError(t, err)
	return req
}

// withGetBody gives a request a body with GetBody.
func withGetBody(req *http.Request, text string) *http.Request {
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(text))
	return req
}

// bodyOfAnswer reads and closes an answer.
func bodyOfAnswer(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(b)
}

// mustSend sends a request that must get an answer with that status. It returns the body of the
// answer.
func mustSend(t testing.TB, rt http.RoundTripper, req *http.Request, status int) string {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	body := bodyOfAnswer(t, resp)
	require.Equal(t, status, resp.StatusCode, body)
	return body
}
