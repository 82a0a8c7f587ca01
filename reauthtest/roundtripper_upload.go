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

// uploadObligations returns what a transport owes to the body of a request.
func uploadObligations() []Obligation {
	return []Obligation{
		{
			Name: "body_is_closed_on_every_path",
			Duty: "RoundTrip closes the caller's Body and every body that GetBody gave: after an answer, after an " +
				"error, and after a refusal that left the body unread.",
			Why: "A body is often a file or a pipe. If it stays open, a descriptor is lost, or a writer waits for " +
				"ever.",
			Source: `http.RoundTripper: "RoundTrip must always close the body, including on errors, but depending on ` +
				`the implementation may do so in a separate goroutine even after RoundTrip returns."`,
			check: checkBodyClosed,
		},
		{
			Name: "body_may_be_closed_late_by_another_goroutine",
			Duty: "The body of the base's request stays whole until the base closes it, however early the base " +
				"answers.",
			Why: "The transports of net/http answer while they still write. If the body is closed, rewound or used " +
				"again meanwhile, the server gets a part of it or a mixture.",
			Source: `http.RoundTripper: "callers wanting to reuse the body for subsequent requests must arrange to ` +
				`wait for the Close call before doing so."`,
			check: checkLateClose,
		},
		{
			Name: "close_ends_a_waiting_read",
			Duty: "Close ends a Read that waits in another goroutine. This holds for the request's body at the base " +
				"and for the answer's body at the caller. Closing an answer twice does no harm.",
			Why: "net/http closes a body to stop the goroutine that reads it, and programs close an answer to " +
				"leave a stream.",
			Source: `http.Request.Body: "Body must allow Read to be called concurrently with Close. In particular, ` +
				`calling Close should unblock a Read waiting for input."`,
			check: checkReadAndClose,
		},
		{
			Name: "first_send_uses_Body",
			Duty: "The first send uses Body itself. GetBody is for the sends after it.",
			Why: "A layer above may have replaced Body and left GetBody as it was. Then Body is what the caller " +
				"wants to send.",
			Source: `http.Request.GetBody: "an optional func to return a new copy of Body. It is used for client ` +
				`requests when a redirect requires reading the body more than once."`,
			check: checkFirstSend,
		},
		{
			Name: "body_is_sent_while_it_is_written",
			Duty: "RoundTrip does not read a body before it sends it.",
			Why: "Otherwise a writer that waits for the answer, as in a duplex stream, waits for ever. Expect: " +
				"100-continue has no effect, and a large upload has to fit into memory.",
			Source: "net/http: Transport.ExpectContinueTimeout; persistConn.writeLoop reads the body while readLoop " +
				"waits for the answer.",
			check: checkStreamedBody,
		},
		{
			Name: "body_of_any_size_arrives",
			Duty: "RoundTrip sends a body without GetBody whole, however long it is, and returns its refusal, " +
				"whether or not it can send the body again.",
			Why:    "A limit on what a transport keeps for a replay must not limit what a program can send.",
			Source: "net/http: Request.Body has no size limit; a body without GetBody is only not sent again.",
			check:  checkAnySize,
		},
		{
			Name: "length_and_NoBody_stay",
			Duty: "A known ContentLength stays, an unknown one does not become a wrong one, and nil and http.NoBody " +
				"stay what they are.",
			Why: "ContentLength 0 with a body means unknown. net/http then waits up to 200 ms for the first byte " +
				"and sends the body chunked, which some servers refuse.",
			Source: `http.Request.ContentLength: "For client requests, a value of 0 with a non-nil Body is also ` +
				`treated as unknown."; transferWriter.probeRequestBody in transfer.go.`,
			check: checkLength,
		},
		{
			Name: "clone_has_a_working_GetBody",
			Duty: "If the caller's request has GetBody, the base's request has it too, and it gives the same body.",
			Why: "HTTP/2 sends a request again after a GOAWAY or a REFUSED_STREAM, and HTTP/1.1 after the server " +
				"closed an idle connection. Both need GetBody.",
			Source: "net/http: rewindBody in transport.go; http2shouldRetryRequest in h2_bundle.go.",
			check:  checkGetBody,
		},
		{
			Name: "trailers_filled_while_the_body_is_read_arrive",
			Duty: "The server gets the trailers that the caller puts into Request.Trailer while its body is read.",
			Why: "A checksum is known only at the end. Request.Clone copies the map, so that later entries of the " +
				"caller are not in the copy.",
			Source: `http.Request.Trailer: "After the HTTP request is sent the map values can be updated while the ` +
				`request body is read."`,
			check: checkRequestTrailers,
		},
	}
}

func checkBodyClosed(c *check) {
	broken := errors.New("connection lost")
	unread := func(out *http.Request) { _ = body(out).Close() } // the bodies of the suite close without error
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
		_ = resp.Body.Close() // other obligations judge it
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

// sends collects what a base read of the body of each request.
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
			defer func() { _ = recover() }() // other obligations report a panic
			if resp, _ := rt.RoundTrip(req); resp != nil && resp.Body != nil {
				_ = resp.Body.Close()
			}
		}()
		c.step("RoundTrip is given a body that nobody writes to")
		// If RoundTrip reads the body before it sends it, another obligation reports that.
		if !c.comes(reached) {
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

// endsRead reads a body whose source yields nothing, closes the body meanwhile, and expects the
// read to end.
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
