package reauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

const (
	exampleIssuer = "https://kubernetes.example.com"
	exampleSecret = "cs-EXAMPLE/secret+1"
)

// fixedSubject is a Subject that gives this token.
func fixedSubject(token string) reauth.Refresher {
	return reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
		return reauth.Credential{AccessToken: token}, nil
	})
}

// inMemory is a client that reaches the fake provider under any URL.
func inMemory(fake *reauthtest.Provider) *http.Client {
	return &http.Client{Transport: fake.Transport()}
}

// accepts requires that the fake provider's API takes a token.
func accepts(t testing.TB, fake *reauthtest.Provider, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/v1/models", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Anthropic-Beta", "oauth-2025-04-20")
	resp, err := inMemory(fake).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, resp.StatusCode)
}

func TestClientCredentialsSource(t *testing.T) {
	for name, change := range map[string]func(*reauth.OAuth2Config){
		"form": func(*reauth.OAuth2Config) {}, "JSON": func(c *reauth.OAuth2Config) { c.JSON = true },
		"Basic": func(c *reauth.OAuth2Config) { c.BasicAuth = true },
	} {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			fake.AddClient("app:1", exampleSecret)
			cfg := reauth.OAuth2Config{
				TokenURL: exampleTokenURL, ClientID: "app:1", ClientSecret: exampleSecret, HTTPClient: inMemory(fake),
			}
			change(&cfg)
			source := reauth.ClientCredentialsSource(cfg)
			first, err := ask(t, source)
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(time.Hour), first.Expiry, time.Minute)
			accepts(t, fake, first.AccessToken)
			second, err := ask(t, source)
			require.NoError(t, err)
			assert.NotEqual(t, first.AccessToken, second.AccessToken, "nothing is kept between two calls")

			cfg.ClientSecret = "cs-EXAMPLE-another"
			_, err = ask(t, reauth.ClientCredentialsSource(cfg))
			re := refreshError(t, err)
			assert.Equal(t, []any{"invalid_client", 401, false}, []any{re.Code, re.Status, re.Permanent})
			require.ErrorContains(t, err, "token endpoint "+exampleTokenURL+"; look at ClientID and ClientSecret")
			assert.NotContains(t, err.Error(), "cs-EXAMPLE")
		})
	}
}

// The request is RFC 6749 §4.4.2's, with what the configuration adds.
func TestClientCredentialsRequest(t *testing.T) {
	wire := newTokenWire(says(200, `{"access_token":"at-EXAMPLE-new","refresh_token":"rt-EXAMPLE-new"}`))
	got, err := ask(t, reauth.ClientCredentialsSource(reauth.OAuth2Config{
		TokenURL: exampleTokenURL, ClientID: "app", ClientSecret: exampleSecret, Scopes: []string{"a", "b"},
		Form: url.Values{"audience": {"https://api.example.com"}}, Header: http.Header{"X-Tenant": {"t1"}},
		HTTPClient: wire.client(),
	}))
	require.NoError(t, err)
	assert.Equal(t, reauth.Credential{AccessToken: "at-EXAMPLE-new"}, got, "a refresh token is not used (§4.4.3)")
	require.Len(t, wire.sent(), 1)
	call := wire.sent()[0]
	assert.Equal(t, map[string]string{
		"grant_type": "client_credentials", "client_id": "app", "client_secret": exampleSecret, "scope": "a b",
		"audience": "https://api.example.com",
	}, call.params(t))
	assert.Equal(t, "t1", call.headers()["X-Tenant"])
	assert.Equal(t, "reauth", call.headers()["User-Agent"])
}

