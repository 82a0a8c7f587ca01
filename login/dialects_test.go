package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// instead makes the server answer requests to paths that end in suffix.
func instead(r *rig, suffix string, status int, body string) {
	r.wire.answer = func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, suffix) {
			return says(status, body), nil
		}
		return nil, nil
	}
}

// codeless are first answers of a device login that hold no code that can be shown.
var codeless = []struct {
	name, provider, suffix string
	status                 int
	body, want             string
}{
	{
		"unknown client", "nous", "/device/code", 401,
		`{"error":"invalid_client","error_description":"unknown"}`,
		"the server gave no code: status 401: invalid_client: unknown; the server does not take this client ID",
	},
	{"scope", "nous", "/device/code", 400, `{"error":"invalid_scope"}`, "ask for another scope"},
	{
		"GitHub, in a 200", "copilot", "/device/code", 200,
		`{"error":"unauthorized_client","error_description":"no"}`, "the server does not take this client ID",
	},
	{"page", "qwen-oauth", "/device/code", 200, `<html>`, "the answer is not of an authorization server"},
	{
		"redirect", "minimax-oauth", "/device/code", 307,
		``, "the server points to another address, which is not followed",
	},
	{
		"no device login", "openai-codex", "/usercode", 404,
		`{}`, "this server has no device login, take the flow browser",
	},
	{
		"API's error", "openai-codex", "/usercode", 400,
		`{"error":{"message":"not allowed","type":"invalid_request_error"}}`,
		"status 400: invalid_request_error: not allowed",
	},
	{
		"down", "nous", "/device/code", 503,
		`{}`, "status 503: the server does not say why; start another login later",
	},
	{
		"no device code", "nous", "/device/code", 200,
		`{"user_code":"A","verification_uri":"https://nous.example/"}`, "the server gave no device code",
	},
	{
		"no id", "openai-codex", "/usercode", 200,
		`{"user_code":"A"}`, "the server gave no id of the login; take the flow browser",
	},
	{
		"no user code", "nous", "/device/code", 200,
		`{"device_code":"dc-1234","verification_uri":"https://nous.example/"}`,
		"the server gave no code that can be shown",
	},
	{
		"no address", "nous", "/device/code", 200,
		`{"device_code":"dc-1234","user_code":"A"}`, "no address to log in at that is fit to be opened",
	},
	{
		"script", "nous", "/device/code", 200,
		`{"device_code":"dc-1234","user_code":"A","verification_uri":"javascript://nous.example/%0aalert(1)"}`,
		"no address to log in at that is fit to be opened",
	},
	{
		"in the clear", "nous", "/device/code", 200,
		`{"device_code":"dc-1234","user_code":"A","verification_uri":"http://nous.example/"}`,
		"no address to log in at that is fit to be opened",
	},
	{
		"moves the cursor", "nous", "/device/code", 200,
		"{\"device_code\":\"dc-1234\",\"user_code\":\"A\\u001b[2J\",\"verification_uri\":\"https://nous.example/\"}",
		"no code that can be shown",
	},
	{
		"another login's", "minimax-oauth", "/device/code", 200,
		`{"user_code":"A","verification_uri":"https://minimax.example/","state":"another"}`,
		"its state is not ours",
	},
}

func TestServerGivesNoCode(t *testing.T) {
	for _, c := range codeless {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.provider)
				instead(r, c.suffix, c.status, c.body)
				assert.Contains(t, r.fails(t, t.Context()), c.want)
				assert.Empty(t, r.person.shown, "nothing is shown of it")
			})
		})
	}
}

func TestServerThatAsksToWaitLongerThanAPersonLikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "openai-codex")
		r.wire.answer = func(*http.Request) (*http.Response, error) {
			resp := says(429, `{"error":{"code":"rate_limited"}}`)
			resp.Header.Set("Retry-After", "3600")
			return resp, nil
		}
		assert.Contains(t, r.fails(t, t.Context()), "status 429: rate_limited; start another login in 1h0m0s")
		assert.Len(t, r.wire.asked, 1)
	})
}

