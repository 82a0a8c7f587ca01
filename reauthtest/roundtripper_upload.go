package reauthtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// uploadObligations are those to the body of a request.
func uploadObligations() []Obligation {
	return []Obligation{
		{
			Name: "body_is_closed_on_every_path",
			Duty: "The caller's Body is closed, and every body that GetBody gave: after an answer, an error, a " +
				"refusal that left it unread.",
			Why: "A body is often a file or a pipe: each one left open is a descriptor lost, or a writer that " +
				"waits for ever.",
			Source: `http.RoundTripper: "RoundTrip must always close the body, including on errors, but depending on ` +
				`the implementation may do so in a separate goroutine even after RoundTrip returns."`,
			check: checkBodyClosed,
		},
		{
			Name: "body_may_be_closed_late_by_another_goroutine",
			Duty: "The body that the base was given stays whole until the base closes it, however early the base " +
				"answered.",
			Why: "net/http's transports answer while they still write; a body that is closed, rewound or used " +
				"again under them is cut or mixed up.",
			Source: `http.RoundTripper: "callers wanting to reuse the body for subsequent requests must arrange to ` +
				`wait for the Close call before doing so."`,
			check: checkLateClose,
		},
		{
			Name: "close_ends_a_waiting_read",
			Duty: "Closing a body, the request's at the base or the answer's at the caller, ends a Read that waits " +
				"in another goroutine; closing an answer twice does no harm.",
			Why: "net/http closes a body to stop the goroutine that reads it, and programs close an answer to " +
				"leave a stream.",
			Source: `http.Request.Body: "Body must allow Read to be called concurrently with Close. In particular, ` +
				`calling Close should unblock a Read waiting for input."`,
			check: checkReadAndClose,
		},
		{
			Name: "first_send_uses_Body",
			Duty: "The first send sends Body itself; GetBody is for those after it.",
			Why: "What stands above may have set another Body and left GetBody as it was; the other one is what is " +
				"to be sent.",
			Source: `http.Request.GetBody: "an optional func to return a new copy of Body. It is used for client ` +
				`requests when a redirect requires reading the body more than once."`,
			check: checkFirstSend,
		},
		{
			Name: "body_is_sent_while_it_is_written",
			Duty: "A body is not read before it is sent.",
			Why: "A writer that waits for the answer, as in a duplex stream, waits for ever; Expect: 100-continue " +
				"is in vain; and a large upload has to fit into memory.",
			Source: "net/http: Transport.ExpectContinueTimeout; the body is read by persistConn.writeLoop while " +
				"readLoop waits for the answer.",
			check: checkStreamedBody,
		},
		{
			Name: "body_of_any_size_arrives",
			Duty: "A body without GetBody is sent whole however long it is, and its refusal returned, whether or " +
				"not it could be sent again.",
			Why:    "A limit on what is kept for a replay must not become a limit on what can be sent.",
			Source: "net/http: Request.Body has no size limit; one without GetBody is only not sent again.",
			check:  checkAnySize,
		},
		{
			Name: "length_and_NoBody_stay",
			Duty: "A known ContentLength stays, an unknown one becomes nothing false, and nil and http.NoBody stay " +
				"what they are.",
			Why: "ContentLength 0 with a body means unknown: net/http waits up to 200 ms for its first byte, then " +
				"sends it chunked, which some servers refuse.",
			Source: `http.Request.ContentLength: "For client requests, a value of 0 with a non-nil Body is also ` +
				`treated as unknown."; transferWriter.probeRequestBody in transfer.go.`,
			check: checkLength,
		},
		{
			Name: "clone_has_a_working_GetBody",
			Duty: "When the caller's request has GetBody, so has what the base is given, and it yields the same " +
				"body.",
			Why: "HTTP/2 sends again what a GOAWAY or REFUSED_STREAM left undone, HTTP/1.1 what a closed idle " +
				"connection did; both need it.",
			Source: "net/http: rewindBody in transport.go; http2shouldRetryRequest in h2_bundle.go.",
			check:  checkGetBody,
		},
		{
			Name: "trailers_filled_while_the_body_is_read_arrive",
			Duty: "What the caller puts into Request.Trailer while its body is read arrives.",
			Why: "Checksums are only known at the end. Request.Clone copies the map: what the caller fills in " +
				"afterwards is not in the copy.",
			Source: `http.Request.Trailer: "After the HTTP request is sent the map values can be updated while the ` +
				`request body is read."`,
			check: checkRequestTrailers,
		},
	}
}

func checkBodyClosed(c *check) {
	broken := errors.New("connection lost")
	unread := func(out *http.Request) { _ = body(out).Close() } // a body of ours closes without error
	for name, base := range map[string]baseFunc{
		"answered 200": always(200), "answered 401": always(401), "answered 403": always(403),
		"answered 429": always(429), "answered 503": always(503),
		"refused unread": func(out *http.Request) (*http.Response, error) {
			unread(out)
			return respond(out, 413, "too large"), nil
		},
		"rejected unread": func(out *http.Request) (*http.Response, error) {
			unread(out)
			return respond(out, 401, "who are you?"), nil
		},
		"the base fails": func(out *http.Request) (*http.Response, error) {
			_, _ = take(out)
			return nil, broken
		},
		"the base fails before it reads": func(out *http.Request) (*http.Response, error) {
			unread(out)
			return nil, broken
		},
	} {
		c.bothBodies(name, func(c *check, again bool) {
			req, u := c.post(again)
			c.sendAndClose(c.wrapped(base), req, u)
		})
	}
	c.bothBodies("canceled before it is sent", func(c *check, again bool) {
		req, u := c.post(again)
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		c.sendAndClose(c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			unread(out)
			return nil, out.Context().Err()
		})), req.WithContext(ctx), u)
	})
	c.bothBodies("canceled while it is sent", func(c *check, again bool) {
		req, u := c.post(again)
		ctx, cancel := context.WithCancel(c.ctx)
		c.sendAndClose(c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			_, _ = body(out).Read(make([]byte, 4))
			cancel()
			<-out.Context().Done()
			unread(out)
			return nil, out.Context().Err()
		})), req.WithContext(ctx), u)
	})
}