func TestTokenExchangeRequest(t *testing.T) {
	const (
		exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
		bearer   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
		jwt      = "urn:ietf:params:oauth:token-type:jwt"
		idToken  = "urn:ietf:params:oauth:token-type:id_token"
	)
	for name, c := range map[string]struct {
		cfg  reauth.TokenExchangeConfig
		want map[string]string
	}{
		"RFC 8693": {reauth.TokenExchangeConfig{}, map[string]string{
			"grant_type": exchange, "subject_token": sourceToken, "subject_token_type": jwt,
		}},
		"with all": {reauth.TokenExchangeConfig{
			ClientID: "app", ClientSecret: exampleSecret, Audience: "api", Resource: "https://api.example.com",
			Scopes: []string{"a", "b"}, SubjectTokenType: idToken,
			Form: url.Values{"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"}},
		}, map[string]string{
			"grant_type": exchange, "subject_token": sourceToken, "subject_token_type": idToken,
			"client_id": "app", "client_secret": exampleSecret, "audience": "api", "resource": "https://api.example.com",
			"scope": "a b", "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
		}},
		"RFC 7523": {reauth.TokenExchangeConfig{Assertion: true, Scopes: []string{"a"}}, map[string]string{
			"grant_type": bearer, "assertion": sourceToken, "scope": "a",
		}},
		"JSON": {reauth.TokenExchangeConfig{JSON: true}, map[string]string{
			"grant_type": exchange, "subject_token": sourceToken, "subject_token_type": jwt,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			wire := newTokenWire(says(200, `{"access_token":"at-EXAMPLE-new","expires_in":60}`))
			c.cfg.TokenURL, c.cfg.Subject, c.cfg.HTTPClient = exampleTokenURL, fixedSubject(" "+sourceToken+"\n"), wire.client()
			got, err := ask(t, reauth.TokenExchangeSource(c.cfg))
			require.NoError(t, err)
			assert.Equal(t, "at-EXAMPLE-new", got.AccessToken)
			require.Len(t, wire.sent(), 1)
			assert.Equal(t, c.want, wire.sent()[0].params(t))
		})
	}

	wire := newTokenWire(says(200, newPair))
	several := reauth.TokenExchangeConfig{
		TokenURL: exampleTokenURL, Subject: fixedSubject(sourceToken), HTTPClient: wire.client(),
		Form: url.Values{"audience": {"a", "b"}}, // RFC 8693 §2.1 allows several
	}
	_, err := ask(t, reauth.TokenExchangeSource(several))
	require.NoError(t, err)
	several.JSON = true
	_, err = ask(t, reauth.TokenExchangeSource(several))
	require.NoError(t, err)
	assert.Contains(t, wire.sent()[0].body, "audience=a&audience=b")
	var object struct{ Audience []string }
	require.NoError(t, json.Unmarshal([]byte(wire.sent()[1].body), &object))
	assert.Equal(t, []string{"a", "b"}, object.Audience)
}

// federations are the dialects of token exchange, each with its documented configuration.
var federations = map[string]struct {
	trust  reauthtest.Trust
	config func(subject reauth.Refresher) reauth.TokenExchangeConfig
	// What the answer is to a subject token of another audience, to one that has expired, and to a
	// request that names another trust.
	audience, expired, other string
}{
	"OpenAI": {
		reauthtest.Trust{
			Issuer: exampleIssuer, Audience: "https://api.openai.com/v1",
			Params: map[string]string{"identity_provider_id": "idp-1", "service_account_id": "sa-1"},
		},
		func(s reauth.Refresher) reauth.TokenExchangeConfig { return openAIFederation(s, "idp-1", "sa-1") },
		"invalid_subject_token", "invalid_subject_token", "invalid_grant",
	},
	"Anthropic": {
		reauthtest.Trust{
			Issuer: exampleIssuer, Audience: "https://api.anthropic.com", Once: true,
			Params: map[string]string{"federation_rule_id": "fdrl_1", "organization_id": "o-1", "service_account_id": "svac_1"},
		},
		func(s reauth.Refresher) reauth.TokenExchangeConfig {
			return anthropicFederation(s, "fdrl_1", "o-1", "svac_1")
		},
		"invalid_grant", "invalid_grant", "invalid_grant",
	},
	"OpenRouter": {
		reauthtest.Trust{
			Issuer: exampleIssuer, Audience: "https://openrouter.ai",
			Params: map[string]string{"federation_policy_id": "policy-1"},
		},
		func(s reauth.Refresher) reauth.TokenExchangeConfig { return openRouterFederation(s, "policy-1") },
		"invalid_request", "invalid_request", "invalid_grant",
	},
	"RFC 8693": {
		reauthtest.Trust{Issuer: exampleIssuer, Audience: "api", Params: map[string]string{"audience": "backend"}},
		func(s reauth.Refresher) reauth.TokenExchangeConfig {
			return reauth.TokenExchangeConfig{TokenURL: exampleTokenURL, Subject: s, Audience: "backend"}
		},
		"invalid_request", "invalid_request", "invalid_target",
	},
	"RFC 7523": {
		reauthtest.Trust{Issuer: exampleIssuer, Audience: "api", Params: map[string]string{"resource": "backend"}},
		func(s reauth.Refresher) reauth.TokenExchangeConfig {
			return reauth.TokenExchangeConfig{TokenURL: exampleTokenURL, Subject: s, Assertion: true, Resource: "backend"}
		},
		"invalid_grant", "invalid_grant", "invalid_target",
	},
}

