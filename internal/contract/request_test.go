package contract_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// 13: no send is rebuilt from some fields of the request; all fields stay.
func contractFieldsStay(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		req := withGetBody(contractRequest(t.Context(), t, nil), "body")
		req.TransferEncoding = []string{"chunked"}
		req.Trailer = http.Header{"X-Sum": nil}
		req.Host, req.Close, req.Method = "virtual.example", true, "QUERY"
		req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.0", 1, 0
		req.Header.Set("User-Agent", "example")
		fields := func(r *http.Request) []any {
			return []any{
				r.TransferEncoding, r.Trailer, r.Host, r.Close, r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor,
				r.URL, r.ContentLength, r.Header.Get("User-Agent"), r.Response, r.Pattern, r.Form,
			}
		}
		sends := 0
		c := newContract(t, testrig.RoundTripFunc(func(out *http.Request) (*http.Response, error) {
			sends++
			assert.Equal(t, fields(req), fields(out), "send %d", sends)
			return refuseStale(out)
		}), refreshable(token))
		mustSend(t, c, req, 200)
		assert.Equal(t, map[string]int{liveToken: 1, staleToken: 2}[token], sends)
	})
}

// 15: a send that failed is not repeated, because the server may have acted on the request, and
// charged for it.
func contractNoRetry(t *testing.T) {
	vanished := fmt.Errorf("vanished: %w", io.ErrUnexpectedEOF)
	bothWays(t, func(t *testing.T, token string) {
		sends := 0
		c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			consume(req)
			if sends++; token == staleToken && !isLive(req) {
				return testrig.Answer(req, 401, refusal), nil
			}
			return nil, vanished
		}), refreshable(token), staticKey("another"))
		req := withGetBody(contractRequest(t.Context(), t, nil), "body")
		if token == liveToken {
			resp, err := c.RoundTrip(req)
			assert.Nil(t, resp)
			assert.Equal(t, vanished, err, "the error of the base") //nolint:testifylint // the very same error
			assert.Equal(t, 1, sends)
			return
		}
		assert.Equal(t, refusal, mustSend(t, c, req, 401), "the caller gets the refusal that was obtained")
		assert.Equal(t, 2, sends)
	})
}

// 16: Request.Cancel ends every wait. http.Client sets it for its Timeout on transports that it
// does not know.
func contractCancel(t *testing.T) {
	const after = 100 * time.Millisecond
	never := func(ctx context.Context) (string, error) { // the exchange ends at its deadline
		<-ctx.Done()
		return "", ctx.Err()
	}
	// stuck is a base that never closes the body of the request.
	stuck := func(req *http.Request) (*http.Response, error) { return testrig.Answer(req, 401, refusal), nil }
	for name, test := range map[string]struct {
		base     testrig.RoundTripFunc
		cred     reauth.Credential
		expiry   time.Duration
		refresh  func(context.Context) (string, error)
		answered bool // the caller gets the refusal, and not an error
	}{
		"for a refresh": {base: refuseStale, cred: refreshable(staleToken), refresh: never},
		"for an expired token": {
			base: refuseStale, cred: refreshable(staleToken), expiry: -time.Minute, refresh: never,
		},
		"for a slow publication": {
			base: refuseStale, cred: refreshable(staleToken),
			refresh: func(context.Context) (string, error) { return "at-EXAMPLE-useless", nil },
		},
		"for the first body":      {base: stuck, cred: refreshable(staleToken), answered: true},
		"for the refusal to come": {base: trickling, cred: staticKey(staleToken), answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cred := test.cred
				if test.expiry != 0 {
					cred.Expiry = time.Now().Add(test.expiry)
				}
				c := newContract(t, test.base, cred)
				if test.refresh != nil {
					c.refresh = test.refresh
				}
				cancel := make(chan struct{})
				time.AfterFunc(after, func() { close(cancel) })
				req := withGetBody(contractRequest(t.Context(), t, nil), "body")
				req.ContentLength = -1 // nobody waits for a body in memory of known length
				testrig.SetCancel(req, cancel)
				begin := time.Now()
				resp, err := c.RoundTrip(req)
				assert.Equal(t, after, time.Since(begin))
				if !test.answered {
					require.ErrorIs(t, err, context.Canceled)
					return
				}
				require.NoError(t, err)
				require.Equal(t, 401, resp.StatusCode)
				require.NoError(t, resp.Body.Close())
			})
		})
	}
	t.Run("Client.Timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				assert.NotNil(t, testrig.CancelOf(req), "a base that knows no contexts needs Cancel")
				return refuseStale(req)
			}), refreshable(staleToken))
			c.refresh = never
			client := &http.Client{Transport: c, Timeout: 3 * time.Second}
			begin := time.Now()
			_, err := client.Do(contractRequest(t.Context(), t, strings.NewReader("body")))
			var timeout interface{ Timeout() bool }
			require.ErrorAs(t, err, &timeout)
			assert.True(t, timeout.Timeout())
			assert.Equal(t, 3*time.Second, time.Since(begin))
		})
	})
}

// trickling is a base whose refusal does not end before the client closes it.
func trickling(req *http.Request) (*http.Response, error) {
	consume(req)
	resp := testrig.Answer(req, 401, "")
	resp.ContentLength = -1
	body, w := io.Pipe()
	resp.Body = body
	go func() { _, _ = w.Write([]byte(refusal)) }() // ends with a Read or with Close
	return resp, nil
}

