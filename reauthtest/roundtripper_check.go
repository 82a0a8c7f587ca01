package reauthtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// record collects the failures of all cases of one obligation.
type record struct {
	mu       sync.Mutex
	failures []string
	cases    sync.WaitGroup
}

// check is one case of an obligation. It runs in a goroutine of its own, so that a transport that
// hangs or panics does not end the test.
type check struct {
	*suite
	record *record
	name   string
	ctx    context.Context //nolint:containedctx // as testing.T has one: it ends with the case
	end    context.CancelFunc
	doing  atomic.Pointer[string] // the current step

	cleanups []func()
	finished bool // by a return, by fatalf or by skip

	given atomic.Bool // the case was given up; its further failures do not count
}

func newCheck(s *suite, r *record, name string) *check {
	c := &check{suite: s, record: r, name: name}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.step("setting up")
	return c
}

// sub runs a further case in parallel.
func (c *check) sub(name string, test func(*check)) {
	if c.name != "" {
		name = c.name + "/" + name
	}
	v := newCheck(c.suite, c.record, name)
	c.record.cases.Go(func() { v.guard(test) })
}

// guard runs the case and waits for it, but only for the patience of the suite.
func (c *check) guard(test func(*check)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.cleanUp()
		defer c.recovered()
		test(c)
		c.finished = true
	}()
	if !c.within(c.patience, ended) {
		c.failf("it hangs: no progress in %v while %s", c.patience, *c.doing.Load())
		c.given.Store(true)
		c.end() // ends whatever waits for the context
		c.within(time.Second, ended)
	}
}

// recovered reports a panic or a runtime.Goexit that ended the case early.
func (c *check) recovered() {
	v := recover()
	switch {
	case v != nil:
		c.failf("panic while %s: %v\n%s", *c.doing.Load(), v, debug.Stack())
	case !c.finished:
		c.failf("runtime.Goexit was called while %s", *c.doing.Load())
	}
}

// cleanUp runs the functions given to cleanup, the last one first.
func (c *check) cleanUp() {
	c.end()
	for i := len(c.cleanups) - 1; i >= 0; i-- {
		c.cleanups[i]()
	}
}

func (c *check) cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

// step names what the case does from here on. A hang or a panic is reported with that name.
func (c *check) step(what string) { c.doing.Store(&what) }

// failf reports a failure. It may be called from any goroutine.
func (c *check) failf(format string, args ...any) {
	if c.given.Load() {
		return
	}
	text := fmt.Sprintf(format, args...)
	if c.name != "" {
		text = c.name + ": " + text
	}
	c.record.mu.Lock()
	defer c.record.mu.Unlock()
	c.record.failures = append(c.record.failures, text)
}

// fatalf reports a failure and ends the case. Only the case's own goroutine may call it.
func (c *check) fatalf(format string, args ...any) {
	c.failf(format, args...)
	c.skip()
}

// skip ends the case without a failure. Another obligation reports the fault.
func (c *check) skip() {
	c.finished = true
	runtime.Goexit()
}

// within waits for ch, but at most for d. It reports whether ch was closed, or ready, in time.
func (c *check) within(d time.Duration, ch <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ch:
		return true
	case <-timer.C:
		return false
	}
}

// comes waits for ch for half of the time that the case has. The other half is left to report what
// did not come.
func (c *check) comes(ch <-chan struct{}) bool { return c.within(c.patience/2, ch) }

// wrapped returns the transport under test over a base.
func (c *check) wrapped(base http.RoundTripper) http.RoundTripper {
	c.wrapping.Lock()
	defer c.wrapping.Unlock()
	c.step("wrapping the base")
	rt := c.wrap(base)
	if rt == nil {
		c.fatalf("wrap returned nil")
	}
	return rt
}

// These are the URLs of the requests, and the bodies of requests and answers.
const (
	exampleURL  = "https://api.example.com/v1/example?a=1"
	strangerURL = "https://stranger.example/"
	question    = "0123456789abcdef, the body of the request"
	welcome     = "the body of the answer"
)

// request makes a request without a body.
func (c *check) request(method string) *http.Request {
	req, err := http.NewRequestWithContext(c.ctx, method, exampleURL, nil)
	if err != nil {
		c.fatalf("making a request: %v", err)
	}
	return req
}

// roundTrip calls RoundTrip and judges nothing. The answer is closed at the end of the case.
func (c *check) roundTrip(rt http.RoundTripper, req *http.Request) (*http.Response, error) {
	c.step("it is in RoundTrip")
	resp, err := rt.RoundTrip(req)
	c.step("the answer is looked at")
	if resp != nil && resp.Body != nil {
		c.cleanup(func() { _ = resp.Body.Close() }) // a second Close does no harm
	}
	return resp, err
}

// answer returns the response to a request that the base answered. Without a response the case
// fails.
func (c *check) answer(rt http.RoundTripper, req *http.Request) *http.Response {
	resp, err := c.roundTrip(rt, req)
	if err != nil || resp == nil || resp.Body == nil {
		c.fatalf("the base answered, but RoundTrip returned (%s, %v)", describe(resp), err)
	}
	return resp
}

