package reauthtest

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// Transport returns the provider as an http.RoundTripper without sockets. The provider serves every
// request, whatever its host. The transport streams both ways and works inside a bubble of
// testing/synctest.
func (p *Provider) Transport() http.RoundTripper { return InMemory(p) }

// InMemory returns a handler as an http.RoundTripper without sockets.
func InMemory(h http.Handler) http.RoundTripper { return memory{h} }

// memory is the transport of a handler.
type memory struct{ handler http.Handler }

// RoundTrip serves a request in a goroutine, which ends when the handler returns.
func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	in := req.Clone(ctx)
	in.RequestURI, in.RemoteAddr = req.URL.RequestURI(), "memory"
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, pipe := io.Pipe()
	w := &memoryWriter{header: make(http.Header), pipe: pipe, started: make(chan *http.Response, 1), req: req}
	go func() {
		defer cancel(context.Canceled)
		defer in.Body.Close()
		broken := io.ErrUnexpectedEOF // for the client, if the handler panics
		defer func() {
			if r := recover(); r != nil && r != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(r)
			}
			w.end(broken)
		}()
		m.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		broken = nil
	}()
	stop := context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(context.Cause(ctx)) })
	select {
	case resp, ok := <-w.started:
		if !ok {
			stop()
			return nil, io.ErrUnexpectedEOF
		}
		resp.Body = &memoryBody{PipeReader: body, stop: stop, cancel: cancel}
		return resp, nil
	case <-req.Context().Done():
		cancel(context.Cause(req.Context()))
		return nil, context.Cause(req.Context())
	case <-canceled(req):
		cancel(context.Canceled)
		return nil, context.Canceled
	}
}

// canceled returns the Cancel channel of a request.
func canceled(req *http.Request) <-chan struct{} {
	//lint:ignore SA1019 http.Client sets it on transports it does not know
	return req.Cancel //nolint:staticcheck // http.Client sets it on transports it does not know
}

// memoryBody is the body of an answer. Its Close ends the handler's context, because the client is
// done with the answer.
type memoryBody struct {
	*io.PipeReader
	stop   func() bool
	cancel context.CancelCauseFunc
}

func (b *memoryBody) Close() error {
	b.stop()
	err := b.PipeReader.Close()
	b.cancel(context.Canceled)
	return err
}

// memoryWriter is the http.ResponseWriter of the handler.
type memoryWriter struct {
	header  http.Header
	pipe    *io.PipeWriter
	started chan *http.Response
	once    sync.Once
	req     *http.Request
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.started <- &http.Response{
			Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.header.Clone(), ContentLength: -1, Request: w.req,
		}
		close(w.started)
	})
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush does nothing, because a pipe holds nothing back.
func (w *memoryWriter) Flush() {}

// end ends the answer. If broken is not nil, the answer breaks off: before its header or in the
// middle of its body.
func (w *memoryWriter) end(broken error) {
	w.once.Do(func() { close(w.started) })
	_ = w.pipe.CloseWithError(broken) // never fails
}
