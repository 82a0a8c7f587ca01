package reauthtest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

const authURL = "https://auth.example.com"

// program is a client of an authorization server, in memory. It does not follow redirects.
type program struct {
	t *testing.T
	p *reauthtest.Provider
}

func (a program) send(req *http.Request) (*http.Response, string) {
	a.t.Helper()
	resp, err := a.p.Transport().RoundTrip(req)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	return resp, string(b)
}

func (a program) post(path, kind, body string) (int, map[string]any) {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodPost, authURL+path, strings.NewReader(body))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", "application/json")
	resp, text := a.send(req)
	var m map[string]any
	require.NoError(a.t, json.Unmarshal([]byte(text), &m), text)
	return resp.StatusCode, m
}

func (a program) form(path string, pairs ...string) (int, map[string]any) {
	a.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return a.post(path, "application/x-www-form-urlencoded", form.Encode())
}

func (a program) json(path string, pairs ...string) (int, map[string]any) {
	a.t.Helper()
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	require.NoError(a.t, err)
	return a.post(path, "application/json", string(b))
}

func (a program) page(method, path string, form url.Values) (*http.Response, string) {
	a.t.Helper()
	req, err := http.NewRequest(method, authURL+path, strings.NewReader(form.Encode()))
	require.NoError(a.t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return a.send(req)
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func text(m map[string]any, member string) string {
	s, _ := m[member].(string)
	return s
}

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	verifier    = "verifier-EXAMPLE-verifier-EXAMPLE-verifier-EXAMPLE"
)

func TestDeviceFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.XAI)}
		status, meta := a.post("/.well-known/openid-configuration", "", "")
		require.Equal(t, 200, status)
		assert.Equal(t, authURL+reauthtest.TokenPath, meta["token_endpoint"])
		assert.Equal(t, authURL+"/oauth2/device/code", meta["device_authorization_endpoint"])

		_, code := a.form("/oauth2/device/code", "client_id", "c")
		assert.InDelta(t, 900, code["expires_in"], 0)
		assert.InDelta(t, 5, code["interval"], 0)
		assert.Equal(t, []string{text(code, "user_code")}, a.p.UserCodes())
		poll := func() (int, map[string]any) {
			return a.form(reauthtest.TokenPath, "grant_type", deviceGrant, "device_code", text(code, "device_code"),
				"client_id", "c")
		}
		status, got := poll()
		assert.Equal(t, 400, status)
		assert.Equal(t, "slow_down", got["error"], "it came at once")
		time.Sleep(5 * time.Second)
		_, got = poll()
		assert.Equal(t, "slow_down", got["error"], "it is ten seconds by now")
		time.Sleep(15 * time.Second)
		_, got = poll()
		assert.Equal(t, "authorization_pending", got["error"])
		all, hasty := a.p.Polls()
		assert.Equal(t, [2]int{3, 2}, [2]int{all, hasty})

		require.NoError(t, a.p.Approve(strings.ToLower(text(code, "user_code"))))
		require.Error(t, a.p.Deny(text(code, "user_code")), "it was decided")
		assert.Empty(t, a.p.UserCodes())
		time.Sleep(15 * time.Second)
		status, got = poll()
		require.Equal(t, 200, status)
		assert.True(t, a.p.Current(text(got, "refresh_token")))
		assert.Len(t, strings.Split(text(got, "id_token"), "."), 3)
		status, _ = get(t, a.p.Transport(), text(got, "access_token"))
		assert.Equal(t, 200, status, "a login made there works at the API")
		status, _ = refresh(t, a.p.Transport(), text(got, "refresh_token"))
		assert.Equal(t, 200, status, "and at the token endpoint")
		time.Sleep(15 * time.Second)
		_, got = poll()
		assert.Equal(t, "invalid_grant", got["error"], "a device code is good once")
	})
}

func TestDeviceFlowThatEndsOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.XAI)}
		begin := func() (user string, poll func() string) {
			_, code := a.form("/api/oauth/device/code", "client_id", "c")
			return text(code, "user_code"), func() string {
				_, got := a.form("/api/oauth/token", "grant_type", deviceGrant, "device_code",
					text(code, "device_code"), "client_id", "c")
				return text(got, "error")
			}
		}
		user, poll := begin()
		require.NoError(t, a.p.Deny(user))
		time.Sleep(time.Minute)
		assert.Equal(t, "access_denied", poll())
		user, poll = begin()
		time.Sleep(15 * time.Minute)
		assert.Equal(t, "expired_token", poll())
		require.ErrorContains(t, a.p.Approve(user), "has expired")
		_, poll = begin()
		a.p.ApproveAfter = time.Minute
		time.Sleep(time.Minute)
		assert.Empty(t, poll(), "time consents")
		_, got := a.form("/api/oauth/token", "grant_type", deviceGrant, "device_code", "dc-unknown", "client_id", "c")
		assert.Equal(t, "invalid_grant", got["error"])
		_, got = a.form("/api/oauth/device/code")
		assert.Equal(t, "invalid_client", got["error"])
	})
}

func TestGitHubsErrorsComeWithStatus200(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.OpenAI)}
		_, code := a.form("/login/device/code", "client_id", "c", "scope", "read:user")
		poll := func() (int, map[string]any) {
			return a.form("/login/oauth/access_token", "grant_type", deviceGrant, "device_code",
				text(code, "device_code"), "client_id", "c")
		}
		status, got := poll()
		assert.Equal(t, 200, status)
		assert.Equal(t, "slow_down", got["error"])
		assert.InDelta(t, 10, got["interval"], 0, "it names the new interval")
		time.Sleep(10 * time.Second)
		status, got = poll()
		assert.Equal(t, 200, status)
		assert.Equal(t, "authorization_pending", got["error"])
		require.NoError(t, a.p.Approve(text(code, "user_code")))
		time.Sleep(10 * time.Second)
		_, got = poll()
		token := text(got, "access_token")
		assert.True(t, strings.HasPrefix(token, "ghu_"))
		assert.NotContains(t, got, "refresh_token")
		assert.NotContains(t, got, "expires_in")

		ask := func(path, token string) (int, map[string]any) {
			req, err := http.NewRequest(http.MethodGet, authURL+path, http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Authorization", "token "+token)
			resp, body := a.send(req)
			var m map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &m))
			return resp.StatusCode, m
		}
		status, minted := ask("/copilot_internal/v2/token", token)
		require.Equal(t, 200, status)
		status, _ = get(t, a.p.Transport(), text(minted, "token"))
		assert.Equal(t, 200, status)
		_, user := ask("/user", token)
		assert.Equal(t, "octocat", user["login"])
		a.p.Revoke(token)
		for _, path := range []string{"/copilot_internal/v2/token", "/user"} {
			status, _ = ask(path, token)
			assert.Equal(t, 401, status)
		}
	})
}

func TestGitHubsTokensMayExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.OpenAI)}
		a.p.GitHubLifetime = 8 * time.Hour
		_, code := a.form("/login/device/code", "client_id", "c", "scope", "read:user")
		require.NoError(t, a.p.Approve(text(code, "user_code")))
		time.Sleep(5 * time.Second)
		_, got := a.form("/login/oauth/access_token", "grant_type", deviceGrant, "device_code",
			text(code, "device_code"), "client_id", "c")
		mint := func() int {
			req, err := http.NewRequest(http.MethodGet, authURL+"/copilot_internal/v2/token", http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Authorization", "token "+text(got, "access_token"))
			resp, _ := a.send(req)
			return resp.StatusCode
		}
		var used string
		renew := func() string {
			used = text(got, "refresh_token")
			_, got = a.form("/login/oauth/access_token", "grant_type", "refresh_token", "refresh_token", used, "client_id", "c")
			return text(got, "error")
		}
		for range 3 {
			assert.InDelta(t, 28800, got["expires_in"], 0)
			assert.True(t, strings.HasPrefix(text(got, "refresh_token"), "ghr_"))
			assert.True(t, a.p.Current(text(got, "access_token")) && a.p.Current(text(got, "refresh_token")))
			assert.Equal(t, 200, mint())
			time.Sleep(8 * time.Hour)
			assert.Equal(t, 401, mint())
			assert.Empty(t, renew())
		}
		a.p.ExpireGitHub()
		assert.Equal(t, 401, mint())
		assert.Empty(t, renew())
		status, refused := a.form("/login/oauth/access_token", "grant_type", "refresh_token", "refresh_token", used, "client_id", "c")
		assert.Equal(t, 200, status)
		assert.Equal(t, "bad_refresh_token", refused["error"])
		assert.Equal(t, 401, mint(), "a refresh token that comes twice ends the login")
		assert.Equal(t, 1, a.p.Reuses())
		assert.Equal(t, "bad_refresh_token", renew())
		_, got = a.form("/login/oauth/access_token", "grant_type", "refresh_token", "refresh_token", used)
		assert.Equal(t, "incorrect_client_credentials", got["error"])
		token, renewal := a.p.LoginGitHub()
		assert.True(t, a.p.Current(token) && a.p.Current(renewal))
	})
}

