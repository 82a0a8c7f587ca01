package reauth_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestTokenRequest(t *testing.T) {
	const form, asJSON = "application/x-www-form-urlencoded", "application/json"
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		cfg      reauth.OAuth2Config
		clientID string // the credential's ClientID
		kind     string
		params   map[string]string // wanted beside grant_type and refresh_token
		header   map[string]string // wanted beside the usual header fields, or instead of them
	}{
		"form": {kind: form},
		"JSON": {
			cfg:    reauth.OAuth2Config{JSON: true, ClientID: "app"},
			kind:   asJSON,
			params: map[string]string{"client_id": "app"},
		},
		"public client": {
			cfg: reauth.OAuth2Config{ClientID: "app"}, kind: form, params: map[string]string{"client_id": "app"},
		},
		"confidential client": {
			cfg:    reauth.OAuth2Config{ClientID: "app", ClientSecret: "cs-EXAMPLE"},
			kind:   form,
			params: map[string]string{"client_id": "app", "client_secret": "cs-EXAMPLE"},
		},
		"client of the login": {
			cfg:      reauth.OAuth2Config{ClientID: "app"},
			clientID: "its own",
			kind:     form,
			params:   map[string]string{"client_id": "its own"},
		},
		"Basic, each part encoded (RFC 6749 §2.3.1)": {
			cfg: reauth.OAuth2Config{ClientID: "app:1", ClientSecret: "cs EXAMPLE/+", BasicAuth: true}, kind: form,
			header: map[string]string{"Authorization": basic("app%3A1:cs+EXAMPLE%2F%2B")},
		},
		"Basic, client of the login": {
			cfg:      reauth.OAuth2Config{ClientID: "app", ClientSecret: "cs-EXAMPLE", BasicAuth: true},
			clientID: "own",
			kind:     form,
			header:   map[string]string{"Authorization": basic("own:cs-EXAMPLE")},
		},
		"scopes": {
			cfg:    reauth.OAuth2Config{Scopes: []string{"openid", "offline_access"}},
			kind:   form,
			params: map[string]string{"scope": "openid offline_access"},
		},
		"a header of ours": {
			cfg:    reauth.OAuth2Config{Header: http.Header{"X-Msh-Platform": {"example"}}},
			kind:   form,
			header: map[string]string{"X-Msh-Platform": "example"},
		},
		"another User-Agent": {
			cfg:    reauth.OAuth2Config{Header: http.Header{"user-agent": {"example/1"}}},
			kind:   form,
			header: map[string]string{"User-Agent": "example/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWire(says(200, newPair))
			login := exampleLogin()
			login.ClientID = c.clientID
			got, err := exampleRefresher(w, c.cfg).Refresh(context.Background(), login)
			require.NoError(t, err)
			assert.Equal(t, newTokens, tokens(got))

			require.Len(t, w.sent(), 1)
			call := w.sent()[0]
			assert.Equal(t, "POST "+exampleTokenURL, call.method+" "+call.url, "the URL holds no secret")
			params := map[string]string{"grant_type": "refresh_token", "refresh_token": "rt-EXAMPLE-old"}
			for k, v := range c.params {
				params[k] = v
			}
			assert.Equal(t, params, call.params(t))
			header := map[string]string{"Content-Type": c.kind, "Accept": "application/json", "User-Agent": "reauth"}
			for k, v := range c.header {
				header[k] = v
			}
			assert.Equal(t, header, call.headers())
		})
	}
}