// refusal returns the response to a request that the base refused. Without a response the case
// ends, because any_response_is_no_error reports that.
func (c *check) refusal(rt http.RoundTripper, req *http.Request) *http.Response {
	resp, err := c.roundTrip(rt, req)
	if err != nil || resp == nil || resp.Body == nil {
		c.skip()
	}
	return resp
}

// of returns the response to a request that the base answered with status.
func (c *check) of(status int, rt http.RoundTripper, req *http.Request) *http.Response {
	if status < 400 {
		return c.answer(rt, req)
	}
	return c.refusal(rt, req)
}

// text reads and closes the body of an answer.
func (c *check) text(resp *http.Response) string {
	c.step("the body of the answer is read")
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.failf("reading the body of the answer: %v", err)
	}
	c.step("the body of the answer is closed")
	if err := resp.Body.Close(); err != nil {
		c.failf("closing the body of the answer: %v", err)
	}
	c.step("the answer is looked at")
	return string(b)
}

// describe describes a response in a failure.
func describe(resp *http.Response) string {
	if resp == nil {
		return "no response"
	}
	return fmt.Sprintf("a response with status %d", resp.StatusCode)
}

// baseFunc is a base in memory.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// take reads and closes the body of a request, as a base does.
func take(req *http.Request) (string, error) {
	b, err := io.ReadAll(body(req))
	return string(b), errors.Join(err, body(req).Close())
}

// body returns the body of a request, or http.NoBody.
func body(req *http.Request) io.ReadCloser {
	if req.Body == nil {
		return http.NoBody
	}
	return req.Body
}

// respond makes an answer of a base, with a body of known length.
func respond(req *http.Request, status int, body string) *http.Response {
	resp := respondWith(req, status, io.NopCloser(strings.NewReader(body)))
	resp.ContentLength = int64(len(body))
	if body == "" {
		resp.Body = http.NoBody
	}
	return resp
}

// respondWith makes an answer with a body of unknown length.
func respondWith(req *http.Request, status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: body, ContentLength: -1, Request: req,
	}
}

// always returns a base that reads the request and answers with a status.
func always(status int) baseFunc {
	return func(req *http.Request) (*http.Response, error) {
		if _, err := take(req); err != nil {
			return nil, err
		}
		return respond(req, status, welcome), nil
	}
}

// tracked is a body that records its first Read and its first Close.
type tracked struct {
	io.Reader
	read, closed    chan struct{} // closed by the first Read and the first Close
	onRead, onClose sync.Once
}

func track(r io.Reader) *tracked {
	return &tracked{Reader: r, read: make(chan struct{}), closed: make(chan struct{})}
}

func (b *tracked) Read(p []byte) (int, error) {
	b.onRead.Do(func() { close(b.read) })
	return b.Reader.Read(p)
}

func (b *tracked) Close() error {
	b.onClose.Do(func() { close(b.closed) })
	if c, ok := b.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// has reports whether ch is closed.
func has(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// upload is the body of a request, with the bodies that GetBody gave.
type upload struct {
	text   string
	mu     sync.Mutex
	bodies []*tracked
}

func (u *upload) open() (io.ReadCloser, error) {
	b := track(strings.NewReader(u.text))
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bodies = append(u.bodies, b)
	return b, nil
}

func (u *upload) all() []*tracked {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*tracked(nil), u.bodies...)
}

// post makes a POST whose body records what happens to it. If again is set, the request has GetBody
// and a length; otherwise it has neither.
func (c *check) post(again bool) (*http.Request, *upload) {
	u := &upload{text: question}
	req := c.request(http.MethodPost)
	req.Body, _ = u.open() // open does not fail
	req.ContentLength = -1
	if again {
		req.GetBody, req.ContentLength = u.open, int64(len(u.text))
	}
	return req, u
}

// bothBodies runs a case with GetBody and a case without.
func (c *check) bothBodies(name string, test func(c *check, again bool)) {
	if name != "" {
		name += ", "
	}
	c.sub(name+"GetBody", func(c *check) { test(c, true) })
	c.sub(name+"no GetBody", func(c *check) { test(c, false) })
}

// bothProtocols runs a case over HTTP/1.1 and HTTP/2.
func (c *check) bothProtocols(name string, test func(c *check, http2 bool)) {
	c.sub(name+"HTTP/1.1", func(c *check) { test(c, false) })
	c.sub(name+"HTTP/2", func(c *check) { test(c, true) })
}

// server serves h as https://api.example.com and returns a transport that leads there. A handler
// that waits has to return when c.ctx ends.
func (c *check) server(http2 bool, h http.HandlerFunc) *http.Transport {
	return c.start(http2, c.unstarted(h))
}

func (c *check) start(http2 bool, s *httptest.Server) *http.Transport {
	c.step("a server is started")
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // cases cut connections on purpose
	network, memory := s.Listener.(*memoryListener)
	s.StartTLS()
	base, ok := s.Client().Transport.(*http.Transport)
	if !ok {
		c.fatalf("httptest's transport is a %T", s.Client().Transport)
	}
	if memory {
		base.DialContext = network.dial
	}
	c.cleanup(func() {
		c.step("its connections are closed")
		base.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return base
}

// flush sends what was written so far. It ignores a client that has left.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