func TestGitHubAnswersWithAFormToWhoeverDoesNotAskForJSON(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.OpenAI)}
	resp, body := a.page(http.MethodPost, "/login/device/code", url.Values{"client_id": {"c"}})
	assert.Contains(t, resp.Header.Get("Content-Type"), "form")
	form, err := url.ParseQuery(body)
	require.NoError(t, err)
	assert.NotEmpty(t, form.Get("device_code"))
}

func TestQwensSlowDownIsA429AndItsVerifierIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.OpenAI)}
		_, refused := a.form("/api/v1/oauth2/device/code", "client_id", "c")
		assert.Equal(t, "invalid_request", refused["error"], "PKCE is required")
		_, code := a.form("/api/v1/oauth2/device/code", "client_id", "c", "code_challenge", s256(verifier),
			"code_challenge_method", "S256")
		assert.NotContains(t, code, "interval")
		poll := func(verifier string) (int, map[string]any) {
			return a.form("/api/v1/oauth2/token", "grant_type", deviceGrant, "device_code", text(code, "device_code"),
				"client_id", "c", "code_verifier", verifier)
		}
		status, got := poll(verifier)
		assert.Equal(t, 429, status)
		assert.Equal(t, "slow_down", got["error"])
		require.NoError(t, a.p.Approve(text(code, "user_code")))
		time.Sleep(10 * time.Second)
		_, got = poll("another")
		assert.Equal(t, "invalid_grant", got["error"])
		time.Sleep(10 * time.Second)
		status, got = poll(verifier)
		assert.Equal(t, 200, status)
		assert.Equal(t, "portal.qwen.ai", got["resource_url"])
		time.Sleep(15 * time.Minute)
		_, code = a.form("/api/v1/oauth2/device/code", "client_id", "c", "code_challenge", s256(verifier),
			"code_challenge_method", "S256")
		time.Sleep(15 * time.Minute)
		status, _ = poll(verifier)
		assert.Equal(t, 401, status, "expired")
	})
}

func TestKimiWantsTheDeviceNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.OpenAI)}
		ask := func(path, device string, pairs ...string) (int, map[string]any) {
			form := make(url.Values)
			for i := 0; i < len(pairs); i += 2 {
				form.Set(pairs[i], pairs[i+1])
			}
			resp, body := call(t, a.p.Transport(), authURL+path, form.Encode(),
				"Content-Type: application/x-www-form-urlencoded", "X-Msh-Platform: a program", "X-Msh-Device-Id: "+device)
			var m map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &m), body)
			return resp.StatusCode, m
		}
		status, _ := ask("/api/oauth/device_authorization", "", "client_id", "c")
		assert.Equal(t, 400, status, "without a device")
		_, code := ask("/api/oauth/device_authorization", "device-1", "client_id", "c")
		poll := func(device string) (int, map[string]any) {
			return ask("/api/oauth/token", device, "grant_type", deviceGrant, "device_code", text(code, "device_code"),
				"client_id", "c")
		}
		time.Sleep(5 * time.Second)
		_, got := poll("device-1")
		assert.Equal(t, "authorization_pending", got["error"])
		require.NoError(t, a.p.Approve(text(code, "user_code")))
		time.Sleep(5 * time.Second)
		_, got = poll("device-1")
		token := text(got, "refresh_token")
		require.True(t, a.p.Current(token))
		renew := func(device string) int {
			status, got = ask("/api/oauth/token", device, "grant_type", "refresh_token", "refresh_token", token)
			return status
		}
		assert.Equal(t, 400, renew(""), "without a device")
		assert.Equal(t, 401, renew("device-2"), "of another device")
		require.True(t, a.p.Current(token), "nothing was spent")
		require.Equal(t, 200, renew("device-1"))
		assert.True(t, a.p.Current(text(got, "refresh_token")))
		assert.Equal(t, 401, renew("device-1"), "it was spent")
		assert.Equal(t, "unauthorized", got["error"])
		assert.Equal(t, 1, a.p.Reuses())
	})
}

func TestMiniMaxCountsInMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := program{t, reauthtest.New(reauthtest.OpenAI)}
		a.p.Skew = 2 * time.Hour
		_, code := a.form("/oauth2/device/code", "response_type", "code", "client_id", "c", "state", "st",
			"code_challenge", s256(verifier), "code_challenge_method", "S256")
		assert.Equal(t, "st", code["state"])
		assert.InDelta(t, 5000, code["interval"], 0)
		assert.InDelta(t, time.Now().Add(2*time.Hour+15*time.Minute).UnixMilli(), code["expired_in"], 0)
		poll := func() (int, map[string]any) {
			return a.form("/oauth2/token", "grant_type", "urn:ietf:params:oauth:grant-type:user_code", "client_id", "c",
				"user_code", text(code, "user_code"), "code_verifier", verifier)
		}
		status, got := poll()
		assert.Equal(t, 200, status)
		assert.Equal(t, "pending", got["status"])
		require.NoError(t, a.p.Approve(text(code, "user_code")))
		_, got = poll()
		assert.Equal(t, "success", got["status"])
		assert.NotContains(t, got, "expires_in")
		_, got = refresh(t, a.p.Transport(), text(got, "refresh_token"))
		assert.Equal(t, "success", got["status"], "its refreshes speak the same way")
		_, code = a.form("/oauth2/device/code", "response_type", "code", "client_id", "c", "state", "st",
			"code_challenge", s256(verifier), "code_challenge_method", "S256")
		require.NoError(t, a.p.Deny(text(code, "user_code")))
		_, got = poll()
		assert.Equal(t, "error", got["status"])
		time.Sleep(15 * time.Minute)
		status, got = poll()
		assert.Equal(t, 400, status)
		assert.Contains(t, got, "base_resp")
	})
}

func TestCodexDeviceProtocol(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.OpenAI)}
	_, code := a.json("/api/accounts/deviceauth/usercode", "client_id", "c")
	assert.Equal(t, "5", code["interval"], "a string")
	assert.NotContains(t, code, "expires_in")
	poll := func() (int, map[string]any) {
		return a.json("/api/accounts/deviceauth/token", "device_auth_id", text(code, "device_auth_id"), "user_code",
			text(code, "user_code"))
	}
	status, _ := poll()
	assert.Equal(t, 403, status)
	require.NoError(t, a.p.Approve(text(code, "user_code")))
	status, got := poll()
	require.Equal(t, 200, status)
	assert.Equal(t, s256(text(got, "code_verifier")), got["code_challenge"])
	redeem := func(redirect, verifier string) (int, map[string]any) {
		return a.form("/oauth/token", "grant_type", "authorization_code", "client_id", "c", "code",
			text(got, "authorization_code"), "redirect_uri", redirect, "code_verifier", verifier)
	}
	status, _ = redeem(authURL+"/elsewhere", text(got, "code_verifier"))
	assert.Equal(t, 400, status)
	status, _ = redeem(authURL+"/deviceauth/callback", verifier)
	assert.Equal(t, 400, status)
	status, pair := redeem(authURL+"/deviceauth/callback", text(got, "code_verifier"))
	require.Equal(t, 200, status)
	assert.True(t, a.p.Alive(text(pair, "refresh_token")))
	status, _ = redeem(authURL+"/deviceauth/callback", text(got, "code_verifier"))
	assert.Equal(t, 400, status)
	assert.False(t, a.p.Alive(text(pair, "refresh_token")), "a code that comes twice ends the login")
	_, code = a.json("/api/accounts/deviceauth/usercode", "client_id", "c")
	require.NoError(t, a.p.Deny(text(code, "user_code")))
	status, _ = poll()
	assert.Equal(t, 400, status)
}

