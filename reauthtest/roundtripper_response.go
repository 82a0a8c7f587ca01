package reauthtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// responseObligations returns what a transport owes to the caller when it answers.
func responseObligations() []Obligation {
	return []Obligation{
		{
			Name: "any_response_is_no_error",
			Duty: "RoundTrip returns an answer of any status with a nil error.",
			Why: "The status and the body tell the program what is wrong. An error in their place, such as " +
				"“giving up”, hides both.",
			Source: `http.RoundTripper: "RoundTrip must return err == nil if it obtained a response, regardless of ` +
				`the response's HTTP status code."`,
			check: checkAnyResponse,
		},
		{
			Name: "response_or_error_never_both_never_neither",
			Duty: "RoundTrip returns either a response or an error.",
			Why: "http.Client drops a response that comes with an error, and never closes its body and the " +
				"connection under it. If it gets neither, it has nothing to return.",
			Source: `http.RoundTripper: "A non-nil err should be reserved for failure to obtain a response."; send ` +
				`in client.go.`,
			check: checkResponseOrError,
		},
		{
			Name:   "response_body_is_never_nil",
			Duty:   "The Body of a response is not nil, not even if the response has no body.",
			Why:    "Programs close Body without a check.",
			Source: `http.Response.Body: "The http Client and Transport guarantee that Body is always non-nil"`,
			check:  checkResponseBody,
		},
		{
			Name: "response_comes_back_as_it_came",
			Duty: "Status, header, ContentLength and every byte of the body are those of the base, however long the " +
				"body is.",
			Why:    "A transport that reads a part of the body to decide something has to put that part back.",
			Source: `http.RoundTripper: "RoundTrip should not attempt to interpret the response."`,
			check:  checkResponseIntact,
		},
		{
			Name: "closed_response_is_closed_at_the_base",
			Duty: "When the caller closes a response, read or unread, the base's Body is closed too.",
			Why: "The body holds a connection or a stream. Its Close is the only sign by which net/http can release " +
				"them.",
			Source: `http.Response.Body: "It is the caller's responsibility to close Body."`,
			check:  checkResponseClosed,
		},
		{
			Name: "replaced_responses_are_closed",
			Duty: "RoundTrip closes an answer that it drops because it sends again.",
			Why: "Each answer that is left open keeps a connection and its goroutines for as long as the program " +
				"runs.",
			Source: "http.Response.Body, as above: a transport that sends again is the caller of the first send.",
			check:  checkReplacedClosed,
		},
		{
			Name: "upgrade_can_be_written",
			Duty: "The Body of a 101 is an io.ReadWriteCloser.",
			Why: "Body is the connection of the new protocol, such as WebSocket. A wrapper that can only be read " +
				"makes it useless.",
			Source: `http.Response.Body: "As of Go 1.12, the Body will also implement io.Writer on a successful '101 ` +
				`Switching Protocols' response"`,
			check: checkUpgrade,
		},
		{
			Name: "upgrade_can_be_half_closed",
			Duty: "The Body of a 101 has the method CloseWrite.",
			Why: "CloseWrite says “no more from me” while the other side goes on. httputil.ReverseProxy looks " +
				"for the method, and without it closes both directions.",
			Source: "net/http: readWriteCloserBody.CloseWrite in transport.go.",
			check:  checkHalfClose,
		},
		{
			Name: "stream_arrives_as_it_is_sent",
			Duty: "RoundTrip returns before the end of the body, and the caller can read what the server has sent " +
				"so far.",
			Why: "Otherwise server-sent events, and every answer of a model, come in one piece at the end, or " +
				"never.",
			Source: `http.Response.Body: "The response body is streamed on demand as the Body field is read."`,
			check:  checkStream,
		},
		{
			Name: "compressed_response_is_what_was_asked_for",
			Duty: "A caller that sets Accept-Encoding gets the bytes that the server sent. Any other caller gets " +
				"plain text.",
			Why: "A program that asks for gzip decodes the body itself. Other programs do not decode it.",
			Source: `http.Transport.DisableCompression: "if the user explicitly requested gzip it is not ` +
				`automatically uncompressed"; http.Response.Uncompressed.`,
			check: checkCompressed,
		},
		{
			Name: "response_trailers_arrive_at_the_end",
			Duty: "Response.Trailer names the trailers that the server announced, and has their values after the " +
				"end of the body.",
			Why: "gRPC and checksums use trailers. net/http fills in the map of its own response, so that the map " +
				"of a copy stays empty.",
			Source: `http.Response.Trailer: "After Body.Read has returned io.EOF, Trailer will contain any trailer ` +
				`values sent by the server."`,
			check: checkResponseTrailers,
		},
		{
			Name: "length_without_body",
			Duty: "An answer to HEAD, and a 304, keep the length that they announce, although no body comes.",
			Why:  "A program sends HEAD to learn the length.",
			Source: `http.Response.ContentLength: "Unless Request.Method is "HEAD", values >= 0 indicate that the ` +
				`given number of bytes may be read from Body."`,
			check: checkLengthWithoutBody,
		},
		{
			Name:   "response_names_its_request",
			Duty:   "Response.Request is set, and names the caller's method and URL.",
			Why:    "Response.Location resolves a relative redirect against it, and SDKs print it.",
			Source: `http.Response.Request: "the request that was sent to obtain this Response"`,
			check:  checkResponseRequest,
		},
	}
}

