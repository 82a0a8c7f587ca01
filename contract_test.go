package reauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// TestContract checks what http.RoundTripper obliges a middleware to do, and what http.Client, net/http's transports and the
// SDKs rely on beyond its text. The numbers are those of the list of obligations; 37, 38, 43 and 47 are about what
// stands above or below RoundTrip.
func TestContract(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T)
	}{
		{"01_any_response_is_no_error", contractAnyResponse},
		{"02_response_or_error_never_both_never_neither", contractResponseOrError},
		{"03_request_is_not_modified", contractRequestUnmodified},
		{"04_trailers_filled_while_the_body_is_read_arrive", contractRequestTrailers},
		{"05_body_is_closed_on_every_path", contractBodyClosed},
		{"06_body_may_be_closed_late_by_another_goroutine", contractLateClose},
		{"07_close_ends_a_waiting_read_and_is_idempotent", contractReadAndClose},
		{"08_first_send_uses_Body_and_replays_GetBody", contractBodyThenGetBody},
		{"09_body_is_kept_while_it_is_sent", contractStreamedBody},
		{"10_body_over_the_cap_is_sent_and_not_replayed", contractOverCap},
		{"11_body_refused_unread_is_replayed", contractRefusedUnread},
		{"12_length_and_NoBody_stay", contractLength},
		{"13_other_fields_stay", contractFieldsStay},
		{"14_clone_has_a_working_GetBody", contractCloneGetBody},
		{"15_transport_errors_are_not_retried", contractNoRetry},
		{"16_Cancel_ends_every_wait", contractCancel},
		{"17_concurrent_use", contractConcurrentUse},
		{"18_one_credential_header_whatever_its_spelling", contractCredentialHeaders},
		{"19_userinfo_yields_to_the_credential", contractUserinfo},
		{"20_credentials_go_to_their_own_https_hosts", contractOwnHosts},
		{"21_redirect_to_http_or_another_port_drops_the_secret", contractSchemeAndPort},
		{"22_redirect_to_a_stranger_drops_the_secret_in_any_header", contractForeignHop},
		{"23_only_a_redirect_hop_is_stripped", contractOnlyRedirectHops},
		{"24_what_is_dialled_counts_not_Host", contractDialledHost},
		{"25_redirects_are_not_followed", contractNoRedirects},
		{"26_no_secret_in_a_URL", contractSecretFreeURL},
		{"27_token_endpoint_answers_are_bounded", contractBoundedTokenAnswer},
		{"28_response_body_is_never_nil", contractResponseBody},
		{"29_success_upgrade_and_stream_are_untouched", contractUntouched},
		{"30_peek_is_bounded_and_put_back", contractPeek},
		{"31_compressed_refusal_is_decoded_for_the_classifier_only", contractCompressed},
		{"32_response_trailers_arrive_at_the_end", contractResponseTrailers},
		{"33_length_without_body", contractLengthWithoutBody},
		{"34_response_names_the_callers_request", contractResponseRequest},
		{"35_connection_is_used_again", contractConnectionReuse},
		{"36_context_governs_body_reads", contractContextOfBody},
		{"39_retry_after", contractRetryAfter},
		{"40_idle_connections_are_closed", contractIdleConnections},
		{"41_nil_base_is_the_default_transport", contractNilBase},
		{"42_refresh_belongs_to_nobody", contractDetachedRefresh},
		{"44_nothing_runs_before_use_or_after_close", contractNothingRuns},
		{"45_errors_unwrap_to_the_context", contractErrors},
		{"46_token_calls_bypass_the_transport", contractTokenCalls},
	} {
		t.Run(row.name, row.test)
	}
}

// The tokens of the contract's bases and servers: they refuse any but liveToken, which a refresh brings.
const (
	staleToken = "at-EXAMPLE-stale"
	liveToken  = "at-EXAMPLE-live"
	refusal    = `{"error":{"code":"token_expired","message":"example"}}`
)

// contractURL is claimed by the contract's provider, and leads to its test servers.
const contractURL = "https://api.example.com/v1/chat"

