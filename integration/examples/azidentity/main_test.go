package main

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reauth-go/reauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a pool over Entra ID's stand-in. refused gets a value for each request that is refused.
func rig(t *testing.T) (e *entra, client *http.Client, pool *reauth.Pool, refused chan struct{}) {
	t.Helper()
	e = newEntra()
	pool, err := e.pool(t.Context())
	require.NoError(t, err)
	refused = make(chan struct{}, 100)
	pool.Observe = func(_ context.Context, ev reauth.Event) {
		if ev.Type == reauth.Sent && ev.Status == http.StatusUnauthorized {
			refused <- struct{}{}
		}
	}
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return e, clientOf(e, pool), pool, refused
}

// statuses sends n requests at once.
func statuses(t *testing.T, client *http.Client, n int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := make(map[int]int)
	for range n {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/models", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			got[resp.StatusCode]++
		})
	}
	wg.Wait()
	return got
}

// A token that is asked for claims costs one exchange more, for one request and for twenty.
func TestChallengeCostsOneExchange(t *testing.T) {
	for _, n := range []int{1, 20} {
		e, client, _, _ := rig(t)
		require.Equal(t, map[int]int{200: n}, statuses(t, client, n))
		require.Equal(t, 1, e.asked)
		e.demand("1764194400")
		require.Equal(t, map[int]int{200: n}, statuses(t, client, n))
		require.Equal(t, 2, e.asked, "%d requests", n)
		require.Equal(t, map[int]int{200: n}, statuses(t, client, n))
		require.Equal(t, 2, e.asked)
	}
}

// A revoked token is replaced by another one, although azidentity keeps its tokens.
func TestRevokedTokenIsReplaced(t *testing.T) {
	e, client, _, _ := rig(t)
	require.Equal(t, map[int]int{200: 1}, statuses(t, client, 1))
	e.mu.Lock()
	for token := range e.tokens {
		e.revoked[token] = true
	}
	e.mu.Unlock()
	require.Equal(t, map[int]int{200: 20}, statuses(t, client, 20))
	require.Equal(t, 2, e.asked)
}

// A request whose token is asked for claims meets an exchange without them that is under way: one
// with the claims follows, and the request gets its answer.
func TestChallengeMeetsAnExchangeUnderWay(t *testing.T) {
	e, client, pool, refused := rig(t)
	require.Equal(t, map[int]int{200: 1}, statuses(t, client, 1))
	underWay, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	e.hold = func(string) {
		once.Do(func() { close(underWay); <-release })
	}
	refreshed := make(chan error, 1)
	go func() { refreshed <- pool.Refresh(context.Background(), "azure-foundry", "entra") }()
	<-underWay
	e.demand("1764194400")
	challenged := make(chan map[int]int, 1)
	go func() { challenged <- statuses(t, client, 1) }()
	<-refused
	close(release)
	require.NoError(t, <-refreshed)
	require.Equal(t, map[int]int{200: 1}, <-challenged)
	require.Equal(t, 3, e.asked, "the first, the one under way, and one with the claims")
}

// What Entra ID says against the program reaches it, without the secret.
func TestErrorOfEntraIsTold(t *testing.T) {
	e, _, pool, _ := rig(t)
	e.secret = "cs-EXAMPLE-another"
	_, err := pool.Token(t.Context(), "azure-foundry")
	require.ErrorContains(t, err, "AADSTS7000215: Invalid client secret provided.")
	assert.NotContains(t, err.Error(), "cs-EXAMPLE")
}

func TestAzidentityByItself(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out), "%s", &out)
	assert.Equal(t, `the first request gets a token:
  Entra ID gave a token
  sent with it: OK
  the program sees OK
the user's password was changed; the API wants a newer token:
  sent with it: Unauthorized
  Entra ID gave a token
  sent with it: OK
  the program sees OK
`, out.String())
}

func TestClaimsIn(t *testing.T) {
	for challenge, want := range map[string]string{
		`Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="`: `{"a":1}`,
		`Bearer error="invalid_token"`:                                        "",
		`Bearer claims="%%%"`:                                                 "",
		`Bearer claims="eyJhIjoxfQ==`:                                         "",
	} {
		assert.Equal(t, want, claimsIn([]string{`PoP nonce="x"`, challenge}), challenge)
	}
}
