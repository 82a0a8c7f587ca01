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

// tokenWire stands where token endpoints are: httpmock answers, and what was sent is kept.
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

// newTokenWire gives every request the same answer; RegisterResponder gives those to one URL
// another.
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

func (w *tokenWire) sent() []tokenCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]tokenCall(nil), w.calls...)
}

// times returns when requests were sent.
func (w *tokenWire) times() (list []time.Duration) {
	for _, c := range w.sent() {
		list = append(list, c.after)
	}
	return list
}

// urls returns where requests were sent.
func (w *tokenWire) urls() (list []string) {
	for _, c := range w.sent() {
		list = append(list, c.url)
	}
	return list
}

// params reads the body of a request as its Content-Type says.
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

// headers returns the header of a request, one value per name; a User-Agent of ours goes without
// its version.
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

// says is a token endpoint's answer; header lists names and values.
func says(status int, body string, header ...string) httpmock.Responder {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return httpmock.NewStringResponder(status, body).HeaderSet(h)
}

type inOrder = []httpmock.Responder

// inTurn gives one answer after the other, and the last one ever after.
func inTurn(answers ...httpmock.Responder) httpmock.Responder {
	r := answers[0]
	for _, next := range answers[1:] {
		r = r.Then(next)
	}
	return r
}

// ms are points in time, in milliseconds.
func ms(list ...int) (times []time.Duration) {
	for _, n := range list {
		times = append(times, time.Duration(n)*time.Millisecond)
	}
	return times
}

// What may happen to a request instead of an answer.
var (
	lost   = httpmock.NewErrorResponder(io.ErrUnexpectedEOF)
	noDial = httpmock.NewErrorResponder(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
)

const (
	exampleTokenURL = "https://auth.example.com/oauth2/token"
	newPair         = `{"access_token":"at-EXAMPLE-new","refresh_token":"rt-EXAMPLE-new"}`
)

// What exampleLogin has, and what newPair gives it.
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

// onFakeClock runs a case in a bubble.
func onFakeClock(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// refreshError is err, which must be what a token endpoint said.
func refreshError(t testing.TB, err error) *reauth.RefreshError {
	t.Helper()
	var re *reauth.RefreshError
	require.ErrorAs(t, err, &re)
	return re
}

// loginPool is a pool with one login, of a provider that refreshes so.
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

// heldBy is the credential that the pool has now.
func heldBy(t testing.TB, pool *reauth.Pool, c reauth.Credential) reauth.Credential {
	t.Helper()
	got, err := pool.Token(reauth.WithCredential(context.Background(), c.Provider, c.ID), c.Provider)
	require.NoError(t, err)
	return got
}

// tokens lists the pair of a credential.
func tokens(c reauth.Credential) []string { return []string{c.AccessToken, c.RefreshToken} }

// tokensIn is the pair that the pool holds for exampleLogin now.
func tokensIn(t testing.TB, pool *reauth.Pool) []string {
	t.Helper()
	return tokens(heldBy(t, pool, exampleLogin()))
}
