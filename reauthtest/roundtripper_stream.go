package reauthtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// checkStreamedBody sends a body that is written only after the answer has arrived.
func checkStreamedBody(c *check) {
	c.bothBodies("in memory", func(c *check, again bool) {
		c.duplex(again, baseFunc(func(out *http.Request) (*http.Response, error) {
			return respondWith(out, 200, body(out)), nil
		}))
	})
	c.bothProtocols("", func(c *check, http2 bool) {
		c.duplex(false, c.server(http2, func(w http.ResponseWriter, r *http.Request) {
			if !http2 { // HTTP/2 is always full duplex
				_ = http.NewResponseController(w).EnableFullDuplex()
			}
			flush(w)
			_, _ = io.Copy(w, r.Body)
		}))
	})
	c.bothProtocols("100-continue over ", func(c *check, http2 bool) {
		source := track(strings.NewReader(question))
		base := c.server(http2, func(w http.ResponseWriter, r *http.Request) {
			if has(source.read) {
				c.failf("the body was read before the server asked for it")
			}
			_, _ = io.Copy(w, r.Body)
		})
		base.ExpectContinueTimeout = 10 * c.patience
		req := c.request(http.MethodPost)
		req.Body, req.ContentLength = source, int64(len(question))
		req.Header.Set("Expect", "100-continue")
		if got := c.text(c.answer(c.wrapped(base), req)); got != question {
			c.failf("the server got %q", got)
		}
	})
}

// duplex writes a body after its answer has arrived, and expects the base to send it back.
func (c *check) duplex(again bool, base http.RoundTripper) {
	pipe, w := io.Pipe()
	req := c.request(http.MethodPost)
	req.Body, req.ContentLength = pipe, -1
	if again {
		req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("it is not to be sent again") }
	}
	rt := c.wrapped(base)
	answered, waited := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(waited)
		if !c.comes(answered) {
			c.failf("RoundTrip does not return before the body is written, whose writer waits for the answer: a " +
				"deadlock")
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		}
	}()
	resp, err := c.roundTrip(rt, req)
	close(answered)
	<-waited
	if err != nil || resp == nil || resp.Body == nil {
		c.skip() // the deadlock was reported
	}
	c.step("the body is written after the answer has come")
	const late = "written after the answer"
	go func() {
		_, _ = io.WriteString(w, late) // fails if the base has closed the body; the answer shows that
		_ = w.Close()
	}()
	if got := c.text(resp); got != late {
		c.failf("the base got %q of a body written after the answer, %q", got, late)
	}
}

// checkAnySize sends more than a transport is likely to keep in memory.
func checkAnySize(c *check) {
	const size = 33 << 20
	for status, length := range map[int]int64{200: size, 401: -1} {
		c.sub(fmt.Sprintf("answered %d, ContentLength %d", status, length), func(c *check) {
			var got atomic.Int64
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				n, err := io.Copy(io.Discard, body(out))
				got.Store(n)
				_ = body(out).Close()
				if err != nil {
					return nil, err
				}
				return respond(out, status, welcome), nil
			}))
			req := c.request(http.MethodPost)
			req.Body, req.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), length
			resp, err := c.roundTrip(rt, req)
			switch {
			case err != nil || resp == nil:
				c.failf("a body of %d bytes makes an error: %v", size, err)
			case got.Load() != size:
				c.failf("%d bytes were sent of a body of %d", got.Load(), size)
			}
		})
	}
}

// zeros is an endless body of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// checkLength checks what the base learns about the length of the body.
func checkLength(c *check) {
	const size = int64(len(question))
	for name, test := range map[string]struct {
		body   io.ReadCloser // if it is empty
		length int64
		empty  bool
	}{
		"nil":                      {empty: true},
		"http.NoBody":              {body: http.NoBody, empty: true},
		"known":                    {length: size},
		"unknown, -1":              {length: -1},
		"unknown, 0 beside a body": {},
	} {
		for _, status := range []int{200, 401} {
			c.sub(fmt.Sprint(name, ", answered ", status), func(c *check) {
				rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
					switch none := out.Body == nil || out.Body == http.NoBody; {
					case test.empty && (!none || out.ContentLength != 0):
						c.failf("no body became a %T with ContentLength %d", out.Body, out.ContentLength)
					case !test.empty && none:
						c.failf("the body became none")
					case test.length > 0 && out.ContentLength != size:
						c.failf("ContentLength was %d, the base is told %d", size, out.ContentLength)
					case test.length <= 0 && out.ContentLength > 0 && out.ContentLength != size:
						c.failf("the length was unknown, the base is told %d for a body of %d", out.ContentLength, size)
					}
					return always(status)(out)
				}))
				req := c.request(http.MethodPost)
				req.Body, req.ContentLength = test.body, test.length
				if !test.empty {
					req.Body = io.NopCloser(strings.NewReader(question))
				}
				_, _ = c.roundTrip(rt, req)
			})
		}
	}
}

// checkGetBody uses GetBody as a base does whose connection broke while it sent the body.
func checkGetBody(c *check) {
	for _, status := range []int{200, 401} {
		c.sub(fmt.Sprint("answered ", status), func(c *check) {
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				_, _ = body(out).Read(make([]byte, 4))
				_ = body(out).Close()
				if out.GetBody == nil {
					c.failf("the base is given no GetBody")
					return respond(out, status, welcome), nil
				}
				again, err := out.GetBody()
				if err != nil {
					c.failf("GetBody fails: %v", err)
					return respond(out, status, welcome), nil
				}
				text, err := io.ReadAll(again)
				if string(text) != question || err != nil {
					c.failf("GetBody gives %q, the body is %q (%v)", text, question, err)
				}
				_ = again.Close()
				return respond(out, status, welcome), nil
			}))
			req, _ := c.post(true)
			_, _ = c.roundTrip(rt, req)
		})
	}
}

// checkRequestTrailers fills in a trailer at the end of the body, as a program does that sends a
// checksum.
func checkRequestTrailers(c *check) {
	c.bothProtocols("", func(c *check, http2 bool) {
		c.bothBodies("", func(c *check, again bool) {
			base := c.server(http2, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // trailers come after the body
				if got := r.Trailer.Get("X-Sum"); got != "sum" {
					c.failf("the server got the trailer %q, the caller had set %q", got, "sum")
				}
			})
			req := c.request(http.MethodPost)
			req.Trailer = http.Header{"X-Sum": nil}
			open := func() (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader(question), readerFunc(func([]byte) (int, error) {
					req.Trailer.Set("X-Sum", "sum")
					return 0, io.EOF
				}))), nil
			}
			req.Body, _ = open() // open does not fail
			req.ContentLength = -1
			if again {
				req.GetBody = open
			}
			c.text(c.answer(c.wrapped(base), req))
		})
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