func checkAnyResponse(c *check) {
	for _, status := range []int{
		200, 201, 204, 206, 301, 302, 304, 307,
		400, 401, 402, 403, 404, 407, 408, 409, 410, 412, 413, 418, 421, 422, 425, 429, 451,
		500, 501, 502, 503, 504, 529, 599,
	} {
		c.sub(fmt.Sprint(status), func(c *check) {
			req, _ := c.post(true)
			want := welcome
			if status == 204 || status == 304 {
				want = ""
			}
			resp, err := c.roundTrip(c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				if _, err := take(out); err != nil {
					return nil, err
				}
				return respond(out, status, want), nil
			})), req)
			if err != nil || resp == nil || resp.Body == nil {
				c.failf("the answer became an error: %v", err)
				return
			}
			if got := c.text(resp); resp.StatusCode != status || got != want {
				c.failf("the answer came back with status %d and the body %q", resp.StatusCode, got)
			}
		})
	}
}

func checkResponseOrError(c *check) {
	judge := func(c *check, rt http.RoundTripper, req *http.Request) {
		switch resp, err := c.roundTrip(rt, req); {
		case resp != nil && err != nil:
			c.failf("both %s and an error: %v", describe(resp), err)
		case resp == nil && err == nil:
			c.failf("neither a response nor an error")
		}
	}
	for _, status := range []int{200, 302, 401, 403, 429, 503} {
		c.bothBodies(fmt.Sprint("answered ", status), func(c *check, again bool) {
			req, _ := c.post(again)
			judge(c, c.wrapped(always(status)), req)
		})
	}
	c.bothBodies("the base fails", func(c *check, again bool) {
		req, _ := c.post(again)
		judge(c, c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			_, _ = take(out)
			return nil, io.ErrUnexpectedEOF
		})), req)
	})
	c.bothBodies("answered 401, then the base fails", func(c *check, again bool) {
		var mu sync.Mutex
		answered := false
		req, _ := c.post(again)
		judge(c, c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = take(out)
			if answered {
				return nil, io.ErrUnexpectedEOF
			}
			answered = true
			return respond(out, 401, welcome), nil
		})), req)
	})
}

func checkResponseBody(c *check) {
	for _, status := range []int{200, 204, 304, 401, 403, 503} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			c.sub(fmt.Sprint(method, " answered ", status), func(c *check) {
				rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
					_, _ = take(out)
					return respond(out, status, ""), nil
				}))
				if resp, err := c.roundTrip(rt, c.request(method)); err == nil && resp != nil && resp.Body == nil {
					c.failf("Body is nil")
				}
			})
		}
	}
}

func checkResponseIntact(c *check) {
	for _, status := range []int{200, 401, 403, 404, 429, 500} {
		for _, size := range []int{0, 1, 4097, 64 << 10, 64<<10 + 1, 300 << 10} {
			c.sub(fmt.Sprintf("%d, %d bytes", status, size), func(c *check) {
				text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
				header := http.Header{
					"Content-Length": {fmt.Sprint(size)}, "Content-Type": {"text/plain"},
					"Retry-After": {"0"}, "X-Several": {"1", "2"}, "Vary": {"X-Varies"},
				}
				rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
					_, _ = take(out)
					resp := respond(out, status, text)
					resp.Header = header.Clone()
					return resp, nil
				}))
				req, _ := c.post(true)
				resp := c.of(status, rt, req)
				if resp.StatusCode != status {
					c.failf("the status became %d", resp.StatusCode)
				}
				for name, values := range header {
					if !slices.Equal(resp.Header[name], values) {
						c.failf("%s was %q, it became %q", name, values, resp.Header[name])
					}
				}
				if resp.ContentLength != int64(size) {
					c.failf("ContentLength was %d, it became %d", size, resp.ContentLength)
				}
				if got := c.text(resp); got != text {
					c.failf("%d bytes of the body came back, of %d, or others", len(got), size)
				}
			})
		}
	}
}

func checkResponseClosed(c *check) {
	for _, status := range []int{200, 401, 403, 404, 500} {
		for name, read := range map[string]bool{"read": true, "unread": false} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				c.sub(fmt.Sprint(method, " answered ", status, ", ", name), func(c *check) {
					a := &answers{}
					resp := c.of(status, c.wrapped(a.base(func(int) int { return status })), c.request(method))
					if read {
						c.step("the body of the answer is read")
						_, _ = io.Copy(io.Discard, resp.Body)
					}
					c.step("the answer is closed")
					_ = resp.Body.Close()
					if body := a.of(resp); body != nil && !c.comes(body.closed) {
						c.failf("the answer was closed, the base's Body was not")
					}
				})
			}
		}
	}
}

