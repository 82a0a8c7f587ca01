package reauthtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"
)

// lifecycleObligations returns what a transport owes in contexts, errors, connections and
// goroutines.
func lifecycleObligations() []Obligation {
	return []Obligation{
		{
			Name:   "errors_of_the_base_are_kept",
			Duty:   "errors.Is finds the error of a failed send in the error that RoundTrip returns.",
			Why:    "Programs decide by that error: a refused connection, an unknown host, a bad certificate.",
			Source: "net/http: http.Client returns the error inside a url.Error, which unwraps to it.",
			check:  checkBaseErrors,
		},
		{
			Name: "context_ends_the_request",
			Duty: "When the caller's context ends, RoundTrip returns an error that errors.Is matches to the " +
				"context's error, and in which url.Error finds a time-out.",
			Why:    "By this error a program tells its own time-out from trouble at the server.",
			Source: "http.NewRequestWithContext; url.Error.Timeout asks the error it wraps.",
			check:  checkContextErrors,
		},
		{
			Name: "context_governs_body_reads",
			Duty: "The caller can read the answer's body until it closes the body or its context ends.",
			Why:  "A transport's own context that ends with RoundTrip cuts the body off: “context canceled”.",
			Source: `http.Request.Context: "For outgoing client requests, the context controls the entire lifetime ` +
				`of a request and its response: obtaining a connection, sending the request, and reading the ` +
				`response headers and body."`,
			check: checkContextOfBody,
		},
		{
			Name: "connection_is_used_again",
			Duty: "When an answer was read and closed, its connection serves the next request.",
			Why:  "Each new connection costs a TCP and a TLS handshake, and a port.",
			Source: `http.Client.Do: "If the Body is not both read to EOF and closed, the Client's underlying ` +
				`RoundTripper (typically Transport) may not be able to re-use a persistent TCP connection"`,
			check: checkConnectionReuse,
		},
		{
			Name: "idle_connections_are_closed",
			Duty: "CloseIdleConnections closes the idle connections of the base.",
			Why: "http.Client.CloseIdleConnections calls this method of its transport, and does nothing if there is " +
				"none. Then nobody can close the connections under a wrapper.",
			Source: `http.Client.CloseIdleConnections: "If Client.Transport does not have a CloseIdleConnections ` +
				`method then this method does nothing."`,
			check: checkIdleConnections,
		},
		{
			Name:   "nothing_runs_when_all_is_closed",
			Duty:   "When every answer is closed, no goroutine of the transport is left.",
			Why:    "An http.RoundTripper has no Close. A goroutine that it leaves behind runs until the program ends.",
			Source: "net/http: the interface has one method; an exchange ends with the Body of its answer.",
			check:  checkNothingRuns,
		},
	}
}

// checkContextValues expects the context of the caller at the base.
func checkContextValues(c *check) {
	type key struct{}
	for _, status := range []int{200, 401} {
		c.sub(fmt.Sprint("answered ", status), func(c *check) {
			var got atomic.Int32
			ctx := context.WithValue(c.ctx, key{}, "the caller's")
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { got.Add(1) }})
			base := c.server(false, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
			rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
				if out.Context().Value(key{}) == nil {
					c.failf("a value of the caller's context is not there")
				}
				return base.RoundTrip(out)
			}))
			if resp, _ := c.roundTrip(rt, c.request(http.MethodGet).WithContext(ctx)); resp != nil && resp.Body != nil {
				c.text(resp)
			}
			if got.Load() == 0 {
				c.failf("the caller's httptrace hook was not called")
			}
		})
	}
}

// checkCancel expects Cancel to end a request that the base would not end.
func checkCancel(c *check) {
	c.bothBodies("", func(c *check, again bool) {
		cancel, reached := make(chan struct{}), make(chan struct{})
		rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			_, _ = take(out)
			close(reached)
			select {
			case <-canceled(out):
			case <-out.Context().Done():
			}
			return nil, context.Canceled
		}))
		req, _ := c.post(again)
		//lint:ignore SA1019 http.Client sets it on transports it does not know
		req.Cancel = cancel //nolint:staticcheck // http.Client sets it on transports it does not know
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			defer func() { _ = recover() }() // other obligations report a panic
			if resp, _ := rt.RoundTrip(req); resp != nil && resp.Body != nil {
				_ = resp.Body.Close()
			}
		}()
		c.step("the base is waited for")
		if !c.comes(reached) {
			c.failf("the base was not reached")
		}
		close(cancel)
		c.step("Cancel was closed")
		if !c.within(c.patience/4, returned) {
			c.failf("Cancel was closed, and nothing ended")
			c.end()
			<-returned
		}
	})
}

func checkBaseErrors(c *check) {
	c.bothBodies("", func(c *check, again bool) {
		lost := fmt.Errorf("connection lost: %w", io.ErrUnexpectedEOF)
		rt := c.wrapped(baseFunc(func(out *http.Request) (*http.Response, error) {
			_, _ = take(out)
			return nil, lost
		}))
		req, _ := c.post(again)
		if _, err := c.roundTrip(rt, req); !errors.Is(err, lost) {
			c.failf("the base's error was %q, RoundTrip returned %v", lost, err)
		}
	})
}

