package reauth_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fixturetest"
	"github.com/reauth-go/reauth/internal/vendors"
)

const (
	xaiDiscoveryURL = "https://auth.x.ai/.well-known/openid-configuration"
	xaiTokenURL     = "https://auth.x.ai/oauth2/token"
	claudeURL       = "https://platform.claude.com/v1/oauth/token"
	formType        = "application/x-www-form-urlencoded"
	jsonType        = "application/json"
	githubToken     = "ghu_EXAMPLE-old"
	exampleDevice   = "6f1e0b5c-0000-4000-8000-000000000001"
)

// builtinProviders are the providers that have a built-in refresher.
var builtinProviders = []string{
	"anthropic", "copilot", "kimi-coding", "minimax-cn", "minimax-oauth", "nous", "openai-codex", "qwen-oauth", "xai-oauth",
}

// loginAt returns exampleLogin as a login of another provider.
func loginAt(provider string) reauth.Credential {
	c := exampleLogin()
	c.Provider = provider
	switch provider {
	case "copilot":
		c.RefreshToken = githubToken
	case "kimi-coding":
		c.Metadata = map[string]string{vendors.DeviceNote: exampleDevice}
	}
	return c
}

// builtinOver returns a built-in refresher over the wire.
func builtinOver(t testing.TB, w *tokenWire, name string, cfg reauth.OAuth2Config) reauth.Refresher {
	t.Helper()
	cfg.HTTPClient = w.client()
	r, err := reauth.BuiltinRefresher(name, cfg)
	require.NoError(t, err)
	return r
}

// success returns an answer with a new pair, as the provider words it.
func success(provider string) string {
	if provider == "copilot" {
		return `{"token":"at-EXAMPLE-new","expires_at":946688400}`
	}
	return strings.Replace(newPair, "{", `{"status":"success",`, 1)
}

// meanings are the folders of fixtures/token. Each says how a refresh with such an answer ends.
var meanings = map[string]struct{ permanent, success bool }{
	"raced":       {permanent: true},
	"relogin":     {permanent: true},
	"retry":       {},
	"entitlement": {},
	"exhausted":   {},
	"other":       {},
	"success":     {success: true},
}

// recorded says how the test replays the recorded answers of a provider. The key is the provider in
// the name of the file.
var recorded = map[string]struct {
	provider string
	cfg      *reauth.OAuth2Config // for OAuth2Refresher; nil: the provider's own refresher
}{
	"anthropic":      {provider: "anthropic"},
	"github-copilot": {provider: "copilot"},
	"google": {"gemini", &reauth.OAuth2Config{
		TokenURL:     "https://oauth2.googleapis.com/token",
		ClientID:     "example.apps.googleusercontent.com",
		ClientSecret: "cs-EXAMPLE",
	}},
	"kimi":         {provider: "kimi-coding"},
	"minimax":      {provider: "minimax-oauth"},
	"nous":         {provider: "nous"},
	"openai-codex": {provider: "openai-codex"},
	"qwen":         {provider: "qwen-oauth"},
	"xai":          {provider: "xai-oauth"},
}

// notReplayed are recorded answers of requests that no refresher makes any more, with the reason.
var notReplayed = map[string]string{
	"token/exhausted/nous-402-agent-key-no-credits": "no refresher mints an agent key any more",
}

// afterRecorded lists the pair that the pool has after a recorded answer, and how long it lives.
// Answers that are not listed change nothing.
var afterRecorded = map[string]struct {
	access, refresh string // "": unchanged
	lifetime        time.Duration
}{
	"token/success/anthropic-200-rotated-pair": {"sk-ant-oat01-…", "sk-ant-ort01-…", 8 * time.Hour},
	"token/success/github-copilot-200-minted": {
		access: "tid=…;exp=1726000000;sku=…;…", lifetime: time.Unix(1726000000, 0).Sub(bubbleStart),
	},
	"token/success/github-copilot-200-renewed": {
		"at-EXAMPLE-new", "ghu_EXAMPLE-new", time.Unix(946688400, 0).Sub(bubbleStart), // the mint's expires_at
	},
	"token/success/google-200-without-refresh-token": {"ya29.…", "", 3599 * time.Second},
	"token/success/kimi-200-rotated-pair":            {"new-access", "new-refresh", 15 * time.Minute},
	"token/success/minimax-200-expired-in-ms": {
		access: "fresh-access", refresh: "rotated-rt", lifetime: time.Unix(1700000000, 0).Sub(bubbleStart),
	},
	"token/success/openai-codex-200-rotated-pair":  {"<jwt>", "<new rt>", 10 * 24 * time.Hour},
	"token/retry/kimi-200-expires-in-zero":         {"next-access", "next-refresh", 0},
	"token/retry/minimax-200-without-access-token": {"", "rotated-rt", 0},
}