func TestNewCodeIsAskedForAgainWhenTheServerStumbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		stumbled := false
		r.wire.answer = func(*http.Request) (*http.Response, error) {
			if !stumbled {
				stumbled = true
				return nil, errCut
			}
			return nil, nil
		}
		_, err := r.run(t)
		require.NoError(t, err)
	})
}

func TestServerThatCannotBeReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.wire.answer = func(*http.Request) (*http.Response, error) { return nil, errCut }
		assert.Equal(t,
			"reauth: login nous: the server cannot be reached: connection reset by peer; check the network, or the issuer",
			r.fails(t, t.Context()))
	})
}

func TestIncompletePairIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for body, want := range map[string]string{
			`{"access_token":"at-EXAMPLE","expires_in":60}`: "the server gave no refresh token",
			`{"refresh_token":"rt-EXAMPLE"}`:                "gave no access token",
			`{}`:                                            "gave no access token",
		} {
			r := newRig(t, "nous")
			r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{Status: 200, Body: body}})
			text := r.fails(t, t.Context())
			assert.Contains(t, text, want)
			assert.NotContains(t, text, "EXAMPLE")
		}
		r := newRig(t, "openai-codex")
		r.fake.Fail(reauthtest.Fault{
			Answer: &reauthtest.Answer{Status: 200, Body: `{"authorization_code":"","code_verifier":""}`},
		})
		assert.Contains(t, r.fails(t, t.Context()), "gave no code")
	})
}

// A server may repeat the secrets of a request in its error. The person sees none of them.
func TestSecretsStayHidden(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, polls string, _ time.Duration) {
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			if req.URL.String() == polls {
				sent := r.wire.bodies[len(r.wire.bodies)-1]
				if form, err := url.ParseQuery(sent); err == nil && form.Get("client_id") != "" {
					sent = form.Get("device_code") + " " + form.Get("code_verifier")
				}
				b := `{"error":"invalid_request","error_description":` + quote(sent) + `}`
				return says(400, b), nil
			}
			return nil, nil
		}
		text := r.fails(t, t.Context()) + r.person.all()
		assert.Contains(t, text, "[redacted]")
		assert.NotRegexp(t, `dc-[A-Z2-7]{10}`, text)
	})
}

// A header may hold a key of the program's own gateway, which a server may repeat, too.
func TestSecretsOfHeadersStayHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.opt.Header = http.Header{"X-Gateway-Key": {"Basic hunter2-of-the-gateway"}, "X-Tenant": {"eu"}}
		instead(r, "/device/code", 403, `{"error":"no","error_description":"hunter2-of-the-gateway is not of eu"}`)
		text := r.fails(t, t.Context())
		assert.Contains(t, text, "[redacted] is not of eu")
		assert.NotContains(t, text, "hunter2")
	})
}

// quote returns s as a JSON string.
func quote(s string) string {
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}

func TestTextsOfAServerDoNotMoveTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "nous")
		r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{
			Status: 400,
			Body:   "{\"error\":\"bad\\u001b[2J\",\"error_description\":\"" + strings.Repeat("x", 5000) + "\"}",
		}})
		text := r.fails(t, t.Context())
		assert.NotContains(t, text, "\x1b")
		assert.Less(t, len(text), 1000)
	})
}

func TestMiniMaxsDeadPageIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "minimax-oauth")
		r.person.visit = func(string, string) { t.Log("shown") }
		r.wire.answer = func(req *http.Request) (*http.Response, error) {
			form, err := url.ParseQuery(r.wire.bodies[len(r.wire.bodies)-1])
			assert.NoError(t, err)
			if form.Get("response_type") != "code" {
				return says(200, `{"status":"error"}`), nil
			}
			return says(200,
				`{"user_code":"A","verification_uri":"https://www.minimax.io/oauth-authorize?user_code=A","state":"`+
					form.Get("state")+`","interval":300}`), nil
		}
		_ = r.fails(t, t.Context())
		assert.Equal(t, "https://platform.minimax.io/oauth-authorize?user_code=A", r.person.shown[0])
	})
}

func TestMiniMaxSaysExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "minimax-oauth")
		r.fake.Fail(reauthtest.Fault{Answer: &reauthtest.Answer{
			Status: 400, Body: `{"base_resp":{"status_code":1004,"status_msg":"user code expired"}}`,
		}})
		assert.Contains(t, r.fails(t, t.Context()), "the code has expired")
	})
}

func TestCopilotsMint(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"no Copilot", 403, `{"message":"no access"}`, "GitHub knows the account, and it has no Copilot"},
		{
			"token of another kind", 404,
			`{"message":"Not Found"}`, "tokens of this client ID cannot be exchanged for Copilot's",
		},
		{"an editor is wanted", 400, `{"message":"missing Editor-Version header"}`, "give yours as a header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "copilot")
				instead(r, "/copilot_internal/v2/token", c.status, c.body)
				text := r.fails(t, t.Context())
				assert.Contains(t, text, c.want)
				assert.NotContains(t, text, "ghu_")
			})
		})
	}
}

// GitHub does not exchange the token of an OAuth app for one of Copilot. Copilot takes it as a key.
func TestTokenOfAnOAuthAppIsSentAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "copilot")
		instead(r, "/access_token", 200, `{"access_token":"gho_EXAMPLE","token_type":"bearer"}`)
		got, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, "gho_EXAMPLE", got.RefreshToken, "which the pool takes for the key")
		assert.Empty(t, got.AccessToken)
	})
}

func TestGitHubOfACompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "copilot")
		r.opt.Issuer = "https://github.corp.example/"
		_, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, "POST https://github.corp.example/login/device/code", r.wire.asked[0])
		assert.Contains(t, r.wire.asked, "GET https://api.github.corp.example/copilot_internal/v2/token")
	})
}

func TestWhatTheUserSets(t *testing.T) {
	eachDevice(t, func(t *testing.T, r *rig, _ string, _ time.Duration) {
		r.opt.Issuer, r.opt.ClientID, r.opt.Scope = "https://auth.corp.example/tenant", "my-client", "my scope"
		if r.provider == "copilot" || strings.HasPrefix(r.provider, "minimax") ||
			r.provider == "xai-oauth" {
			r.opt.Issuer = "https://auth.corp.example" // the fake serves these only without a prefix
		}
		r.opt.Header = http.Header{"Editor-Version": {"acme/1.0"}}
		base := r.wire.base
		r.wire.base = roundTripper(func(req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			req.URL.Path = strings.TrimPrefix(req.URL.Path, "/tenant")
			return base.RoundTrip(req)
		})
		got, err := r.run(t)
		require.NoError(t, err)
		assert.Equal(t, "my-client", got.ClientID)
		sent := strings.Join(r.wire.bodies, "\n")
		assert.Contains(t, sent, "my-client")
		if r.provider != "openai-codex" { // its protocol sends no scope
			assert.Contains(t, sent, "scope=my+scope")
		}
		for i, h := range r.wire.headers {
			assert.Equal(t, "acme/1.0", h.Get("Editor-Version"), r.wire.asked[i])
			assert.Contains(t, r.wire.asked[i], "auth.corp.example")
		}
	})
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// MiniMax writes the end of a code as seconds from now, or as an instant in seconds or milliseconds. An
// instant is one of its clock.
func TestMiniMaxsInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "minimax-oauth")
		now := time.Now()
		for expiry, want := range map[string]time.Duration{
			"600": 10 * time.Minute, `"600"`: 10 * time.Minute, fmt.Sprint(now.Add(10 * time.Minute).Unix()): 10 * time.Minute,
			fmt.Sprint(now.Add(10 * time.Minute).UnixMilli()): 10 * time.Minute,
			"1e300": time.Hour, "0": 15 * time.Minute, "null": 15 * time.Minute, "-5": 15 * time.Minute, `"NaN"`: 15 * time.Minute,
			fmt.Sprint(now.Add(-time.Minute).Unix()): 15 * time.Minute, // in the past: the clocks differ
		} {
			r.wire.answer = func(*http.Request) (*http.Response, error) {
				form, err := url.ParseQuery(r.wire.bodies[len(r.wire.bodies)-1])
				assert.NoError(t, err)
				return says(200, fmt.Sprintf(`{"user_code":"A","verification_uri":"https://minimax.example/","state":%q,"expired_in":%s}`,
					form.Get("state"), expiry)), nil
			}
			s, err := login.Start(t.Context(), r.provider, &r.opt)
			require.NoError(t, err)
			assert.Equal(t, want, time.Until(s.Prompt().Expires), expiry)
			require.NoError(t, s.Close())
		}
	})
}

