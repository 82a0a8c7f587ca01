package contract_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// 28: the body of a response is never nil. http.Client fills in a body that a base forgot, but the
// transport reads the body before that.
func contractResponseBody(t *testing.T) {
	for _, status := range []int{200, 204, 401, 403, 500} {
		bothWays(t, func(t *testing.T, token string) {
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp, _ := refuseStale(req)
				if isLive(req) {
					resp.StatusCode = status
				}
				resp.Body, resp.ContentLength = nil, 0
				return resp, nil
			}), staticKey(token), staticKey(liveToken+"-not"), staticKey(liveToken))
			resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
			require.NoError(t, err)
			require.NotNil(t, resp.Body)
			assert.Empty(t, bodyOfAnswer(t, resp))
		})
	}
}

// 29: the transport does not wrap, read or wait for an answer that is no refusal.
func contractUntouched(t *testing.T) {
	for _, status := range []int{101, 200, 201, 204, 206, 302, 304, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				body := &contractBody{Reader: strings.NewReader("welcome")}
				var made *http.Response
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					if resp, err := refuseStale(req); resp.StatusCode == 401 {
						return resp, err
					}
					made = testrig.Answer(req, status, "")
					made.Body, made.ContentLength = body, 7
					return made, nil
				}), refreshable(token))
				resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
				require.NoError(t, err)
				assert.Same(t, made, resp)
				assert.True(t, resp.Body == io.ReadCloser(body), "the body of the base itself")
				assert.Zero(t, body.reads.Load())
				assert.Zero(t, body.closes.Load())
			})
		})
	}
	t.Run("upgrade", func(t *testing.T) { bothWays(t, upgraded) })
	t.Run("stream", func(t *testing.T) {
		bothProtocols(t, func(t *testing.T, http2 bool) {
			bothWays(t, func(t *testing.T, token string) { streamed(t, http2, token) })
		})
	})
	t.Run("stream of a provider that hides refusals in a 200", func(t *testing.T) {
		body := &contractBody{Reader: strings.NewReader("data: {}\n\n")}
		pool := reauth.NewPool()
		_, err := pool.Add(t.Context(), reauth.Credential{Provider: "minimax", AccessToken: liveToken})
		require.NoError(t, err)
		req := contractRequest(t.Context(), t, nil)
		req.URL.Host = "api.minimax.io"
		base := testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp := testrig.Answer(req, 200, "", "Content-Type", "text/event-stream")
			resp.Body, resp.ContentLength = body, -1
			return resp, nil
		})
		resp, err := reauth.NewRecoveringTransport(base, pool).RoundTrip(req)
		require.NoError(t, err)
		assert.True(t, resp.Body == io.ReadCloser(body))
		assert.Zero(t, body.reads.Load())
	})
}

// upgraded switches protocols and speaks the new protocol in both directions.
func upgraded(t *testing.T, token string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLive(r) {
			http.Error(w, refusal, 401)
			return
		}
		assert.Equal(t, "echo", r.Header.Get("Upgrade"))
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn,
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ")
		_, _ = io.Copy(conn, rw) // until the client has no more to say
	}))
	t.Cleanup(s.Close)
	req := contractRequest(t.Context(), t, nil)
	req.Method, req.URL.Scheme, req.URL.Host = http.MethodGet, "http", s.Listener.Addr().String()
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := newContract(t, s.Client().Transport, refreshable(token)).RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	conn, ok := resp.Body.(io.ReadWriteCloser)
	require.True(t, ok, "%T", resp.Body)
	_, err = io.WriteString(conn, "world")
	require.NoError(t, err)
	half, ok := conn.(interface{ CloseWrite() error })
	require.True(t, ok, "%T", conn)
	require.NoError(t, half.CloseWrite())
	assert.Equal(t, "hello world", bodyOfAnswer(t, resp))
}

// streamed reads a stream. The server sends each event only after the client has read the one
// before.
func streamed(t *testing.T, http2 bool, token string) {
	read := make(chan struct{})
	_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLive(r) {
			http.Error(w, refusal, 401)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			assert.NoError(t, http.NewResponseController(w).Flush())
			select {
			case <-read:
			case <-r.Context().Done(): // the test has failed
				return
			}
		}
	}))
	req := contractRequest(t.Context(), t, strings.NewReader(`{"stream":true}`))
	resp, err := newContract(t, base, refreshable(token)).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		read <- struct{}{}
	}
	_, err = lines.ReadByte()
	assert.Equal(t, io.EOF, err)
}