// bubbleStart is the time at which every synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// The test replays each recorded answer at the URL at which it was recorded. Every other URL
// answers 404.
func TestRecordedTokenAnswers(t *testing.T) {
	skipped := 0
	for _, f := range fixturetest.TokenAnswers(t, "fixtures") {
		if notReplayed[f.Name] != "" {
			skipped++
			continue
		}
		onFakeClock(t, f.Name, func(t *testing.T) {
			meaning, ok := meanings[f.Want]
			require.True(t, ok, "the folder has no meaning")
			at, ok := recorded[f.Provider]
			require.True(t, ok, "nobody refreshes at %s", f.Provider)
			w := newTokenWire(says(404, ""))
			endpoint, method := f.Notes.Get("Fixture-Endpoint"), "POST"
			if f.Notes.Get("Fixture-Kind") == "mint" {
				method = "GET"
			}
			answer := httpmock.NewBytesResponder(f.Resp.StatusCode, f.Body).HeaderSet(f.Resp.Header)
			w.RegisterResponder(method, endpoint, answer)
			login := loginAt(at.provider)
			if f.Notes.Get("Fixture-Kind") == "renewal" {
				login = expiring(bubbleStart)
				w.RegisterResponder("GET", mintURL, mints("ghu_EXAMPLE-new"))
			}
			pool := loginPool(t, recordedRefresher(t, w, f.Provider), login)
			want, changed := afterRecorded[f.Name]

			_, err := recordedRefresher(t, w, f.Provider).Refresh(context.Background(), login)
			if meaning.success {
				require.NoError(t, err)
			} else {
				re := refreshError(t, err)
				assert.Equal(t, meaning.permanent, re.Permanent, "%v", re)
				assert.Equal(t, []any{at.provider, f.Resp.StatusCode}, []any{re.Provider, re.Status})
			}
			sends := w.GetCallCountInfo()[method+" "+endpoint]
			wantSends := map[bool]int{false: 1, true: 3}[f.Resp.StatusCode == 429]
			assert.Equal(t, wantSends, sends, "the refresher repeats only after a 429")

			err = pool.Refresh(context.Background(), login.Provider, login.ID)
			assert.Equal(t, want.access != "", err == nil, "%v", err)
			if want.access == "" {
				want.access = login.AccessToken
			}
			if want.refresh == "" {
				want.refresh = login.RefreshToken
			}
			got := heldBy(t, pool, login)
			assert.Equal(t, []string{want.access, want.refresh}, tokens(got))
			if changed && meaning.success {
				assert.WithinDuration(t, bubbleStart.Add(want.lifetime), got.Expiry, 0)
			}
		})
	}
	assert.Len(t, notReplayed, skipped, "fixtures holds each of notReplayed")
}

// recordedRefresher returns the refresher of a row of recorded, over the wire.
func recordedRefresher(t testing.TB, w *tokenWire, provider string) reauth.Refresher {
	t.Helper()
	at := recorded[provider]
	if at.cfg == nil {
		return builtinOver(t, w, at.provider, reauth.OAuth2Config{})
	}
	cfg := *at.cfg
	cfg.HTTPClient = w.client()
	return reauth.OAuth2Refresher(cfg)
}

