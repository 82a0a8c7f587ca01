// Package proxy lends the credentials of a pool to programs in any language. It is a reverse proxy
// over reauth.RecoveringTransport, with a status page and metrics.
//
// It serves the provider's origin path for path: /v1/models of the proxy is /v1/models of the
// provider. Its own paths are "/", "/healthz", "/metrics" and everything below "/-/"; no API of a
// provider has these.
//
// A request passes through these steps:
//
//   - guard refuses requests of web pages and strangers.
//   - rewrite removes the client's own key.
//   - The recovering transport adds a credential, and replays what the provider refuses.
//   - metrics, decisions and the log record what happened.
package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth"
)

// Config is what New needs. Pool, Provider, Upstream and Addr are required.
type Config struct {
	Pool     *reauth.Pool
	Provider reauth.Provider
	Upstream *url.URL          // scheme and host of the provider; its path is not used
	Base     http.RoundTripper // nil: NewTransport()
	Logger   *slog.Logger      // nil: silent

	// BodyMemory is how many bytes of bodies are kept to be sent again, of all requests together; see
	// MaxBodyMemory of reauth.RecoveringTransport. 0: its default; negative: none.
	BodyMemory int64

	TLS         *tls.Config // of the listener; nil: it serves http
	Addr        net.Addr    // where it listens
	Names       []string    // further hosts by which clients reach it
	ClientToken string      // what clients must send; empty: nothing
	BaseURLs    []BaseURL   // what users set in their programs, for the page
}

// Proxy is an http.Handler for one provider. It is safe for concurrent use.
type Proxy struct {
	pool     *reauth.Pool
	provider reauth.Provider
	upstream *url.URL
	baseURLs []BaseURL
	log      *slog.Logger

	secure    *tls.Config // nil: http
	guard     *guard
	forward   *httputil.ReverseProxy
	transport http.RoundTripper
	metrics   *metrics
	// numbers serves /metrics.
	numbers   http.Handler
	decisions decisions
	page      *page
	started   time.Time

	// draining: a stop has begun, and /healthz answers 503.
	draining atomic.Bool
	// forwards counts the requests that are being forwarded. Upgraded connections such as
	// websockets are among them; http.Server.Shutdown does not wait for those.
	forwards atomic.Int64
	// stopped is the parent context of all requests. Its end cuts them.
	stopped context.Context //nolint:containedctx // of the proxy, not of a call
	stop    context.CancelFunc
}