// 17: several goroutines use the transport, and each caller reads its request until the answer is
// closed. The race detector finds the faults.
func contractConcurrentUse(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(token))
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				req := withGetBody(contractRequest(t.Context(), t, nil), "body")
				req.Header.Set("Authorization", "Bearer placeholder")
				done, stop := context.WithCancel(t.Context())
				var reader sync.WaitGroup
				reader.Go(func() { readFields(done, req) })
				resp, err := c.RoundTrip(req)
				if assert.NoError(t, err) {
					assert.Equal(t, 200, resp.StatusCode)
					assert.NoError(t, resp.Body.Close())
				}
				stop()
				reader.Wait()
			})
		}
		all.Wait()
		assert.EqualValues(t, map[string]int{liveToken: 0, staleToken: 1}[token], c.exchanges.Load())
	})
}

// readFields reads the fields of a request again and again.
func readFields(done context.Context, req *http.Request) {
	for done.Err() == nil {
		_ = fmt.Sprint(req.Method, req.URL, req.Host, req.ContentLength,
			slices.Collect(maps.Keys(req.Header)), req.Body != nil)
		runtime.Gosched()
	}
}

// 18: a send has one credential header. An SDK sets a key of its own whenever one is configured,
// under a name and a spelling of its own.
func contractCredentialHeaders(t *testing.T) {
	const jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJFWEFNUExFIn0.RVhBTVBMRQ"
	rivals := []string{
		"Authorization", "authorization", "AUTHORIZATION",
		"X-Api-Key", "x-api-key", "X-API-KEY", "Api-Key", "api-key", "API-KEY",
		"X-Goog-Api-Key", "x-goog-api-key",
		"Chatgpt-Account-Id", "ChatGPT-Account-ID", "chatgpt-account-id",
	}
	for name, test := range map[string]struct {
		provider, token string
		hosts           []string
		want            map[string]string
	}{
		"bearer": {provider: "xai", token: "%s", want: map[string]string{"Authorization": "Bearer %s"}},
		"anthropic key": {
			provider: "anthropic", token: "sk-ant-api03-%s",
			want: map[string]string{"X-Api-Key": "sk-ant-api03-%s"},
		},
		"anthropic OAuth": {
			provider: "anthropic", token: "sk-ant-oat01-%s",
			want: map[string]string{"Authorization": "Bearer sk-ant-oat01-%s"},
		},
		"gemini key": {provider: "gemini", token: "AIza%s", want: map[string]string{"X-Goog-Api-Key": "AIza%s"}},
		"gemini OAuth": {
			provider: "gemini", token: "ya29.%s", want: map[string]string{"Authorization": "Bearer ya29.%s"},
		},
		"azure key": {
			provider: "azure", token: "%s", hosts: []string{"example.openai.azure.com"},
			want: map[string]string{"Api-Key": "%s"},
		},
		"azure Entra ID": {
			provider: "azure", token: jwt + "%s", hosts: []string{"example.openai.azure.com"},
			want: map[string]string{"Authorization": "Bearer " + jwt + "%s"},
		},
		"codex": {
			provider: "codex", token: "%s",
			want: map[string]string{"Authorization": "Bearer %s", "Chatgpt-Account-Id": "account-%s"},
		},
		"gateway": {provider: "opencode-zen", token: "%s", want: map[string]string{"X-Api-Key": "%s"}},
	} {
		t.Run(name, func(t *testing.T) {
			fill := func(s, id string) string { return strings.ReplaceAll(s, "%s", id) }
			// The first credential is refused, so that the second replaces its headers.
			ids := []string{"EXAMPLE1", "EXAMPLE2"}
			pool := reauth.NewPool()
			for _, id := range ids {
				_, err := pool.Add(t.Context(), reauth.Credential{
					Provider: test.provider, ID: id, AccessToken: fill(test.token, id),
					AccountID: "account-" + id, Hosts: test.hosts,
				})
				require.NoError(t, err)
			}
			pr, ok := reauth.LookupProvider(test.provider)
			require.True(t, ok)
			hosts := append(slices.Clone(test.hosts), pr.Hosts...)
			req := contractRequest(t.Context(), t, nil)
			req.URL.Host, req.URL.Path, _ = strings.Cut(hosts[0], "/")
			req.URL.Path = "/" + req.URL.Path
			for _, rival := range rivals {
				req.Header[rival] = []string{"placeholder"}
			}
			sends := 0
			rt := reauth.NewRecoveringTransport(testrig.RoundTripFunc(func(out *http.Request) (*http.Response, error) {
				got, want := make(map[string]string), make(map[string]string)
				for header, values := range out.Header {
					if slices.Contains(rivals, header) {
						got[header] = strings.Join(values, " and ")
					}
				}
				for header, value := range test.want {
					want[header] = fill(value, ids[sends])
				}
				assert.Equal(t, want, got, "send %d", sends)
				sends++
				return testrig.Answer(out, []int{402, 200}[sends-1], "ok"), nil
			}), pool)
			mustSend(t, rt, req, 200)
			assert.Equal(t, 2, sends)
		})
	}
}

// 19: http.Client makes Basic authentication of the user in a URL. A credential of the pool
// replaces it.
func contractUserinfo(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		base := &hops{}
		c := newContract(t, base, refreshable(token))
		follow(t, c, "https://user:password@api.example.com/", nil)
		assert.Equal(t, []string{"Bearer " + liveToken}, base.last()["Authorization"])
		follow(t, c, "https://user:password@stranger.example/", nil)
		assert.Equal(t, []string{"Basic dXNlcjpwYXNzd29yZA=="}, base.last()["Authorization"])
	})
}