// The request that each provider gets, with all its parameters and header fields.
func TestBuiltinTokenRequests(t *testing.T) {
	grant := func(clientID string) map[string]string {
		return map[string]string{
			"grant_type": "refresh_token", "refresh_token": "rt-EXAMPLE-old", "client_id": clientID,
		}
	}
	header := func(kind string, more ...string) map[string]string {
		h := map[string]string{"Accept": "application/json", "User-Agent": "reauth"}
		if kind != "" {
			h["Content-Type"] = kind
		}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	type sent struct {
		request        string
		params, header map[string]string
	}
	want := map[string]sent{
		"anthropic": {"POST " + claudeURL, grant("9d1c250a-e61b-44d9-88ed-5944d1962f5e"), header(jsonType)},
		"copilot": {
			"GET https://api.github.com/copilot_internal/v2/token",
			map[string]string{},
			header("", "Authorization", "token "+githubToken),
		},
		"kimi-coding": {
			"POST https://auth.kimi.com/api/oauth/token", grant("17e5f671-d194-4dfb-9706-5516cb48c098"),
			header(formType, "X-Msh-Platform", "reauth", "X-Msh-Version", "0.1.0", "X-Msh-Device-Name", "reauth",
				"X-Msh-Device-Model", runtime.GOOS+" "+runtime.GOARCH, "X-Msh-Os-Version", runtime.GOOS,
				"X-Msh-Device-Id", exampleDevice),
		},
		"minimax-cn": {
			"POST https://account.minimaxi.com/oauth2/token", grant("78257093-7e40-4613-99e0-527b14b39113"),
			header(formType),
		},
		"minimax-oauth": {
			"POST https://account.minimax.io/oauth2/token", grant("78257093-7e40-4613-99e0-527b14b39113"),
			header(formType),
		},
		"nous": {
			"POST https://portal.nousresearch.com/api/oauth/token",
			map[string]string{"grant_type": "refresh_token", "client_id": "hermes-cli"},
			header(formType, "X-Nous-Refresh-Token", "rt-EXAMPLE-old"),
		},
		"openai-codex": {
			"POST https://auth.openai.com/oauth/token", grant("app_EMoamEEZ73f0CkXaXp7hrann"), header(jsonType),
		},
		"qwen-oauth": {
			"POST https://chat.qwen.ai/api/v1/oauth2/token", grant("f0304373b74a44d2b584a3fb70ca9e56"),
			header(formType),
		},
		"xai-oauth": {"POST " + xaiTokenURL, grant("b1a00492-073a-47ea-816f-4c329264a828"), header(formType)},
	}
	for _, provider := range builtinProviders {
		t.Run(provider, func(t *testing.T) {
			p, ok := reauth.LookupProvider(provider)
			require.True(t, ok)
			require.NotNil(t, p.Refresher, "the provider has a refresher")
			w := newTokenWire(says(200, success(provider)))
			w.RegisterResponder("GET", xaiDiscoveryURL, says(200, `{"token_endpoint":"`+xaiTokenURL+`"}`))
			r := builtinOver(t, w, provider, reauth.OAuth2Config{})
			got, err := r.Refresh(context.Background(), loginAt(provider))
			require.NoError(t, err)
			assert.Equal(t, newTokens[0], got.AccessToken)

			calls := w.sent()
			if provider == "xai-oauth" {
				require.Len(t, calls, 2)
				assert.Equal(t, "GET "+xaiDiscoveryURL, calls[0].method+" "+calls[0].url)
				assert.Equal(t, map[string]string{"User-Agent": "reauth"}, calls[0].headers())
				assert.Empty(t, calls[0].body)
				calls = calls[1:]
			}
			require.Len(t, calls, 1)
			call := calls[0]
			assert.Equal(t, want[provider], sent{call.method + " " + call.url, call.params(t), call.headers()})
		})
	}
}

// The settings of the caller replace those of the built-in refresher.
func TestBuiltinSettingsAreReplaced(t *testing.T) {
	cfg := reauth.OAuth2Config{
		TokenURL: exampleTokenURL, ClientID: "app", ClientSecret: "cs-EXAMPLE", Scopes: []string{"openid"},
		Header:    http.Header{"User-Agent": {"example/1"}, "Editor-Version": {"example/2"}},
		Permanent: []string{"example_dead"},
	}
	for _, provider := range builtinProviders {
		t.Run(provider, func(t *testing.T) {
			w := newTokenWire(inTurn(
				says(200, success(provider)), says(400, `{"error":"example_dead"}`), says(404, ``),
			))
			r := builtinOver(t, w, " "+strings.ToUpper(provider)+" ", cfg)
			_, err := r.Refresh(context.Background(), loginAt(provider))
			require.NoError(t, err)
			own := loginAt(provider)
			own.Provider, own.ClientID = "an alias", "of the login"
			_, err = r.Refresh(context.Background(), own)
			assert.True(t, refreshError(t, err).Permanent)
			assert.Equal(t, provider, refreshError(t, err).Provider)
			_, err = r.Refresh(context.Background(), own)
			assert.Equal(t, 404, refreshError(t, err).Status)

			calls := w.sent()
			require.Len(t, calls, 3, "the refresher asks neither discovery nor a second endpoint")
			for i, clientID := range []string{"app", "of the login", "of the login"} {
				assert.Equal(t, exampleTokenURL, calls[i].url)
				h := calls[i].headers()
				assert.Equal(t, []string{"example/1", "example/2"}, []string{h["User-Agent"], h["Editor-Version"]})
				if provider == "copilot" {
					continue // GitHub's endpoint takes no client id
				}
				params := calls[i].params(t)
				got := []string{params["client_id"], params["client_secret"], params["scope"]}
				assert.Equal(t, []string{clientID, "cs-EXAMPLE", "openid"}, got)
			}
		})
	}
	w := newTokenWire(says(200, newPair))
	r := builtinOver(t, w, "qwen", reauth.OAuth2Config{JSON: true, BasicAuth: true, ClientSecret: "cs"})
	_, err := r.Refresh(context.Background(), loginAt("qwen"))
	require.NoError(t, err)
	assert.Equal(t, jsonType, w.sent()[0].headers()["Content-Type"])
	assert.True(t, strings.HasPrefix(w.sent()[0].headers()["Authorization"], "Basic "))
}

func TestBuiltinRefresherRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"groq": "", "nobody": "", "": "",
		"xai":    "http://auth.x.ai/oauth2/token",
		"nous":   "portal.nousresearch.com/token",
		"claude": "https://user:pw-EXAMPLE@auth.example.com",
		"qwen":   "://",
	} {
		r, err := reauth.BuiltinRefresher(name, reauth.OAuth2Config{TokenURL: url})
		require.Error(t, err, name)
		assert.Nil(t, r)
		assert.NotContains(t, err.Error(), "pw-EXAMPLE")
	}
}