func checkReplacedClosed(c *check) {
	for _, status := range []int{401, 403, 408, 429, 500, 502, 503, 504} {
		c.bothBodies(fmt.Sprint("answered ", status, ", then 200"), func(c *check, again bool) {
			a := &answers{}
			req, _ := c.post(again)
			rt := c.wrapped(a.base(func(call int) int {
				if call > 0 {
					return 200
				}
				return status
			}))
			if resp, _ := c.roundTrip(rt, req); resp != nil && resp.Body != nil {
				_ = resp.Body.Close() // other obligations judge the answer
			}
			c.allClosed(a)
		})
	}
}

// answers are the bodies of the answers of a base, in their order.
type answers struct {
	mu     sync.Mutex
	bodies []*tracked
}

// base returns a base whose answers are tracked. status is the status of each one.
func (a *answers) base(status func(call int) int) baseFunc {
	return func(out *http.Request) (*http.Response, error) {
		if _, err := take(out); err != nil {
			return nil, err
		}
		body := track(strings.NewReader(welcome))
		a.mu.Lock()
		defer a.mu.Unlock()
		a.bodies = append(a.bodies, body)
		resp := respondWith(out, status(len(a.bodies)-1), body)
		resp.Header.Set("Retry-After", "0")
		resp.Header.Set("X-Answer", strconv.Itoa(len(a.bodies)-1))
		return resp, nil
	}
}

// of returns the base's body of an answer that the transport returned. Another obligation judges
// answers that it replaced.
func (a *answers) of(resp *http.Response) *tracked {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, err := strconv.Atoi(resp.Header.Get("X-Answer"))
	if err != nil || i >= len(a.bodies) {
		// The transport made an answer of its own, or removed the header. Another obligation
		// reports that.
		return nil
	}
	return a.bodies[i]
}

// allClosed expects that all answers of a base are closed. The caller has closed the last one.
func (c *check) allClosed(a *answers) {
	a.mu.Lock()
	bodies := slices.Clone(a.bodies)
	a.mu.Unlock()
	for i, b := range bodies {
		if !c.comes(b.closed) {
			c.failf("answer %d of %d was never closed", i+1, len(bodies))
			return
		}
	}
}

// checkStream reads a stream. The server sends each event only after the client has read the one
// before.
func checkStream(c *check) {
	for _, status := range []int{200, 401, 503} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			c.bothProtocols(fmt.Sprint(method, " answered ", status, " over "), func(c *check, http2 bool) {
				read := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
				base := c.server(http2, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					w.WriteHeader(status)
					for i := range read {
						_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
						flush(w)
						select {
						case <-read[i]:
						case <-c.ctx.Done():
							return
						}
					}
				})
				req := c.request(method)
				resp := c.of(status, c.wrapped(base), req)
				lines := bufio.NewReader(resp.Body)
				for i := range read {
					c.step(fmt.Sprintf("event %d of a stream is waited for, which the server has sent", i))
					line, err := lines.ReadString('\n')
					if want := fmt.Sprintf("data: %d\n", i); line != want || err != nil {
						c.fatalf("event %d of the stream was %q (%v)", i, line, err)
					}
					_, _ = lines.ReadString('\n')
					close(read[i])
				}
				if rest := c.text(resp); rest != "" {
					c.failf("the stream ended with %q", rest)
				}
			})
		}
	}
}

func checkCompressed(c *check) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zip, welcome) // a buffer takes everything
	_ = zip.Close()
	for _, status := range []int{200, 401} {
		for _, asked := range []string{"gzip", ""} {
			name := fmt.Sprintf("answered %d, Accept-Encoding %q, ", status, asked)
			c.bothProtocols(name, func(c *check, http2 bool) {
				base := c.server(http2, func(w http.ResponseWriter, r *http.Request) {
					if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
						w.WriteHeader(status)
						_, _ = io.WriteString(w, welcome)
						return
					}
					w.Header().Set("Content-Encoding", "gzip")
					w.WriteHeader(status)
					_, _ = w.Write(packed.Bytes())
				})
				req := c.request(http.MethodGet)
				want, encoding := welcome, ""
				if asked != "" {
					req.Header.Set("Accept-Encoding", asked)
					want, encoding = packed.String(), "gzip"
				}
				resp := c.of(status, c.wrapped(base), req)
				if got := resp.Header.Get("Content-Encoding"); got != encoding {
					c.failf("Content-Encoding is %q, not %q", got, encoding)
				}
				if encoding != "" && resp.Uncompressed {
					c.failf("Uncompressed is set")
				}
				if got := c.text(resp); got != want {
					c.failf("the body is %q, not %q", got, want)
				}
			})
		}
	}
}
