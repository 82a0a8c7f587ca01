package login_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/login"
	"github.com/reauth-go/reauth/reauthtest"
)

// consents acts as the browser of a person who decides on the consent page at address. It returns
// the address that the provider redirects the browser to. decision is "approve" or "deny".
func consents(t *testing.T, fake *reauthtest.Provider, address, decision string) *url.URL {
	t.Helper()
	resp, _ := decides(t, fake, address, decision)
	to, err := resp.Location()
	require.NoError(t, err)
	return to
}

// decides is consents where the provider may show a page at the end, which it returns.
func decides(t *testing.T, fake *reauthtest.Provider, address, decision string) (*http.Response, string) {
	t.Helper()
	send := func(method, address, form string) (*http.Response, string) {
		req, err := http.NewRequest(method, address, strings.NewReader(form))
		require.NoError(t, err)
		if form != "" {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := fake.Transport().RoundTrip(req)
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp, string(page)
	}
	_, page := send(http.MethodGet, address, "")
	ask := regexp.MustCompile(`name="ask" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(t, ask, 2, "%s", page)
	u, err := url.Parse(address)
	require.NoError(t, err)
	return send(http.MethodPost, u.Scheme+"://"+u.Host+"/oauth/authorize/decision",
		url.Values{"ask": {ask[1]}, "decision": {decision}}.Encode())
}

// pasteOf returns the line that a person pastes after the provider has redirected the browser to
// the address to. Anthropic's page there shows code and state. OpenAI's address cannot be opened,
// so the person pastes all of it.
func pasteOf(provider string, to *url.URL) string {
	if provider == "anthropic" {
		return to.Query().Get("code") + "#" + to.Query().Get("state")
	}
	return to.String()
}

// eachPaste runs a test for each provider with the flow Paste.
func eachPaste(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	for _, provider := range []string{"anthropic", "openai-codex"} {
		t.Run(provider, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, provider)
				r.opt.Flow = login.Paste
				r.opt.Issuer = "https://auth.corp.example" // the fake is the issuer and the token endpoint
				test(t, r)
			})
		})
	}
}

func TestPastedCode(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		r.person.visit = func(address, _ string) {
			r.person.lines = []string{
				"", "some code without a state", pasteOf(r.provider, consents(t, r.fake, address, "approve")), "x#y",
			}
		}
		got, err := r.run(t)
		require.NoError(t, err)
		assert.True(t, r.fake.Current(got.RefreshToken))
		assert.NotEmpty(t, got.AccountID)
		assert.WithinDuration(t, time.Now().Add(time.Hour), got.Expiry, time.Second)
		require.Len(t, r.person.wrong, 3)
		assert.Contains(t, r.person.wrong[0], "reauth: login "+r.provider+": the code is empty")
		assert.Contains(t, r.person.wrong[1], "the code has no state")
		assert.Contains(t, r.person.wrong[2], "the code belongs to another login")
		assert.Len(t, r.wire.asked, 1, "a code is exchanged once")
		if r.provider == "anthropic" {
			var sent map[string]string
			require.NoError(t, json.Unmarshal([]byte(r.wire.bodies[0]), &sent))
			assert.NotEmpty(t, sent["state"])
		}
	})
}

// The person may paste what is of another login as often as it happens, and then the right code.
func TestPastedCodeOfAnotherLogin(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		r.person.visit = func(address, _ string) {
			to := consents(t, r.fake, address, "approve")
			right := pasteOf(r.provider, to)
			q := to.Query()
			q.Set("state", "another")
			to.RawQuery = q.Encode()
			wrong := pasteOf(r.provider, to)
			r.person.lines = []string{wrong, wrong, wrong, wrong, right}
		}
		_, err := r.run(t)
		require.NoError(t, err)
		require.Len(t, r.person.wrong, 4)
		assert.Contains(t, r.person.wrong[3], "its state is not ours")
		assert.NotContains(t, r.person.all(), "ac-")
		assert.Len(t, r.wire.asked, 1)
	})
}

func TestConsentRefusedInTheBrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for description, want := range map[string]string{
			"":                          "Start another login to be asked anew",
			"missing_codex_entitlement": "this workspace has no Codex",
		} {
			r := newRig(t, "openai-codex")
			r.opt.Flow = login.Paste
			r.person.visit = func(address, _ string) {
				to := consents(t, r.fake, address, "deny")
				if description != "" {
					q := to.Query()
					q.Set("error_description", description)
					to.RawQuery = q.Encode()
				}
				r.person.lines = []string{to.String()}
			}
			text := r.fails(t, t.Context())
			assert.Contains(t, text, "consent was not given")
			assert.Contains(t, text, want)
			assert.Empty(t, r.person.wrong, "it is an answer to this login")
		}
	})
}

func TestNothingIsPasted(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		r.person.visit = nil
		start := time.Now()
		assert.Contains(t, r.fails(t, t.Context()), "the code has expired")
		assert.Equal(t, 15*time.Minute, time.Since(start))
		assert.Equal(t, 15*time.Minute, r.person.waits[0])
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		_, err := r.runIn(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestExchangeThatFails(t *testing.T) {
	eachPaste(t, func(t *testing.T, r *rig) {
		r.person.visit = func(address, _ string) {
			r.person.lines = []string{pasteOf(r.provider, consents(t, r.fake, address, "approve"))}
		}
		r.fake.Fail(reauthtest.Fault{Lose: true})
		text := r.fails(t, t.Context())
		assert.Contains(t, text, "the code was not exchanged")
		assert.Contains(t, text, "the code may be spent. Start another login")
		assert.Len(t, r.wire.asked, 1, "to send a code twice ends the login")
		instead(r, "/oauth/token", 400, `{"error":"invalid_grant","error_description":"no"}`)
		assert.Contains(t, r.fails(t, t.Context()), "the code was not exchanged: status 400: invalid_grant: no")
	})
}

// browse sends a request to the loopback server at 127.0.0.1, checks the headers of the page, and
// returns status and page.
func browse(t *testing.T, method, address string) (int, string) {
	t.Helper()
	return browseAt(t, "127.0.0.1", method, address)
}

// browseAt is browse where localhost is the given address.
func browseAt(t *testing.T, host, method, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, strings.Replace(address, "//localhost:", "//"+host+":", 1), http.NoBody)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
	return resp.StatusCode, string(page)
}

func TestBrowserComesBack(t *testing.T) {
	for provider, path := range map[string]string{"anthropic": "/callback", "openai-codex": "/auth/callback"} {
		t.Run(provider, func(t *testing.T) {
			r := newRig(t, provider)
			r.opt.Flow, r.opt.Port, r.opt.Issuer = login.Browser, testrig.Port(t), "https://auth.corp.example"
			at := "http://localhost:" + strconv.Itoa(r.opt.Port)
			visited := make(chan struct{})
			r.person.visit = func(address, _ string) {
				go func() {
					defer close(visited)
					to := consents(t, r.fake, address, "approve")
					assert.Equal(t, at+path, to.Scheme+"://"+to.Host+to.Path)
					status, _ := browse(t, http.MethodGet, at+"/favicon.ico")
					assert.Equal(t, 404, status)
					status, _ = browse(t, http.MethodPost, to.String())
					assert.Equal(t, 404, status)
					status, page := browse(t, http.MethodGet, at+path+"?code=evil&state=evil")
					assert.Equal(t, 400, status)
					assert.Contains(t, page, "another login")
					status, _ = browse(t, http.MethodGet, at+path+"?error=access_denied")
					assert.Equal(t, 400, status, "a stranger cannot end the login either")
					status, page = browse(t, http.MethodGet, to.String())
					assert.Equal(t, 200, status)
					assert.Contains(t, page, "you may close this page")
					assert.NotContains(t, page, to.Query().Get("code"))
				}()
			}
			got, err := r.run(t)
			require.NoError(t, err)
			<-visited
			assert.True(t, r.fake.Current(got.RefreshToken))
			_, err = net.DialTimeout("tcp4", "127.0.0.1:"+strconv.Itoa(r.opt.Port), time.Second)
			require.Error(t, err, "the listener is closed")
		})
	}
}

// A browser may resolve localhost to ::1. A host without ::1, and one where another program has the
// port there, are served at 127.0.0.1.
func TestBrowserComesBackToEitherAddress(t *testing.T) {
	hosts := map[string]string{"IPv4": "127.0.0.1"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		require.NoError(t, l.Close())
		hosts["IPv6"], hosts["IPv4, the other is taken"] = "[::1]", "127.0.0.1"
	}
	for name, host := range hosts {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "openai-codex")
			r.opt.Flow, r.opt.Port, r.opt.Issuer = login.Browser, testrig.Port(t), "https://auth.corp.example"
			if strings.HasSuffix(name, "is taken") {
				other, err := net.Listen("tcp6", "[::1]:"+strconv.Itoa(r.opt.Port))
				require.NoError(t, err)
				defer other.Close()
			}
			visited := make(chan struct{})
			r.person.visit = func(address, _ string) {
				go func() {
					defer close(visited)
					status, _ := browseAt(t, host, http.MethodGet, consents(t, r.fake, address, "approve").String())
					assert.Equal(t, 200, status)
				}()
			}
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			got, err := r.runIn(ctx)
			require.NoError(t, err)
			<-visited
			assert.True(t, r.fake.Current(got.RefreshToken))
			_, err = net.DialTimeout("tcp", host+":"+strconv.Itoa(r.opt.Port), time.Second)
			require.Error(t, err, "the listener is closed")
		})
	}
}

func TestBrowserBringsARefusal(t *testing.T) {
	r := newRig(t, "openai-codex")
	r.opt.Flow, r.opt.Port = login.Browser, testrig.Port(t)
	visited := make(chan struct{})
	r.person.visit = func(address, _ string) {
		go func() {
			defer close(visited)
			to := consents(t, r.fake, address, "deny")
			_, page := browse(t, http.MethodGet, to.String())
			assert.Contains(t, page, "refused")
		}()
	}
	assert.Contains(t, r.fails(t, t.Context()), "consent was not given: access_denied: The user denied the request")
	<-visited
}

func TestNoBrowserComesBackBeforeCtrlC(t *testing.T) {
	r := newRig(t, "anthropic")
	r.opt.Flow, r.opt.Port = login.Browser, testrig.Port(t)
	ctx, stop := context.WithCancel(t.Context())
	r.person.visit = func(string, string) { stop() }
	_, err := r.runIn(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBusyPortNamesTheWayOut(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r := newRig(t, "anthropic")
	r.opt.Flow, r.opt.Port = login.Browser, l.Addr().(*net.TCPAddr).Port
	text := r.fails(t, t.Context())
	assert.Contains(t, text, "port "+strconv.Itoa(r.opt.Port)+" of 127.0.0.1")
	assert.Contains(t, text, "take the flow paste")
	assert.Empty(t, r.person.shown)
}

// The address of the consent page holds the parameters of the row. In want, "" is the address
// itself.
func TestAddressOfConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for provider, want := range map[string]map[string]string{
			"anthropic": {
				"":             "https://claude.ai/oauth/authorize",
				"client_id":    "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
				"code":         "true",
				"redirect_uri": "https://console.anthropic.com/oauth/code/callback",
				"scope":        "org:create_api_key user:profile user:inference",
			},
			"openai-codex": {
				"":                           "https://auth.openai.com/oauth/authorize",
				"client_id":                  "app_EMoamEEZ73f0CkXaXp7hrann",
				"redirect_uri":               "http://localhost:1455/auth/callback",
				"scope":                      "openid profile email offline_access",
				"id_token_add_organizations": "true",
				"codex_cli_simplified_flow":  "true",
				"originator":                 "",
			},
		} {
			r := newRig(t, provider)
			r.opt.Flow, r.person.visit = login.Paste, nil
			_ = r.fails(t, t.Context())
			u, err := url.Parse(r.person.shown[0])
			require.NoError(t, err)
			q := u.Query()
			assert.Equal(t, "S256", q.Get("code_challenge_method"))
			assert.Len(t, q.Get("code_challenge"), 43)
			assert.Len(t, q.Get("state"), 43)
			assert.Equal(t, "code", q.Get("response_type"))
			u.RawQuery = ""
			assert.Equal(t, want[""], u.String())
			delete(want, "")
			for name, value := range want {
				assert.Equal(t, value, q.Get(name), name)
			}
		}
	})
}

// Without --issuer, Anthropic's code goes to the token endpoint at Anthropic's other host.
func TestAnthropicsTokenEndpointIsAtAnotherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "anthropic")
		r.person.visit = func(address, _ string) {
			u, err := url.Parse(address)
			assert.NoError(t, err)
			r.person.lines = []string{"ac-EXAMPLE#" + u.Query().Get("state")}
		}
		text := r.fails(t, t.Context())
		assert.Equal(t, []string{"POST https://platform.claude.com/v1/oauth/token"}, r.wire.asked)
		assert.NotContains(t, text, "ac-EXAMPLE")
	})
}