// MiniMax says in expired_in when a token expires: as a number of seconds, or as an instant.
func TestMinimaxExpiredIn(t *testing.T) {
	const never = time.Duration(0)
	in2004 := time.Unix(1_100_000_000, 0)
	for name, c := range map[string]struct {
		value string
		skew  time.Duration // how far the answer's Date is ahead; zero: it has no Date
		want  time.Duration // the expiry, counted from the request
	}{
		"seconds":                       {"3600", 0, time.Hour},
		"seconds as a string":           {`"3600"`, 0, time.Hour},
		"seconds, whatever the Date":    {"3600", time.Hour, time.Hour},
		"an instant in s":               {"1100000000", 0, in2004.Sub(bubbleStart)},
		"an instant in ms":              {"1100000000000", 0, in2004.Sub(bubbleStart)},
		"an instant, the server ahead":  {"1100000000000", time.Hour, in2004.Sub(bubbleStart) - time.Hour},
		"an instant, the server behind": {"1100000000", -time.Hour, in2004.Sub(bubbleStart) + time.Hour},
		"nothing":                       {"0", 0, never},
		"less than nothing":             {"-1", 0, never},
		"null":                          {"null", 0, never},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			const format = `{"status":"success","access_token":"at-EXAMPLE-new","expired_in":%s}`
			answer := says(200, fmt.Sprintf(format, c.value))
			if c.skew != 0 {
				answer = answer.HeaderSet(http.Header{"Date": {bubbleStart.Add(c.skew).Format(http.TimeFormat)}})
			}
			r := builtinOver(t, newTokenWire(answer), "minimax", reauth.OAuth2Config{})
			got, err := r.Refresh(context.Background(), loginAt("minimax-oauth"))
			require.NoError(t, err)
			want := time.Time{}
			if c.want != never {
				want = bubbleStart.Add(c.want)
			}
			assert.True(t, want.Equal(got.Expiry), "want %s, got %s", want, got.Expiry)
		})
	}
}

