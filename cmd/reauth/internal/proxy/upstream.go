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
)

// placeholder stands in the header in which the client had its own key: the transport puts the
// credential there. It never leaves the process; see authorizedOnly.
const placeholder = "to-be-set-by-reauth"

// NewTransport returns a transport for many requests to one host that take as long as they take.
// Answers stay compressed as the client asked for, and a connection that has died is noticed by
// pings and not by a time limit on answers.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
		WriteBufferSize:       32 << 10,
		ReadBufferSize:        32 << 10,
	}
}

// rewrite turns a client's request into the provider's: same method, path, query and body, another
// host, and nothing that is the client's own affair. X-Forwarded-* and hop-by-hop headers are gone
// when it is called.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host, out.Host = p.upstream.Scheme, p.upstream.Host, ""
	out.URL.RawQuery = p.query(r.In.URL.RawQuery)
	placed := "Authorization"
	for _, name := range keyHeaders() {
		if len(out.Header[name]) > 0 && placed == "Authorization" {
			placed = name // gateways of several dialects are told by it which one is meant
		}
		out.Header.Del(name)
	}
	out.Header.Set(placed, placeholder)
	// Cookies of 127.0.0.1 belong to whatever else runs there.
	for _, name := range []string{"Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"} {
		out.Header.Del(name)
	}
	withoutKeyProtocol(out.Header)
}

// query takes the client's own key out of a query where the provider's clients may put one.
func (p *Proxy) query(raw string) string {
	if p.provider.Name != "gemini" && p.provider.Name != "vertex" {
		return raw
	}
	parts := strings.Split(raw, "&")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return name == "key" || name == "access_token"
	}), "&")
}

// keyProtocol begins the websocket subprotocol in which clients of OpenAI's realtime API may send
// their key.
const keyProtocol = "openai-insecure-api-key."

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

// errNotAuthorized is a request that the transport had no credential for.
var errNotAuthorized = errors.New("no credential")

// authorizedOnly keeps requests that carry no credential from leaving: they would be refused by the
// provider, for a reason that the client could not guess.
type authorizedOnly struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t authorizedOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, name := range keyHeaders() {
		if slices.Contains(req.Header[name], placeholder) {
			if req.Body != nil {
				_ = req.Body.Close() // nothing was read from it
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

// CloseIdleConnections closes the base's, if it can.
func (t authorizedOnly) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// timed measures how long a refused request takes to recover.
type timed struct {
	base    http.RoundTripper
	metrics *metrics
}

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if c := callFrom(req.Context()); c != nil {
		if since, gaveUp := c.refusal(); !since.IsZero() {
			t.metrics.recovered(time.Since(since), err == nil && !gaveUp)
		}
	}
	return resp, err
}

// statusClientGone is for the log and the metrics: the client went away before there was an answer.
const statusClientGone = 499

// failed answers a request for which there is no answer.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	c := callFrom(r.Context())
	switch {
	case errors.Is(err, errNotAuthorized):
		d := p.noCredential()
		c.note(d.code)
		writeDenial(w, d)
	case r.Context().Err() != nil && p.stopped.Err() == nil:
		c.note("client_gone")
		w.WriteHeader(statusClientGone) // nobody reads it
	default:
		var known *upstreamError
		what := "the connection failed"
		if errors.As(err, &known) {
			what = known.what
		}
		c.note(what)
		writeDenial(w, &denial{http.StatusBadGateway, "upstream_unreachable", "the provider at " + p.upstream.Host + " gave no answer: " + what})
	}
}

// noCredential says why the transport had none.
func (p *Proxy) noCredential() *denial {
	if slices.ContainsFunc(p.pool.Status(), func(s reauth.CredentialStatus) bool { return s.Provider == p.provider.Name }) {
		d := &denial{http.StatusNotFound, "not_served", "no credential of " + p.provider.Name + " is for this address; see Hosts of the credential"}
		if base, ok := p.base(); ok {
			d.message = "no credential of " + p.provider.Name + " is for this path; the base URL to set is " + base
		}
		return d
	}
	return &denial{http.StatusUnauthorized, "no_credential", "the store holds no credential of " + p.provider.Name + " any more; " + wayIn(p.provider)}
}

// upstreamError says what kept an answer away in words of ours, wherever it is shown: the error's
// own text may quote what is secret, such as the address of a proxy with its password.
type upstreamError struct {
	what string
	err  error
}

func (e *upstreamError) Error() string { return e.what }
func (e *upstreamError) Unwrap() error { return e.err }

// describe names what kept an answer away.
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
