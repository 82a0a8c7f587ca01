package conformance

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/gregjones/httpcache"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/klauspost/compress/gzhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// Peer is a wrapping transport that a program may use in the place of reauth.
type Peer struct {
	Name   string // of the type or function, as a program writes it
	Module string // whose version the table names
	Setup  string // how it is configured
	Wrap   func(base http.RoundTripper) http.RoundTripper

	// Reasons are the reasons why the peer breaks an obligation, by the name of the obligation.
	// Each was read in the source of the peer.
	Reasons map[string]Reason
}

// Reason is why a peer does not keep an obligation.
type Reason struct {
	Text     string
	Where    string // file and line in the module
	ByDesign bool   // the peer documents it, or it is what the peer is for
}

// Peers returns this library's transport and the transports that it is compared with. Each is set
// up as its documentation shows, but pauses between two sends for milliseconds only.
func Peers() ([]Peer, error) {
	github, err := gitHubApp()
	if err != nil {
		return nil, err
	}
	return []Peer{
		{
			Name: "reauth.RecoveringTransport", Module: ownModule, Wrap: recovering,
			Setup: "one OAuth login that can be refreshed",
		},
		{
			Name: "oauth2.Transport", Module: "golang.org/x/oauth2", Reasons: oauth2Reasons(),
			Setup: "a static token source",
			Wrap: func(base http.RoundTripper) http.RoundTripper {
				return &oauth2.Transport{
					Base: base, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "at-EXAMPLE"}),
				}
			},
		},
		{
			Name: "ghinstallation.Transport", Module: "github.com/bradleyfalzon/ghinstallation/v2",
			Reasons: ghinstallationReasons(), Wrap: github,
			Setup: "an app whose token requests GitHub answers",
		},
		{
			Name: "retryablehttp.RoundTripper", Module: "github.com/hashicorp/go-retryablehttp",
			Reasons: retryableReasons(false), Wrap: retryable(false),
			Setup: "`NewClient()`",
		},
		{
			Name: "retryablehttp.RoundTripper, tuned", Module: "github.com/hashicorp/go-retryablehttp",
			Reasons: retryableReasons(true), Wrap: retryable(true),
			Setup: "`PassthroughErrorHandler`, no redirects, failed sends not retried",
		},
		{
			Name: "failsafehttp.NewRoundTripper", Module: "github.com/failsafe-go/failsafe-go",
			Reasons: failsafeReasons(false), Wrap: failsafe(false),
			Setup: "`NewRetryPolicyBuilder().Build()`",
		},
		{
			Name: "failsafehttp.NewRoundTripper, tuned", Module: "github.com/failsafe-go/failsafe-go",
			Reasons: failsafeReasons(true), Wrap: failsafe(true),
			Setup: "`ReturnLastFailure()`, failed sends not retried",
		},
		{
			Name: "httpcache.Transport", Module: "github.com/gregjones/httpcache", Reasons: httpcacheReasons(),
			Setup: "`NewMemoryCacheTransport()`",
			Wrap: func(base http.RoundTripper) http.RoundTripper {
				t := httpcache.NewMemoryCacheTransport()
				t.Transport = base
				return t
			},
		},
		{
			Name: "otelhttp.NewTransport", Reasons: otelReasons(),
			Module: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
			Setup:  "no options",
			Wrap:   func(base http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(base) },
		},
		{
			Name: "gzhttp.Transport", Module: "github.com/klauspost/compress", Reasons: gzhttpReasons(),
			Setup: "no options",
			Wrap:  func(base http.RoundTripper) http.RoundTripper { return gzhttp.Transport(base) },
		},
	}, nil
}

// ownModule is the path of this library, which has no version here.
const ownModule = "github.com/reauth-go/reauth"

// recovering wraps base in this library's transport. Its pool has a login for the host that the
// suite asks, and the provider can refresh that login.
func recovering(base http.RoundTripper) http.RoundTripper {
	pool := reauth.NewPool()
	fresh := func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: "at-EXAMPLE-fresh"}, nil
	}
	if err := pool.Register(reauth.Provider{
		Name: "example", Hosts: []string{"api.example.com"}, Refresher: reauth.RefresherFunc(fresh),
	}); err != nil {
		panic(err) // the suite reports it
	}
	if _, err := pool.Add(context.Background(), reauth.Credential{
		Provider: "example", AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE",
	}); err != nil {
		panic(err)
	}
	return reauth.NewRecoveringTransport(base, pool)
}

// retryable wraps a base in a client with its default settings, but for shorter pauses. A tuned
// client acts as a round tripper as far as its settings allow.
func retryable(tuned bool) func(http.RoundTripper) http.RoundTripper {
	return func(base http.RoundTripper) http.RoundTripper {
		c := retryablehttp.NewClient()
		c.Logger = nil
		c.RetryWaitMin, c.RetryWaitMax = time.Millisecond, 4*time.Millisecond
		c.HTTPClient = &http.Client{Transport: base}
		if tuned {
			c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			c.ErrorHandler = retryablehttp.PassthroughErrorHandler
			c.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
				if err != nil {
					return false, err // the server may have acted on a POST
				}
				return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
			}
		}
		return &retryablehttp.RoundTripper{Client: c}
	}
}

// failsafe wraps a base in the library's own policy for HTTP. A tuned policy acts as a round
// tripper as far as its settings allow.
func failsafe(tuned bool) func(http.RoundTripper) http.RoundTripper {
	//nolint:bodyclose // a policy holds no response
	policy := failsafehttp.NewRetryPolicyBuilder().WithBackoff(time.Millisecond, 4*time.Millisecond)
	if tuned {
		//nolint:bodyclose // a policy holds no response
		policy = policy.ReturnLastFailure().AbortIf(func(_ *http.Response, err error) bool { return err != nil })
	}
	retries := policy.Build() //nolint:bodyclose // a policy holds no response
	return func(base http.RoundTripper) http.RoundTripper { return failsafehttp.NewRoundTripper(base, retries) }
}

// gitHubApp returns a function that wraps a base in the transport of an app. The app can get a
// token for its installation.
func gitHubApp() (func(http.RoundTripper) http.RoundTripper, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("conformance: a key for the app: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return func(base http.RoundTripper) http.RoundTripper {
		t, err := ghinstallation.New(tokenEndpoint{base}, 1, 1, text)
		if err != nil {
			panic(err) // the suite reports it
		}
		return t
	}, nil
}

// tokenEndpoint is the suite's base, and also answers GitHub's requests for installation tokens.
type tokenEndpoint struct{ http.RoundTripper }

func (e tokenEndpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != "api.github.com" {
		return e.RoundTripper.RoundTrip(req)
	}
	if req.Body != nil {
		_ = req.Body.Close() // nothing of it is needed
	}
	body := fmt.Sprintf(`{"token":"ghs_EXAMPLE","expires_at":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return &http.Response{
		Status: "201 Created", StatusCode: http.StatusCreated,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

func (e tokenEndpoint) CloseIdleConnections() {
	if c, ok := e.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
