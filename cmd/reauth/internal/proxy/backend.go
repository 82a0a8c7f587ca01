package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// Backend is a provider that the proxy serves.
type Backend struct {
	Provider reauth.Provider
	Upstream *url.URL // scheme and host of the provider; its path is not used
	// Names are the segments below which it is served: its own name, and what else users call it.
	// They are words that no URL escapes.
	Names    []string
	BaseURLs []BaseURL // what users set in their programs
}

// backend is a Backend at work.
type backend struct {
	Backend
	p       *Proxy
	metrics *metrics
	forward *httputil.ReverseProxy
}

// add begins to serve a backend.
func (p *Proxy) add(of Backend) {
	b := &backend{Backend: of, p: p, metrics: newMetrics(p.registry, p.pool, of.Provider.Name)}
	b.forward = &httputil.ReverseProxy{
		Rewrite:   b.rewrite,
		Transport: p.transport,
		// FlushInterval is 0: ReverseProxy flushes each write of an event stream, and of any answer
		// whose length is not known. What has a length is no stream, and goes out with its header
		// in one write.
		ErrorHandler:   b.failed,
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		BufferPool:     &buffers{},
		ModifyResponse: b.modify,
	}
	p.backends = append(p.backends, b)
	for _, name := range of.Names {
		p.byName[name] = b
	}
}

// metricsOf returns the metrics of a provider. What is about none, or about one that the proxy does
// not serve, is the proxy's own.
func (p *Proxy) metricsOf(provider string) *metrics {
	for _, b := range p.backends {
		if b.Provider.Name == provider {
			return b.metrics
		}
	}
	return p.own
}

// modify makes an answer fit for the proxy's origin.
func (b *backend) modify(resp *http.Response) error {
	withoutOriginsOwn(resp.Header)
	sandboxed(resp.Header)
	b.relocate(resp)
	return nil
}

// serve forwards the request to the provider, then counts and logs it. It does so also for a
// request that ends in a panic. prefix is what the path begins with that the provider does not
// know.
func (b *backend) serve(w http.ResponseWriter, r *http.Request, prefix string) {
	p := b.p
	p.forwards.Add(1)
	b.metrics.inFlight.Inc()
	c := &call{backend: b, prefix: prefix, at: originOf(r), body: bodyOf(w, r), start: time.Now()}
	a := &answer{ResponseWriter: w, body: c.body}
	defer func() {
		// ReverseProxy panics with http.ErrAbortHandler when an answer breaks off in the middle.
		// net/http then cuts the connection, so that the client sees that the answer is incomplete.
		// The panic goes on below.
		cut := recover()
		if cut != nil {
			c.note("cut")
		}
		c.body.leave(connFrom(r.Context()))
		b.metrics.inFlight.Dec()
		b.metrics.ended(a.status)
		p.tell(r, c, a)
		p.forwards.Add(-1)
		if cut != nil {
			panic(cut)
		}
	}()
	b.forward.ServeHTTP(a, c.request(r))
}

// originOf returns the proxy's origin, as the client of a request has called it.
func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// request returns what is forwarded of the client's request.
func (c *call) request(r *http.Request) *http.Request {
	if c.body != nil {
		read := *r
		read.Body = c.body
		r = &read
	}
	r = withoutPrefix(r, c.prefix)
	ctx := withCall(r.Context(), c)
	key, ahead := c.backend.p.affinity.of(r)
	if key != "" {
		ctx = reauth.WithAffinity(ctx, key)
	}
	r = r.WithContext(ctx)
	switch {
	case ahead != nil:
		r.Body = ahead
	case c.backend.p.keepsBodies && c.body.isSmall(r):
		c.body.sendWhole(r)
	}
	return r
}

// bodyOf returns the body of r with the deadline of its connection for each read, or nil if r has
// none.
func bodyOf(w http.ResponseWriter, r *http.Request) *body {
	if r.ContentLength == 0 {
		return nil
	}
	b := &body{ReadCloser: r.Body, control: http.NewResponseController(w)}
	if c := connFrom(r.Context()); c != nil {
		b.stall = c.stall
	}
	return b
}

// tell logs one line about a request. It leaves out query, headers and body, which may hold
// secrets, and bounds method and path, which the client chooses.
func (p *Proxy) tell(r *http.Request, c *call, a *answer) {
	took := time.Since(c.start)
	p.narrateEnd(r, c, a, took)
	c.mu.Lock()
	attrs := []slog.Attr{
		slog.String("method", bounded(r.Method, 20)), slog.String("path", bounded(r.URL.Path, 200)),
		slog.String("provider", c.backend.Provider.Name), slog.Int("status", a.status), slog.Int64("bytes", a.bytes),
		slog.Duration("took", took.Round(time.Microsecond)), slog.Int("attempts", c.attempts),
	}
	for _, s := range []struct{ name, value string }{
		{"credential", c.id}, {"verdict", c.verdict}, {"trouble", c.what},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.name, s.value))
		}
	}
	c.mu.Unlock()
	level := slog.LevelInfo
	// Status 0: the connection ended before there was an answer.
	if a.status >= 500 || a.status == 0 {
		level = slog.LevelWarn
	}
	p.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// buffers is the ReverseProxy's pool of copy buffers, so that not every answer allocates its own 32
// KiB.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }
