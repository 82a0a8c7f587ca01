package reauth_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// tokenWire stands for all token endpoints. httpmock gives the answers, and the wire keeps the
// requests.
type tokenWire struct {
	*httpmock.MockTransport
	begin time.Time

	mu    sync.Mutex
	calls []tokenCall
}

// tokenCall is one request as it was sent.
type tokenCall struct {
	after       time.Duration // since the wire was made
	method, url string
	header      http.Header
	body        string
}

// newTokenWire makes a wire that gives every request the same answer. RegisterResponder sets
// another answer for one URL.
func newTokenWire(answer httpmock.Responder) *tokenWire {
	w := &tokenWire{MockTransport: httpmock.NewMockTransport(), begin: time.Now()}
	w.RegisterNoResponder(answer)
	return w
}

func (w *tokenWire) RoundTrip(req *http.Request) (*http.Response, error) {
	call := tokenCall{after: time.Since(w.begin), method: req.Method, url: req.URL.String(), header: req.Header.Clone()}
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		_ = req.Body.Close() // a RoundTripper's duty
		if err != nil {
			return nil, err
		}
		call.body = string(b)
	}
	w.mu.Lock()
	w.calls = append(w.calls, call)
	w.mu.Unlock()
	return w.MockTransport.RoundTrip(req)
}

func (w *tokenWire) client() *http.Client { return &http.Client{Transport: w} }

// sent returns the requests so far, in order.
func (w *tokenWire) sent() []tokenCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]tokenCall(nil), w.calls...)
}

// times returns when each request was sent, counted from the making of the wire.
func (w *tokenWire) times() (list []time.Duration) {
	for _, c := range w.sent() {
		list = append(list, c.after)
	}
	return list
}

// urls returns the URL of each request.
func (w *tokenWire) urls() (list []string) {
	for _, c := range w.sent() {
		list = append(list, c.url)
	}
	return list
}

// params decodes the body of a request by its Content-Type.
func (c tokenCall) params(t testing.TB) map[string]string {
	t.Helper()
	got := make(map[string]string)
	switch kind := c.header.Get("Content-Type"); kind {
	case "":
		require.Empty(t, c.body)
	case "application/json":
		require.NoError(t, json.Unmarshal([]byte(c.body), &got))
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(c.body)
		require.NoError(t, err)
		for k, v := range form {
			require.Len(t, v, 1, "%s is sent once", k)
			got[k] = v[0]
		}
	default:
		t.Fatalf("unexpected content type %q", kind)
	}
	return got
}

// headers returns the header of a request, with one value per name. It cuts the version off our own
// User-Agent.
func (c tokenCall) headers() map[string]string {
	got := make(map[string]string)
	for k, v := range c.header {
		got[k] = strings.Join(v, ", ")
	}
	if name, version, ok := strings.Cut(got["User-Agent"], "/"); ok && name == "reauth" && version != "" {
		got["User-Agent"] = name
	}
	return got
}

// says gives that answer as a token endpoint. header lists names and values.
func says(status int, body string, header ...string) httpmock.Responder {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return httpmock.NewStringResponder(status, body).HeaderSet(h)
}

type inOrder = []httpmock.Responder

// inTurn gives one answer after the other. It repeats the last one.
func inTurn(answers ...httpmock.Responder) httpmock.Responder {
	r := answers[0]
	for _, next := range answers[1:] {
		r = r.Then(next)
	}
	return r
}

// ms returns durations of so many milliseconds.
func ms(list ...int) (times []time.Duration) {
	for _, n := range list {
		times = append(times, time.Duration(n)*time.Millisecond)
	}
	return times
}

// Failures instead of an answer: lost breaks the connection after the request may have been sent,
// noDial before there is one.
var (
	lost   = httpmock.NewErrorResponder(io.ErrUnexpectedEOF)
	noDial = httpmock.NewErrorResponder(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
)

const (
	exampleTokenURL = "https://auth.example.com/oauth2/token"
	newPair         = `{"access_token":"at-EXAMPLE-new","refresh_token":"rt-EXAMPLE-new"}`
)

// The pairs of exampleLogin: oldTokens before an exchange, newTokens from newPair.
var (
	oldTokens = []string{"at-EXAMPLE-old", "rt-EXAMPLE-old"}
	newTokens = []string{"at-EXAMPLE-new", "rt-EXAMPLE-new"}
)

// exampleLogin is a login of a provider that is not built in.
func exampleLogin() reauth.Credential {
	return reauth.Credential{Provider: "example", ID: "me", AccessToken: oldTokens[0], RefreshToken: oldTokens[1]}
}

// exampleRefresher refreshes at exampleTokenURL over the wire, unless cfg says otherwise.
func exampleRefresher(w *tokenWire, cfg reauth.OAuth2Config) reauth.Refresher {
	if cfg.TokenURL == "" {
		cfg.TokenURL = exampleTokenURL
	}
	cfg.HTTPClient = w.client()
	return reauth.OAuth2Refresher(cfg)
}

// onFakeClock runs f as a subtest inside a synctest bubble.
func onFakeClock(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// refreshError requires that err is a RefreshError, and returns it.
func refreshError(t testing.TB, err error) *reauth.RefreshError {
	t.Helper()
	var re *reauth.RefreshError
	require.ErrorAs(t, err, &re)
	return re
}

// loginPool makes a pool with the login c. Its provider uses the refresher r.
func loginPool(t testing.TB, r reauth.Refresher, c reauth.Credential) *reauth.Pool {
	t.Helper()
	pool := reauth.NewPool()
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	p, ok := reauth.LookupProvider(c.Provider)
	if !ok {
		p = reauth.Provider{Name: c.Provider}
	}
	p.Refresher = r
	require.NoError(t, pool.Register(p))
	_, err := pool.Add(context.Background(), c)
	require.NoError(t, err)
	return pool
}

// heldBy returns the credential of that provider and ID as the pool has it now.
func heldBy(t testing.TB, pool *reauth.Pool, c reauth.Credential) reauth.Credential {
	t.Helper()
	got, err := pool.Token(reauth.WithCredential(context.Background(), c.Provider, c.ID), c.Provider)
	require.NoError(t, err)
	return got
}

// tokens returns the pair of a credential.
func tokens(c reauth.Credential) []string { return []string{c.AccessToken, c.RefreshToken} }

// tokensIn returns the pair that the pool has for exampleLogin now.
func tokensIn(t testing.TB, pool *reauth.Pool) []string {
	t.Helper()
	return tokens(heldBy(t, pool, exampleLogin()))
}
