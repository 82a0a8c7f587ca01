package contract_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// contractBody counts its reads and closes.
type contractBody struct {
	io.Reader
	reads, closes atomic.Int32
	closed        chan struct{} // if not nil, closed together with the body
}

func (b *contractBody) Read(p []byte) (int, error) {
	b.reads.Add(1)
	return b.Reader.Read(p)
}

func (b *contractBody) Close() error {
	if b.closes.Add(1) == 1 && b.closed != nil {
		close(b.closed)
	}
	if c, ok := b.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// 4: the trailers arrive that the caller fills in at the end of its body. Request.Clone copies the
// map, so that they would not.
func contractRequestTrailers(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		bothWays(t, func(t *testing.T, token string) {
			for name, again := range map[string]bool{"kept": false, "GetBody": true} {
				t.Run(name, func(t *testing.T) {
					_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, err := io.Copy(io.Discard, r.Body) // trailers come after the body
						assert.NoError(t, err)
						assert.Equal(t, "sum of body", r.Trailer.Get("X-Sum"))
						if !isLive(r) {
							w.WriteHeader(401)
						}
					}))
					req := contractRequest(t.Context(), t, nil)
					req.Trailer = http.Header{"X-Sum": nil}
					body := func() (io.ReadCloser, error) {
						end := readerFunc(func([]byte) (int, error) {
							req.Trailer.Set("X-Sum", "sum of body")
							return 0, io.EOF
						})
						return io.NopCloser(io.MultiReader(strings.NewReader("body"), end)), nil
					}
					req.Body, _ = body()
					req.ContentLength = -1
					if again {
						req.GetBody = body
					}
					mustSend(t, newContract(t, base, refreshable(token)), req, 200)
				})
			}
		})
	})
}

// readerFunc is a reader made of a function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// 5: every body is closed exactly once: that of the caller, and those that GetBody gave.
func contractBodyClosed(t *testing.T) {
	live, stale, bad := refreshable(liveToken), refreshable(staleToken), staticKey("a")
	overdue, empty, empty2 := stale, refreshable(""), refreshable("")
	overdue.Expiry, empty2.ID = time.Unix(1, 0), "second"
	type creds = []reauth.Credential
	for name, test := range map[string]struct {
		creds   creds
		prepare func(*contract, *http.Request)
		ctx     func(context.Context) context.Context
		leave   int32 // the exchange in which the caller leaves; the exchanges before it fail
		fails   bool
	}{
		"served":         {creds: creds{live}},
		"replayed":       {creds: creds{stale}},
		"refused":        {creds: creds{bad}},
		"switched":       {creds: creds{bad, staticKey(liveToken)}},
		"over the cap":   {creds: creds{stale}, prepare: func(c *contract, _ *http.Request) { c.MaxBodyBuffer = 2 }},
		"never kept":     {creds: creds{stale}, prepare: func(c *contract, _ *http.Request) { c.MaxBodyBuffer = -1 }},
		"never replayed": {creds: creds{stale}, prepare: func(c *contract, _ *http.Request) { c.MaxAttempts = 1 }},
		"base fails": {
			creds:   creds{live},
			prepare: func(c *contract, _ *http.Request) { c.Base = testrig.RoundTripFunc(brokenBase) },
			fails:   true,
		},
		"GetBody fails": {creds: creds{stale}, prepare: func(_ *contract, r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("no") }
		}},

		"no pool":         {prepare: func(c *contract, _ *http.Request) { c.Pool = nil }},
		"no credential":   {},
		"no access token": {creds: creds{empty}, prepare: refreshFails},
		"a stranger's host": {
			creds:   creds{live},
			prepare: func(_ *contract, r *http.Request) { r.URL.Host = "stranger.example" },
		},
		"the caller's own credential":    {creds: creds{live}, ctx: reauth.WithoutCredential},
		"a credential that is not there": {creds: creds{live}, ctx: pinToNobody},

		"canceled before the first send":             {creds: creds{overdue}, leave: 1, fails: true},
		"canceled after a refusal":                   {creds: creds{stale}, leave: 1, fails: true},
		"canceled for want of an access token":       {creds: creds{empty}, leave: 1, fails: true},
		"canceled for want of another, second token": {creds: creds{empty, empty2}, leave: 2, fails: true},
	} {
		for kind, again := range map[string]bool{"kept": false, "GetBody": true} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newContract(t, testrig.RoundTripFunc(refuseStale), test.creds...)
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					if test.ctx != nil {
						ctx = test.ctx(ctx)
					}
					bodies, req := bodiesAndRequest(ctx, t, again)
					if test.leave > 0 {
						c.refresh = leaveDuring(c, test.leave, leave)
					}
					if test.prepare != nil {
						test.prepare(c, req)
					}
					resp, err := c.RoundTrip(req)
					if test.fails {
						require.Error(t, err)
					} else {
						require.NoError(t, err)
						bodyOfAnswer(t, resp)
					}
					for i, b := range *bodies {
						assert.EqualValues(t, 1, b.closes.Load(), "body %d", i)
					}
				})
			})
		}
	}
}

