package reauthtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

func checkResponseTrailers(c *check) {
	for _, status := range []int{200, 401} {
		for _, size := range []int{300, 300 << 10} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				name := fmt.Sprintf("%s answered %d, %d bytes over ", method, status, size)
				c.bothProtocols(name, func(c *check, http2 bool) {
					base := c.server(http2, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Trailer", "X-Sum")
						w.WriteHeader(status)
						_, _ = w.Write(bytes.Repeat([]byte("x"), size))
						w.Header().Set("X-Sum", "sum")
					})
					resp := c.of(status, c.wrapped(base), c.request(method))
					if _, ok := resp.Trailer["X-Sum"]; !ok {
						c.failf("the trailer that the server announces is not in Trailer")
					}
					if got := c.text(resp); len(got) != size {
						c.failf("%d bytes of the body came back, of %d", len(got), size)
					}
					if got := resp.Trailer.Get("X-Sum"); got != "sum" {
						c.failf("after the end of the body the trailer is %q", got)
					}
				})
			}
		}
	}
}

// checkLengthWithoutBody expects the length that the bare base returns.
func checkLengthWithoutBody(c *check) {
	for name, test := range map[string]struct {
		method string
		status int
	}{
		"HEAD answered 200": {http.MethodHead, 200}, "HEAD answered 401": {http.MethodHead, 401},
		"HEAD answered 404": {http.MethodHead, 404},
		"HEAD answered 304": {http.MethodHead, 304}, "GET answered 304": {http.MethodGet, 304},
		"GET answered 204": {http.MethodGet, 204},
	} {
		c.bothProtocols(name+" over ", func(c *check, http2 bool) {
			base := c.server(http2, func(w http.ResponseWriter, _ *http.Request) {
				if test.method == http.MethodHead {
					w.Header().Set("Content-Length", "300")
				}
				w.WriteHeader(test.status)
			})
			bare, err := base.RoundTrip(c.request(test.method))
			if err != nil {
				c.fatalf("the bare base failed: %v", err)
			}
			_ = bare.Body.Close()
			resp := c.of(test.status, c.wrapped(base), c.request(test.method))
			if got := c.text(resp); got != "" {
				c.failf("a body of %d bytes came", len(got))
			}
			if resp.StatusCode != test.status || resp.ContentLength != bare.ContentLength {
				c.failf("%s and ContentLength %d; the base's has %d",
					describe(resp), resp.ContentLength, bare.ContentLength)
			}
			if got, want := resp.Header.Get("Content-Length"), bare.Header.Get("Content-Length"); got != want {
				c.failf("the header Content-Length is %q; the base's is %q", got, want)
			}
		})
	}
}

func checkResponseRequest(c *check) {
	for _, status := range []int{200, 302, 401, 503} {
		c.bothBodies(fmt.Sprint("answered ", status), func(c *check, again bool) {
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				resp, err := always(status)(out)
				if err == nil {
					resp.Header.Set("Location", "next")
				}
				return resp, err
			}))
			req, _ := c.post(again)
			resp, err := c.roundTrip(rt, req)
			if err != nil || resp == nil {
				c.skip() // another obligation reports it
			}
			switch sent := resp.Request; {
			case sent == nil || sent.URL == nil:
				c.failf("Request is not set")
			case sent.Method != req.Method || sent.URL.String() != req.URL.String():
				c.failf("Request is %s %s; the caller's was %s %s", sent.Method, sent.URL, req.Method, req.URL)
			default:
				if to, err := resp.Location(); err != nil || to.String() != "https://api.example.com/v1/next" {
					c.failf("Location is resolved to %v (%v)", to, err)
				}
			}
		})
	}
}

// checkHalfClose closes one direction of an upgraded connection and reads the other.
func checkHalfClose(c *check) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		c.sub(method, func(c *check) {
			conn, ok := c.upgrade(method).Body.(interface {
				io.Reader
				CloseWrite() error
			})
			if !ok {
				c.fatalf("the answer's Body has no CloseWrite")
			}
			c.step("one direction is closed")
			if err := conn.CloseWrite(); err != nil {
				c.failf("CloseWrite: %v", err)
			}
			if b, err := io.ReadAll(conn); err != nil || string(b) != "hello " {
				c.failf("the other direction yielded %q (%v)", b, err)
			}
		})
	}
}

func checkUpgrade(c *check) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		c.sub(method, func(c *check) {
			resp := c.upgrade(method)
			conn, ok := resp.Body.(io.ReadWriteCloser)
			if !ok {
				c.fatalf("the answer's Body is a %T, which cannot be written", resp.Body)
			}
			c.step("the new protocol is spoken")
			if _, err := io.WriteString(conn, "world"); err != nil {
				c.failf("writing to the body: %v", err)
			}
			b := make([]byte, len("hello world"))
			if n, err := io.ReadFull(conn, b); err != nil || string(b) != "hello world" {
				c.failf("the body yielded %q (%v)", b[:n], err)
			}
			_ = conn.Close()
		})
	}
}

// upgrade switches to a protocol whose server says hello and then echoes all that it hears.
func (c *check) upgrade(method string) *http.Response {
	base := c.server(false, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+
			"Connection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ")
		_, _ = io.Copy(conn, rw) // until the client has no more to say
	})
	req := c.request(method)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp := c.answer(c.wrapped(base), req)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		c.fatalf("the status became %d", resp.StatusCode)
	}
	return resp
}