func TestTokenExchangeSource(t *testing.T) {
	for name, f := range federations {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			fake.Trust(f.trust)
			asked := 0
			subject := reauth.RefresherFunc(func(_ context.Context, c reauth.Credential) (reauth.Credential, error) {
				asked++
				assert.Equal(t, reauth.Credential{Provider: "example", ID: "source"}, c, "it is told whose it is, and no token")
				return reauth.Credential{AccessToken: fake.SubjectToken(exampleIssuer, f.trust.Audience, 10*time.Minute)}, nil
			})
			cfg := f.config(subject)
			cfg.HTTPClient = inMemory(fake)
			source := reauth.TokenExchangeSource(cfg)
			for i := range 2 {
				got, err := ask(t, source)
				require.NoError(t, err)
				assert.Equal(t, i+1, asked, "the subject is asked anew for each exchange")
				assert.WithinDuration(t, time.Now().Add(10*time.Minute), got.Expiry, time.Minute, "no longer than the subject")
				assert.Empty(t, got.RefreshToken)
				accepts(t, fake, got.AccessToken)
			}
			assert.Equal(t, 2, fake.Exchanges())
		})
	}
}

// A refusal tells the endpoint, what it said, and the issuer, the audience and the expiry of the
// subject token, and never the token.
func TestTokenExchangeThatIsRefused(t *testing.T) {
	for name, f := range federations {
		t.Run(name, func(t *testing.T) {
			fake := reauthtest.New(reauthtest.OpenAI)
			fake.Trust(f.trust)
			refused := func(subject, code string, change func(*reauth.TokenExchangeConfig), words ...string) {
				t.Helper()
				cfg := f.config(fixedSubject(subject))
				cfg.HTTPClient = inMemory(fake)
				if change != nil {
					change(&cfg)
				}
				_, err := ask(t, reauth.TokenExchangeSource(cfg))
				re := refreshError(t, err)
				assert.Equal(t, code, re.Code)
				assert.False(t, re.Permanent, "the next subject token may be good")
				require.ErrorContains(t, err, "token endpoint "+cfg.TokenURL)
				for _, w := range words {
					require.ErrorContains(t, err, w)
				}
				assert.NotContains(t, err.Error(), strings.Split(subject, ".")[2])
				assert.NotContains(t, err.Error(), subject[:20])
			}
			refused(fake.SubjectToken(exampleIssuer, "https://sts.example.com", time.Hour), f.audience, nil,
				`the subject token is of the issuer "https://kubernetes.example.com" `+
					`for the audience "https://sts.example.com", and expires at `)
			refused(fake.SubjectToken(exampleIssuer, f.trust.Audience, -time.Hour), f.expired, nil, "and has expired at ")
			refused(fake.SubjectToken(exampleIssuer, f.trust.Audience, time.Hour), f.other, func(c *reauth.TokenExchangeConfig) {
				switch {
				case c.Audience != "":
					c.Audience = "another"
				case c.Resource != "":
					c.Resource = "another"
				default:
					for param, values := range c.Form {
						c.Form[param] = []string{values[0] + "x"}
					}
				}
			})
			forged := reauthtest.New(reauthtest.OpenAI).SubjectToken(exampleIssuer, f.trust.Audience, time.Hour)
			refused(forged, f.audience, nil)
			assert.Zero(t, fake.Exchanges())
		})
	}

	// Anthropic can be told to take a token once, and refuses a malformed id in its API's words.
	fake := reauthtest.New(reauthtest.Anthropic)
	f := federations["Anthropic"]
	fake.Trust(f.trust)
	cfg := f.config(fixedSubject(fake.SubjectToken(exampleIssuer, f.trust.Audience, time.Hour)))
	cfg.HTTPClient = inMemory(fake)
	_, err := ask(t, reauth.TokenExchangeSource(cfg))
	require.NoError(t, err)
	_, err = ask(t, reauth.TokenExchangeSource(cfg))
	assert.Equal(t, "invalid_grant", refreshError(t, err).Code)
	cfg.Form.Set("federation_rule_id", "rule-1")
	_, err = ask(t, reauth.TokenExchangeSource(cfg))
	assert.Equal(t, "invalid_request_error", refreshError(t, err).Code)
	require.ErrorContains(t, err, "federation_rule_id is not a well-formed fdrl_ tagged ID")
	cfg.Header = nil
	_, err = ask(t, reauth.TokenExchangeSource(cfg))
	require.ErrorContains(t, err, "the grant type needs the beta")
}