func TestNothingIsSentWhen(t *testing.T) {
	static := exampleLogin()
	static.RefreshToken = ""
	for name, c := range map[string]struct {
		url   string
		login reauth.Credential
		want  string
	}{
		"there is no refresh token":     {exampleTokenURL, static, "not refreshable"},
		"the token URL is plain http":   {"http://auth.example.com/token", exampleLogin(), "must be https"},
		"the token URL is of no scheme": {"auth.example.com/token", exampleLogin(), "not an absolute URL"},
		"the token URL holds a name": {
			url: "https://user:pw-EXAMPLE@auth.example.com/token", login: exampleLogin(), want: "holds a user name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWire(says(200, newPair))
			_, err := exampleRefresher(w, reauth.OAuth2Config{TokenURL: c.url}).Refresh(context.Background(), c.login)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "pw-EXAMPLE")
			assert.Equal(t, c.login.RefreshToken == "", errors.Is(err, reauth.ErrNotRefreshable))
			assert.Empty(t, w.sent())

			pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{TokenURL: c.url}), c.login)
			require.ErrorContains(t, pool.Refresh(context.Background(), "example", "me"), c.want)
			assert.Equal(t, c.login.RefreshToken, heldBy(t, pool, c.login).RefreshToken)
			assert.Empty(t, w.sent())
		})
	}
	for _, loopback := range []string{
		"http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]:8080/token",
	} {
		w := newTokenWire(says(200, newPair))
		r := exampleRefresher(w, reauth.OAuth2Config{TokenURL: loopback})
		_, err := r.Refresh(context.Background(), exampleLogin())
		require.NoError(t, err)
		assert.Equal(t, []string{loopback}, w.urls())
	}
}

// A redirect that keeps the method would post the refresh token to the host that the answer names.
// The refresher follows no redirect.
func TestRedirectOfTheTokenEndpointIsRefused(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newTokenWire(says(200, newPair))
		w.RegisterResponder("POST", exampleTokenURL, says(status, "", "Location", "https://stranger.example/token"))
		client := w.client()
		r := reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: exampleTokenURL, HTTPClient: client})
		pool := loginPool(t, r, exampleLogin())
		re := refreshError(t, pool.Refresh(context.Background(), "example", "me"))
		assert.Equal(t, status, re.Status)
		assert.False(t, re.Permanent)
		assert.Equal(t, []string{exampleTokenURL}, w.urls())
		assert.Equal(t, oldTokens, tokensIn(t, pool))
		assert.Nil(t, client.CheckRedirect, "the refresher leaves the user's client as it was")
	}
}

// The refresher's own HTTP client, over real sockets: it speaks to loopback, follows no redirect
// and leaves no goroutine behind.
func TestOwnClient(t *testing.T) {
	var paths []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, newPair)
	}))
	defer srv.Close()
	at := func(path string) (reauth.Credential, error) {
		r := reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: srv.URL + path})
		return r.Refresh(context.Background(), exampleLogin())
	}
	got, err := at("/token")
	require.NoError(t, err)
	assert.Equal(t, newTokens, tokens(got))
	_, err = at("/moved")
	assert.Equal(t, 307, refreshError(t, err).Status)
	assert.Equal(t, []string{"/token", "/moved"}, paths)
}

