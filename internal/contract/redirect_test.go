package contract_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// hops is a base that redirects from the URLs that are keys to those that are values. The host of
// the provider refuses stale tokens first.
type hops struct {
	to  map[string]string
	got []*http.Request
}

func (h *hops) RoundTrip(req *http.Request) (*http.Response, error) {
	consume(req)
	h.got = append(h.got, req)
	switch next := h.to[req.URL.String()]; {
	case req.URL.Host == "api.example.com" && req.URL.Scheme == "https" && !isLive(req):
		return testrig.Answer(req, 401, refusal), nil
	case next != "":
		return testrig.Answer(req, 307, "", "Location", next), nil
	}
	return testrig.Answer(req, 200, "arrived"), nil
}

// last returns the header of the last request.
func (h *hops) last() http.Header { return h.got[len(h.got)-1].Header }

// secretsOf returns the headers that contain one of the tokens of the contract.
func secretsOf(h http.Header) (names []string) {
	for name, values := range h {
		if strings.Contains(strings.Join(values, " "), "at-EXAMPLE") {
			names = append(names, name)
		}
	}
	return names
}

// follow follows redirects, beginning at one URL.
func follow(t *testing.T, rt http.RoundTripper, from string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, nil)
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

// 20: a credential goes to the https hosts of its provider only. http.Client removes Authorization
// on a hop to another domain; a transport that adds it to every request would put it back. Nor does a
// credential go on what a stranger asks of the provider by a redirect.
func contractOwnHosts(t *testing.T) {
	for _, elsewhere := range []string{
		"https://stranger.example/", "https://api.example.com.stranger.example/",
		"https://user:api.example.com@stranger.example/",
		"https://sub.api.example.com/", "https://example.com/", "https://xapi.example.com/",
		"https://api.example.com:8443/", "http://api.example.com/", "http://api.example.com:443/",
	} {
		t.Run(url.PathEscape(elsewhere), func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				base := &hops{to: map[string]string{contractURL: elsewhere}}
				follow(t, newContract(t, base, refreshable(token)), contractURL, nil)
				assert.NotEmpty(t, secretsOf(base.got[0].Header), "the first host gets the token")
				assert.Empty(t, secretsOf(base.last()))

				base = &hops{to: map[string]string{elsewhere: contractURL}}
				follow(t, newContract(t, base, refreshable(token)), elsewhere, nil)
				assert.Empty(t, secretsOf(base.got[0].Header))
				assert.Equal(t, contractURL, base.got[len(base.got)-1].URL.String())
				assert.Empty(t, secretsOf(base.last()), "a stranger's redirect to the provider gets no token either")
			})
		})
	}
}

// 21: a secret does not follow a redirect to http or to another port. http.Client compares hosts
// only, so that a header of the caller goes along.
func contractSchemeAndPort(t *testing.T) {
	for _, elsewhere := range []string{"http://api.example.com/", "https://api.example.com:8443/"} {
		for name, test := range map[string]struct{ sent, want []string }{
			"the pool's secret": {sent: []string{"Bearer " + liveToken}},
			"a placeholder":     {sent: []string{"Bearer placeholder"}, want: []string{"Bearer placeholder"}},
		} {
			t.Run(name+"/"+url.PathEscape(elsewhere), func(t *testing.T) {
				base := &hops{to: map[string]string{contractURL: elsewhere}}
				follow(t, newContract(t, base, refreshable(liveToken)), contractURL,
					http.Header{"Authorization": test.sent})
				require.Len(t, base.got, 2)
				assert.Equal(t, []string{"Bearer " + liveToken}, base.got[0].Header["Authorization"])
				assert.Equal(t, test.want, base.last()["Authorization"])
			})
		}
	}
}

