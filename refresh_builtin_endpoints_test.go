package reauth_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// console.anthropic.com, which gave tokens before, has answered 404 since June 2026. The refresher asks
// no second endpoint, whatever the first one answers.
func TestAnthropicHasOneEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		answer    httpmock.Responder
		asked     int // how often the refresher asks the endpoint
		permanent bool
	}{
		"not found": {
			answer: says(404, `{"type":"error","error":{"type":"not_found_error","message":"Not found"}}`),
			asked:  1,
		},
		"no connection": {answer: noDial, asked: 3},
		"a dead grant":  {says(400, `{"error":"invalid_grant"}`), 1, true},
		"a revoked token": {
			answer: says(401, `{"type":"error",`+
				`"error":{"type":"authentication_error","message":"OAuth token has been revoked"}}`),
			asked: 1, permanent: true,
		},
		"denied": {
			answer: says(403, `{"type":"error","error":{"type":"permission_error","message":"no"}}`),
			asked:  1,
		},
		"too many":        {answer: says(429, ``), asked: 3},
		"too many, long":  {answer: says(429, ``, "Retry-After", "60"), asked: 1},
		"unavailable":     {answer: says(503, ``), asked: 1},
		"no answer":       {answer: lost, asked: 1},
		"a redirect":      {answer: says(307, ``, "Location", "https://console.anthropic.com/v1/oauth/token"), asked: 1},
		"a page":          {answer: says(200, `<html>`), asked: 1},
		"no access token": {answer: says(200, `{}`), asked: 1},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(says(200, newPair))
			w.RegisterResponder("POST", claudeURL, c.answer)
			pool := loginPool(t, builtinOver(t, w, "anthropic", reauth.OAuth2Config{}), loginAt("anthropic"))
			err := pool.Refresh(context.Background(), "anthropic", "me")
			assert.Equal(t, c.permanent, refreshError(t, err).Permanent)
			assert.Equal(t, slices.Repeat([]string{claudeURL}, c.asked), w.urls())
			assert.Equal(t, oldTokens, tokens(heldBy(t, pool, loginAt("anthropic"))))
		})
	}
}

// When the answer to an exchange is lost and the API refuses the access token, the refresher
// repeats the exchange once, at the same endpoint.
func TestAnthropicRepeatsALostExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWire(lost)
		pool := loginPool(t, builtinOver(t, w, "anthropic", reauth.OAuth2Config{}), loginAt("anthropic"))
		rejected := reauth.Verdict{Kind: reauth.Rejected}
		require.Error(t, pool.Report(context.Background(), "anthropic", "me", oldTokens[0], rejected))
		assert.Equal(t, []string{claudeURL, claudeURL}, w.urls())
	})
}

// discovers answers with xAI's metadata, which names the token endpoint.
func discovers(endpoint string) httpmock.Responder {
	return says(200, `{"issuer":"https://auth.x.ai","token_endpoint":"`+endpoint+`"}`)
}

func TestXAIAsksTheEndpointItDiscovers(t *testing.T) {
	for _, endpoint := range []string{
		xaiTokenURL, "https://auth.x.ai/v2/token", "https://accounts.x.ai/token", "https://x.ai/token",
		"https://auth.x.ai:443/token",
	} {
		w := newTokenWire(says(200, newPair))
		w.RegisterResponder("GET", xaiDiscoveryURL, discovers(endpoint))
		_, err := builtinOver(t, w, "xai", reauth.OAuth2Config{}).Refresh(context.Background(), loginAt("xai-oauth"))
		require.NoError(t, err)
		assert.Equal(t, []string{xaiDiscoveryURL, endpoint}, w.urls())
	}
}