// The refresher sends a rotating refresh token again in two cases only: it provably did not send it
// the first time, or the endpoint has asked for another try.
func TestWhatIsRepeated(t *testing.T) {
	badCertificate := httpmock.NewErrorResponder(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	reset := httpmock.NewErrorResponder(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})
	good := says(200, newPair)
	limited := func(after string) httpmock.Responder { return says(429, `{"error":"slow_down"}`, "Retry-After", after) }
	for name, c := range map[string]struct {
		answers  inOrder
		once     []time.Duration // when it sends a refresh token that rotates
		reusable []time.Duration // when it sends one that is reusable
		wait     time.Duration   // RetryAfter of the error; negative: there is no error
	}{
		"no connection":                    {inOrder{noDial}, ms(0, 250, 750), ms(0, 250, 750), 0},
		"no connection at first":           {inOrder{noDial, good}, ms(0, 250), ms(0, 250), -1},
		"no connection, then no answer":    {inOrder{noDial, lost}, ms(0, 250), ms(0, 250, 750), 0},
		"no answer":                        {inOrder{lost}, ms(0), ms(0, 250, 750), 0},
		"a reset connection":               {inOrder{reset}, ms(0), ms(0, 250, 750), 0},
		"a certificate of somebody else's": {inOrder{badCertificate}, ms(0), ms(0), 0},
		"unavailable":                      {inOrder{says(503, ``)}, ms(0), ms(0, 250, 750), 0},
		"a page":                           {inOrder{says(502, `<html>`)}, ms(0), ms(0, 250, 750), 0},
		"a page in a 200":                  {inOrder{says(200, `<html>`)}, ms(0), ms(0), 0},
		"no access token":                  {inOrder{says(200, `{}`)}, ms(0), ms(0), 0},
		"a dead grant":                     {inOrder{says(400, `{"error":"invalid_grant"}`)}, ms(0), ms(0), 0},
		"not found":                        {inOrder{says(404, ``)}, ms(0), ms(0), 0},
		"429":                              {inOrder{says(429, ``)}, ms(0, 250, 750), ms(0, 250, 750), 0},
		"429 at first":                     {inOrder{says(429, ``), good}, ms(0, 250), ms(0, 250), -1},
		"429, then no answer":              {inOrder{says(429, ``), lost}, ms(0, 250), ms(0, 250, 750), 0},
		"429, back at once":                {inOrder{limited("0")}, ms(0, 0, 0), ms(0, 0, 0), 0},
		"429, back in 2 s": {
			inOrder{limited("2")}, ms(0, 2000, 4000), ms(0, 2000, 4000), 2 * time.Second,
		},
		"429, back in 4 s": {
			inOrder{limited("4")}, ms(0, 4000, 8000), ms(0, 4000, 8000), 4 * time.Second,
		},
		"429, back in 5 s":     {inOrder{limited("5")}, ms(0), ms(0), 5 * time.Second},
		"429, back in an hour": {inOrder{limited("3600")}, ms(0), ms(0), time.Hour},
		"429, back at a time": {
			inOrder{limited("Sat, 01 Jan 2000 00:10:00 GMT")}, ms(0), ms(0), 10 * time.Minute,
		},
	} {
		for _, reusable := range []bool{false, true} {
			want := c.once
			if reusable {
				want = c.reusable
			}
			onFakeClock(t, fmt.Sprintf("%s, reusable %t", name, reusable), func(t *testing.T) {
				w := newTokenWire(inTurn(c.answers...))
				pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{Reusable: reusable}), exampleLogin())
				err := pool.Refresh(context.Background(), "example", "me")
				assert.Equal(t, want, w.times())
				for _, call := range w.sent() {
					sent := call.params(t)["refresh_token"]
					assert.Equal(t, "rt-EXAMPLE-old", sent, "the refresher sends the whole body again")
				}
				if c.wait < 0 {
					require.NoError(t, err)
					assert.Equal(t, newTokens, tokensIn(t, pool))
					return
				}
				assert.Equal(t, c.wait, refreshError(t, err).RetryAfter)
				assert.Equal(t, oldTokens, tokensIn(t, pool), "the pool keeps the pair")
			})
		}
	}
}

// The same over net/http's own transport. httptrace tells whether it had a connection.
func TestOnlyWhatWasNotSentIsRepeated(t *testing.T) {
	hangUp := func(net.Conn) {}
	takeAndHangUp := func(c net.Conn) {
		_, err := http.ReadRequest(bufio.NewReader(c))
		assert.NoError(t, err)
	}
	for name, c := range map[string]struct {
		url   string
		serve func(net.Conn) // nil: nobody listens
		want  int            // connections
	}{
		"nobody listens":           {"https://auth.example.com/token", nil, 3},
		"no TLS handshake":         {"https://auth.example.com/token", hangUp, 3},
		"taken, and not answered":  {"http://127.0.0.1/token", takeAndHangUp, 1},
		"perhaps taken, and ended": {"http://127.0.0.1/token", hangUp, 1},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			dials := 0
			dial := func(context.Context, string, string) (net.Conn, error) {
				dials++
				if c.serve == nil {
					return nil, errors.New("nobody listens")
				}
				client, server := net.Pipe()
				go func() {
					defer server.Close()
					c.serve(server)
				}()
				return client, nil
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
			r := reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: c.url, HTTPClient: client})
			_, err := r.Refresh(context.Background(), exampleLogin())
			assert.False(t, refreshError(t, err).Permanent)
			assert.Equal(t, c.want, dials)
		})
	}
}

