package integration

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// The tests of the files compose_*_test.go put reauth between the parts that stand below and above
// it in a program. All of them use real parts over loopback.

const (
	composeStale = "at-EXAMPLE-stale" // the origin refuses it
	composeLive  = "at-EXAMPLE-live"
)

// composed is reauth over a base of the program. It has one credential, and refreshing that yields
// the live token.
type composed struct {
	*reauth.RecoveringTransport
	exchanges atomic.Int32
	during    func(context.Context) // called in the middle of each exchange, unless it is nil
}

// newComposed makes a composed transport for some hosts, or for the loopback address if there are
// none.
func newComposed(t testing.TB, base http.RoundTripper, token string, hosts ...string) *composed {
	t.Helper()
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1"}
	}
	pool := reauth.NewPool()
	c := &composed{RecoveringTransport: reauth.NewRecoveringTransport(base, pool)}
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "example", Hosts: hosts,
		Refresher: reauth.RefresherFunc(func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
			c.exchanges.Add(1)
			if c.during != nil {
				c.during(ctx)
			}
			return reauth.Credential{AccessToken: composeLive}, nil
		}),
	}))
	_, err := pool.Add(bounded(t), reauth.Credential{
		Provider: "example", ID: "me", AccessToken: token, RefreshToken: "rt-EXAMPLE",
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, pool.Close())
		c.CloseIdleConnections()
	})
	return c
}

// arrival is a request as the origin saw it.
type arrival struct {
	Token, Body, Proto string
	Header             http.Header
	From               string // the client's end of the connection
}

// origin is the server of a provider. It refuses every token but the live one, and calls serve for
// the other requests.
type origin struct {
	serve http.HandlerFunc // nil answers 200

	mu  sync.Mutex
	got []arrival
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = append(body, " and then "+err.Error()...)
	}
	a := arrival{strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), string(body), r.Proto, r.Header.Clone(), r.RemoteAddr}
	o.mu.Lock()
	o.got = append(o.got, a)
	o.mu.Unlock()
	switch {
	case a.Token != composeLive:
		w.Header().Set("Set-Cookie", "refused=1; Path=/")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"token_expired","message":"example"}}`)
	case o.serve != nil:
		o.serve(w, r)
	}
}

// arrivals returns the requests that the origin has seen so far.
func (o *origin) arrivals() []arrival {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.got)
}

// recovered checks that a request arrived twice with the same body: first with the stale token,
// then with the live one.
func (o *origin) recovered(t testing.TB, body string) {
	t.Helper()
	got := o.arrivals()
	if assert.Len(t, got, 2) {
		assert.Equal(t, []string{composeStale, composeLive}, []string{got[0].Token, got[1].Token})
		assert.True(t, body == got[0].Body && body == got[1].Body, "the body changed on its way")
	}
}

// serveOrigin serves h on a loopback port.
func serveOrigin(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// plainRequest makes a request. Its body, if it has any, has no GetBody.
func plainRequest(ctx context.Context, t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	require.NoError(t, err)
	if body != "" {
		req.Body, req.GetBody, req.ContentLength = io.NopCloser(strings.NewReader(body)), nil, int64(len(body))
	}
	return req
}

// rewindable gives a request a body with GetBody.
func rewindable(req *http.Request, body string) *http.Request {
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	req.Body, _ = req.GetBody() // this GetBody does not fail
	req.ContentLength = int64(len(body))
	return req
}

// mustAnswer sends a request that must get an answer with that status. It returns the answer, which
// it has read and closed, and the body of the answer.
func mustAnswer(t testing.TB, rt http.RoundTripper, req *http.Request, status int) (*http.Response, string) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, status, resp.StatusCode, "%s", body)
	return resp, string(body)
}