// 30: a refusal goes back to the caller as it came, however much of it the transport has read.
func contractPeek(t *testing.T) {
	const limit = 64 << 10
	for _, size := range []int{0, 1, 512, limit - 1, limit, limit + 1, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			body := &contractBody{}
			var taken atomic.Int64
			from := strings.NewReader(text)
			body.Reader = readerFunc(func(p []byte) (int, error) {
				n, err := from.Read(p)
				taken.Add(int64(n))
				return n, err
			})
			header := http.Header{
				"Content-Length": {fmt.Sprint(size)},
				"Content-Type":   {"text/plain"},
				"X-Should-Retry": {"true"},
			}
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := testrig.Answer(req, 403, "")
				resp.Body, resp.ContentLength, resp.Header = body, int64(size), header.Clone()
				return resp, nil
			}), staticKey("a"))
			c.Classifier = func(_ string, resp *http.Response, b []byte) (reauth.Verdict, bool) {
				assert.Equal(t, text[:min(size, limit)], string(b))
				_, _ = io.Copy(io.Discard, resp.Body) // a careless classifier
				_ = resp.Body.Close()
				return reauth.Verdict{}, false
			}
			resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
			require.NoError(t, err)
			assert.LessOrEqual(t, taken.Load(), int64(2*limit), "the peek is bounded in bytes")
			assert.Equal(t, header, resp.Header)
			assert.EqualValues(t, size, resp.ContentLength)
			assert.Equal(t, text, bodyOfAnswer(t, resp))
			assert.EqualValues(t, 1, body.closes.Load())
		})
	}
	t.Run("bounded in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const slow = time.Minute
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := testrig.Answer(req, 401, "")
				body, w := io.Pipe()
				resp.Body, resp.ContentLength = body, -1
				go func() {
					_, _ = io.WriteString(w, "first, ")
					time.Sleep(slow)
					_, _ = io.WriteString(w, "second")
					_ = w.Close()
				}()
				return resp, nil
			}), staticKey("a"))
			begin := time.Now()
			resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
			require.NoError(t, err)
			assert.Equal(t, 2*time.Second, time.Since(begin))
			assert.Equal(t, "first, second", bodyOfAnswer(t, resp))
			assert.Equal(t, slow, time.Since(begin))
		})
	})
}

// 31: a caller that sets Accept-Encoding gets the bytes that the server sent. Only the body tells
// that a 403 of xAI is a rejection.
func contractCompressed(t *testing.T) {
	const xai = `{"code":"unauthenticated:bad-credentials","error":"The OAuth2 access token could not be validated."}`
	packed := packedWith(t, xai)
	bothProtocols(t, func(t *testing.T, http2 bool) {
		_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isLive(r) {
				return
			}
			encoding := r.Header.Get("Accept-Encoding")
			w.Header().Set("Content-Encoding", encoding)
			w.WriteHeader(403)
			_, _ = w.Write(packed[encoding])
		}))
		send := func(t *testing.T, asked string, cred reauth.Credential) *http.Response {
			c := newContract(t, base, cred)
			c.Classifier = func(_ string, _ *http.Response, body []byte) (reauth.Verdict, bool) {
				assert.Equal(t, xai, string(body))
				return reauth.Verdict{}, false
			}
			req := contractRequest(t.Context(), t, nil)
			if asked != "" {
				req.Header.Set("Accept-Encoding", asked)
			}
			resp, err := c.RoundTrip(req)
			require.NoError(t, err)
			return resp
		}
		for _, asked := range []string{"gzip", "deflate", ""} {
			t.Run("asked for "+asked, func(t *testing.T) {
				resp := send(t, asked, refreshable(staleToken))
				bodyOfAnswer(t, resp)
				assert.Equal(t, 200, resp.StatusCode, "refreshed and replayed")

				resp = send(t, asked, staticKey(staleToken))
				got := bodyOfAnswer(t, resp)
				assert.Equal(t, 403, resp.StatusCode)
				if asked == "" { // the base has asked for gzip and decoded it
					assert.Equal(t, xai, got)
					assert.True(t, resp.Uncompressed)
					assert.EqualValues(t, -1, resp.ContentLength)
					return
				}
				assert.Equal(t, string(packed[asked]), got, "the caller gets the bytes that the server sent")
				assert.Equal(t, asked, resp.Header.Get("Content-Encoding"))
				assert.EqualValues(t, len(packed[asked]), resp.ContentLength)
				assert.False(t, resp.Uncompressed)
			})
		}
	})
}

// packedWith returns a text in every encoding, by the name of the encoding.
func packedWith(t *testing.T, text string) map[string][]byte {
	packed := make(map[string][]byte)
	for name, pack := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, // RFC 9110 §8.4.1.2
	} {
		var b bytes.Buffer
		w := pack(&b)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		packed[name] = b.Bytes()
	}
	return packed
}

// 32: trailers arrive at the end. net/http fills in resp.Trailer when it reads the end of the body.
func contractResponseTrailers(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		for name, size := range map[string]int{"short": 300, "longer than the peek": 1 << 20} {
			_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "X-Sum")
				if !isLive(r) {
					w.WriteHeader(401)
				}
				_, _ = w.Write(bytes.Repeat([]byte("x"), size))
				w.Header().Set("X-Sum", "sum")
			}))
			for kind, test := range map[string]struct {
				cred   reauth.Credential
				status int
			}{
				"served": {refreshable(liveToken), 200}, "replayed": {refreshable(staleToken), 200},
				"refused": {staticKey(staleToken), 401},
			} {
				t.Run(name+"/"+kind, func(t *testing.T) {
					resp, err := newContract(t, base, test.cred).RoundTrip(contractRequest(t.Context(), t, nil))
					require.NoError(t, err)
					assert.Contains(t, resp.Trailer, "X-Sum", "the response announces the trailer")
					assert.Len(t, bodyOfAnswer(t, resp), size)
					assert.Equal(t, test.status, resp.StatusCode)
					assert.Equal(t, "sum", resp.Trailer.Get("X-Sum"))
				})
			}
		}
	})
}