// The subject is of a file, as Kubernetes keeps it. What is wrong with the file is told.
func TestTokenExchangeOfAFile(t *testing.T) {
	f := federations["OpenAI"]
	fake := reauthtest.New(reauthtest.OpenAI)
	fake.Trust(f.trust)
	path := writeSource(t, fake.SubjectToken(exampleIssuer, f.trust.Audience, time.Hour)+"\n")
	cfg := f.config(reauth.FileSource(path))
	cfg.HTTPClient = inMemory(fake)
	got, err := ask(t, reauth.TokenExchangeSource(cfg))
	require.NoError(t, err)
	accepts(t, fake, got.AccessToken)

	cfg.Subject = reauth.FileSource(path + "-missing")
	_, err = ask(t, reauth.TokenExchangeSource(cfg))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "source_failed", refreshError(t, err).Code)
	require.ErrorContains(t, err, `the subject token: the file "`+path+`-missing" cannot be read`)

	cfg.Subject = reauth.FileSource(writeSource(t, `{"access_token":"eyJ`))
	_, err = ask(t, reauth.TokenExchangeSource(cfg))
	assert.Equal(t, "source_output", refreshError(t, err).Code)
	require.ErrorContains(t, err, "its JSON is cut off")
}

func TestTokenExchangeWithoutASubject(t *testing.T) {
	failing := func(c reauth.Credential, err error) reauth.Refresher {
		return reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) { return c, err })
	}
	secret := "the key " + oldTokens[0] + " is refused"
	cause := errors.New(secret)
	for name, c := range map[string]struct {
		subject reauth.Refresher
		want    string
	}{
		"nil":           {nil, "Subject is nil; set what gives the subject token"},
		"nothing":       {fixedSubject(""), "Subject gave no token"},
		"an error":      {failing(reauth.Credential{}, cause), "Subject gave no token: the key [redacted] is refused"},
		"a refresher":   {reauth.OAuth2Refresher(reauth.OAuth2Config{}), "Subject wants a refresh token, and gets none"},
		"a line break":  {fixedSubject("a\nb"), "the token of Subject: the token holds a control character"},
		"with a scheme": {fixedSubject("Bearer " + sourceToken), `the token of Subject: the token begins with "Bearer"`},
	} {
		t.Run(name, func(t *testing.T) {
			wire := newTokenWire(says(200, newPair))
			source := reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
				TokenURL: exampleTokenURL, Subject: c.subject, HTTPClient: wire.client(),
			})
			_, err := source.Refresh(t.Context(), reauth.Credential{Provider: "example", AccessToken: oldTokens[0]})
			assert.Equal(t, "source_failed", refreshError(t, err).Code)
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, reauth.ErrNotRefreshable)
			assert.Empty(t, wire.sent())
		})
	}
	_, err := ask(t, reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
		TokenURL: exampleTokenURL, Subject: failing(reauth.Credential{}, cause),
	}))
	require.ErrorIs(t, err, cause)

	// A subject token that has expired by its own word is sent: the provider decides.
	wire := newTokenWire(says(200, newPair))
	subject := reauth.FileSource(writeSource(t, `{"token":"`+sourceToken+`","expiry":"2026-01-02T03:04:05Z"}`))
	_, err = ask(t, reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
		TokenURL: exampleTokenURL, Subject: subject, HTTPClient: wire.client(),
	}))
	require.NoError(t, err)
	require.Len(t, wire.sent(), 1)
}