// Refusals that a provider words in its own way, beyond the recorded answers.
func TestBuiltinRefusals(t *testing.T) {
	const qwenDead = `{"error":"invalid_request","error_description":"Invalid refresh token or client_id"}`
	for name, c := range map[string]struct {
		provider  string
		answer    httpmock.Responder
		code      string
		permanent bool
	}{
		"Qwen's dead grant": {
			provider:  "qwen-oauth",
			answer:    says(400, qwenDead),
			code:      "invalid_request",
			permanent: true,
		},
		"Qwen's other bad requests": {
			provider: "qwen-oauth",
			answer:   says(400, `{"error":"invalid_request","error_description":"Missing parameter"}`),
			code:     "invalid_request",
		},
		"the same words elsewhere": {
			provider: "openai-codex",
			answer:   says(400, qwenDead),
			code:     "invalid_request",
		},
		"Qwen's words under another code": {
			provider: "qwen-oauth",
			answer:   says(401, `{"error":"invalid_client","error_description":"Invalid refresh token or client_id"}`),
			code:     "invalid_client",
		},
		"Nous, reuse": {
			provider:  "nous",
			answer:    says(400, `{"error":"invalid_request","error_description":"Refresh token Reuse detected"}`),
			code:      "invalid_request",
			permanent: true,
		},
		"Nous, no credits": {"nous", says(402, ``), "", false},
		"Anthropic, 401 of an API": {
			provider:  "anthropic",
			answer:    says(401, `{"error":{"type":"authentication_error","message":"OAuth token has been revoked"}}`),
			code:      "authentication_error",
			permanent: true,
		},
		"Anthropic, 403 of an API": {
			provider: "anthropic",
			answer:   says(403, `{"error":{"type":"authentication_error"}}`),
			code:     "authentication_error",
		},
		"xAI, the tier": {"xai-oauth", says(403, ``), "tier_denied", false},
		"xAI, the tier in words": {
			provider: "xai-oauth",
			answer:   says(403, `{"error":"invalid_grant","error_description":"Access denied"}`),
			code:     "invalid_grant",
		},
		"MiniMax, in plain text": {
			provider:  "minimax-oauth",
			answer:    says(401, `invalid_grant`, "Content-Type", "text/plain"),
			code:      "invalid_grant",
			permanent: true,
		},
		"MiniMax, dead in a 200": {
			provider: "minimax-oauth",
			answer: says(200, `{"status":"error",`+
				`"base_resp":{"status_code":5,"status_msg":"invalid_refresh_token"}}`),
			code:      "invalid_refresh_token",
			permanent: true,
		},
		"MiniMax, dead in a sentence": {
			provider:  "minimax-cn",
			answer:    says(400, `{"base_resp":{"status_code":5,"status_msg":"oauth: invalid_grant"}}`),
			code:      "oauth: invalid_grant",
			permanent: true,
		},
		"MiniMax, busy in a 200": {
			provider: "minimax-oauth",
			answer:   says(200, `{"status":"error","base_resp":{"status_code":1000,"status_msg":"busy"}}`),
			code:     "busy",
		},
		"MiniMax, tokens beside an error": {
			provider: "minimax-oauth",
			answer:   says(200, `{"status":"error","access_token":"at-EXAMPLE-new","base_resp":{"status_msg":"busy"}}`),
			code:     "busy",
		},
		"GitHub, revoked":                  {"copilot", says(401, `{"message":"Bad credentials"}`), "", true},
		"GitHub, a token that cannot mint": {"copilot", says(404, `{"message":"Not Found"}`), "", true},
		"GitHub, a page":                   {"copilot", says(404, `<html>`), "", false},
		"GitHub, no subscription": {
			provider: "copilot", answer: says(403, `{"message":"Resource not accessible by integration"}`),
		},
		"GitHub, a mint without token": {
			provider: "copilot", answer: says(200, `{"expires_at":946688400}`), code: "no_access_token",
		},
		"a 401 without a code": {"openai-codex", says(401, ``), "", false},
		"a country that is not served": {
			provider: "openai-codex",
			answer:   says(403, `{"error":{"code":"unsupported_country_region_territory"}}`),
			code:     "unsupported_country_region_territory",
		},
		"a challenge of the edge": {
			provider: "anthropic", answer: says(403, `<!DOCTYPE html><title>Just a moment...</title>`),
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			w := newTokenWire(c.answer)
			w.RegisterResponder("GET", xaiDiscoveryURL, discovers(xaiTokenURL))
			login := loginAt(c.provider)
			pool := loginPool(t, builtinOver(t, w, c.provider, reauth.OAuth2Config{}), login)
			re := refreshError(t, pool.Refresh(context.Background(), login.Provider, "me"))
			assert.Equal(t, []any{c.provider, c.code, c.permanent}, []any{re.Provider, re.Code, re.Permanent})
			assert.Equal(t, tokens(login), tokens(heldBy(t, pool, login)), "the pool keeps the pair")
		})
	}
}