// contract is a transport with a pool of its own.
type contract struct {
	*reauth.RecoveringTransport
	refresh   func(context.Context) (string, error) // what an exchange brings
	exchanges atomic.Int32
}

// newContract makes a transport over base with credentials of the provider "example".
func newContract(t testing.TB, base http.RoundTripper, creds ...reauth.Credential) *contract {
	t.Helper()
	pool := reauth.NewPool()
	c := &contract{RecoveringTransport: reauth.NewRecoveringTransport(base, pool)}
	c.refresh = func(context.Context) (string, error) { return liveToken, nil }
	exchange := func(ctx context.Context, _ reauth.Credential) (reauth.Credential, error) {
		c.exchanges.Add(1)
		token, err := c.refresh(ctx)
		return reauth.Credential{AccessToken: token}, err
	}
	hosts := []string{"api.example.com", "127.0.0.1"}
	require.NoError(t, pool.Register(reauth.Provider{Name: "example", Hosts: hosts, Refresher: reauth.RefresherFunc(exchange)}))
	for _, cred := range creds {
		cred.Provider = "example"
		_, err := pool.Add(t.Context(), cred)
		require.NoError(t, err)
	}
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	return c
}

// refreshable is a credential that can be refreshed.
func refreshable(token string) reauth.Credential {
	return reauth.Credential{ID: "login", AccessToken: token, RefreshToken: "rt-EXAMPLE"}
}

// staticKey is one that cannot.
func staticKey(token string) reauth.Credential {
	return reauth.Credential{ID: token, AccessToken: token}
}

// bothWays runs a test with a token that serves at once, and with one whose refusal causes a refresh and a replay.
func bothWays(t *testing.T, test func(t *testing.T, token string)) {
	t.Run("served", func(t *testing.T) { test(t, liveToken) })
	t.Run("replayed", func(t *testing.T) { test(t, staleToken) })
}

// bothProtocols runs a test over HTTP/1.1 and HTTP/2.
func bothProtocols(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("http1", func(t *testing.T) { test(t, false) })
	t.Run("http2", func(t *testing.T) { test(t, true) })
}

// startContract serves h at contractURL, and returns a transport that leads there.
func startContract(t *testing.T, http2 bool, h http.Handler) (*httptest.Server, *http.Transport) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, s.Client().Transport.(*http.Transport)
}

// isLive reports whether a request carries the live token.
func isLive(req *http.Request) bool { return req.Header.Get("Authorization") == "Bearer "+liveToken }

// consume does what a base does with the body of a request: it reads and closes it.
func consume(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	b, _ := io.ReadAll(req.Body) // a body that fails is looked at by its own tests
	_ = req.Body.Close()
	return b
}

// refuseStale is a base that answers like a server: 401 to any token but the live one.
func refuseStale(req *http.Request) (*http.Response, error) {
	consume(req)
	if !isLive(req) {
		return answer(req, 401, refusal), nil
	}
	return answer(req, 200, "welcome"), nil
}

// contractRequest makes a request whose body, if any, has no GetBody.
func contractRequest(ctx context.Context, t testing.TB, body io.Reader) *http.Request {
	t.Helper()
	if body != nil {
		body = io.NopCloser(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, contractURL, body)
	require.NoError(t, err)
	return req
}

// withGetBody gives a request a body that can be had again.
func withGetBody(req *http.Request, text string) *http.Request {
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(text))
	return req
}

// bodyOfAnswer reads and closes an answer.
func bodyOfAnswer(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(b)
}

// mustSend sends a request that must get an answer of that status, and returns the answer's body.
func mustSend(t testing.TB, rt http.RoundTripper, req *http.Request, status int) string {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	body := bodyOfAnswer(t, resp)
	require.Equal(t, status, resp.StatusCode, body)
	return body
}

