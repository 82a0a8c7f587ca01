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
		_, _ = io.Copy(io.Discard, req.Body) // the bodies here do not fail
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// site is where requests go: a URL and the bare base that reaches it.
type site struct {
	url  string
	base http.RoundTripper
}

// inMemory is a site without sockets. Its host is one that the built-in provider claims.
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
	tr.MaxIdleConnsPerHost = 2000
	tr.MaxIdleConns = 0
	t.Cleanup(server.Close)
	t.Cleanup(tr.CloseIdleConnections) // first
	return site{url: server.URL + "/v1/chat/completions", base: tr}
}

// answering reads the request's body and answers with a small completion.
func answering(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a client that has gone needs no answer
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"chatcmpl-1","object":"chat.completion","choices":[]}`)
}

// load makes one and the same request again and again, as an SDK would.
type load struct {
	req     *http.Request
	getBody func() (io.ReadCloser, error)
	content []byte
	rewinds bool
}

// newLoad makes a POST with the 13 headers an SDK sends. Without rewinds it has no GetBody.
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

// next returns the request with a fresh body. Some transports write to the request they are given,
// so all that they touch is set anew.
func (l *load) next() *http.Request {
	if l.rewinds {
		l.req.Body, _ = l.getBody() // of a bytes.Reader, never fails
		l.req.GetBody = l.getBody
		return l.req
	}
	l.req.Body, l.req.GetBody = &upload{rest: l.content}, nil
	return l.req
}

// send makes the request and reads the answer to its end.
func (l *load) send(rt http.RoundTripper) error {
	resp, err := rt.RoundTrip(l.next())
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // nothing of it is needed any more
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// upload is a body that can be read once, as a pipe or a file is.
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
