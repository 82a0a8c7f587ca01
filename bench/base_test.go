package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// instant is a base that answers at once. It reads the body to its end and closes it, as net/http
// does.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body) // bodies in memory do not fail
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// site is the destination of the requests: a URL, and the transport that reaches it with nothing
// around it.
type site struct {
	url  string
	base http.RoundTripper
}

// inMemory returns a site without sockets. Its host is one of the built-in provider.
func inMemory() site { return site{url: "https://api.x.ai/v1/chat/completions", base: instant{}} }

// loopback serves h on a loopback port over real sockets: HTTP/1.1 in the clear, or HTTP/2 over
// TLS.
func loopback(t testing.TB, proto string, h http.Handler) site {
	server := httptest.NewUnstartedServer(h)
	switch proto {
	case "http1":
		server.Start()
	case "http2":
		server.EnableHTTP2 = true
		server.StartTLS()
	default:
		t.Fatalf("unknown protocol %q", proto)
	}
	tr := server.Client().Transport.(*http.Transport).Clone()
	// No connection is dialed anew because of a limit: a storm has 1,000 calls, and 0 is no limit.
	tr.MaxIdleConnsPerHost = 2000
	tr.MaxIdleConns = 0
	t.Cleanup(server.Close)
	t.Cleanup(tr.CloseIdleConnections) // runs before server.Close
	return site{url: server.URL + "/v1/chat/completions", base: tr}
}

// answering is a handler that reads the body of the request and answers with a small completion.
func answering(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a client that has left needs no answer
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"chatcmpl-1","object":"chat.completion","choices":[]}`)
}

// load sends the same request again and again, as an SDK does.
type load struct {
	req     *http.Request
	getBody func() (io.ReadCloser, error) // the GetBody that net/http made
	content []byte
	rewinds bool // whether the request has GetBody
}

// newLoad makes a POST with the 13 headers that an SDK sends. Without rewinds, the request has no
// GetBody.
func newLoad(t testing.TB, url string, size int, rewinds bool) *load {
	l := &load{content: bytes.Repeat([]byte("x"), size), rewinds: rewinds}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(l.content))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		req.Header.Set(fmt.Sprintf("X-Stainless-%d", i), "value")
	}
	req.Header.Set("Authorization", "Bearer placeholder")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bench/1.0")
	l.req, l.getBody = req, req.GetBody
	return l
}

// next returns the request with a fresh body. It also restores GetBody, because some transports
// write to the request that they are given.
func (l *load) next() *http.Request {
	if l.rewinds {
		l.req.Body, _ = l.getBody() // GetBody of a bytes.Reader does not fail
		l.req.GetBody = l.getBody
		return l.req
	}
	l.req.Body, l.req.GetBody = &upload{rest: l.content}, nil
	return l.req
}

// send sends the request through rt and reads the answer to its end.
func (l *load) send(rt http.RoundTripper) error {
	resp, err := rt.RoundTrip(l.next())
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // it has been read
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// upload is a body that can be read only once, like a pipe.
type upload struct{ rest []byte }

func (u *upload) Read(p []byte) (int, error) {
	if len(u.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *upload) Close() error { return nil }