func checkContextErrors(c *check) {
	hangs := baseFunc(func(out *http.Request) (*http.Response, error) {
		_, _ = take(out)
		<-out.Context().Done()
		return nil, out.Context().Err()
	})
	for name, test := range map[string]struct {
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		want    error
		timeout bool
	}{
		"canceled": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(20*time.Millisecond, cancel)
				return ctx, cancel
			},
			want: context.Canceled,
		},
		"canceled before": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, cancel
			},
			want: context.Canceled,
		},
		"timed out": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 20*time.Millisecond)
			},
			want: context.DeadlineExceeded, timeout: true,
		},
	} {
		c.bothBodies(name, func(c *check, again bool) {
			rt := c.wrapped(hangs)
			ctx, end := test.ctx(c.ctx)
			defer end()
			req, _ := c.post(again)
			c.step("the context of a request ends")
			resp, err := (&http.Client{Transport: rt}).Do(req.WithContext(ctx))
			if err == nil {
				_ = resp.Body.Close()
			}
			if !errors.Is(err, test.want) {
				c.failf("the context's error is %q, http.Client returned %v", test.want, err)
			}
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() != test.timeout {
				c.failf("Timeout says %t of %v", !test.timeout, err)
			}
		})
	}
}

func checkContextOfBody(c *check) {
	for _, status := range []int{200, 401} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			c.bothProtocols(fmt.Sprint(method, " answered ", status, " over "), func(c *check, http2 bool) {
				const early, late = 100 << 10, "later"
				more := make(chan struct{})
				base := c.server(http2, func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(status)
					_, _ = w.Write(bytes.Repeat([]byte("x"), early)) // more than a transport reads ahead
					flush(w)
					select {
					case <-more:
					case <-c.ctx.Done():
					}
					_, _ = io.WriteString(w, late)
					flush(w)
					<-c.ctx.Done()
					panic(http.ErrAbortHandler) // a regular end could still reach the client
				})
				ctx, cancel := context.WithCancel(c.ctx)
				defer cancel()
				resp := c.of(status, c.wrapped(base), c.request(method).WithContext(ctx))
				close(more)
				c.step("the body is read after RoundTrip has returned")
				if n, err := io.ReadFull(resp.Body, make([]byte, early+len(late))); err != nil {
					c.fatalf("the body broke off after %d bytes, after RoundTrip had returned: %v", n, err)
				}
				cancel()
				c.step("the context was canceled, and the body is read")
				if _, err := resp.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
					c.failf("the context was canceled, and the body goes on (%v)", err)
				}
			})
		}
	}
}

func checkConnectionReuse(c *check) {
	const requests, allowed = 10, 2
	for _, status := range []int{200, 401, 403, 503} {
		c.sub(fmt.Sprint("answered ", status), func(c *check) {
			var connections atomic.Int32
			s := c.unstarted(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, strings.Repeat("x", 300))
			})
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			rt := c.wrapped(c.start(false, s))
			for range requests {
				req, _ := c.post(true)
				if resp, _ := c.roundTrip(rt, req); resp != nil && resp.Body != nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
			if got := connections.Load(); got > allowed {
				c.failf("%d requests, one after the other, took %d connections", requests, got)
			}
		})
	}
}

// idler is a base that counts the calls of CloseIdleConnections.
type idler struct {
	baseFunc
	closed atomic.Int32
}

func (b *idler) CloseIdleConnections() { b.closed.Add(1) }

func checkIdleConnections(c *check) {
	base := &idler{baseFunc: always(200)}
	client := http.Client{Transport: c.wrapped(base)}
	client.CloseIdleConnections()
	if base.closed.Load() == 0 {
		c.failf("the base's CloseIdleConnections is not called")
	}
}

// label marks the goroutines of a case. A goroutine inherits it from the goroutine that starts it.
const label = "reauthtest.RoundTripper"

// checkNothingRuns looks for goroutines that RoundTrip started and that still run.
func checkNothingRuns(c *check) {
	mark := fmt.Sprintf("%p", c)
	fails := func(out *http.Request) (*http.Response, error) {
		_, _ = take(out)
		return nil, io.ErrUnexpectedEOF
	}
	pprof.Do(c.ctx, pprof.Labels(label, mark), func(context.Context) {
		for _, base := range []baseFunc{always(200), always(401), always(503), fails} {
			for _, again := range []bool{true, false} {
				rt := c.wrapped(base)
				ctx, cancel := context.WithCancel(c.ctx) // nobody cancels before the case ends
				c.cleanup(cancel)
				req, _ := c.post(again)
				if resp, _ := c.roundTrip(rt, req.WithContext(ctx)); resp != nil && resp.Body != nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		}
		c.step("goroutines of the transport are waited for")
		left := ""
		for range 100 { // gives time to goroutines that are about to end
			if left = goroutines(mark); left == "" {
				return
			}
			c.within(c.patience/200, c.ctx.Done())
		}
		c.failf("goroutines are left:\n%s", left)
	})
}

// goroutines returns the stacks of the goroutines with a mark, but not the stack of the caller.
func goroutines(mark string) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return err.Error()
	}
	var left []string
	for _, stack := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(stack, mark) && !strings.Contains(stack, "reauthtest.goroutines") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
