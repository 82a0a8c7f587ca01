package reauth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// loginOf returns a login of the provider at an authorization server that is not the provider's own.
func loginOf(provider, issuer string) reauth.Credential {
	c := loginAt(provider)
	c.Metadata = map[string]string{vendors.IssuerNote: issuer}
	return c
}

// refreshedProviders returns the built-in providers that have a refresher.
func refreshedProviders() (names []string) {
	for _, name := range reauth.ProviderNames() {
		if p, _ := reauth.LookupProvider(name); p.Refresher != nil {
			names = append(names, name)
		}
	}
	return names
}

// The tokens of a login at another authorization server than the provider's own never go to the
// provider's, or to a third one. The refusal names both servers and the way out.
func TestTokensStayWithTheirIssuer(t *testing.T) {
	const issuer, elsewhere = "https://auth.corp.example/tenant", "https://auth.other.example/oauth2/token"
	for _, provider := range refreshedProviders() {
		for _, tokenURL := range []string{"", elsewhere} {
			onFakeClock(t, provider+tokenURL, func(t *testing.T) {
				w := newTokenWire(says(200, success(provider)))
				c := loginOf(provider, issuer)
				pool := loginPool(t, builtinOver(t, w, provider, reauth.OAuth2Config{TokenURL: tokenURL}), c)
				for range 2 {
					err := pool.Refresh(context.Background(), provider, "me")
					refused := refreshError(t, err)
					assert.Equal(t, "issuer_mismatch", refused.Code)
					assert.False(t, refused.Permanent, "the login is good")
					assert.ErrorContains(t, err, "the login is of https://auth.corp.example, ")
					assert.ErrorContains(t, err, "--issuer")
				}
				assert.Empty(t, w.urls(), "nothing is sent, to find out the endpoint neither")
				held := heldBy(t, pool, c)
				assert.Equal(t, []string{c.AccessToken, c.RefreshToken}, []string{held.AccessToken, held.RefreshToken})
			})
		}
	}
}

// A program that names the server again refreshes there, time after time.
func TestIssuerIsNamedAgain(t *testing.T) {
	const tokenURL = "https://auth.corp.example/oauth2/token"
	for name, issuer := range map[string]string{
		"its address":      "https://auth.corp.example",
		"a path":           "https://auth.corp.example/tenant",
		"spelled in words": "HTTPS://Auth.Corp.Example.:443/",
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(inTurn(says(200, newPair), says(200, `{"access_token":"at-2","refresh_token":"rt-2"}`)))
			for what, r := range map[string]reauth.Refresher{
				"built-in": builtinOver(t, w, "qwen-oauth", reauth.OAuth2Config{TokenURL: tokenURL}),
				"generic":  exampleRefresher(w, reauth.OAuth2Config{TokenURL: tokenURL}),
			} {
				got, err := r.Refresh(context.Background(), loginOf("qwen-oauth", issuer))
				require.NoError(t, err, what)
				assert.NotEmpty(t, got.AccessToken, what)
			}
			assert.Equal(t, []string{tokenURL, tokenURL}, w.urls())
		})
	}
	onFakeClock(t, "remembered", func(t *testing.T) {
		w := newTokenWire(says(200, newPair))
		c := loginOf("qwen-oauth", "https://auth.corp.example")
		pool := loginPool(t, builtinOver(t, w, "qwen-oauth", reauth.OAuth2Config{TokenURL: tokenURL}), c)
		require.NoError(t, pool.Refresh(context.Background(), "qwen-oauth", "me"))
		pr, _ := reauth.LookupProvider("qwen-oauth")
		pr.Refresher = builtinOver(t, w, "qwen-oauth", reauth.OAuth2Config{})
		require.NoError(t, pool.Register(pr))
		err := pool.Refresh(context.Background(), "qwen-oauth", "me")
		assert.Equal(t, "issuer_mismatch", refreshError(t, err).Code, "the new pair is of that server too")
		assert.Len(t, w.urls(), 1)
	})
}

