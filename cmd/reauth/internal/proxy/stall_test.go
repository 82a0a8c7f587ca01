package proxy

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// provider stands for the provider's API.
type provider func(req *http.Request) (*http.Response, error)

func (p provider) RoundTrip(req *http.Request) (*http.Response, error) { return p(req) }

// says returns an answer of the provider.
func says(req *http.Request, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1, Body: io.NopCloser(body), Request: req,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

// reading returns a provider that reads the whole body and then answers with it.
func reading(after time.Duration) provider {
	return func(req *http.Request) (*http.Response, error) {
		defer func() { _ = req.Body.Close() }()
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		time.Sleep(after)
		return says(req, strings.NewReader(string(b))), nil
	}
}

// A body of which nothing comes for the time of Stall is answered with 408, and its connection
// ends.
func TestStalledBodyIsCut(t *testing.T) {
	for name, request := range map[string]string{
		"none of it":      head("POST", "/openai/v1/x", "Content-Length: 10", ""),
		"some of it":      head("POST", "/openai/v1/x", "Content-Length: 10", "", "abc"),
		"none in chunks":  head("POST", "/openai/v1/x", "Transfer-Encoding: chunked", ""),
		"some in chunks":  head("POST", "/openai/v1/x", "Transfer-Encoding: chunked", "", "5", "ab"),
		"without the end": head("POST", "/openai/v1/x", "Transfer-Encoding: chunked", "", "2", "ab"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveStrangers(t, Limits{Stall: time.Minute}, reading(0))
				conn := s.dial("192.0.2.1")
				defer conn.Close()
				start := time.Now()
				s.send(conn, request)
				resp, said := s.answered(conn)
				assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
				assert.Contains(t, said, deniedStalled)
				assert.True(t, resp.Close)
				assert.Equal(t, time.Minute, time.Since(start))
				s.ended(conn)
			})
		})
	}
}

// An upload may take hours, and so may the provider after it, as long as bytes come while they are
// due.
func TestSlowBodyLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveStrangers(t, Limits{Stall: time.Minute}, reading(5*time.Hour))
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 200", ""))
		for range 200 {
			time.Sleep(59 * time.Second)
			s.send(conn, "a")
		}
		resp, said := s.answered(conn)
		assert.Equal(t, 200, resp.StatusCode)
		assert.Len(t, said, 200)
		assert.False(t, resp.Close, "a body that was read keeps its connection")
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 1", "", "b"))
		_, said = s.answered(conn)
		assert.Equal(t, "b", said)
	})
}

// written is a conn over a pipe in memory, and its client.
func written(t *testing.T) (c *conn, client net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	c = newConn(server, time.Minute)
	t.Cleanup(func() { _ = c.Close() })
	return c, client
}

// A write ends when the client has taken nothing for the time of Stall.
func TestWriteToAClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := written(t)
		start := time.Now()
		n, err := c.Write(make([]byte, 100))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Zero(t, n)
		assert.Equal(t, time.Minute, time.Since(start))
		go func() { _, _ = client.Read(make([]byte, 10)) }()
		n, err = c.Write(make([]byte, 100))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 10, n)
	})
}

// A client that takes a byte now and then gets all of its answer.
func TestWriteToASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := written(t)
		go func() {
			for range 300 {
				time.Sleep(59 * time.Second)
				_, _ = client.Read(make([]byte, 1))
			}
		}()
		n, err := c.Write(make([]byte, 300))
		require.NoError(t, err)
		assert.Equal(t, 300, n)
	})
}

// A deadline of the server's or of TLS holds, also when it is set during a write, and a slow reader
// does not renew it.
func TestWriteKeepsTheDeadlineThatWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := written(t)
		go func() {
			for range 3 {
				time.Sleep(3 * time.Second)
				_, _ = client.Read(make([]byte, 1))
			}
		}()
		start := time.Now()
		require.NoError(t, c.SetDeadline(start.Add(10*time.Second)))
		n, err := c.Write(make([]byte, 100))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 3, n)
		assert.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, c.SetWriteDeadline(time.Time{}))
		time.AfterFunc(time.Second, func() { _ = c.SetWriteDeadline(longAgo()) })
		start = time.Now()
		_, err = c.Write(make([]byte, 100))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// A stream that is silent for hours goes on, and the client's request with it.
func TestSilentStreamLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveStrangers(t, Limits{Stall: time.Minute}, provider(func(req *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, req.Body)
			stream, w := io.Pipe()
			go func() {
				for range 3 {
					select {
					case <-time.After(2 * time.Hour):
						_, _ = io.WriteString(w, "data: {}\n\n")
					case <-req.Context().Done():
						_ = w.CloseWithError(req.Context().Err())
						return
					}
				}
				_ = w.Close()
			}()
			return says(req, stream), nil
		}))
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 2", "", "{}"))
		_, said := s.answered(conn)
		assert.Equal(t, strings.Repeat("data: {}\n\n", 3), said)
	})
}

// What is left of a body when the provider has answered is not the next request of the connection.
func TestRestOfABodyIsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		s := serveStrangers(t, Limits{Stall: time.Minute}, provider(func(req *http.Request) (*http.Response, error) {
			requests++
			return says(req, strings.NewReader("early")), nil
		}))
		conn := s.dial("192.0.2.1")
		defer conn.Close()
		start := time.Now()
		s.send(conn, head("POST", "/openai/v1/x", "Content-Length: 1000", "", head("GET", "/openai/v1/y", "")))
		resp, said := s.answered(conn)
		assert.Equal(t, "early", said)
		assert.True(t, resp.Close)
		s.ended(conn)
		assert.LessOrEqual(t, time.Since(start), time.Second)
		assert.Equal(t, 1, requests)
	})
}
