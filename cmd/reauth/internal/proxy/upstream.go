package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/vendors"
)

// placeholder is the value that rewrite sets in place of the client's own key. The recovering
// transport replaces it by the credential. It never leaves the process: see authorizedOnly.
const placeholder = "to-be-set-by-reauth"

// NewTransport returns a transport for many requests to one host. It limits dialling and
// handshakes, but not answers, which may take as long as they take; HTTP/2 pings find a connection
// that has died.
//
// It leaves compression to the client: an answer passes through in the encoding that the client has
// asked for.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2: true,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		// As many as there may be clients at once by default: one that has to dial anew waits for
		// it.
		MaxIdleConns:          4096,
		MaxIdleConnsPerHost:   4096,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// rewrite turns a client's request into one for the provider: the same method, path, query and
// body, with another host and without the client's key, cookies and browser headers. ReverseProxy
// has removed X-Forwarded-* and hop-by-hop headers before.
func (b *backend) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	unwrapWhole(out)
	out.URL.Scheme, out.URL.Host, out.Host = b.Upstream.Scheme, b.Upstream.Host, ""
	out.URL.RawQuery = b.query(r.In.URL.RawQuery)
	placed := "Authorization" // the header that gets the placeholder
	for _, name := range keyHeaders() {
		if len(out.Header[name]) > 0 && placed == "Authorization" {
			// The placeholder goes where the client had its key: gateways that serve several APIs
			// tell by that header which of them the request is for.
			placed = name
		}
		out.Header.Del(name)
	}
	out.Header.Set(placed, placeholder)
	// The client's cookies belong to whatever else runs on the proxy's host. The other headers
	// would tell the provider that a browser sent the request, and it may apply CORS to it.
	for _, name := range []string{
		"Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User",
	} {
		out.Header.Del(name)
	}
	withoutKeyProtocol(out.Header)
}

// query returns the raw query without the client's own key, which the clients of some providers put
// there. Elsewhere the names of these parameters may mean something else. query changes nothing
// else, not even the order or the escapes.
func (b *backend) query(raw string) string {
	keys := vendors.Of(b.Provider.Name).Query
	if len(keys) == 0 {
		return raw
	}
	parts := strings.Split(raw, "&")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return slices.Contains(keys, name)
	}), "&")
}

// keyProtocol is the prefix of the websocket subprotocol in which browser clients of OpenAI's
// realtime API send their key, as a browser cannot set the Authorization header of a websocket.
const keyProtocol = "openai-insecure-api-key."

// withoutKeyProtocol removes the subprotocol that holds the client's key, and keeps the others.
func withoutKeyProtocol(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	if !strings.Contains(strings.Join(h[name], ","), keyProtocol) {
		return
	}
	var kept []string
	for protocol := range strings.SplitSeq(strings.Join(h[name], ","), ",") {
		if protocol = strings.TrimSpace(protocol); !strings.HasPrefix(protocol, keyProtocol) {
			kept = append(kept, protocol)
		}
	}
	h.Del(name)
	if len(kept) > 0 {
		h.Set(name, strings.Join(kept, ", "))
	}
}

// errNotAuthorized is the error for a request to which the transport has added no credential.
var errNotAuthorized = errors.New("no credential")

// authorizedOnly refuses to send a request that carries no credential. The provider would reject
// it, and the client could not tell why. It also replaces the texts of errors: see upstreamError.
type authorizedOnly struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper. The placeholder still stands in a request without a
// credential.
func (t authorizedOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, name := range keyHeaders() {
		if slices.Contains(req.Header[name], placeholder) {
			if req.Body != nil {
				// RoundTrip must close the body. Nothing was read from it, so an error loses
				// nothing.
				_ = req.Body.Close()
			}
			return nil, errNotAuthorized
		}
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		err = &upstreamError{describe(err), err}
	}
	return resp, err
}

// CloseIdleConnections closes those of the base, if it can.
func (t authorizedOnly) CloseIdleConnections() { closeIdle(t.base) }