// Somebody may have forged the issuer's metadata. The refresher sends no token to an endpoint
// outside of xAI's hosts.
func TestXAISendsNoTokenToAStranger(t *testing.T) {
	for _, endpoint := range []string{
		"https://stranger.example/token", "https://x.ai.stranger.example/token", "https://evilx.ai/token",
		"https://auth.x.ai@stranger.example/token", "https://stranger.example\\\\@auth.x.ai/token",
		"http://auth.x.ai/oauth2/token", "https://auth.x.ai:8443/oauth2/token", "https://me@auth.x.ai/oauth2/token",
		"https://a.auth.x.ai/token", "//auth.x.ai/token", "/oauth2/token",
		"file:///etc/passwd", "http://127.0.0.1/token",
	} {
		t.Run(endpoint, func(t *testing.T) {
			w := newTokenWire(says(200, newPair))
			w.RegisterResponder("GET", xaiDiscoveryURL, inTurn(discovers(endpoint), discovers(xaiTokenURL)))
			pool := loginPool(t, builtinOver(t, w, "xai", reauth.OAuth2Config{}), loginAt("xai-oauth"))
			re := refreshError(t, pool.Refresh(context.Background(), "xai", "me"))
			assert.Equal(t, []any{"xai-oauth", "discovery_invalid", false}, []any{re.Provider, re.Code, re.Permanent})
			assert.Equal(t, []string{xaiDiscoveryURL}, w.urls())
			assert.Equal(t, oldTokens, tokens(heldBy(t, pool, loginAt("xai-oauth"))))

			// The refresher has not remembered the forged endpoint.
			require.NoError(t, pool.Refresh(context.Background(), "xai", "me"))
			assert.Equal(t, newTokens, tokens(heldBy(t, pool, loginAt("xai-oauth"))))
		})
	}
}

// Discovery only tells whether the token endpoint has moved. While it is down, the refresher asks
// the endpoint that it knows.
func TestXAIDiscoveryThatIsDown(t *testing.T) {
	silent := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	for name, c := range map[string]struct {
		answer httpmock.Responder
		took   time.Duration
	}{
		"not found":        {says(404, `{"token_endpoint":"https://stranger.example/"}`), 0},
		"unavailable":      {says(503, ``), 0},
		"a page":           {says(200, `<html>`), 0},
		"half a document":  {says(200, `{"token_endpoint":"`), 0},
		"no document":      {says(200, `[]`), 0},
		"without endpoint": {says(200, `{"issuer":"https://auth.x.ai"}`), 0},
		"a redirect":       {says(302, ``, "Location", "https://stranger.example/"), 0},
		"no answer":        {lost, 0},
		"no connection":    {noDial, 750 * time.Millisecond},
		"too many":         {says(429, ``), 750 * time.Millisecond},
		"silent":           {silent, 10 * time.Second},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(lost)
			w.RegisterResponder("GET", xaiDiscoveryURL, c.answer)
			w.RegisterResponder("POST", xaiTokenURL, says(200, newPair))
			pool := loginPool(t, builtinOver(t, w, "xai", reauth.OAuth2Config{}), loginAt("xai-oauth"))
			require.NoError(t, pool.Refresh(context.Background(), "xai", "me"))
			assert.Equal(t, newTokens, tokens(heldBy(t, pool, loginAt("xai-oauth"))))
			calls := w.sent()
			assert.Equal(t, xaiTokenURL, calls[len(calls)-1].url)
			assert.Equal(t, c.took, calls[len(calls)-1].after)
		})
	}
}

func TestXAIDiscoveryIsRememberedForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const moved = "https://accounts.x.ai/token"
		w := newTokenWire(says(200, newPair))
		w.RegisterResponder("GET", xaiDiscoveryURL, inTurn(says(503, ``), discovers(xaiTokenURL), discovers(moved)))
		r := builtinOver(t, w, "xai", reauth.OAuth2Config{})
		for _, wait := range []time.Duration{0, 0, 23 * time.Hour, 2 * time.Hour} {
			time.Sleep(wait)
			_, err := r.Refresh(context.Background(), loginAt("xai-oauth"))
			require.NoError(t, err)
		}
		want := []string{
			xaiDiscoveryURL, xaiTokenURL, // discovery is down: the refresher asks the default endpoint
			xaiDiscoveryURL, xaiTokenURL, // it did not remember the default endpoint as discovered
			xaiTokenURL,            // within a day
			xaiDiscoveryURL, moved, // after a day
		}
		assert.Equal(t, want, w.urls())
	})
}