// The network is away for ten minutes, and a program asks every 3 s. Nothing was sent meanwhile, so
// the token is had within 5 s of the network's return, whatever failed, and whichever refresher.
func TestNetworkThatIsAwayDelaysLittle(t *testing.T) {
	failures := map[string]error{
		"dial": &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH},
		"DNS":  &net.DNSError{Err: "no such host", Name: "auth.example.com"},
	}
	for name, failure := range failures {
		for who, refresher := range map[string]func(*http.Client) reauth.Refresher{
			"ours": func(c *http.Client) reauth.Refresher {
				return reauth.OAuth2Refresher(reauth.OAuth2Config{TokenURL: exampleTokenURL, HTTPClient: c})
			},
			"a program's": func(c *http.Client) reauth.Refresher {
				return reauth.RefresherFunc(func(_ context.Context, old reauth.Credential) (reauth.Credential, error) {
					resp, err := c.Post(exampleTokenURL, "", nil)
					if err != nil {
						return reauth.Credential{}, err
					}
					return reauth.Credential{AccessToken: old.AccessToken + "+"}, resp.Body.Close()
				})
			},
		} {
			onFakeClock(t, name+", "+who, func(t *testing.T) {
				back := time.Now().Add(10 * time.Minute)
				dial := func(context.Context, string, string) (net.Conn, error) { return nil, failure }
				away := &http.Transport{DialContext: dial}
				client := &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if time.Now().Before(back) {
						return away.RoundTrip(req)
					}
					return says(200, newPair)(req)
				})}
				login := exampleLogin()
				login.Expiry = time.Now().Add(-time.Hour)
				pool := loginPool(t, refresher(client), login)
				for heldBy(t, pool, login).AccessToken == oldTokens[0] {
					require.Less(t, time.Since(back), 5*time.Second)
					time.Sleep(3 * time.Second)
				}
				assert.False(t, time.Now().Before(back))
			})
		}
	}
}

// The connection to the token endpoint breaks while a request waits for new tokens.
func TestRefusedRequestSurvivesAnExchangeCutOff(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.Fail(reauthtest.Fault{Cut: true})
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, 2, r.fake.TokenRequests())

		r.fake.Fail(reauthtest.Fault{Cut: true})
		// The new access token serves: the refresher does not repeat the exchange.
		require.Error(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.Equal(t, 3, r.fake.TokenRequests())
		assert.Zero(t, r.fake.Reuses())
	})
}

// The time limit of an exchange is 30 s.
func TestEndpointThatNeverAnswers(t *testing.T) {
	silent := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	for _, reusable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newTokenWire(silent)
			pool := loginPool(t, exampleRefresher(w, reauth.OAuth2Config{Reusable: reusable}), exampleLogin())
			err := pool.Refresh(context.Background(), "example", "me")
			assert.Equal(t, 30*time.Second, time.Since(w.begin))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			re := refreshError(t, err)
			assert.False(t, re.Permanent)
			var timeout interface{ Timeout() bool }
			require.ErrorAs(t, re, &timeout)
			assert.True(t, timeout.Timeout())
			assert.Len(t, w.sent(), 1, "the time limit leaves no time for a second try")
			assert.Equal(t, oldTokens, tokensIn(t, pool))
		})
	}
}