// New returns a proxy. It sets the pool's Observe, so the caller must not have set it and must not
// use the pool before.
func New(c Config) *Proxy {
	p := &Proxy{
		pool: c.Pool, provider: c.Provider, upstream: c.Upstream, baseURLs: c.BaseURLs, log: c.Logger,
		guard: newGuard(c.Addr, c.Names, c.ClientToken), metrics: newMetrics(c.Pool, c.Provider.Name),
		page: newPage(), started: time.Now(), transport: c.Base, secure: c.TLS,
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.transport == nil {
		p.transport = NewTransport()
	}
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.numbers = p.metrics.handler()
	p.pool.Observe = p.observe
	// The layers from the outside in: timed measures the recovery, the recovering transport adds
	// credentials and recovers, authorizedOnly lets nothing out without a credential.
	recovering := reauth.NewRecoveringTransport(authorizedOnly{p.transport}, p.pool)
	recovering.MaxBodyMemory = c.BodyMemory
	// The SDKs would otherwise retry what the transport has found to be final.
	recovering.MarkFinal = true
	p.forward = &httputil.ReverseProxy{
		Rewrite:   p.rewrite,
		Transport: timed{recovering, p.metrics},
		// Flush each write at once: events of a stream must not wait in a buffer.
		FlushInterval: -1,
		ErrorHandler:  p.failed,
		ErrorLog:      slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		BufferPool:    &buffers{},
		ModifyResponse: func(resp *http.Response) error {
			withoutOriginsOwn(resp.Header)
			sandboxed(resp.Header)
			return nil
		},
	}
	return p
}

// observe passes an event of the transport or the pool to the metrics, the status page and the log
// line of the request. The pool calls it from any goroutine.
func (p *Proxy) observe(ctx context.Context, e reauth.Event) {
	p.metrics.observe(e)
	p.decisions.observe(e)
	callFrom(ctx).observe(e)
}

// ServeHTTP implements http.Handler. It checks the guard's rules and the client token, then serves
// a path of its own or forwards the request. /healthz needs no token, because orchestrators probe
// it without one.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d := p.guard.check(r); d != nil {
		p.deny(w, r, d)
		return
	}
	if c := connFrom(r.Context()); c != nil && c.spare && r.URL.Path != "/healthz" {
		w.Header().Set("Retry-After", "1")
		p.deny(w, r, &denial{
			http.StatusServiceUnavailable, deniedBusy, "all connections have requests under way; see --max-connections",
		})
		return
	}
	local := p.local(r.URL.Path)
	if r.URL.Path != "/healthz" && !p.guard.admits(r, local != nil) {
		// A browser asks its user for a password when it is challenged for Basic. A program should
		// not be: its SDK sends the token as a key.
		challenge := `Bearer realm="reauth proxy"`
		if local != nil {
			challenge = `Basic realm="reauth proxy: any name, the client token as password", charset="UTF-8"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		p.deny(w, r, &denial{http.StatusUnauthorized, deniedToken, "this proxy wants its client token as the API key"})
		return
	}
	if local != nil {
		p.serveLocal(w, r, local)
		return
	}
	p.serveForward(w, r)
}

// local returns the handler for a path of the proxy's own. It returns nil for a path to forward.
func (p *Proxy) local(path string) http.HandlerFunc {
	switch {
	case path == "/":
		return p.servePage
	case path == "/healthz":
		return p.serveHealth
	case path == "/metrics":
		return p.numbers.ServeHTTP
	case path == "/-/status":
		return p.serveStatus
	case strings.HasPrefix(path, "/-/"):
		return p.page.serveAsset
	}
	return nil
}

// serveLocal serves one of the proxy's own paths, to GET and HEAD only. Answers change all the time
// and may name accounts, so no cache may keep them.
func (p *Proxy) serveLocal(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.deny(w, r, &denial{
			http.StatusMethodNotAllowed, deniedMethod, "this path is the proxy's own and only to be read",
		})
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	leave(w, r)
	serve(w, r)
}

// serveHealth answers 200 while the proxy takes requests, and 503 once it is stopping, so that a
// load balancer sends no more. It reveals nothing else, since it needs no token.
func (p *Proxy) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if p.draining.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		// A prober that has gone needs no answer.
		_, _ = w.Write([]byte("stopping\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// serveForward forwards the request to the provider, then counts and logs it. It does so also for a
// request that ends in a panic.
func (p *Proxy) serveForward(w http.ResponseWriter, r *http.Request) {
	p.forwards.Add(1)
	p.metrics.inFlight.Inc()
	c, start := &call{body: bodyOf(w, r)}, time.Now()
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
		p.metrics.inFlight.Dec()
		p.metrics.ended(a.status)
		p.tell(r, c, a, time.Since(start))
		p.forwards.Add(-1)
		if cut != nil {
			panic(cut)
		}
	}()
	r = r.WithContext(withCall(r.Context(), c))
	if c.body != nil {
		r.Body = c.body
	}
	p.forward.ServeHTTP(a, r)
}

// bodyOf returns the body of r with the deadline of its connection for each read, or nil if r has none.
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
func (p *Proxy) tell(r *http.Request, c *call, a *answer, took time.Duration) {
	c.mu.Lock()
	attrs := []slog.Attr{
		slog.String("method", bounded(r.Method, 20)), slog.String("path", bounded(r.URL.Path, 200)),
		slog.Int("status", a.status), slog.Int64("bytes", a.bytes),
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

// deny answers a request that the proxy itself refuses, and counts and logs it.
func (p *Proxy) deny(w http.ResponseWriter, r *http.Request, d *denial) {
	p.metrics.denied.WithLabelValues(d.code).Inc()
	p.log.LogAttrs(r.Context(), slog.LevelWarn, "request denied", slog.String("method", bounded(r.Method, 20)),
		slog.String("path", bounded(r.URL.Path, 200)), slog.Int("status", d.status), slog.String("reason", d.code))
	leave(w, r)
	writeDenial(w, d)
}

// writeDenial writes a denial as JSON in the form of OpenAI's errors. Its SDKs show the message to
// their user; other clients show the body as text. For a status below 500, X-Should-Retry keeps the
// SDKs of OpenAI and Anthropic from trying again in vain.
func writeDenial(w http.ResponseWriter, d *denial) {
	type content struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	body, err := json.Marshal(map[string]content{"error": {
		Message: "reauth proxy: " + d.message, Type: "reauth_proxy_error", Code: d.code,
	}})
	if err != nil {
		// A struct of strings always encodes.
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d.status < 500 {
		w.Header().Set("X-Should-Retry", "false")
	}
	w.WriteHeader(d.status)
	// A client that has gone needs no answer.
	_, _ = w.Write(append(body, '\n'))
}

// bounded cuts s to n bytes and marks the cut.
func bounded(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// base returns the first of the base URLs, for error messages. It is false when the proxy has none.
func (p *Proxy) base() (string, bool) {
	if len(p.baseURLs) == 0 {
		return "", false
	}
	return p.baseURLs[0].URL, true
}

// wayIn returns the command that gets a credential of the provider into the store.
func wayIn(pr reauth.Provider) string {
	if pr.Refresher != nil {
		return "run: reauth login " + pr.Name + ", or for an API key: reauth add " + pr.Name + " --key-stdin"
	}
	return "run: reauth add " + pr.Name + " --key-stdin"
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

// ErrNoCredential is matched by the error of Check.
var ErrNoCredential = errors.New("no credential")

// Check returns an error if the pool has no credential of the provider. The error matches
// ErrNoCredential and names the command that adds one.
func Check(pool *reauth.Pool, pr reauth.Provider) error {
	for _, s := range pool.Status() {
		if s.Provider == pr.Name {
			return nil
		}
	}
	return &noCredentialError{pr}
}

// noCredentialError is the error of Check.
type noCredentialError struct{ provider reauth.Provider }

func (e *noCredentialError) Error() string {
	return "reauth: proxy: the store holds no credential of " + e.provider.Name + "; " + wayIn(e.provider)
}

func (e *noCredentialError) Is(target error) bool { return target == ErrNoCredential }