// 22: no header carries a secret to a stranger. http.Client removes Authorization and cookies; it
// lets other headers with a key go everywhere.
func contractForeignHop(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		base := &hops{to: map[string]string{contractURL: "https://stranger.example/"}}
		c := newContract(t, base, refreshable(token), reauth.Credential{
			ID: "other", AccessToken: "at-EXAMPLE-other", Priority: 1,
		})
		follow(t, c, contractURL, http.Header{
			"X-Api-Key":      {liveToken},
			"Api-Key":        {"Bearer " + liveToken},
			"x-goog-api-key": {"at-EXAMPLE-other"},
			"X-Vendor-Token": {liveToken},
			"X-Refresh":      {"rt-EXAMPLE"},
			"X-Note":         {"the caller's own"},
			"X-Similar":      {liveToken + "-not"},
		})
		got := base.last()
		assert.Equal(t, "the caller's own", got.Get("X-Note"))
		assert.Equal(t, liveToken+"-not", got.Get("X-Similar"), "the transport removes nothing else")
		for _, name := range []string{"X-Api-Key", "Api-Key", "x-goog-api-key", "X-Vendor-Token", "X-Refresh"} {
			assert.NotContains(t, got, name)
		}
	})
	// Authorize adds its headers to a clone, which http.Client does not know.
	t.Run("what Authorize adds", func(t *testing.T) {
		base := &hops{to: map[string]string{"https://chatgpt.com/backend-api/x": "https://stranger.example/"}}
		pool := reauth.NewPool()
		_, err := pool.Add(t.Context(), reauth.Credential{
			Provider: "openai-codex", AccessToken: liveToken, AccountID: "account-EXAMPLE",
		})
		require.NoError(t, err)
		follow(t, reauth.NewRecoveringTransport(base, pool), "https://chatgpt.com/backend-api/x", nil)
		assert.Equal(t, "account-EXAMPLE", base.got[0].Header.Get("Chatgpt-Account-Id"))
		assert.Empty(t, base.last().Get("Chatgpt-Account-Id"))
		assert.Empty(t, secretsOf(base.last()))
	})
}

// 23: only a redirect hop loses a secret. req.Response tells a hop from a request that the caller
// makes.
func contractOnlyRedirectHops(t *testing.T) {
	for name, test := range map[string]struct {
		response *http.Response
		want     []string
	}{
		"hop":           {response: &http.Response{StatusCode: 302}},
		"first request": {want: []string{"X-Api-Key"}},
	} {
		t.Run(name, func(t *testing.T) {
			base := &hops{}
			req := contractRequest(t.Context(), t, nil)
			req.URL.Host, req.Response = "stranger.example", test.response
			req.Header.Set("X-Api-Key", liveToken)
			mustSend(t, newContract(t, base, refreshable(liveToken)), req, 200)
			assert.Equal(t, test.want, secretsOf(base.last()))
		})
	}
}

// 24: the host that is dialled decides, and not Host, which is a header that the caller may choose.
func contractDialledHost(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		base := &hops{}
		c := newContract(t, base, refreshable(token))
		req := contractRequest(t.Context(), t, nil)
		req.URL.Host, req.Host = "stranger.example", "api.example.com"
		mustSend(t, c, req, 200)
		assert.Empty(t, secretsOf(base.last()))

		req = contractRequest(t.Context(), t, nil)
		req.Host = "stranger.example"
		mustSend(t, c, req, 200)
		assert.Equal(t, []string{"Authorization"}, secretsOf(base.last()))
		assert.Equal(t, "stranger.example", base.got[len(base.got)-1].Host)
	})
}

// 25: the transport follows no redirect, because that is the business of http.Client. Nobody
// follows a redirect of a token endpoint.
func contractNoRedirects(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			var hosts []string
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				hosts = append(hosts, req.URL.Host)
				if resp, err := refuseStale(req); resp.StatusCode == 401 {
					return resp, err
				}
				return testrig.Answer(req, status, "moved", "Location", "https://stranger.example/"), nil
			}), refreshable(token))
			assert.Equal(t, "moved", mustSend(t, c, withGetBody(contractRequest(t.Context(), t, nil), "body"), status))
			assert.NotContains(t, hosts, "stranger.example")
		}
	})
	t.Run("token endpoint", func(t *testing.T) {
		for _, status := range []int{302, 307} {
			var asked []string
			base := testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				asked = append(asked, req.URL.Host)
				consume(req)
				if req.URL.Host == "stranger.example" {
					return testrig.Answer(req, 200, `{"access_token":"at-EXAMPLE-stolen"}`), nil
				}
				return testrig.Answer(req, status, "", "Location", "https://stranger.example/token"), nil
			})
			r := reauth.OAuth2Refresher(reauth.OAuth2Config{
				TokenURL:   "https://auth.example.com/token",
				HTTPClient: &http.Client{Transport: base},
			})
			_, err := r.Refresh(t.Context(), refreshable(staleToken))
			require.Error(t, err)
			assert.Equal(t, []string{"auth.example.com"}, asked)
		}
	})
}

