// Package proxy lends the credentials of a pool to programs in any language: a reverse proxy over
// reauth's transport, with a status page and metrics.
//
// It serves the provider's origin path for path: /v1/models of the proxy is /v1/models of the
// provider. Its own paths are "/", "/healthz", "/metrics" and what begins with "/-/"; no API of a
// provider has these.
package proxy

import (
	"context"
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

// Config is what a proxy is made of.
type Config struct {
	Pool     *reauth.Pool
	Provider reauth.Provider
	Upstream *url.URL          // scheme and host of the provider; its path is not used
	Base     http.RoundTripper // nil: NewTransport()
	Logger   *slog.Logger      // nil: silent

	Addr        net.Addr  // where it listens
	Names       []string  // further hosts by which clients reach it
	ClientToken string    // what clients must send; empty: nothing
	BaseURLs    []BaseURL // what users set in their programs, for the page
}

// Proxy is a http.Handler for one provider.
type Proxy struct {
	pool     *reauth.Pool
	provider reauth.Provider
	upstream *url.URL
	baseURLs []BaseURL
	log      *slog.Logger

	guard     *guard
	forward   *httputil.ReverseProxy
	transport http.RoundTripper
	metrics   *metrics
	numbers   http.Handler // /metrics
	decisions decisions
	page      *page
	started   time.Time

	draining atomic.Bool
	forwards atomic.Int64    // requests being forwarded, upgraded connections among them
	stopped  context.Context //nolint:containedctx // of all requests: its end cuts them
	stop     context.CancelFunc
}

// New returns a proxy. It takes the pool's Observe, which must not be used before.
func New(c Config) *Proxy {
	p := &Proxy{
		pool: c.Pool, provider: c.Provider, upstream: c.Upstream, baseURLs: c.BaseURLs, log: c.Logger,
		guard: newGuard(c.Addr, c.Names, c.ClientToken), metrics: newMetrics(c.Pool, c.Provider.Name),
		page: newPage(), started: time.Now(), transport: c.Base,
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
	recovering := reauth.NewRecoveringTransport(authorizedOnly{p.transport}, p.pool)
	recovering.MarkFinal = true
	p.forward = &httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     timed{recovering, p.metrics},
		FlushInterval: -1,
		ErrorHandler:  p.failed,
		ErrorLog:      slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		BufferPool:    &buffers{},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del("Set-Cookie") // it would be a cookie of 127.0.0.1
			return nil
		},
	}
	return p
}

// observe takes in what the transport and the pool do.
func (p *Proxy) observe(ctx context.Context, e reauth.Event) {
	p.metrics.observe(e)
	p.decisions.observe(e)
	callFrom(ctx).observe(e)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d := p.guard.check(r); d != nil {
		p.deny(w, r, d)
		return
	}
	local := p.local(r.URL.Path)
	if r.URL.Path != "/healthz" && !p.guard.admits(r, local != nil) {
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

// local returns what serves a path of the proxy's own, or nil.
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

func (p *Proxy) serveLocal(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.deny(w, r, &denial{http.StatusMethodNotAllowed, deniedMethod, "this path is the proxy's own and only to be read"})
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	serve(w, r)
}

// serveHealth says whether the proxy takes requests. It tells nothing else and needs no token.
func (p *Proxy) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if p.draining.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("stopping\n")) // a prober that has gone needs no answer
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// serveForward sends the request to the provider and tells of it afterwards, also when it was cut.
func (p *Proxy) serveForward(w http.ResponseWriter, r *http.Request) {
	p.forwards.Add(1)
	p.metrics.inFlight.Inc()
	c, a, start := &call{}, &answer{ResponseWriter: w}, time.Now()
	defer func() {
		cut := recover() // net/http's way to cut an answer in the middle
		if cut != nil {
			c.note("cut")
		}
		p.metrics.inFlight.Dec()
		p.metrics.ended(a.status)
		p.tell(r, c, a, time.Since(start))
		p.forwards.Add(-1)
		if cut != nil {
			panic(cut)
		}
	}()
	p.forward.ServeHTTP(a, r.WithContext(withCall(r.Context(), c)))
}

// tell logs a request: one line, nothing of its query, headers or body.
func (p *Proxy) tell(r *http.Request, c *call, a *answer, took time.Duration) {
	c.mu.Lock()
	attrs := []slog.Attr{
		slog.String("method", bounded(r.Method, 20)), slog.String("path", bounded(r.URL.Path, 200)), slog.Int("status", a.status),
		slog.Int64("bytes", a.bytes), slog.Duration("took", took.Round(time.Microsecond)), slog.Int("attempts", c.attempts),
	}
	for _, s := range []struct{ name, value string }{{"credential", c.id}, {"verdict", c.verdict}, {"trouble", c.what}} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.name, s.value))
		}
	}
	c.mu.Unlock()
	level := slog.LevelInfo
	if a.status >= 500 || a.status == 0 {
		level = slog.LevelWarn
	}
	p.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// deny refuses a request and tells of it.
func (p *Proxy) deny(w http.ResponseWriter, r *http.Request, d *denial) {
	p.metrics.denied.WithLabelValues(d.code).Inc()
	p.log.LogAttrs(r.Context(), slog.LevelWarn, "request denied", slog.String("method", bounded(r.Method, 20)),
		slog.String("path", bounded(r.URL.Path, 200)), slog.Int("status", d.status), slog.String("reason", d.code))
	writeDenial(w, d)
}

// writeDenial answers in the envelope that OpenAI's clients read; others show it as text.
func writeDenial(w http.ResponseWriter, d *denial) {
	type content struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	body, err := json.Marshal(map[string]content{"error": {Message: "reauth proxy: " + d.message, Type: "reauth_proxy_error", Code: d.code}})
	if err != nil {
		panic(err) // strings are always JSON
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d.status < 500 {
		w.Header().Set("X-Should-Retry", "false")
	}
	w.WriteHeader(d.status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}

func bounded(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// base is the first of the base URLs, the one for an error message.
func (p *Proxy) base() (string, bool) {
	if len(p.baseURLs) == 0 {
		return "", false
	}
	return p.baseURLs[0].URL, true
}

// wayIn tells how a credential gets into the store.
func wayIn(pr reauth.Provider) string {
	if pr.Refresher != nil {
		return "run: reauth login " + pr.Name + ", or for an API key: reauth add " + pr.Name + " --key-stdin"
	}
	return "run: reauth add " + pr.Name + " --key-stdin"
}

// buffers are those of answers on their way through.
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

// ErrNoCredential is returned by Check when the pool has no credential of the provider.
var ErrNoCredential = errors.New("no credential")

// Check returns an error matching ErrNoCredential, which names the way out, when the pool has none
// of the provider.
func Check(pool *reauth.Pool, pr reauth.Provider) error {
	for _, s := range pool.Status() {
		if s.Provider == pr.Name {
			return nil
		}
	}
	return &noCredentialError{pr}
}

type noCredentialError struct{ provider reauth.Provider }

func (e *noCredentialError) Error() string {
	return "reauth: proxy: the store holds no credential of " + e.provider.Name + "; " + wayIn(e.provider)
}

func (e *noCredentialError) Is(target error) bool { return target == ErrNoCredential }