// 1: whatever the status, and also when every credential has been refused: the last answer, or the first "forbidden".
func contractAnyResponse(t *testing.T) {
	for status, sends := range map[int]int{
		200: 1, 204: 1, 302: 1, 304: 1, 400: 1, 407: 1, 418: 1, 500: 1, 503: 1, 529: 1, 401: 2, 402: 2, 403: 2, 429: 2,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var sent []string
			c := newContract(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.Header.Get("Authorization"))
				return answer(req, status, sent[len(sent)-1]), nil
			}), staticKey("a"), staticKey("b"))
			body := mustSend(t, c, contractRequest(t.Context(), t, nil), status)
			require.Len(t, sent, sends)
			want := sent[sends-1]
			if status == 403 {
				want = sent[0]
			}
			assert.Equal(t, want, body)
		})
	}
}

// 2: also over a base that does not keep to it.
func contractResponseOrError(t *testing.T) {
	broken := errors.New("broken")
	for name, both := range map[string]bool{"both": true, "neither": false} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				dropped := &contractBody{Reader: strings.NewReader("dropped")}
				c := newContract(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if token == staleToken && !isLive(req) {
						return answer(req, 401, refusal), nil
					}
					if !both {
						return nil, nil
					}
					resp := answer(req, 200, "")
					resp.Body = dropped
					return resp, broken
				}), refreshable(token))
				resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
				if token == staleToken { // the refusal was obtained, so it is what the caller gets
					require.NoError(t, err)
					assert.Equal(t, refusal, bodyOfAnswer(t, resp))
				} else {
					require.Error(t, err)
					require.Nil(t, resp)
					assert.Equal(t, both, errors.Is(err, broken))
				}
				assert.Equal(t, both, dropped.closes.Load() == 1, "the response that is dropped is closed")
			})
		})
	}
}

// 3: neither by the transport nor through what it hands to the base, and on every path.
func contractRequestUnmodified(t *testing.T) {
	careless := func(req *http.Request) (*http.Response, error) {
		resp, err := refuseStale(req)
		req.Header.Set("User-Agent", "careless")
		req.Header.Add("X-Several", "2")
		req.Header.Del("X-Dropped")
		req.Host, req.Close, req.Method = "elsewhere.example", true, http.MethodPut
		return resp, err
	}
	hop := &http.Response{StatusCode: 307}
	for name, test := range map[string]struct {
		creds []reauth.Credential
		url   string
		from  *http.Response
	}{
		"served":   {creds: []reauth.Credential{refreshable(liveToken)}, url: contractURL},
		"replayed": {creds: []reauth.Credential{refreshable(staleToken)}, url: contractURL},
		"switched": {creds: []reauth.Credential{staticKey("a"), staticKey(liveToken)}, url: contractURL},
		"refused":  {creds: []reauth.Credential{staticKey("a"), staticKey("b")}, url: contractURL},
		"stripped": {creds: []reauth.Credential{staticKey("callers")}, url: "https://stranger.example/?a=1", from: hop},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContract(t, roundTripFunc(careless), test.creds...)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, test.url, strings.NewReader("body"))
			require.NoError(t, err)
			req.Header = http.Header{
				"Authorization": {"Bearer callers"}, "x-api-key": {"callers"}, "User-Agent": {"example"},
				"X-Several": append(make([]string, 0, 4), "1"), "X-Dropped": {"kept"},
			}
			req.Trailer = http.Header{"X-Sum": nil}
			req.TransferEncoding = []string{"chunked"}
			req.Host, req.Response = "virtual.example", test.from

			shallow, deep := *req, req.Clone(t.Context())
			resp, err := c.RoundTrip(req)
			require.NoError(t, err)
			bodyOfAnswer(t, resp)

			assert.Equal(t, deep.Header, req.Header)
			assert.Empty(t, req.Header["X-Several"][:2][1], "nor the memory behind a value")
			assert.Equal(t, deep.Trailer, req.Trailer)
			assert.Same(t, shallow.URL, req.URL)
			assert.Equal(t, deep.URL, req.URL)
			assert.Same(t, shallow.Response, req.Response)
			assert.True(t, shallow.Body == req.Body, "the body is the caller's")
			assert.NotNil(t, req.GetBody)
			same := func(r *http.Request) []any {
				return []any{r.Method, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Proto, r.RequestURI, cancelOf(r), r.Context()}
			}
			assert.Equal(t, same(&shallow), same(req))
		})
	}
}