// brokenBase is a base whose connection breaks.
func brokenBase(req *http.Request) (*http.Response, error) {
	consume(req)
	return nil, io.ErrUnexpectedEOF
}

func pinToNobody(ctx context.Context) context.Context {
	return reauth.WithCredential(ctx, "example", "nobody")
}

func refreshFails(c *contract, _ *http.Request) {
	c.refresh = func(context.Context) (string, error) { return "", errors.New("no") }
}

// leaveDuring returns a refresh that fails. During one exchange it lets the caller leave.
func leaveDuring(c *contract, exchange int32, leave func()) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if c.exchanges.Load() == exchange {
			leave()
			<-ctx.Done()
		}
		return "", errors.New("no")
	}
}

// bodiesAndRequest makes a request, and returns its bodies: the first one, and those that GetBody
// gave if the request has it.
func bodiesAndRequest(ctx context.Context, t *testing.T, again bool) (*[]*contractBody, *http.Request) {
	bodies := new([]*contractBody)
	get := func() (io.ReadCloser, error) {
		*bodies = append(*bodies, &contractBody{Reader: strings.NewReader("body")})
		return (*bodies)[len(*bodies)-1], nil
	}
	req := contractRequest(ctx, t, nil)
	req.Body, _ = get()
	if again {
		req.GetBody = get
	}
	return bodies, req
}

// 6: a base may read the body after it has answered, and close it when it likes.
func contractLateClose(t *testing.T) {
	t.Run("served", func(t *testing.T) {
		for name, again := range map[string]bool{"kept": false, "GetBody": true} {
			t.Run(name, func(t *testing.T) {
				bodies, req := bodiesAndRequest(t.Context(), t, again)
				rest := make(chan string)
				answered := make(chan struct{})
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					go func() {
						<-answered
						rest <- string(consume(req))
					}()
					return testrig.Answer(req, 200, "early"), nil
				}), refreshable(liveToken))
				mustSend(t, c, req, 200)
				assert.Zero(t, (*bodies)[0].closes.Load(), "the body belongs to the base until the base closes it")
				close(answered)
				assert.Equal(t, "body", <-rest)
				assert.EqualValues(t, 1, (*bodies)[0].closes.Load())
			})
		}
	})
	// The late read and close of the first send must not change what the replay sends.
	t.Run("replayed, kept", func(t *testing.T) {
		body := &contractBody{Reader: strings.NewReader("0123456789")}
		replayed, late := make(chan struct{}), make(chan string)
		c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if isLive(req) {
				defer close(replayed)
				return testrig.Answer(req, 200, string(consume(req))), nil
			}
			first := req.Body
			begin := make([]byte, 4)
			_, err := io.ReadFull(first, begin)
			go func() {
				<-replayed
				more, _ := io.ReadAll(first) // either ends or goes on with the same body
				_ = first.Close()
				late <- string(begin) + string(more)
			}()
			return testrig.Answer(req, 401, refusal), err
		}), refreshable(staleToken))
		assert.Equal(t, "0123456789", mustSend(t, c, contractRequest(t.Context(), t, body), 200))
		assert.True(t, strings.HasPrefix("0123456789", <-late))
	})
	t.Run("replayed, GetBody rewinds the one reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { sharedReader(t, 300*time.Millisecond, 200) })
	})
	t.Run("never closed, GetBody rewinds the one reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { sharedReader(t, time.Hour, 401) })
	})
}

// sharedReader sends a body whose GetBody rewinds the reader that is being sent, as that of
// openai-go does. The base answers, and closes the first body only some time later.
func sharedReader(t *testing.T, closedAfter time.Duration, status int) {
	shared := strings.NewReader("0123456789")
	first := &contractBody{Reader: shared}
	req := contractRequest(t.Context(), t, nil)
	req.Body, req.ContentLength = first, int64(shared.Len())
	req.GetBody = func() (io.ReadCloser, error) {
		assert.EqualValues(t, 1, first.closes.Load(), "GetBody rewinds the reader after the base has closed it")
		_, err := shared.Seek(0, io.SeekStart)
		return io.NopCloser(shared), err
	}
	c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if isLive(req) {
			return testrig.Answer(req, 200, string(consume(req))), nil
		}
		_, err := io.ReadFull(req.Body, make([]byte, 4))
		time.AfterFunc(closedAfter, func() { _ = req.Body.Close() })
		return testrig.Answer(req, 401, refusal), err
	}), refreshable(staleToken))
	begin := time.Now()
	got := mustSend(t, c, req, status)
	if status == 200 {
		assert.Equal(t, "0123456789", got)
	}
	assert.Equal(t, min(closedAfter, time.Second), time.Since(begin), "the wait for the close is bounded")
}

