// Package proxy lends the credentials of a pool to programs in any language. It is a reverse proxy
// over reauth.RecoveringTransport, with a status page and metrics.
//
// It serves a provider's origin path for path: /v1/models of the proxy is /v1/models of the
// provider. Of several providers, each is below its name: /anthropic/v1/models. The proxy's own
// paths are "/", "/healthz", "/metrics" and everything below "/-/"; no API of a provider has these.
//
// A request passes through these steps:
//
//   - guard refuses requests of web pages and strangers.
//   - route finds the provider, by the first segment of the path where there are several.
//   - rewrite removes the client's own key.
//   - The recovering transport adds a credential, and replays what the provider refuses.
//   - metrics, decisions and the log record what happened.
package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/statusjson"
)

// Config is what New needs. Pool, Backends and Addrs are required.
type Config struct {
	Pool     *reauth.Pool
	Backends []Backend         // the providers; a single one is at the root too
	Base     http.RoundTripper // nil: NewTransport()
	Logger   *slog.Logger      // nil: silent
	Story    io.Writer         // gets the story of each request; nil: nobody does
	// Source returns what gives the token of a credential, for the status; nil: nobody knows.
	Source func(reauth.CredentialStatus) *statusjson.Source

	// BodyMemory is how many bytes of bodies are kept to be sent again, of all requests together;
	// see MaxBodyMemory of reauth.RecoveringTransport. 0: its default; negative: none. Bodies of up
	// to 16 KiB do not count.
	BodyMemory int64
	// MarkFinal keeps SDKs from repeating what no retry can help; see reauth.RecoveringTransport.
	MarkFinal bool
	Affinity  Affinity

	TLS         *tls.Config // of the TCP listeners; nil: they serve http
	Addrs       []net.Addr  // where it listens
	Names       []string    // further hosts by which clients reach it
	ClientToken string      // what clients must send; empty: nothing
}

// Proxy is an http.Handler for one provider or several. It is safe for concurrent use.
type Proxy struct {
	pool     *reauth.Pool
	backends []*backend
	byName   map[string]*backend // by each of their names
	log      *slog.Logger
	story    io.Writer // nil: nobody reads the stories
	source   func(reauth.CredentialStatus) *statusjson.Source

	secure    *tls.Config // nil: http
	guard     *guard
	affinity  *affinity
	transport http.RoundTripper // of all backends, with recovery
	// keepsBodies: small bodies may be read before they are sent.
	keepsBodies bool
	registry    *prometheus.Registry
	// own are the metrics of what belongs to no backend. With one backend they are its own.
	own *metrics
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
		pool: c.Pool, byName: make(map[string]*backend), log: c.Logger, story: c.Story, source: c.Source, page: newPage(),
		guard: newGuard(c.Addrs, c.Names, c.ClientToken), started: time.Now(), secure: c.TLS,
		keepsBodies: c.BodyMemory >= 0,
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.carry(c)
	p.registry = newRegistry()
	for _, b := range c.Backends {
		p.add(b)
	}
	p.own = p.backends[0].metrics
	if len(p.backends) > 1 {
		p.own = newOwnMetrics(p.registry)
	}
	p.numbers = promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{})
	p.pool.Observe = p.observe
	return p
}

// carry makes the transport that all backends share, and with it the memory for bodies. The layers
// from the outside in: timed measures the recovery, within keeps to the provider, the recovering
// transport adds credentials and recovers, authorizedOnly lets nothing out without a credential.
func (p *Proxy) carry(c Config) {
	base := c.Base
	if base == nil {
		base = NewTransport()
	}
	recovering := reauth.NewRecoveringTransport(authorizedOnly{base}, p.pool)
	recovering.MarkFinal = c.MarkFinal
	p.affinity, recovering.MaxBodyMemory = newAffinity(c.Affinity, c.BodyMemory)
	p.transport = timed{within{recovering, p.pool}}
}

// observe passes an event of the transport or the pool to the metrics, the status page and the log
// line of the request. The pool calls it from any goroutine.
func (p *Proxy) observe(ctx context.Context, e reauth.Event) {
	p.metricsOf(e.Provider).observe(e)
	p.decisions.observe(e)
	c := callFrom(ctx)
	c.observe(e)
	p.narrate(c, e)
}

// ServeHTTP implements http.Handler. It checks the guard's rules and the client token, then serves
// a path of its own or forwards the request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local := p.local(r.URL.Path)
	if d := p.denies(w, r, local != nil); d != nil {
		p.deny(w, r, d)
		return
	}
	if local != nil {
		p.serveLocal(w, r, local)
		return
	}
	b, prefix, d := p.route(r)
	if d != nil {
		p.deny(w, r, d)
		return
	}
	b.serve(w, r, prefix)
}

// denies returns why a request is refused, or nil, and sets what the answer's header has beside it.
// /healthz needs no token and no room, because orchestrators probe it.
func (p *Proxy) denies(w http.ResponseWriter, r *http.Request, local bool) *denial {
	if d := p.guard.check(r); d != nil || r.URL.Path == "/healthz" {
		return d
	}
	if c := connFrom(r.Context()); c != nil && c.spare {
		w.Header().Set("Retry-After", "1")
		return &denial{
			http.StatusServiceUnavailable, deniedBusy, "all connections have requests under way; see --max-connections",
		}
	}
	if p.guard.admits(r, local) {
		return nil
	}
	// A browser asks its user for a password when it is challenged for Basic. A program should
	// not be: its SDK sends the token as a key.
	challenge := `Bearer realm="reauth proxy"`
	if local {
		challenge = `Basic realm="reauth proxy: any name, the client token as password", charset="UTF-8"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	return &denial{http.StatusUnauthorized, deniedToken, "this proxy wants its client token as the API key"}
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
	case path == "/-/status.json":
		return p.serveStatusJSON
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

// deny answers a request that the proxy itself refuses, and counts and logs it.
func (p *Proxy) deny(w http.ResponseWriter, r *http.Request, d *denial) {
	p.own.denied.WithLabelValues(d.code).Inc()
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

// wayIn returns the command that gets a credential of the provider into the store.
func wayIn(pr reauth.Provider) string {
	if pr.Refresher != nil {
		return "run: reauth login " + pr.Name + ", or for an API key: reauth add " + pr.Name + " --key-stdin"
	}
	return "run: reauth add " + pr.Name + " --key-stdin"
}

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
