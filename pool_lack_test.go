package reauth_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// passing is a pool, and a base that keeps the requests that it gets.
type passing struct {
	pool   *reauth.Pool
	events eventLog
	log    bytes.Buffer
	got    []*http.Request
	rt     *reauth.RecoveringTransport
}

func newPassing(pool *reauth.Pool) *passing {
	p := &passing{pool: pool}
	pool.Observe = p.events.observe
	pool.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	p.rt = reauth.NewRecoveringTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		p.got = append(p.got, req)
		return answer(req, 401, "no"), nil
	}), pool)
	return p
}

// send sends a request, which must pass through untouched.
func (p *passing) send(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	body := &unreadBody{t: t}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer the caller's own")
	resp, err := p.rt.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, 401, resp.StatusCode)
	assert.Same(t, req, p.got[len(p.got)-1], "the base gets the very request of the caller")
}

// unreadBody is a body that nobody but the base may read.
type unreadBody struct{ t *testing.T }

func (b *unreadBody) Read([]byte) (int, error) {
	b.t.Error("the body is read")
	return 0, errors.New("read")
}

func (b *unreadBody) Close() error { return nil }

const chat = "https://api.x.ai/v1/chat/completions"

var errEndpoint = errors.New("the endpoint is away")

// A request that is sent without a credential is told, once for each cause and host, with the reason
// and the way out, in an event and in the log.
func TestPassedThrough(t *testing.T) {
	key := reauth.Credential{Provider: "xai", ID: "a", AccessToken: "key-a"}
	euKey := reauth.Credential{Provider: "xai", ID: "eu", AccessToken: "key-eu", Hosts: []string{"eu.api.x.ai"}}
	login := reauth.Credential{Provider: "xai", ID: "me", RefreshToken: "rt-EXAMPLE"}
	pin := func(provider, id string) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context { return reauth.WithCredential(ctx, provider, id) }
	}
	for name, c := range map[string]struct {
		creds                []reauth.Credential
		with                 func(context.Context) context.Context
		url                  string
		reason, provider, id string
		says                 string
	}{
		"none in the pool": {url: chat, reason: "no-credential", provider: "xai-oauth", says: "Add one"},
		"unknown host": {
			url: "https://gateway.example/v1", reason: "unknown-host", says: "no provider of the pool has that host",
		},
		"no host at all": {url: "https:///v1", reason: "unknown-host", says: "no provider of the pool has that host"},
		"plain http": {
			creds: []reauth.Credential{key}, url: "http://api.x.ai/v1",
			reason: "plain-http", provider: "xai-oauth", says: "go over https only",
		},
		"wrong port": {
			creds: []reauth.Credential{key}, url: "https://api.x.ai:8443/v1",
			reason: "unknown-host", provider: "xai-oauth", says: `host pattern "api.x.ai", which is for another port`,
		},
		"wrong path": {
			url: "https://openrouter.ai/v1", reason: "unknown-host", provider: "openrouter",
			says: `host pattern "openrouter.ai/api"`,
		},
		"wrong port of this machine": {
			url: "http://127.0.0.1:9/v1", reason: "unknown-host", provider: "lmstudio", says: `"127.0.0.1:1234"`,
		},
		"pin of an unknown credential": {
			creds: []reauth.Credential{key}, with: pin("grok", "b"), url: chat,
			reason: "pin-unknown", provider: "xai-oauth", id: "b", says: `the pool has no credential "b" of xai-oauth`,
		},
		"pin in an empty pool": {
			with: pin("xai", "a"), url: chat,
			reason: "pin-unknown", provider: "xai-oauth", id: "a", says: `the pool has no credential "a" of xai-oauth`,
		},
		"pin of an unknown provider": {
			creds: []reauth.Credential{key}, with: pin("xia", "a"), url: chat,
			reason: "pin-unknown", provider: "xia", id: "a", says: `provider "xia" is unknown (did you mean "xai"?)`,
		},
		"pin of another provider": {
			creds: []reauth.Credential{key, {Provider: "groq", ID: "g", AccessToken: "key-g"}}, with: pin("groq", "g"), url: chat,
			reason: "key-not-for-host", provider: "groq", id: "g", says: `names "g" of groq, which is not for this request`,
		},
		"pin of a key for another host": {
			creds: []reauth.Credential{key, euKey}, with: pin("xai", "eu"), url: chat,
			reason: "key-not-for-host", provider: "xai-oauth", id: "eu", says: "change its Credential.Hosts",
		},
		"keys for another host": {
			creds: []reauth.Credential{euKey}, url: chat,
			reason: "key-not-for-host", provider: "xai-oauth", says: "of the 1 credentials of xai-oauth none is for that host",
		},
		"no token": {
			creds: []reauth.Credential{login}, url: chat,
			reason: "no-token", provider: "xai-oauth", says: "xai-oauth/me: the endpoint is away",
		},
		"no token for the pin": {
			creds: []reauth.Credential{login, key}, with: pin("xai", "me"), url: chat,
			reason: "no-token", provider: "xai-oauth", id: "me", says: "the endpoint is away",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPassing(poolWithoutTokens(t))
			for _, c := range c.creds {
				_, err := p.pool.Add(t.Context(), c)
				require.NoError(t, err)
			}
			ctx := t.Context()
			if c.with != nil {
				ctx = c.with(ctx)
			}
			for range 3 {
				p.send(t, ctx, c.url)
			}
			told := p.events.all(reauth.PassedThrough)
			require.Len(t, told, 1)
			e := told[0]
			assert.Equal(t, []string{c.reason, c.provider, c.id}, []string{e.Reason, e.Provider, e.ID})
			require.ErrorContains(t, e.Err, "reauth: a request to "+fmt.Sprintf("%q", mustURL(t, c.url).Host))
			require.ErrorContains(t, e.Err, "is sent without a credential: ")
			require.ErrorContains(t, e.Err, c.says)
			line := `level=WARN msg="reauth: passed-through" provider=` + cmp.Or(c.provider, `""`)
			assert.Equal(t, 1, strings.Count(p.log.String(), line), p.log.String())
		})
	}
}