// sendAndClose sends a request, closes its answer, and expects every body of the request to be
// closed.
func (c *check) sendAndClose(rt http.RoundTripper, req *http.Request, u *upload) {
	if resp, _ := c.roundTrip(rt, req); resp != nil && resp.Body != nil {
		_ = resp.Body.Close() // other obligations look at it
	}
	for i, b := range u.all() {
		if !c.comes(b.closed) {
			if i == 0 {
				c.failf("the caller's Body was never closed")
			} else {
				c.failf("a body that GetBody gave was never closed")
			}
			return
		}
	}
}

// sends collects what a base read of each request.
type sends struct {
	mu    sync.Mutex
	texts []string
	errs  []error
}

func (s *sends) add(text string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts, s.errs = append(s.texts, text), append(s.errs, err)
}

func checkLateClose(c *check) {
	for _, status := range []int{200, 401, 503} {
		c.bothBodies(fmt.Sprint("answered ", status, " before the body was read"), func(c *check, again bool) {
			var s sends
			var calls atomic.Int32
			var late sync.WaitGroup
			var once sync.Once
			answered := make(chan struct{})
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				if calls.Add(1) > 1 { // a second send, while the base is still busy with the first
					s.add(take(out))
					once.Do(func() { close(answered) })
					return respond(out, status, welcome), nil
				}
				late.Go(func() {
					select {
					case <-answered:
					case <-c.ctx.Done():
					}
					s.add(take(out))
				})
				return respond(out, status, welcome), nil
			}))
			req, _ := c.post(again)
			_, _ = c.roundTrip(rt, req)
			once.Do(func() { close(answered) })
			c.step("the base reads the body after it has answered")
			late.Wait()
			for i, text := range s.texts {
				switch {
				case !strings.HasPrefix(question, text):
					c.failf("the base read %q of the body %q", text, question)
				case status == 200 && (text != question || s.errs[i] != nil):
					c.failf("the base read only %q of the body after it had answered (%v)", text, s.errs[i])
				}
			}
		})
	}
}

func checkReadAndClose(c *check) {
	c.bothBodies("request", func(c *check, again bool) {
		reached := make(chan struct{})
		pipe, w := io.Pipe()
		source := track(pipe)
		rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			close(reached)
			c.endsRead("the request's body", body(out), source)
			return respond(out, 200, welcome), nil
		}))
		req := c.request(http.MethodPost)
		req.Body, req.ContentLength = source, -1
		if again {
			req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("it is not to be sent again") }
		}
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			defer func() { _ = recover() }() // other obligations meet it too
			if resp, _ := rt.RoundTrip(req); resp != nil && resp.Body != nil {
				_ = resp.Body.Close()
			}
		}()
		c.step("RoundTrip is given a body that nobody writes to")
		if !c.comes(reached) { // it reads the body before it sends it, which is another obligation's
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		}
		<-returned
	})
	for _, status := range []int{200, 401} {
		c.sub(fmt.Sprint("answer ", status), func(c *check) {
			var source atomic.Pointer[tracked] // of the last answer
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				_, _ = take(out)
				pipe, _ := io.Pipe()
				source.Store(track(pipe))
				return respondWith(out, status, source.Load()), nil
			}))
			resp := c.of(status, rt, c.request(http.MethodGet))
			c.endsRead("the answer's body", resp.Body, source.Load())
			c.step("the answer is closed a second time")
			_ = resp.Body.Close()
		})
	}
}

// endsRead reads a body whose source yields nothing, and closes it meanwhile.
func (c *check) endsRead(what string, body io.ReadCloser, source *tracked) {
	context.AfterFunc(c.ctx, func() { _ = source.Close() }) // also when body.Close hangs
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if n, err := io.Copy(io.Discard, body); err == nil && n > 0 {
			c.failf("%s yielded %d bytes that nobody wrote", what, n)
		}
	}()
	if !c.comes(source.read) {
		c.failf("%s was read, but its source was not", what)
	}
	_ = body.Close()
	if !c.within(c.patience/4, ended) {
		c.failf("%s was closed, but a Read that waits on it does not end", what)
		_ = source.Close()
	}
}

func checkFirstSend(c *check) {
	for _, status := range []int{200, 401} {
		c.sub(fmt.Sprint("answered ", status), func(c *check) {
			var s sends
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				s.add(take(out))
				return respond(out, status, welcome), nil
			}))
			req, _ := c.post(true)
			stale := &upload{text: strings.Repeat("x", len(question))}
			req.GetBody = stale.open
			_, _ = c.roundTrip(rt, req)
			if len(s.texts) > 0 && s.texts[0] != question {
				c.failf("the first send sent %q, not Body", s.texts[0])
			}
		})
	}
}