// 26: no secret is in a URL, because errors, logs and Referer carry URLs.
func contractSecretFreeURL(t *testing.T) {
	for _, name := range reauth.ProviderNames() {
		pr, ok := reauth.LookupProvider(name)
		require.True(t, ok)
		if len(pr.Hosts) == 0 {
			continue // the provider has no host of its own
		}
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse("https://" + strings.ReplaceAll(pr.Hosts[0], "*", "example"))
			require.NoError(t, err)
			u.RawQuery = "alt=sse"
			var sent []string
			pool := reauth.NewPool()
			for _, token := range []string{"at-EXAMPLE-a", "at-EXAMPLE-b"} {
				_, err = pool.Add(t.Context(), reauth.Credential{
					Provider: name, AccessToken: token, AccountID: "account-EXAMPLE", ID: token,
					Hosts: []string{u.Host},
				})
				require.NoError(t, err)
			}
			base := testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.URL.String())
				require.NotEmpty(t, secretsOf(req.Header))
				if len(sent) == 1 {
					return testrig.Answer(req, 402, "no"), nil
				}
				return nil, io.ErrUnexpectedEOF
			})
			client := &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)}
			resp, err := client.Get(u.String())
			require.NoError(t, err, "the caller gets the refusal that was obtained")
			assert.Equal(t, u.String(), resp.Request.URL.String())
			require.NoError(t, resp.Body.Close())
			_, err = client.Get(u.String())
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.NotContains(t, err.Error(), "EXAMPLE")
			assert.Equal(t, []string{u.String(), u.String(), u.String()}, sent)
		})
	}
}

// 27: the transport trusts neither the length nor the content of an answer of a token endpoint.
func contractBoundedTokenAnswer(t *testing.T) {
	echo := `{"error":"invalid_request","error_description":"bad token rt-EXAMPLE of at-EXAMPLE-stale\r\n\u001b[31m` +
		strings.Repeat("x", 8<<10) + `"}`
	for name, test := range map[string]struct {
		body io.Reader
		code string
	}{
		"endless": {body: readerFunc(func(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil })},
		"echoing": {body: strings.NewReader(echo), code: "invalid_request"},
		"a page":  {body: strings.NewReader("<html>rt-EXAMPLE" + strings.Repeat("x", 4<<10))},
	} {
		t.Run(name, func(t *testing.T) {
			var read atomic.Int64
			counted := readerFunc(func(p []byte) (int, error) {
				n, err := test.body.Read(p)
				read.Add(int64(n))
				return n, err
			})
			pool, log := poolWithTokenAnswer(t, counted)
			mustSend(t, reauth.NewRecoveringTransport(testrig.RoundTripFunc(refuseStale), pool),
				contractRequest(t.Context(), t, nil), 401)
			assert.LessOrEqual(t, read.Load(), int64(1<<20))

			failed := log.All(reauth.RefreshFailed)
			require.Len(t, failed, 1)
			said := failed[0].Err.Error()
			for _, secret := range []string{"rt-EXAMPLE", "at-EXAMPLE", "\r", "\n", "\x1b"} {
				assert.NotContains(t, said, secret)
			}
			assert.Less(t, len(said), 4<<10+100, "the description is cut to 4 KiB")
			var re *reauth.RefreshError
			require.ErrorAs(t, failed[0].Err, &re)
			assert.Equal(t, test.code, re.Code)
		})
	}
}

// poolWithTokenAnswer returns a pool with a stale login. The token endpoint answers 400 with body.
func poolWithTokenAnswer(t *testing.T, body io.Reader) (*reauth.Pool, *testrig.EventLog) {
	endpoint := testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		consume(req)
		resp := testrig.Answer(req, 400, "")
		resp.Body, resp.ContentLength = io.NopCloser(body), -1
		return resp, nil
	})
	refresher := reauth.OAuth2Refresher(reauth.OAuth2Config{
		TokenURL: "https://auth.example.com/token", HTTPClient: &http.Client{Transport: endpoint},
	})
	pool, log := reauth.NewPool(), new(testrig.EventLog)
	pool.Observe = log.Observe
	require.NoError(t, pool.Register(reauth.Provider{
		Name: "example", Hosts: []string{"api.example.com"}, Refresher: refresher,
	}))
	cred := refreshable(staleToken)
	cred.Provider = "example"
	_, err := pool.Add(t.Context(), cred)
	require.NoError(t, err)
	return pool, log
}
