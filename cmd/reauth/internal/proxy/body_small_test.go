package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// firstWrite returns a base transport over a connection in memory, whose API sends what the first
// write to it has, and answers.
func firstWrite() (base provider, wrote <-chan string) {
	writes := make(chan string, 1)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			b := make([]byte, 2*maxSmall)
			n, _ := far.Read(b)
			writes <- string(b[:n])
			go func() { _, _ = io.Copy(io.Discard, far) }()
			_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
		}()
		return near, nil
	}}
	return func(req *http.Request) (*http.Response, error) {
		plain := req.Clone(req.Context())
		plain.URL.Scheme = "http"
		return transport.RoundTrip(plain)
	}, writes
}

// A small body goes to the provider in one write with its header. One of which nobody knows whether
// it comes, or which the provider may not want, or which may not be kept, goes out as it comes.
func TestSmallBodyIsSentInOneWrite(t *testing.T) {
	for name, of := range map[string]struct {
		memory  int64
		request string
		whole   bool
	}{
		"small":        {0, head("POST", "/openai/v1/x", "Content-Length: 3", "", "abc"), true},
		"in chunks":    {0, head("POST", "/openai/v1/x", "Transfer-Encoding: chunked", "", "3", "abc", "0", ""), false},
		"not to keep":  {-1, head("POST", "/openai/v1/x", "Content-Length: 3", "", "abc"), false},
		"with a doubt": {0, head("POST", "/openai/v1/x", "Expect: 100-continue", "Content-Length: 3", "", "abc"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base, wrote := firstWrite()
				p := newProxyOf(t, Config{Base: base, BodyMemory: of.memory}, "groq")
				_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: "groq", AccessToken: "theirs"})
				require.NoError(t, err)
				s := serveProxy(t, Limits{Stall: time.Minute}, p)
				conn := s.dial("192.0.2.1")
				defer conn.Close()
				go func() { _, _ = io.WriteString(conn, strings.TrimSuffix(of.request, "\r\n")) }()
				assert.Equal(t, of.whole, strings.HasSuffix(<-wrote, "\r\n\r\nabc"))
			})
		})
	}
}

// A small body that does not come with its header is sent as it comes, and the provider has what
// there is of it after a moment.
func TestSmallBodyThatComesSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came []time.Duration
		start := time.Now()
		s := serveStrangers(t, Limits{Stall: time.Minute}, provider(func(req *http.Request) (*http.Response, error) {
			defer func() { _ = req.Body.Close() }()
			var all strings.Builder
			for b := make([]byte, 10); ; {
				n, err := req.Body.Read(b)
				if n > 0 {
					came = append(came, time.Since(start))
				}
				all.Write(b[:n])
				if err == io.EOF {
					return says(req, strings.NewReader(all.String())), nil
				}
				require.NoError(t, err)
			}
		}))
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 6", "")+"abc")
		time.Sleep(30 * time.Second)
		s.send(conn, "def")
		resp, said := s.answered(conn)
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, "abcdef", said)
		assert.Equal(t, []time.Duration{soon, 30 * time.Second}, came)
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 1", "")+"g")
		_, said = s.answered(conn)
		assert.Equal(t, "g", said, "the deadline of the beginning does not outlive it")
	})
}

// The time in which a client may send nothing counts from its last byte, also from one that came
// while the body might still have been read whole.
func TestSmallBodyThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveStrangers(t, Limits{Stall: time.Minute}, reading(0))
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 6", "")+"ab")
		time.Sleep(3 * time.Millisecond)
		start := time.Now()
		s.send(conn, "c")
		resp, _ := s.answered(conn)
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

// A small body is sent again after a refusal.
func TestSmallBodyIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		base := provider(func(req *http.Request) (*http.Response, error) {
			b, err := io.ReadAll(req.Body)
			bodies = append(bodies, req.Header.Get("Authorization")+" "+string(b))
			resp := says(req, strings.NewReader(`{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`))
			if len(bodies) == 1 {
				resp.StatusCode = 429
			}
			return resp, err
		})
		p := newProxy(t, "groq", reauth.Credential{AccessToken: "first"}, base)
		_, err := p.pool.Add(t.Context(), reauth.Credential{Provider: "groq", ID: "second", AccessToken: "second"})
		require.NoError(t, err)
		s := serveProxy(t, Limits{Stall: time.Minute}, p)
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 3", "")+"abc")
		resp, _ := s.answered(conn)
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, []string{"Bearer first abc", "Bearer second abc"}, bodies)
	})
}