// A refresher of the program's own, and one of the generic kind at another server, are no exception
// and an exception: the first one's function is the program's word, the second one's URL is none.
func TestIssuerAndOtherRefreshers(t *testing.T) {
	c := loginOf("example", "https://auth.corp.example")
	w := newTokenWire(says(200, newPair))
	_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(t.Context(), c)
	assert.Equal(t, "issuer_mismatch", refreshError(t, err).Code)
	assert.Empty(t, w.urls())
	own := reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: newTokens[0], RefreshToken: newTokens[1]}, nil
	})
	pool := loginPool(t, own, c)
	require.NoError(t, pool.Refresh(t.Context(), "example", "me"))
	assert.Equal(t, newTokens[0], heldBy(t, pool, c).AccessToken)
	// A note that is no address names no server that may be asked.
	for _, note := range []string{"%", "auth.example.com", "ftp://auth.example.com"} {
		_, err := exampleRefresher(w, reauth.OAuth2Config{}).Refresh(t.Context(), loginOf("example", note))
		assert.Equal(t, "issuer_mismatch", refreshError(t, err).Code, note)
	}
	assert.Empty(t, w.urls())
}

// Kimi has a server for each region. A login goes to its own, which its metadata names; one that names
// none is of the first.
func TestKimiRefreshesInTheRegionOfTheLogin(t *testing.T) {
	const mainland, global = "https://auth.kimi.com/api/oauth/token", "https://auth.kimi.ai/api/oauth/token"
	for issuer, want := range map[string]string{
		"": mainland, "https://auth.kimi.com": mainland, "https://auth.kimi.ai": global, "https://AUTH.kimi.ai:443/": global,
	} {
		onFakeClock(t, issuer, func(t *testing.T) {
			w := newTokenWire(says(200, newPair))
			c := loginOf("kimi-coding", issuer)
			pool := loginPool(t, builtinOver(t, w, "kimi-coding", reauth.OAuth2Config{}), c)
			for range 2 { // the new pair is of that region too
				_ = pool.Refresh(context.Background(), "kimi-coding", "me")
			}
			assert.Equal(t, []string{want, want}, w.urls())
			assert.Equal(t, newTokens, tokens(heldBy(t, pool, c)))
		})
	}
	w := newTokenWire(says(200, newPair))
	only := builtinOver(t, w, "kimi-coding", reauth.OAuth2Config{TokenURL: mainland})
	_, err := only.Refresh(t.Context(), loginOf("kimi-coding", "https://auth.kimi.ai"))
	assert.Equal(t, "issuer_mismatch", refreshError(t, err).Code, "the program has named one server")
	assert.Empty(t, w.urls())
}

// Kimi's server wants the device named, by the same id each time. A login that names none gets one with
// its first renewal.
func TestKimiNamesOneDevice(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		w := newTokenWire(inTurn(
			says(503, ""), says(503, ""), says(200, newPair), says(200, `{"access_token":"at-2","refresh_token":"rt-2"}`),
		))
		c := loginOf("kimi-coding", "https://auth.kimi.com")
		pool := loginPool(t, builtinOver(t, w, "kimi-coding", reauth.OAuth2Config{}), c)
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		require.Error(t, pool.Report(t.Context(), "kimi-coding", "me", oldTokens[0], rejected))
		require.NoError(t, pool.Refresh(t.Context(), "kimi-coding", "me"))
		require.NoError(t, pool.Refresh(t.Context(), "kimi-coding", "me"))
		calls := w.sent()
		require.Len(t, calls, 4)
		var devices []string
		for _, call := range calls {
			devices = append(devices, call.headers()["X-Msh-Device-Id"])
		}
		held := heldBy(t, pool, c).Metadata
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, held[vendors.DeviceNote])
		assert.Equal(t, held[vendors.DeviceNote], devices[2])
		assert.Equal(t, devices[2], devices[3], "the id is kept with the new pair")
		assert.Equal(t, devices[0], devices[1], "a repetition of a lost exchange names the same")
		assert.Equal(t, "https://auth.kimi.com", held[vendors.IssuerNote], "what the metadata held stays")
	})
}