// poolWithoutTokens makes a pool whose token endpoint of xAI is away.
func poolWithoutTokens(t *testing.T) *reauth.Pool {
	t.Helper()
	pool := poolOf(t)
	xai, _ := reauth.LookupProvider("xai")
	xai.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{}, errEndpoint
	})
	require.NoError(t, pool.Register(xai))
	return pool
}

// A stored credential has a refresh token alone, and its provider no way to get an access token.
func TestPassedThroughWithoutARefresher(t *testing.T) {
	store := reauth.NewMemStore()
	store.Put(t, reauth.Credential{Provider: "own", ID: "me", RefreshToken: "rt-EXAMPLE"}, time.Time{})
	pool, err := reauth.OpenPool(t.Context(), store)
	require.NoError(t, err)
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: []string{"own.example"}}))
	p := newPassing(pool)
	p.send(t, t.Context(), "https://own.example/v1")
	told := p.events.all(reauth.PassedThrough)
	require.Len(t, told, 1)
	assert.Equal(t, "no-token", told[0].Reason)
	assert.ErrorContains(t, told[0].Err, "own/me: it has no access token, and its provider has no way to get one")
	_, err = pool.Token(t.Context(), "own")
	require.ErrorContains(t, err, "reauth: token: no credential of own has an access token: \"me\": reauth: not refreshable")
	require.NoError(t, pool.Close())
}

// What the caller asks for is not told, and neither is a request that gets a credential.
func TestNothingPassesThroughUntold(t *testing.T) {
	p := newPassing(poolOf(t, reauth.Credential{Provider: "xai", AccessToken: "key-a"}))
	p.send(t, reauth.WithoutCredential(t.Context()), chat)
	req, err := http.NewRequest(http.MethodGet, chat, nil)
	require.NoError(t, err)
	resp, err := p.rt.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Empty(t, p.events.all(reauth.PassedThrough))
}