// within refuses to send a request to what another provider has on the same host: below the name of
// a provider its own credentials are spent, and no others.
type within struct {
	base http.RoundTripper
	pool *reauth.Pool
}

// RoundTrip implements http.RoundTripper. An address of nobody is left to the pool, which tells of
// it.
func (t within) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	if owner, ok := t.pool.ProviderFor(req.URL); c != nil && ok && owner.Name != c.backend.Provider.Name {
		if req.Body != nil {
			_ = req.Body.Close() // nothing was read from it
		}
		return nil, errNotAuthorized
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections closes those of the base, if it can.
func (t within) CloseIdleConnections() { closeIdle(t.base) }

// closeIdle closes the idle connections of a transport, if it can.
func closeIdle(t http.RoundTripper) {
	if c, ok := t.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// timed measures how long a refused request takes from its first refusal to its answer.
type timed struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if c := callFrom(req.Context()); c != nil {
		if since, gaveUp := c.refusal(); !since.IsZero() {
			c.backend.metrics.recovered(time.Since(since), err == nil && !gaveUp)
		}
	}
	return resp, err
}

// CloseIdleConnections closes those of the base, if it can.
func (t timed) CloseIdleConnections() { closeIdle(t.base) }

// statusClientGone is what the log and the metrics say when the client went away before there was
// an answer. No client sees it. nginx uses the same number.
const statusClientGone = 499

// deniedStalled is the code of the answer to a request whose body has stopped to come.
const deniedStalled = "body_stalled"

// failed answers a request for which the transport has returned an error. It is the ErrorHandler of
// the ReverseProxy.
func (b *backend) failed(w http.ResponseWriter, r *http.Request, err error) {
	c := callFrom(r.Context())
	switch {
	case errors.Is(err, errNotAuthorized):
		d := b.noCredential()
		c.note(d.code)
		writeDenial(w, d)
	case c != nil && c.body.hasStalled():
		c.note(deniedStalled)
		writeDenial(w, &denial{
			http.StatusRequestTimeout, deniedStalled,
			"nothing of the request's body has come for too long; see --stall-timeout",
		})
	// A stop of the proxy ends the context as well, and then the client is still there.
	case r.Context().Err() != nil && b.p.stopped.Err() == nil:
		c.note("client_gone")
		// Nobody reads this. It sets the status for the log line and the metrics.
		w.WriteHeader(statusClientGone)
	default:
		var known *upstreamError
		what := "the connection failed"
		if errors.As(err, &known) {
			what = known.what
		}
		c.note(what)
		writeDenial(w, &denial{
			http.StatusBadGateway, "upstream_unreachable",
			"the provider at " + b.Upstream.Host + " gave no answer: " + what,
		})
	}
}

// noCredential returns the denial for a request without a credential. Either the store holds none
// of the provider, or none of those it holds is for the request's path.
func (b *backend) noCredential() *denial {
	name := b.Provider.Name
	if slices.ContainsFunc(b.p.pool.Status(), func(s reauth.CredentialStatus) bool { return s.Provider == name }) {
		d := &denial{
			http.StatusNotFound, "not_served",
			"no credential of " + name + " is for this address; see Hosts of the credential",
		}
		if len(b.BaseURLs) > 0 {
			d.message = "no credential of " + name + " is for this path" + b.hint()
		}
		return d
	}
	return &denial{
		http.StatusUnauthorized, "no_credential",
		"the store holds no credential of " + name + " any more; " + wayIn(b.Provider),
	}
}

// upstreamError is an error of the base transport with a text of describe's. The error's own text
// may quote a secret, such as the address of a forward proxy with its password, and this one goes
// to clients, the log and the status page.
type upstreamError struct {
	what string
	err  error
}

func (e *upstreamError) Error() string { return e.what }
func (e *upstreamError) Unwrap() error { return e.err }

// describe says in fixed words why there is no answer from the provider. The order matters: some of
// these errors also time out.
func describe(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return "its name was not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &cert):
		return "its certificate was not accepted"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "time-out"
	case errors.Is(err, context.Canceled):
		return "the proxy is stopping"
	}
	return "the connection failed"
}