// 7: Close ends a waiting Read, of the request and of the response, although the transport stands
// between them.
func contractReadAndClose(t *testing.T) {
	// A Read that nobody ends is a deadlock, which the bubble reports.
	endsRead := func(t *testing.T, body io.ReadCloser) {
		ended := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, body)
			ended <- err
		}()
		synctest.Wait() // until the goroutine reads
		assert.NoError(t, body.Close())
		assert.Error(t, <-ended)
		_, err := body.Read(make([]byte, 1))
		assert.Error(t, err, "a closed body stays closed")
		assert.NoError(t, body.Close())
	}
	for name, again := range map[string]bool{"kept": false, "GetBody": true} {
		t.Run("request/"+name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, token string) {
				synctest.Test(t, func(t *testing.T) {
					pipe, _ := io.Pipe()
					body := &contractBody{Reader: pipe}
					c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
						endsRead(t, req.Body)
						return refuseStale(&http.Request{Header: req.Header})
					}), refreshable(token))
					req := contractRequest(t.Context(), t, nil)
					req.Body = body
					if again {
						req.GetBody = func() (io.ReadCloser, error) {
							pipe, _ := io.Pipe()
							return pipe, nil
						}
					}
					mustSend(t, c, req, 200)
				})
			})
		})
	}
	t.Run("response", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pipe, w := io.Pipe()
			body := &contractBody{Reader: pipe}
			go func() { _, _ = w.Write(bytes.Repeat([]byte("x"), 100<<10)) }() // and then blocks
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := testrig.Answer(req, 401, "")
				resp.Body, resp.ContentLength = body, -1
				return resp, nil
			}), staticKey("a"))
			resp, err := c.RoundTrip(contractRequest(t.Context(), t, nil))
			require.NoError(t, err)
			endsRead(t, resp.Body)
			assert.EqualValues(t, 1, body.closes.Load())
		})
	})
}

// 8: the first send uses Body, and a replay uses GetBody. A middleware above may have replaced Body
// and left GetBody as it was.
func contractBodyThenGetBody(t *testing.T) {
	t.Run("order", func(t *testing.T) {
		bothWays(t, func(t *testing.T, token string) {
			var sent []string
			c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, string(consume(req)))
				return refuseStale(req)
			}), refreshable(token))
			req := withGetBody(contractRequest(t.Context(), t, nil), "again")
			req.Body = io.NopCloser(strings.NewReader("first"))
			mustSend(t, c, req, 200)
			assert.Equal(t, []string{"first", "again"}[:len(sent)], sent)
			assert.Len(t, sent, map[string]int{liveToken: 1, staleToken: 2}[token])
		})
	})
	for name, stale := range map[string]string{"shorter": "old", "longer": "the old and long body", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			bothProtocols(t, func(t *testing.T, http2 bool) {
				for kind, length := range map[string]int64{"known": 8, "unknown": -1} {
					t.Run(kind, func(t *testing.T) {
						var mu sync.Mutex
						var whole []string // bodies that a server would have acted on
						serve := func(w http.ResponseWriter, r *http.Request) {
							if b, err := io.ReadAll(r.Body); err == nil {
								mu.Lock()
								whole = append(whole, string(b))
								mu.Unlock()
							}
							if !isLive(r) {
								http.Error(w, refusal, 401)
							}
						}
						_, base := startContract(t, http2, http.HandlerFunc(serve))
						req := withGetBody(contractRequest(t.Context(), t, nil), stale)
						req.Body, req.ContentLength = io.NopCloser(strings.NewReader("new body")), length
						mustSend(t, newContract(t, base, refreshable(staleToken)), req, 401)
						mu.Lock()
						defer mu.Unlock()
						assert.Equal(t, []string{"new body"}, whole)
					})
				}
			})
		})
	}
	t.Run("opt out", func(t *testing.T) {
		c := newContract(t, testrig.RoundTripFunc(refuseStale), refreshable(staleToken))
		c.MaxAttempts = 1
		req := withGetBody(contractRequest(t.Context(), t, nil), "body")
		req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("must not be called") }
		mustSend(t, c, req, 401)
	})
}