// 33: an answer without a body keeps its length. The length of an answer to HEAD is that of the
// body that GET would get.
func contractLengthWithoutBody(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "300")
			switch {
			case !isLive(r):
				w.WriteHeader(401)
			case r.URL.Path == "/304":
				w.WriteHeader(304)
			case r.URL.Path == "/204":
				w.Header().Del("Content-Length")
				w.WriteHeader(204)
			}
		}))
		for name, test := range map[string]struct {
			method, path string
			cred         reauth.Credential
			token        string // of the send whose answer the caller gets
			status       int
		}{
			"served":       {http.MethodHead, "/", refreshable(liveToken), liveToken, 200},
			"replayed":     {http.MethodHead, "/", refreshable(staleToken), liveToken, 200},
			"refused":      {http.MethodHead, "/", staticKey(staleToken), staleToken, 401},
			"no content":   {http.MethodGet, "/204", refreshable(staleToken), liveToken, 204},
			"not modified": {http.MethodHead, "/304", refreshable(staleToken), liveToken, 304},
		} {
			t.Run(name, func(t *testing.T) {
				req := contractRequest(t.Context(), t, nil)
				req.Method, req.URL.Path = test.method, test.path
				resp, err := newContract(t, base, test.cred).RoundTrip(req)
				require.NoError(t, err)
				assert.Empty(t, bodyOfAnswer(t, resp))
				assert.Equal(t, test.status, resp.StatusCode)

				req.Header.Set("Authorization", "Bearer "+test.token)
				bare, err := base.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, bare.Body.Close())
				assert.Equal(t, bare.ContentLength, resp.ContentLength)
				assert.Equal(t, bare.Header["Content-Length"], resp.Header["Content-Length"])
			})
		}
	})
}

// 34: resp.Request is the request of the caller, because SDKs print it in their errors.
func contractResponseRequest(t *testing.T) {
	for name, test := range map[string]struct {
		cred   reauth.Credential
		status int
	}{
		"served": {refreshable(liveToken), 200}, "replayed": {refreshable(staleToken), 200},
		"refused": {staticKey(staleToken), 401},
	} {
		t.Run(name, func(t *testing.T) {
			req := contractRequest(t.Context(), t, nil)
			req.Header.Set("Authorization", "Bearer placeholder")
			resp, err := newContract(t, testrig.RoundTripFunc(refuseStale), test.cred).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, test.status, resp.StatusCode)
			assert.Same(t, req, resp.Request)
			assert.Equal(t, http.Header{"Authorization": {"Bearer placeholder"}}, resp.Request.Header)
		})
	}
	t.Run("stripped", func(t *testing.T) {
		req := contractRequest(t.Context(), t, nil)
		req.URL.Host, req.Response = "stranger.example", &http.Response{StatusCode: 302}
		req.Header.Set("X-Api-Key", liveToken)
		resp, err := newContract(t, &hops{}, refreshable(liveToken)).RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Same(t, req, resp.Request)
	})
}

// 39: the time to wait that a provider names decides how long its credential is put aside.
func contractRetryAfter(t *testing.T) {
	const unsaid = time.Minute // after a rate limit without a time to wait
	for header, want := range map[string]time.Duration{
		"Retry-After: 42":  42 * time.Second,
		"Retry-After: 1.5": 1500 * time.Millisecond,
		"Retry-After: Sat, 01 Jan 2000 00:05:00 GMT": 5 * time.Minute, // the clock of a bubble begins at midnight
		"Retry-After: Fri, 31 Dec 1999 00:00:00 GMT": unsaid,
		"Retry-After-Ms: 2500":                       2500 * time.Millisecond,
		"Retry-After: 0":                             unsaid,
		"Retry-After: -5":                            unsaid,
		"Retry-After: NaN":                           unsaid,
		"Retry-After: Inf":                           unsaid,
		"Retry-After: soon":                          unsaid,
		"Retry-After: 1e300":                         unsaid,
		"Retry-After: 99999999":                      35 * 24 * time.Hour,
		"Retry-After: 18446744073709551615":          unsaid,
		"Retry-After-Ms: -1":                         unsaid,
		"":                                           unsaid,
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				name, value, _ := strings.Cut(header, ": ")
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					return testrig.Answer(req, 429, "slow", name, value), nil
				}), staticKey("a"))
				mustSend(t, c, contractRequest(t.Context(), t, nil), 429)
				status := c.Pool.Status()
				require.Len(t, status, 1)
				assert.Equal(t, want, time.Until(status[0].AsideUntil))
			})
		})
	}
}
