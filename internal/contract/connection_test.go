package contract_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
)

// 35: a refusal that is closed without being read costs its connection. Every token serves only
// once here, so that each request is refused and replayed.
func contractConnectionReuse(t *testing.T) {
	for name, test := range map[string]struct{ size, connections int }{
		"300 B":  {300, 1},
		"64 KiB": {64 << 10, 1},
		// Longer than the peek: the answer stays open until the replay is answered.
		"200 KiB": {200 << 10, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var connections, refused atomic.Int32
			var mu sync.Mutex
			used := map[string]bool{"Bearer " + staleToken: true}
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if used[r.Header.Get("Authorization")] {
					refused.Add(1)
					w.WriteHeader(401)
					_, _ = w.Write(bytes.Repeat([]byte("x"), test.size))
				}
				used[r.Header.Get("Authorization")] = true
			}))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			s.Start()
			t.Cleanup(s.Close)
			c := newContract(t, s.Client().Transport, refreshable(staleToken))
			c.refresh = func(context.Context) (string, error) {
				return fmt.Sprint("at-EXAMPLE-", c.exchanges.Load()), nil
			}
			for range 10 {
				req := withGetBody(contractRequest(t.Context(), t, nil), "body")
				req.URL.Scheme, req.URL.Host = "http", s.Listener.Addr().String()
				mustSend(t, c, req, 200)
			}
			assert.EqualValues(t, 10, refused.Load())
			assert.LessOrEqual(t, connections.Load(), int32(test.connections))
		})
	}
	t.Run("drained within bounds", func(t *testing.T) {
		for name, leave := range map[string]bool{"endless": false, "canceled": true} {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var read atomic.Int64
				body := &contractBody{Reader: readerFunc(func(p []byte) (int, error) {
					read.Add(int64(len(p)))
					return len(p), nil
				})}
				c := newContract(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					resp, err := refuseStale(req)
					switch {
					case !isLive(req):
						resp.Body, resp.ContentLength = body, -1
					case leave:
						cancel()
						return nil, ctx.Err()
					}
					return resp, err
				}), refreshable(staleToken))
				resp, err := c.RoundTrip(contractRequest(ctx, t, nil))
				if leave {
					require.ErrorIs(t, err, context.Canceled)
					assert.LessOrEqual(t, read.Load(), int64(128<<10), "nothing is drained after the caller has left")
				} else {
					require.NoError(t, err)
					assert.Equal(t, "welcome", bodyOfAnswer(t, resp))
					assert.LessOrEqual(t, read.Load(), int64(512<<10))
				}
				assert.EqualValues(t, 1, body.closes.Load())
			})
		}
	})
}

// 36: the body of an answer lives until the context of the caller ends. A context of the
// transport's own that ended with RoundTrip would cut it off.
func contractContextOfBody(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		for name, test := range map[string]struct {
			cred   reauth.Credential
			status int
		}{
			"served": {refreshable(liveToken), 200}, "replayed": {refreshable(staleToken), 200},
			"refused": {staticKey(staleToken), 401},
		} {
			t.Run(name, func(t *testing.T) {
				more := make(chan struct{})
				_, base := startContract(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !isLive(r) && test.status == 200 {
						w.WriteHeader(401)
						return
					}
					w.WriteHeader(test.status)
					_, _ = w.Write(bytes.Repeat([]byte("x"), 100<<10)) // more than the peek
					assert.NoError(t, http.NewResponseController(w).Flush())
					<-more
					_, _ = io.WriteString(w, "later")
					assert.NoError(t, http.NewResponseController(w).Flush())
					<-r.Context().Done()
					panic(http.ErrAbortHandler) // a regular end could still reach the client
				}))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := newContract(t, base, test.cred).RoundTrip(contractRequest(ctx, t, nil))
				require.NoError(t, err)
				defer resp.Body.Close()
				require.Equal(t, test.status, resp.StatusCode)
				close(more)
				_, err = io.ReadFull(resp.Body, make([]byte, 100<<10+len("later")))
				require.NoError(t, err)
				cancel()
				_, err = resp.Body.Read(make([]byte, 1))
				assert.ErrorIs(t, err, context.Canceled)
			})
		}
	})
}

// idleBase is a base that can close its idle connections.
type idleBase struct {
	testrig.RoundTripFunc
	closed int
}

func (b *idleBase) CloseIdleConnections() { b.closed++ }

// 40: http.Client.CloseIdleConnections looks for this method on its transport.
func contractIdleConnections(t *testing.T) {
	base := &idleBase{RoundTripFunc: refuseStale}
	c := newContract(t, base, refreshable(liveToken))
	(&http.Client{Transport: c}).CloseIdleConnections()
	assert.Equal(t, 1, base.closed)

	replaceDefault(t, base)
	new(reauth.RecoveringTransport).CloseIdleConnections()
	assert.Equal(t, 2, base.closed, "a nil base is the default transport here too")

	c.Base = testrig.RoundTripFunc(refuseStale) // a base without the method
	assert.NotPanics(t, c.CloseIdleConnections)
}

// replaceDefault makes base the default transport for the test.
func replaceDefault(t *testing.T, base http.RoundTripper) {
	t.Helper()
	old := http.DefaultTransport
	http.DefaultTransport = base
	t.Cleanup(func() { http.DefaultTransport = old })
}

// 41: a nil base is the default transport of the moment, so that a program may set that later.
func contractNilBase(t *testing.T) {
	bothWays(t, func(t *testing.T, token string) {
		c := newContract(t, nil, refreshable(token))
		sends := 0
		replaceDefault(t, testrig.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sends++
			return refuseStale(req)
		}))
		mustSend(t, c, contractRequest(t.Context(), t, nil), 200)
		assert.Equal(t, map[string]int{liveToken: 1, staleToken: 2}[token], sends)
	})
	t.Run("zero value", func(t *testing.T) {
		replaceDefault(t, testrig.RoundTripFunc(refuseStale))
		mustSend(t, new(reauth.RecoveringTransport), contractRequest(t.Context(), t, nil), 401)
		mustSend(t, reauth.NewRecoveringTransport(nil, nil), contractRequest(t.Context(), t, nil), 401)
	})
}