// A cause that has ended and comes again is told again.
func TestPassedThroughIsToldAgainAfterAChange(t *testing.T) {
	p := newPassing(poolOf(t))
	told := func() (reasons []string) {
		for _, e := range p.events.all(reauth.PassedThrough) {
			reasons = append(reasons, e.Reason)
		}
		return reasons
	}
	for range 2 {
		p.send(t, t.Context(), chat)
		p.send(t, t.Context(), "https://own.example/v1")
	}
	require.Equal(t, []string{"no-credential", "unknown-host"}, told())

	id, err := p.pool.Add(t.Context(), reauth.Credential{Provider: "xai", AccessToken: "key-a"})
	require.NoError(t, err)
	require.NoError(t, p.pool.Remove(t.Context(), "xai", id))
	for range 2 {
		p.send(t, t.Context(), chat)
		p.send(t, t.Context(), "https://own.example/v1")
	}
	require.Equal(t, []string{"no-credential", "unknown-host", "no-credential"}, told())

	require.NoError(t, p.pool.Register(reauth.Provider{Name: "own", Hosts: []string{"own.example"}}))
	for range 2 {
		p.send(t, t.Context(), "https://own.example/v1")
		p.send(t, t.Context(), "https://sub.own.example/v1")
	}
	require.Equal(t, []string{"no-credential", "unknown-host", "no-credential", "no-credential", "unknown-host"}, told())
}

// A program that sends requests to ever new hosts fills neither memory nor log.
func TestPassedThroughIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPassing(reauth.NewPool())
		many := func() int {
			before := len(p.events.all(reauth.PassedThrough))
			for i := range 1500 {
				p.send(t, t.Context(), fmt.Sprintf("https://h%d.example/", i))
			}
			return len(p.events.all(reauth.PassedThrough)) - before
		}
		assert.Equal(t, 1000, many())
		assert.Zero(t, many())
		time.Sleep(time.Hour)
		assert.Equal(t, 500, many(), "those that have not been told yet")
		require.NoError(t, p.pool.Close())
	})
}

func TestPassedThroughIsToldOnceByMany(t *testing.T) {
	pool, events := reauth.NewPool(), new(eventLog)
	pool.Observe = events.observe
	rt := reauth.NewRecoveringTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return answer(req, 200, ""), nil
	}), pool)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range 50 {
				req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://h%d.example/", i), nil)
				if !assert.NoError(t, err) {
					return
				}
				resp, err := rt.RoundTrip(req)
				if assert.NoError(t, err) {
					assert.NoError(t, resp.Body.Close())
				}
			}
		})
	}
	wg.Wait()
	assert.Len(t, events.all(reauth.PassedThrough), 50)
	require.NoError(t, pool.Close())
}

// What is told costs a request nothing once it was told.
func TestPassingThroughAllocatesNothing(t *testing.T) {
	for _, url := range []string{chat, "https://stranger.example/v1", "http://api.x.ai/v1"} {
		pool := poolOf(t)
		pool.Observe = func(context.Context, reauth.Event) {}
		resp := &http.Response{StatusCode: 200, Body: http.NoBody}
		rt := reauth.NewRecoveringTransport(roundTripFunc(func(*http.Request) (*http.Response, error) { return resp, nil }), pool)
		req, err := http.NewRequest(http.MethodGet, url, nil)
		require.NoError(t, err)
		send := func() {
			if _, err := rt.RoundTrip(req); err != nil {
				t.Error(err)
			}
		}
		send()
		assert.Zero(t, testing.AllocsPerRun(100, send), url)
	}
}