// A configuration that cannot work is a clear error of the first call, and nothing is sent.
func TestSourceAtATokenEndpointIsChecked(t *testing.T) {
	for want, url := range map[string]string{
		"the token URL is not an absolute URL":             "",
		"the token URL must be https, or http on loopback": "http://auth.example.com/token",
		"the token URL holds a user name":                  "https://user:cs-EXAMPLE@auth.example.com/",
		"not an absolute URL":                              "auth.example.com/token",
	} {
		wire := newTokenWire(says(200, newPair))
		for _, source := range []reauth.Refresher{
			reauth.ClientCredentialsSource(reauth.OAuth2Config{TokenURL: url, ClientID: "app", HTTPClient: wire.client()}),
			reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
				TokenURL: url, Subject: fixedSubject(sourceToken), HTTPClient: wire.client(),
			}),
		} {
			_, err := ask(t, source)
			re := refreshError(t, err)
			assert.Equal(t, "source_failed", re.Code)
			assert.False(t, re.Permanent)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "cs-EXAMPLE")
		}
		assert.Empty(t, wire.sent())
	}
	wire := newTokenWire(says(200, newPair))
	_, err := ask(t, reauth.ClientCredentialsSource(reauth.OAuth2Config{
		TokenURL: exampleTokenURL, HTTPClient: wire.client(),
	}))
	require.ErrorContains(t, err, "ClientID is empty")
	_, err = ask(t, reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
		TokenURL: exampleTokenURL, Subject: fixedSubject(sourceToken), HTTPClient: wire.client(),
		Form: map[string][]string{"subject_token": {"another"}},
	}))
	require.ErrorContains(t, err, `the parameter "subject_token" is in Form, and the request has it already`)
	assert.Empty(t, wire.sent())
}

// What an identity server answers instead of a token is told with the way out, and is never Permanent.
func TestIdentityServerThatGivesNoToken(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		header []string
		code   string
		want   string
		sends  int
	}{
		"400": {
			400, `{"error":"invalid_scope","error_description":"unknown scope"}`, nil,
			"invalid_scope", "unknown scope; token endpoint " + exampleTokenURL + "; look at Scopes", 1,
		},
		"401 of a dead grant": {
			401, `{"error":"invalid_grant"}`, nil, "invalid_grant", "look at the trust that is set up there", 1,
		},
		"404": {404, ``, nil, "source_failed", "there is no token endpoint; look at TokenURL", 1},
		"500": {500, `{"error":"server_error"}`, nil, "server_error", "status 500", 3},
		"a page": {
			403, `<html>Access denied</html>`,
			[]string{"Content-Type", "text/html"},
			"source_failed", "the answer is a page, not of the token endpoint; token endpoint " + exampleTokenURL, 1,
		},
		"a page with 200": {
			200, `<html>Log in</html>`,
			[]string{"Content-Type", "text/html"},
			"no_access_token", "the token endpoint gave no access token", 1,
		},
		"a redirect": {
			302, ``,
			[]string{"Location", "https://login.example.com/?k=" + exampleSecret},
			"source_failed", "it answers with a redirect, which is not followed; set TokenURL", 1,
		},
		"no token": {
			200, `{"token_type":"Bearer"}`, nil,
			"no_access_token", "the token endpoint gave no access token; token endpoint " + exampleTokenURL, 1,
		},
		"half an answer": {200, `{"access_token":"at-EXA`, nil, "no_access_token", "gave no access token", 1},
		"a line break": {
			200, `{"access_token":"at-EXAMPLE\nnew"}`, nil, "source_output", "the token holds a control character", 1,
		},
		"words": {200, `{"access_token":"please log in"}`, nil, "source_output", "it holds white space", 1},
		"it repeats what it got": {
			400, `{"error":"invalid_request","error_description":"bad ` + exampleSecret + ` and ` + sourceToken + `"}`, nil,
			"invalid_request", "bad [redacted] and [redacted]", 1,
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			for _, source := range []func(*http.Client) reauth.Refresher{
				func(h *http.Client) reauth.Refresher {
					return reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
						TokenURL: exampleTokenURL, ClientID: "app", ClientSecret: exampleSecret,
						Subject: fixedSubject(sourceToken), HTTPClient: h,
					})
				},
				func(h *http.Client) reauth.Refresher {
					return reauth.ClientCredentialsSource(reauth.OAuth2Config{
						TokenURL: exampleTokenURL, ClientID: "app", ClientSecret: exampleSecret,
						Form: url.Values{"client_assertion": {sourceToken}}, Permanent: []string{"invalid_scope"}, HTTPClient: h,
					})
				},
			} {
				wire := newTokenWire(says(c.status, c.body, c.header...))
				got, err := ask(t, source(wire.client()))
				re := refreshError(t, err)
				assert.Equal(t, c.code, re.Code)
				assert.False(t, re.Permanent)
				assert.Empty(t, got.AccessToken)
				require.ErrorContains(t, err, c.want)
				for _, secret := range []string{exampleSecret, sourceToken, "at-EXA", "0123456789"} {
					assert.NotContains(t, err.Error(), secret)
				}
				assert.Len(t, wire.sent(), c.sends)
			}
		})
	}
}