// An endpoint may explain its code, and so do we where we know better. The explanation is kept.
func TestWhatBuiltinRefusalsExplain(t *testing.T) {
	const tier = "the account's tier has no access; a new login does not change that, an API key may"
	for name, c := range map[string]struct {
		provider, answer  string
		code, description string
	}{
		"xAI, without a word":   {"xai-oauth", ``, "tier_denied", tier},
		"xAI, a code":           {"xai-oauth", `{"error":"access_denied"}`, "access_denied", tier},
		"xAI, as RFC 6749 says": {"xai-oauth", `{"error":"invalid_grant","error_description":"no"}`, "invalid_grant", tier + ": no"},
		"xAI, as its API says": {
			"xai-oauth", `{"code":"permission-denied","error":"Upgrade to Heavy."}`, "permission-denied", tier + ": Upgrade to Heavy.",
		},
		"MiniMax, a code": {
			"minimax-oauth", `{"error":"access_denied","base_resp":{"status_code":5,"status_msg":"no such plan"}}`,
			"access_denied", "no such plan",
		},
		"Codex": {
			"openai-codex", `{"error":{"code":"unsupported_country_region_territory","message":"not here"}}`,
			"unsupported_country_region_territory", "not here",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWire(says(403, c.answer))
			w.RegisterResponder("GET", xaiDiscoveryURL, discovers(xaiTokenURL))
			_, err := builtinOver(t, w, c.provider, reauth.OAuth2Config{}).Refresh(context.Background(), loginAt(c.provider))
			re := refreshError(t, err)
			assert.Equal(t, []string{c.code, c.description}, []string{re.Code, re.Description})
			assert.False(t, re.Permanent)
		})
	}
}

// An answer may tell more than the tokens: an account, a base URL, a resource. The refresher notes
// it in the credential.
func TestWhatBuiltinRefreshersNote(t *testing.T) {
	claim := func(account string) string {
		return jwt(`{"https://api.openai.com/auth":{"chatgpt_account_id":"` + account + `"}}`)
	}
	for name, c := range map[string]struct {
		provider, answer string
		account          string
		notes            map[string]string
	}{
		"Codex, account of the access token": {
			provider: "openai-codex",
			answer:   `{"access_token":"` + claim("acc-1") + `","id_token":"` + claim("acc-2") + `"}`,
			account:  "acc-1",
		},
		"Codex, account of the id token": {
			provider: "openai-codex",
			answer:   `{"access_token":"at","id_token":"` + claim("acc-2") + `"}`,
			account:  "acc-2",
		},
		"Codex, FedRAMP by the id token": {
			provider: "openai-codex",
			answer: `{"access_token":"` + claim("acc-1") + `","id_token":"` + jwt(`{"https://api.openai.com/auth":`+
				`{"chatgpt_account_id":"acc-1","chatgpt_account_is_fedramp":true}}`) + `"}`,
			account: "acc-1",
			notes:   map[string]string{vendors.FedRAMPNote: "true"},
		},
		"Nous, a base URL of its own": {
			provider: "nous",
			answer:   `{"access_token":"at","inference_base_url":"https://inference-api.nousresearch.com/v1"}`,
			notes:    map[string]string{"base_url": "https://inference-api.nousresearch.com/v1"},
		},
		"Nous, a base URL of its other host": {
			provider: "nous",
			answer:   `{"access_token":"at","inference_base_url":"https://welcome-api.nousresearch.com/v1"}`,
			notes:    map[string]string{"base_url": "https://welcome-api.nousresearch.com/v1"},
		},
		"Nous, with a user name": {
			provider: "nous",
			answer:   `{"access_token":"at","inference_base_url":"https://me@welcome-api.nousresearch.com/v1"}`,
		},
		"Nous, a stranger's": {
			provider: "nous",
			answer: `{"access_token":"at",` +
				`"inference_base_url":"https://inference-api.nousresearch.com.stranger.example/v1"}`,
		},
		"Nous, in the clear": {
			provider: "nous",
			answer:   `{"access_token":"at","inference_base_url":"http://inference-api.nousresearch.com/v1"}`,
		},
		"Qwen's resource": {
			provider: "qwen-oauth",
			answer:   `{"access_token":"at","resource_url":"portal.qwen.ai"}`,
			notes:    map[string]string{"resource_url": "portal.qwen.ai"},
		},
		"MiniMax's resource": {
			provider: "minimax-oauth",
			answer:   `{"status":"success","access_token":"at","resource_url":"https://api.minimax.io/anthropic"}`,
			notes:    map[string]string{"resource_url": "https://api.minimax.io/anthropic"},
		},
		"Copilot's endpoint": {
			provider: "copilot",
			answer:   `{"token":"at","endpoints":{"api":"https://api.business.githubcopilot.com"}}`,
			notes:    map[string]string{"endpoint": "https://api.business.githubcopilot.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWire(says(200, c.answer))
			r := builtinOver(t, w, c.provider, reauth.OAuth2Config{})
			got, err := r.Refresh(context.Background(), loginAt(c.provider))
			require.NoError(t, err)
			assert.Equal(t, c.account, got.AccountID)
			assert.Equal(t, c.notes, got.Metadata)
		})
	}
}