// decided returns the form of a decision, about the login that a field of the page names.
func decided(field, value, by string) url.Values { return url.Values{field: {value}, "decision": {by}} }

// authorize asks for consent as a browser does, and returns where the server redirects it.
func (a program) authorize(redirect, decision string) *url.URL {
	a.t.Helper()
	q := url.Values{
		"response_type": {"code"}, "client_id": {"c"}, "redirect_uri": {redirect}, "state": {"st"},
		"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"},
	}
	resp, body := a.page(http.MethodGet, "/oauth/authorize?"+q.Encode(), nil)
	if resp.StatusCode == http.StatusOK {
		id := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(body)
		require.Len(a.t, id, 2, body)
		resp, _ = a.page(http.MethodPost, "/oauth/authorize/decision", decided("ask", id[1], decision))
	}
	require.Equal(a.t, http.StatusSeeOther, resp.StatusCode)
	to, err := resp.Location()
	require.NoError(a.t, err)
	return to
}

func TestAuthorizationCode(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.Anthropic)}
	const loopback = "http://localhost:1455/auth/callback"
	to := a.authorize(loopback, "approve")
	assert.Equal(t, "st", to.Query().Get("state"))
	status, pair := a.form("/oauth/token", "grant_type", "authorization_code", "client_id", "c", "code",
		to.Query().Get("code"), "redirect_uri", loopback, "code_verifier", verifier)
	require.Equal(t, 200, status)
	assert.True(t, a.p.Current(text(pair, "refresh_token")))
	to = a.authorize(loopback, "deny")
	assert.Equal(t, "access_denied", to.Query().Get("error"))
	a.p.ApproveAfter = time.Second
	assert.NotEmpty(t, a.authorize(loopback, "").Query().Get("code"), "no page is shown where nobody is asked")
}

func TestAnthropicShowsTheCodeAndWantsJSONWithTheState(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.Anthropic)}
	const redirect = authURL + "/oauth/code/callback"
	to := a.authorize(redirect, "approve")
	_, body := a.page(http.MethodGet, to.RequestURI(), nil)
	shown := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(body)
	require.Len(t, shown, 2)
	code, state, _ := strings.Cut(shown[1], "#")
	assert.Equal(t, "st", state)
	params := func(state string) []string {
		return []string{
			"grant_type", "authorization_code", "client_id", "c", "code", code, "state", state,
			"redirect_uri", redirect, "code_verifier", verifier,
		}
	}
	status, _ := a.form("/v1/oauth/token", params("st")...)
	assert.Equal(t, 400, status, "a form")
	status, _ = a.json("/v1/oauth/token", params("another")...)
	assert.Equal(t, 400, status)
	status, pair := a.json("/v1/oauth/token", params("st")...)
	require.Equal(t, 200, status)
	assert.Contains(t, pair, "account")
	_, body = a.page(http.MethodGet, a.authorize(redirect, "deny").RequestURI(), nil)
	assert.Contains(t, body, "Access denied")
}