// A token that has expired comes beside its error, as from a file or a command.
func TestIdentityServerThatGivesAnExpiredToken(t *testing.T) {
	wire := newTokenWire(says(200, `{"access_token":"at-EXAMPLE-new","expires_in":0}`))
	got, err := ask(t, reauth.ClientCredentialsSource(reauth.OAuth2Config{
		TokenURL: exampleTokenURL, ClientID: "app", HTTPClient: wire.client(),
	}))
	assert.Equal(t, "expired_on_arrival", refreshError(t, err).Code)
	require.ErrorContains(t, err, exampleTokenURL)
	assert.Equal(t, "at-EXAMPLE-new", got.AccessToken)
}

// Nothing is spent by these grants: a request without an answer is repeated.
func TestSourceAtATokenEndpointRepeatsALostAnswer(t *testing.T) {
	onFakeClock(t, "lost", func(t *testing.T) {
		wire := newTokenWire(inTurn(lost, says(503, ""), says(200, newPair)))
		got, err := ask(t, reauth.TokenExchangeSource(reauth.TokenExchangeConfig{
			TokenURL: exampleTokenURL, Subject: fixedSubject(sourceToken), HTTPClient: wire.client(),
		}))
		require.NoError(t, err)
		assert.Equal(t, "at-EXAMPLE-new", got.AccessToken)
		assert.Len(t, wire.sent(), 3)
	})
}

// An identity server that says nothing keeps nobody longer than the context.
func TestSourceAtATokenEndpointThatHangs(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server look whether the client has gone
		close(asked)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, end := context.WithCancel(t.Context())
	go func() { <-asked; end() }()
	_, err := reauth.ClientCredentialsSource(reauth.OAuth2Config{TokenURL: server.URL, ClientID: "app"}).
		Refresh(ctx, reauth.Credential{Provider: "example"})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "source_failed", refreshError(t, err).Code)
	require.ErrorContains(t, err, server.URL)
}

// A program may dump a source. It shows what was configured, and no secret.
func TestSourcesShowNoSecret(t *testing.T) {
	secret := "sk-EXAMPLE-0123456789"
	for want, source := range map[string]reauth.Refresher{
		`reauth.FileSource("/run/token")`: reauth.FileSource("/run/token"),
		`reauth.CommandSource("op")`:      reauth.CommandSource("op", "read", secret),
		"reauth.Refresher(token endpoint https://auth.example.com/token, client app)": reauth.ClientCredentialsSource(
			reauth.OAuth2Config{TokenURL: "https://auth.example.com/token", ClientID: "app", ClientSecret: secret}),
		"reauth.Refresher(token endpoint https://id.example.com/token, client app)": reauth.TokenExchangeSource(
			reauth.TokenExchangeConfig{TokenURL: "https://id.example.com/token", ClientID: "app", ClientSecret: secret}),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			assert.Equal(t, want, fmt.Sprintf(verb, source))
			assert.NotContains(t, fmt.Sprintf(verb, reauth.Provider{Refresher: source}), secret)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("made", "source", source)
		assert.NotContains(t, log.String(), secret)
		assert.Contains(t, log.String(), "source=")
	}
	cfg := reauth.TokenExchangeConfig{TokenURL: "https://u:p@id.example.com/token?k=" + secret, ClientSecret: secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.Equal(t, "token endpoint https://id.example.com/token, client ", fmt.Sprintf(verb, cfg))
	}
	assert.Equal(t, cfg.String(), cfg.LogValue().String())
}
