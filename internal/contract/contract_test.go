package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// TestContract checks one obligation in each row. Numbers 37, 38, 43 and 47 have no row, because
// they are about code above or below RoundTrip. The module integration tests 37 and 38.
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

// 1: an answer of any status is returned with a nil error. If every credential is refused, the
// caller gets the last answer, or the first one that says "forbidden".
func contractAnyResponse(t *testing.T) {
	for status, sends := range map[int]int{
		200: 1, 204: 1, 302: 1, 304: 1, 400: 1, 407: 1, 418: 1, 500: 1, 503: 1, 529: 1, 401: 2, 402: 2, 403: 2, 429: 2,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var sent []string
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.Header.Get("Authorization"))
				return testrig.Answer(req, status, sent[len(sent)-1]), nil
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

// 2: RoundTrip returns a response or an error, also if its base returns both or neither.
func contractResponseOrError(t *testing.T) {
	broken := errors.New("broken")
	for name, both := range map[string]bool{"both": true, "neither": false} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				dropped := &contractBody{Reader: strings.NewReader("dropped")}
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					if token == staleToken && !isLive(req) {
						return testrig.Answer(req, 401, refusal), nil
					}
					if !both {
						return nil, nil
					}
					resp := testrig.Answer(req, 200, "")
					resp.Body = dropped
					return resp, broken
				}), refreshable(token))
				resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
				if token == staleToken { // the caller gets the refusal that was obtained before
					require.NoError(t, err)
					assert.Equal(t, refusal, bodyOfAnswer(t, resp))
				} else {
					require.Error(t, err)
					require.Nil(t, resp)
					assert.Equal(t, both, errors.Is(err, broken))
				}
				assert.Equal(t, both, dropped.closes.Load() == 1, "the transport closes the response that it drops")
			})
		})
	}
}

// 3: on no path does the request of the caller change, neither by the transport nor by a careless
// base that writes to the request that it gets.
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
			c := newContract(t, testrig.RoundTripFunc(careless), test.creds...)
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
			assert.Empty(t, req.Header["X-Several"][:2][1], "the memory behind a value stays as it was")
			assert.Equal(t, deep.Trailer, req.Trailer)
			assert.Same(t, shallow.URL, req.URL)
			assert.Equal(t, deep.URL, req.URL)
			assert.Same(t, shallow.Response, req.Response)
			assert.True(t, shallow.Body == req.Body, "the body is still the caller's")
			assert.NotNil(t, req.GetBody)
			same := func(r *http.Request) []any {
				return []any{
					r.Method, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Proto, r.RequestURI,
					testrig.CancelOf(r), r.Context(),
				}
			}
			assert.Equal(t, same(&shallow), same(req))
		})
	}
}
