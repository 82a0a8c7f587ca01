package integration

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// front serves an httputil.ReverseProxy in front of an origin. Its transport is reauth.
func front(t *testing.T, o http.Handler, token string) (*httptest.Server, *composed) {
	t.Helper()
	u, err := url.Parse(serveOrigin(t, o).URL)
	require.NoError(t, err)
	c := newComposed(t, new(http.Transport), token)
	return serveOrigin(t, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: c,
	}), c
}

// client returns the client of a program that uses the proxy. It has connections of its own.
func client(t *testing.T) *http.Client {
	c := &http.Client{Transport: new(http.Transport)}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// The proxy recovers from a refusal, also if the body only passes through. The placeholder of the
// program goes nowhere.
func TestReverseProxyRecovers(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", long/16)
	for name, length := range map[string]int64{"length": long, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			o := new(origin)
			proxy, _ := front(t, o, composeStale)
			req := plainRequest(t.Context(), t, http.MethodPost, proxy.URL, body)
			req.ContentLength = length
			req.Header.Set("Authorization", "Bearer placeholder")
			req.Header.Set("X-Api-Key", "placeholder")
			mustAnswer(t, client(t).Transport, req, 200)
			o.recovered(t, body)
			for _, a := range o.arrivals() {
				assert.Empty(t, a.Header.Get("X-Api-Key"))
			}
		})
	}
}

// If reauth cannot recover from a refusal, the program gets it as the provider sent it.
func TestReverseProxyReturnsTheRefusal(t *testing.T) {
	o := &origin{serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Request-Id", "req_EXAMPLE")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"message":"example","code":"model_not_found"}}`)
	}}
	proxy, _ := front(t, o, composeLive)
	resp, body := mustAnswer(t, client(t).Transport,
		plainRequest(t.Context(), t, http.MethodPost, proxy.URL, "body"), 403)
	assert.Equal(t, "req_EXAMPLE", resp.Header.Get("Request-Id"))
	assert.JSONEq(t, `{"error":{"message":"example","code":"model_not_found"}}`, body)
	assert.Len(t, o.arrivals(), 1)
}

// Each event of a stream arrives before the next one is sent.
func TestReverseProxyFlushesStreams(t *testing.T) {
	next := make(chan struct{})
	o := &origin{serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: {}\n\n")
			_ = http.NewResponseController(w).Flush() // a failure shows at the client
			<-next
		}
	}}
	proxy, _ := front(t, o, composeStale)
	resp, err := client(t).Do(plainRequest(t.Context(), t, http.MethodPost, proxy.URL, "body"))
	require.NoError(t, err)
	defer resp.Body.Close()
	for range 3 {
		event := make([]byte, len("data: {}\n\n"))
		_, err = io.ReadFull(resp.Body, event)
		require.NoError(t, err)
		assert.Equal(t, "data: {}\n\n", string(event))
		next <- struct{}{}
	}
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Empty(t, rest)
}

// If a program leaves in the middle of a stream, the proxy ends the stream at the provider too.
func TestReverseProxyPassesAnAbortOn(t *testing.T) {
	ended := make(chan struct{})
	o := &origin{serve: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {}\n\n")
		_ = http.NewResponseController(w).Flush() // a failure shows at the client
		<-r.Context().Done()
		close(ended)
	}}
	proxy, c := front(t, o, composeStale)
	ctx, leave := context.WithCancel(t.Context())
	resp, err := client(t).Do(plainRequest(ctx, t, http.MethodPost, proxy.URL, "body"))
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadFull(resp.Body, make([]byte, 4))
	require.NoError(t, err)
	leave()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the request at the provider did not end")
	}
	assert.Zero(t, c.Pool.Status()[0].InFlight)
}

// If a program leaves during the refresh of the token, the next program gets the new token.
func TestReverseProxyAbortDuringTheRefresh(t *testing.T) {
	o := new(origin)
	proxy, c := front(t, o, composeStale)
	ctx, leave := context.WithCancel(t.Context())
	goOn := make(chan struct{})
	c.during = func(context.Context) {
		leave()
		<-goOn
	}
	_, err := client(t).Do(plainRequest(ctx, t, http.MethodPost, proxy.URL, "body"))
	require.ErrorIs(t, err, context.Canceled)
	close(goOn)
	mustAnswer(t, client(t).Transport, plainRequest(t.Context(), t, http.MethodPost, proxy.URL, "body"), 200)
	assert.EqualValues(t, 1, c.exchanges.Load())
	got := o.arrivals()
	assert.Equal(t, composeLive, got[len(got)-1].Token)
}

// When many programs meet the expiry of one token at once, that costs one exchange.
func TestReverseProxyStorm(t *testing.T) {
	o := new(origin)
	proxy, c := front(t, o, composeStale)
	programs := client(t).Transport
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			resp, err := programs.RoundTrip(plainRequest(t.Context(), t, http.MethodPost, proxy.URL, "body"))
			if assert.NoError(t, err) {
				assert.Equal(t, 200, resp.StatusCode)
				assert.NoError(t, resp.Body.Close())
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, c.exchanges.Load())
}

// The handshake of a websocket is refused at first. The program sees only the upgrade, and both
// sides talk through it.
func TestReverseProxyUpgrades(t *testing.T) {
	o := &origin{serve: func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if !assert.NoError(t, err) {
			return
		}
		defer func() { _ = conn.CloseNow() }() // the error says that it is closed already
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				assert.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
				return
			}
			assert.NoError(t, conn.Write(r.Context(), kind, append([]byte("echo: "), message...)))
		}
	}}
	proxy, _ := front(t, o, composeStale)
	conn, resp, err := websocket.Dial(bounded(t), proxy.URL, &websocket.DialOptions{HTTPClient: client(t)})
	require.NoError(t, err)
	assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	for _, word := range []string{"hello", strings.Repeat("x", 30<<10)} {
		require.NoError(t, conn.Write(bounded(t), websocket.MessageText, []byte(word)))
		_, message, err := conn.Read(bounded(t))
		require.NoError(t, err)
		assert.Equal(t, "echo: "+word, string(message))
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	o.recovered(t, "")
}