func TestOpenRoutersKey(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.OpenAI)}
	// consent returns where the browser is sent to, and the page that is shown.
	consent := func(callback, decision string) (*url.URL, string) {
		q := url.Values{"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}
		if callback != "" {
			q.Set("callback_url", callback)
		}
		_, body := a.page(http.MethodGet, "/auth?"+q.Encode(), nil)
		id := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(body)
		require.Len(t, id, 2, body)
		resp, body := a.page(http.MethodPost, "/oauth/authorize/decision", decided("ask", id[1], decision))
		to, _ := resp.Location()
		return to, body
	}
	redeem := func(code, verifier string) (int, map[string]any) {
		return a.json("/api/v1/auth/keys", "code", code, "code_verifier", verifier, "code_challenge_method", "S256")
	}
	to, _ := consent("http://localhost:4711/callback/x", "approve")
	assert.Equal(t, "/callback/x", to.Path)
	assert.NotContains(t, to.Query(), "state")
	code := to.Query().Get("code")
	status, got := redeem(code, "another")
	assert.Equal(t, 403, status)
	assert.Contains(t, got["error"], "message")
	status, got = a.json("/api/v1/auth/keys", "code", code, "code_verifier", verifier)
	assert.Equal(t, 400, status, got)
	status, got = redeem(code, verifier)
	require.Equal(t, 200, status)
	assert.NotEmpty(t, got["user_id"])
	status, _ = get(t, a.p.Transport(), text(got, "key"))
	assert.Equal(t, 200, status, "the key works at the API")
	status, _ = redeem(code, verifier)
	assert.Equal(t, 403, status, "a code is good once")

	to, body := consent("", "approve")
	assert.Nil(t, to)
	shown := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(body)
	require.Len(t, shown, 2)
	status, _ = redeem(shown[1], verifier)
	assert.Equal(t, 200, status)

	to, _ = consent("http://127.0.0.1:1/", "deny")
	assert.Equal(t, "access_denied", to.Query().Get("error"))
	_, body = consent("", "deny")
	assert.Contains(t, body, "Access denied")
	resp, _ := a.page(http.MethodGet, "/auth?code_challenge=x&code_challenge_method=plain", nil)
	assert.Equal(t, 400, resp.StatusCode)
	resp, _ = a.page(http.MethodGet, "/auth?callback_url=https%3A%2F%2Felsewhere.example%2F&code_challenge=x&code_challenge_method=S256", nil)
	assert.Equal(t, 400, resp.StatusCode)
	resp, _ = a.page(http.MethodGet, "/api/v1/auth/keys", nil)
	assert.Equal(t, 405, resp.StatusCode)
	a.p.ApproveAfter = time.Nanosecond
	_, body = a.page(http.MethodGet, "/auth?code_challenge=x&code_challenge_method=S256", nil)
	assert.Contains(t, body, `id="code"`, "no page asks where nobody is asked")
}

func TestAuthorizeRefusesToSendCodesAnywhere(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.OpenAI)}
	good := url.Values{
		"response_type": {"code"}, "client_id": {"c"}, "redirect_uri": {"http://127.0.0.1:1/cb"},
		"state": {"st"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{
		"": "", "redirect_uri": "https://elsewhere.example/cb", "state": "", "code_challenge": "",
		"code_challenge_method": "plain", "response_type": "token", "client_id": "",
	} {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(name, value)
		resp, _ := a.page(http.MethodGet, "/oauth/authorize?"+q.Encode(), nil)
		want := http.StatusBadRequest
		if name == "" {
			want = http.StatusOK
		}
		assert.Equal(t, want, resp.StatusCode, name)
	}
	resp, _ := a.page(http.MethodPost, "/oauth/authorize/decision", decided("ask", "unknown", "approve"))
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestPersonDecidesOnThePage(t *testing.T) {
	a := program{t, reauthtest.New(reauthtest.XAI)}
	_, code := a.form("/oauth2/device/code", "client_id", "c")
	at, err := url.Parse(text(code, "verification_uri_complete"))
	require.NoError(t, err)
	_, body := a.page(http.MethodGet, at.RequestURI(), nil)
	assert.Contains(t, body, `value="`+text(code, "user_code")+`"`)
	resp, _ := a.page(http.MethodPost, at.Path, url.Values{"user_code": {"XXXX-XXXX"}, "decision": {"approve"}})
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	_, body = a.page(http.MethodPost, at.Path, decided("user_code", text(code, "user_code"), "approve"))
	assert.Contains(t, body, "Approved")
	_, code = a.form("/oauth2/device/code", "client_id", "c")
	_, body = a.page(http.MethodPost, at.Path, url.Values{"user_code": {text(code, "user_code")}, "decision": {"deny"}})
	assert.Contains(t, body, "Denied")
	_, body = a.page(http.MethodGet, "/device?user_code=%3Cscript%3E", nil)
	assert.NotContains(t, body, "<script>")
}

func TestPunctualTokensExpireByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := reauthtest.New(reauthtest.XAI)
		p.Lifetime, p.Punctual = time.Minute, true
		access, _ := p.Login()
		p.AddKey("key-EXAMPLE")
		status, _ := get(t, p.Transport(), access)
		assert.Equal(t, 200, status)
		time.Sleep(time.Minute + time.Second)
		status, _ = get(t, p.Transport(), access)
		assert.Equal(t, 403, status)
		status, _ = get(t, p.Transport(), "key-EXAMPLE")
		assert.Equal(t, 200, status, "a key has no lifetime")
	})
}