// GitHub mints Copilot tokens for a GitHub token and does not spend it. So the refresher may repeat
// the request. The token of an OAuth app is the key itself, and mints nothing.
func TestCopilotMints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := bubbleStart.Add(10 * time.Minute).Format(http.TimeFormat)
		w := newTokenWire(inTurn(lost, says(502, ``), says(200, success("copilot"), "Date", ahead)))
		login := loginAt("copilot")
		pool := loginPool(t, builtinOver(t, w, "copilot", reauth.OAuth2Config{}), login)
		require.NoError(t, pool.Refresh(context.Background(), "copilot", "me"))
		assert.Equal(t, ms(0, 250, 750), w.times())
		got := heldBy(t, pool, login)
		assert.Equal(t, []string{newTokens[0], githubToken}, tokens(got), "the pool keeps the GitHub token")
		assert.WithinDuration(t, time.Now().Add(50*time.Minute), got.Expiry, 0, "expires_at goes by GitHub's clock")

		app := reauth.Credential{
			Provider: "copilot", ID: "app", AccessToken: "at-EXAMPLE-app", RefreshToken: "gho_EXAMPLE",
		}
		_, err := pool.Add(context.Background(), app)
		require.NoError(t, err)
		require.ErrorIs(t, pool.Refresh(context.Background(), "copilot", "app"), reauth.ErrNotRefreshable)
		_, err = builtinOver(t, w, "copilot", reauth.OAuth2Config{}).Refresh(context.Background(), app)
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		assert.Len(t, w.sent(), 3, "the refresher sends nothing for the app")
		assert.Equal(t, tokens(app), tokens(heldBy(t, pool, app)))
	})
}

func TestBuiltinRefreshersAndStaticKeys(t *testing.T) {
	for _, provider := range builtinProviders {
		w := newTokenWire(says(200, success(provider)))
		key := reauth.Credential{Provider: provider, ID: "key", AccessToken: "key-EXAMPLE"}
		_, err := builtinOver(t, w, provider, reauth.OAuth2Config{}).Refresh(context.Background(), key)
		require.ErrorIs(t, err, reauth.ErrNotRefreshable)
		pool := loginPool(t, builtinOver(t, w, provider, reauth.OAuth2Config{}), key)
		require.ErrorIs(t, pool.Refresh(context.Background(), provider, "key"), reauth.ErrNotRefreshable)
		assert.Empty(t, w.sent(), "the refresher of %s sends nothing, not even to discovery", provider)
		assert.Equal(t, "key-EXAMPLE", heldBy(t, pool, key).AccessToken)
	}
}

func TestNoSecretInWhatBuiltinRefreshersSay(t *testing.T) {
	for _, provider := range builtinProviders {
		for name, answer := range echoes(loginAt(provider)) {
			onFakeClock(t, provider+", "+name, func(t *testing.T) {
				r := builtinOver(t, newTokenWire(answer), provider, reauth.OAuth2Config{})
				assertSecretless(t, r, loginAt(provider))
			})
		}
	}
}
