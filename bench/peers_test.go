package bench

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/oauth2"

	"github.com/reauth-go/reauth"
)

// peer is a library that wraps a transport.
type peer struct {
	name string
	wrap func(t testing.TB, base http.RoundTripper) http.RoundTripper
}

// peers returns the bare base, and the libraries that a program would use in place of reauth. Each
// is set up as its documentation shows.
func peers() []peer {
	return []peer{
		{"bare", func(_ testing.TB, base http.RoundTripper) http.RoundTripper { return base }},
		{"oauth2", wrapOAuth2},
		{"reauth", func(t testing.TB, base http.RoundTripper) http.RoundTripper {
			return reauth.NewRecoveringTransport(base, newPool(t, reauth.FillFirst, 1))
		}},
		{"ghinstallation", wrapGitHub},
		{"retryablehttp", wrapRetryable},
		{"failsafehttp", wrapFailsafe},
	}
}

// providerName is a built-in provider, whose requests may go to api.x.ai.
const providerName = "xai-oauth"

// newPool makes a pool of n API keys. Their provider also claims loopback, where the servers of the
// benchmarks listen. What the making of many leaves behind is collected: else the first requests pay for it.
func newPool(t testing.TB, s reauth.Strategy, n int) *reauth.Pool {
	pool := reauth.NewPool()
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	p, _ := reauth.LookupProvider(providerName)
	p.Hosts = append(p.Hosts, "127.0.0.1")
	p.Strategy = s
	if err := pool.Register(p); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := pool.Add(context.Background(), reauth.Credential{
			Provider: providerName, ID: keyID(i), AccessToken: key(i),
		}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	return pool
}

func keyID(i int) string { return fmt.Sprintf("key-%05d", i) }
func key(i int) string   { return fmt.Sprintf("xai-EXAMPLE-%05d", i) }

// wrapOAuth2 uses the cheapest source of tokens. Its token never expires, so that it reads no clock
// and takes no lock.
func wrapOAuth2(_ testing.TB, base http.RoundTripper) http.RoundTripper {
	return &oauth2.Transport{Base: base, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: key(0)})}
}

// wrapOAuth2Reused uses the source that Config.Client uses. For each request it takes a lock and
// compares the expiry with the clock.
func wrapOAuth2Reused(_ testing.TB, base http.RoundTripper) http.RoundTripper {
	token := &oauth2.Token{AccessToken: key(0), Expiry: time.Now().Add(time.Hour)}
	return &oauth2.Transport{Base: base, Source: oauth2.ReuseTokenSource(token, nil)}
}

// wrapRetryable uses the default settings, but without a log.
func wrapRetryable(_ testing.TB, base http.RoundTripper) http.RoundTripper {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: base}
	c.Logger = nil
	return &retryablehttp.RoundTripper{Client: c}
}

// wrapFailsafe uses the library's own policy for HTTP.
func wrapFailsafe(_ testing.TB, base http.RoundTripper) http.RoundTripper {
	return failsafehttp.NewRoundTripper(base, failsafehttp.NewRetryPolicyBuilder().Build())
}

// wrapGitHub lets ghinstallation fetch its first token, so that a benchmark measures only the
// requests after that.
func wrapGitHub(t testing.TB, base http.RoundTripper) http.RoundTripper {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	gate := &installation{base: base}
	tr, err := ghinstallation.New(gate, 1, 1, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Token(context.Background()); err != nil {
		t.Fatal(err)
	}
	gate.open.Store(true)
	return tr
}

// installation is a base that answers as GitHub's token endpoint does. Once it is open, it passes
// requests to its own base.
type installation struct {
	base http.RoundTripper
	open atomic.Bool
}

func (g *installation) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.open.Load() {
		return g.base.RoundTrip(req)
	}
	body := fmt.Sprintf(`{"token":"ghs_EXAMPLE","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	return &http.Response{
		StatusCode: http.StatusCreated, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
		Request: req,
	}, nil
}