// A wrong name of a provider is told as such by every method that takes one, with the name that may
// be meant.
func TestUnknownProvider(t *testing.T) {
	ctx := context.Background()
	pool := poolOf(t, reauth.Credential{Provider: "openai", ID: "a", AccessToken: "key-a"})
	require.NoError(t, pool.Register(reauth.Provider{Name: "gateway", Hosts: []string{"gateway.example"}}))
	for name, meant := range map[string]string{"openia": "openai", "gatewya": "gateway", "unheard-of": ""} {
		for entry, call := range map[string]func() error{
			"Add": func() error {
				_, err := pool.Add(ctx, reauth.Credential{Provider: name, AccessToken: "key-b"})
				return err
			},
			"Token":   func() error { _, err := pool.Token(ctx, name); return err },
			"Refresh": func() error { return pool.Refresh(ctx, name, "a") },
			"Report":  func() error { return pool.Report(ctx, name, "a", "key-a", reauth.Verdict{}) },
			"Remove":  func() error { return pool.Remove(ctx, name, "a") },
			"Reset":   func() error { return pool.Reset(ctx, name, "a") },
			"a pin": func() error {
				_, err := pool.Token(reauth.WithCredential(ctx, name, "a"), "openai")
				return err
			},
		} {
			err := call()
			require.Error(t, err, entry)
			want := fmt.Sprintf(`provider %q is unknown; Register it first`, name)
			if meant != "" {
				want = fmt.Sprintf(`provider %q is unknown (did you mean %q?); Register it first`, name, meant)
			}
			assert.ErrorContains(t, err, want, entry)
			assert.True(t, strings.HasPrefix(err.Error(), "reauth: "), err)
		}
	}
	_, err := reauth.BuiltinRefresher("openai-codxe", reauth.OAuth2Config{})
	assert.ErrorContains(t, err, `provider "openai-codxe" is unknown (did you mean "openai-codex"?)`)
	_, err = pool.Token(ctx, "sk-"+strings.Repeat("x", 40))
	require.ErrorContains(t, err, "is unknown")
	assert.NotContains(t, err.Error(), "sk-", "a key in the place of a name is not repeated")
}

// An alias is no wrong name, in any case and behind "custom:".
func TestAliasesAreKnown(t *testing.T) {
	ctx := context.Background()
	pool := poolOf(t, reauth.Credential{Provider: "openai", ID: "a", AccessToken: "key-a"})
	require.NoError(t, pool.Register(reauth.Provider{Name: "GateWay", Hosts: []string{"gateway.example"}}))
	_, err := pool.Add(ctx, reauth.Credential{Provider: " custom:gateway", ID: "g", AccessToken: "key-g"})
	require.NoError(t, err)
	for _, name := range []string{"openai-api", " OpenAI\n", "custom:openai"} {
		c, err := pool.Token(ctx, name)
		require.NoError(t, err)
		assert.Equal(t, "key-a", c.AccessToken)
	}
	c, err := pool.Token(reauth.WithCredential(ctx, "Gateway", "g"), "GATEWAY")
	require.NoError(t, err)
	assert.Equal(t, "key-g", c.AccessToken)
	_, err = pool.Token(ctx, "groq")
	assert.ErrorContains(t, err, "reauth: token: the pool has no credential of groq; Add one")
	_, err = pool.Token(reauth.WithCredential(ctx, "openai", "b"), "openai")
	assert.ErrorContains(t, err, `WithCredential names one that is not there: the pool has no credential "b" of openai-api`)
	_, err = pool.Token(reauth.WithCredential(ctx, "gateway", "g"), "openai")
	assert.ErrorContains(t, err, `WithCredential names "g" of gateway, which is not for this request`)
}

// A store may hold several credentials of a provider that this program has not registered. Token
// hands them out as they are.
func TestTokenOfAProviderThatOnlyTheStoreKnows(t *testing.T) {
	store := reauth.NewMemStore()
	for _, id := range []string{"a", "b"} {
		store.Put(t, reauth.Credential{Provider: "own", ID: id, AccessToken: "key-" + id}, time.Time{})
	}
	pool, err := reauth.OpenPool(t.Context(), store)
	require.NoError(t, err)
	c, err := pool.Token(t.Context(), "own")
	require.NoError(t, err)
	assert.Equal(t, "key-a", c.AccessToken)
	require.NoError(t, pool.Remove(t.Context(), "own", "a"))
	require.NoError(t, pool.Close())
}