// The program learns before anything is asked that the vendor has ended its logins, and may try all the
// same. Of another server nothing is known.
func TestLoginThatTheVendorHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ended = "since 2026-04-15, see https://github.com/QwenLM/qwen-code/pull/3291; " +
			"use a key of alibaba or alibaba-coding-plan"
		r := newRig(t, "qwen")
		text := r.fails(t, t.Context())
		assert.Equal(t, "reauth: login qwen-oauth: the vendor has ended these logins "+ended, text)
		_, err := r.run(t)
		require.ErrorIs(t, err, login.ErrEnded)
		assert.Empty(t, r.wire.asked)
		assert.Empty(t, r.person.all())

		r.opt.EvenIfEnded = true
		_, err = r.run(t)
		require.NoError(t, err)
		assert.Equal(t, []string{"The vendor has ended these logins " + ended + "."}, r.person.notes)

		r.opt.EvenIfEnded, r.opt.Issuer, r.person.notes = false, "https://auth.corp.example", nil
		_, err = r.run(t)
		require.NoError(t, err)
		assert.Empty(t, r.person.notes)
	})
}

func TestWhatCannotBeTried(t *testing.T) {
	const those = "those with a login are anthropic, copilot, kimi-coding, minimax-cn, minimax-oauth, nous, openai-codex, openrouter, qwen-oauth, xai-oauth"
	for _, c := range []struct {
		provider string
		opt      login.Options
		want     string
	}{
		{"nobody", login.Options{}, `reauth: login: not supported: provider "nobody" is unknown; ` + those},
		{"xia", login.Options{}, `did you mean "xai"?`},
		{"sk-" + strings.Repeat("EXAMPLE", 9), login.Options{}, "its name is not repeated"},
		{"groq", login.Options{}, "reauth: login: a login at groq is not supported: it takes API keys only; " + those},
		{"xai", login.Options{Flow: "browser"}, `reauth: login xai-oauth: the flow "browser" is not supported here; there is device`},
		{"codex", login.Options{Flow: "fax"}, "there is device, browser, paste"},
		{"nous", login.Options{Issuer: "auth.example.com"}, "it is no address such as"},
		{"nous", login.Options{Issuer: "http://auth.example.com"}, "it must be https, or http on loopback"},
		{"nous", login.Options{Issuer: "ftp://127.0.0.1"}, "it must be https, or http on loopback"},
		{"nous", login.Options{Issuer: "https://me:EXAMPLE@auth.example.com"}, "only scheme, host, port and path"},
		{"nous", login.Options{Issuer: "https://auth.example.com?x=y"}, "only scheme, host, port and path"},
		{"codex", login.Options{Port: 65536}, "the port 65536 is not supported"},
		{"codex", login.Options{Port: -1}, "the port -1 is not supported"},
		{"nous", login.Options{Header: http.Header{"X A": {"EXAMPLE"}}}, `"X A" is no name of one`},
		{"nous", login.Options{Header: http.Header{"X-A": {"EXAMPLE\r\nX-B: c"}}}, "the header X-A is not supported"},
	} {
		w := &wire{}
		c.opt.Base = w
		s, err := login.Start(t.Context(), c.provider, &c.opt)
		require.ErrorIs(t, err, login.ErrUnsupported)
		require.ErrorContains(t, err, c.want)
		assert.Nil(t, s)
		assert.NotContains(t, err.Error(), "EXAMPLE")
		assert.Empty(t, w.asked)
	}
	assert.Equal(t, []login.Flow{login.Paste, login.Browser}, login.Flows("claude"))
	assert.Nil(t, login.Flows("groq"))
	assert.Nil(t, login.Flows("nobody"))
}
