package reauth_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// writesCounted is a connection that counts its writes.
type writesCounted struct {
	net.Conn
	n *atomic.Int32
}

func (c writesCounted) Write(p []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(p)
}

// A body that is in memory goes out in one write with its header, as without the transport: also one
// whose GetBody rewinds the reader that is being sent, as that of some SDKs does. This fails when a new
// version of net/http tells such bodies by something else; they are sent all the same then.
func TestBodyInMemoryIsSentInOneWrite(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		_, _ = w.Write(got)
	}))
	defer server.Close()
	var writes atomic.Int32
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return writesCounted{conn, &writes}, err
	}}
	defer base.CloseIdleConnections()
	pool := reauth.NewPool()
	require.NoError(t, pool.Register(reauth.Provider{Name: "own", Hosts: []string{mustURL(t, server.URL).Host}}))
	_, err := pool.Add(t.Context(), reauth.Credential{Provider: "own", ID: "a", AccessToken: "key-of-own"})
	require.NoError(t, err)
	// A provider whose limits are of models has the model of each request read before it is sent.
	groq, _ := reauth.LookupProvider("groq")
	groq.Hosts, groq.ReadLimits = append(groq.Hosts, mustURL(t, server.URL).Host), true
	ofModels := reauth.NewPool()
	require.NoError(t, ofModels.Register(groq))
	_, err = ofModels.Add(t.Context(), reauth.Credential{Provider: "groq", ID: "a", AccessToken: "key-of-groq"})
	require.NoError(t, err)
	text := `{"model":"m","messages":"` + strings.Repeat("x", 1500) + `"}`

	for name, prepare := range map[string]func(req *http.Request, r *strings.Reader){
		"GetBody of http.NewRequest": func(*http.Request, *strings.Reader) {},
		"GetBody that rewinds": func(req *http.Request, r *strings.Reader) {
			req.GetBody = func() (io.ReadCloser, error) {
				_, err := r.Seek(0, io.SeekStart)
				return io.NopCloser(r), err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(map[string]int32)
			for by, rt := range map[string]http.RoundTripper{
				"bare": base, "reauth": reauth.NewRecoveringTransport(base, pool),
				"reauth, of models": reauth.NewRecoveringTransport(base, ofModels),
			} {
				r := strings.NewReader(text)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, r)
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/json")
				prepare(req, r)
				before := writes.Load()
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, text, string(got))
				sent[by] = writes.Load() - before
			}
			assert.Equal(t, map[string]int32{"bare": 1, "reauth": 1, "reauth, of models": 1}, sent)
		})
	}
}
