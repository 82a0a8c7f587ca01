// Package reauth keeps an HTTP client of an LLM provider working when its credential stops working.
//
// NewRecoveringTransport returns an http.RoundTripper to be put under an SDK: it adds the credential, reads the provider's
// refusals, refreshes the credential and replays the request once with the new token, or goes on with the next credential
// of the pool. The program above sees the answer it asked for, or the provider's own refusal, intact.
//
// # The life of a request
//
//	RoundTrip ── provider by URL ── none, or no credential ──► Base, untouched
//	   │
//	   ├─ the body is made replayable: by GetBody if there is one, else it is kept while it is sent, up to a cap
//	   ├─ the pool picks a credential; one about to expire is refreshed in the background, an expired one first
//	   ├─ a clone is authorized and goes to Base
//	   ├─ could the answer be a refusal? peek a bounded prefix and classify it
//	   │     pass      ─► return it as it came
//	   │     rejected  ─► refresh, one exchange for all who wait ─► replay once with the new token;
//	   │                  not refreshable, refresh refused, or rejected again ─► put aside, switch to the next credential
//	   │     dead      ─► retire it, switch
//	   │     exhausted ─► put aside until the provider's reset time, switch
//	   │     forbidden ─► no refresh; one other credential is tried once, else return it as it came
//	   │     (a request for what one account has made is never switched: Provider.BoundPaths)
//	   └─ no credential left to try ─► the last refusal (the first forbidden one, if any), body intact
//
// # What it promises
//
// It never invents a failure: an error comes from Base, or is the caller's own context. A mark on a credential only changes
// which one is preferred; with none in good standing the one that recovers soonest is used all the same.
//
// A refresh token is spent once: under the store's lock, after re-reading it, by one holder at a time, and whoever waits for
// it may leave without stopping it.
//
// Credentials go to their own hosts only, over https, and to nobody else: see Provider.Hosts. A redirect to another host
// does not carry them along.
//
// RoundTrip bends one sentence of http.RoundTripper's contract, as golang.org/x/oauth2 does: it handles authentication.
// A cookie set by a refusal that was replaced by a replay never reaches a cookie jar: the client sees the last answer only.
package reauth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// RecoveringTransport is an http.RoundTripper that adds credentials and recovers from their refusal. Its fields must not
// change after first use; the zero value passes everything through to http.DefaultTransport. It is safe for concurrent use.
type RecoveringTransport struct {
	Base http.RoundTripper // nil: http.DefaultTransport
	Pool *Pool             // nil: everything passes through

	// Classifier is asked first about an answer that may be a refusal; false leaves it to Provider.Classify, then to the
	// generic rules. body is the decoded beginning of the answer's body, at most 64 KiB.
	Classifier func(provider string, resp *http.Response, body []byte) (Verdict, bool)

	// MaxBodyBuffer is how many bytes of a request body without GetBody are kept for a replay. A longer body is sent
	// all the same and cannot be replayed: its refusal is returned, and the credential refreshed for the next request.
	// 0: 32 MiB, negative: never keep.
	MaxBodyBuffer int64

	// MaxAttempts bounds the sends per request, replays included. 0: each credential in good standing once, and once more
	// after its refresh, at most 32. 1: never replay; a refresh still happens for the next request.
	MaxAttempts int

	// MarkFinal adds "X-Should-Retry: false" to refusals that no quick retry can help: dead, forbidden, rejected beyond
	// refresh, exhausted without a reset within a minute. The official SDKs of OpenAI and Anthropic obey it.
	MarkFinal bool
}

// NewRecoveringTransport returns a transport over base with the credentials of pool. Either may be nil.
func NewRecoveringTransport(base http.RoundTripper, pool *Pool) *RecoveringTransport {
	return &RecoveringTransport{Base: base, Pool: pool}
}

var _ http.RoundTripper = (*RecoveringTransport)(nil)

func (t *RecoveringTransport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

const (
	defaultBodyBuffer = 32 << 20
	defaultAttempts   = 32
)

func (t *RecoveringTransport) maxBodyBuffer() int64 {
	if t.MaxBodyBuffer == 0 {
		return defaultBodyBuffer
	}
	return t.MaxBodyBuffer
}

func (t *RecoveringTransport) maxAttempts() int {
	if t.MaxAttempts <= 0 {
		return defaultAttempts
	}
	return t.MaxAttempts
}

// CloseIdleConnections closes Base's, if it can; http.Client looks for this method.
func (t *RecoveringTransport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip sends req with a credential of the pool and recovers from a refusal, as the package comment tells. The request
// is not modified. An answer that was obtained is returned with a nil error, whatever its status; its Request is req.
func (t *RecoveringTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Pool == nil || req == nil || req.URL == nil {
		return t.base().RoundTrip(req)
	}
	d := newDestination(req.URL)
	g, ok := t.Pool.table().lookup(&d)
	if !ok {
		return t.passThrough(req, &d)
	}
	now := time.Now()
	t.Pool.look(req.Context(), now) // also without a credential: somebody else may have added one
	if g.size.Load() == 0 {
		return t.passThrough(req, &d)
	}
	return t.roundTrip(req, g, &d, now)
}

// roundTrip is RoundTrip for a provider with credentials.
func (t *RecoveringTransport) roundTrip(req *http.Request, g *group, d *destination, now time.Time) (*http.Response, error) {
	asked := choiceFrom(req.Context())
	if asked.own {
		return t.passThrough(req, d)
	}
	s := g.spec.Load()
	asked, body := g.bind(s, req, d, asked)
	if body == nil {
		return t.authorized(req, g, s, d, asked, now)
	}
	read := *req
	read.Body = body
	resp, err := t.authorized(&read, g, s, d, asked, now)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// authorized sends a request with a credential. What a success needs is done here; the rest is recovery's.
func (t *RecoveringTransport) authorized(req *http.Request, g *group, s *spec, d *destination, asked choice, now time.Time) (*http.Response, error) {
	ctx := req.Context()
	m := g.choose(d, now, asked, nil)
	if m == nil {
		return t.passThrough(req, d)
	}
	h := m.cur.Load()
	if h.due(now) {
		var err error
		if h, err = m.ready(ctx, canceled(req), h, now); err != nil {
			closeBody(req)
			return nil, err
		}
		now = time.Now()
	}
	if h.bearer == nil { // nothing to send, and an empty header would only mislead
		return t.unusable(req, g, d, asked, m)
	}
	a := t.attempt(req, d)
	resp, err := a.send(t.base(), m, h, s)
	if err == nil && !s.mayRefuse(resp) {
		a.release()
		t.Pool.served(ctx, m, h, resp, now, 1)
		if s.TrackObjects > 0 {
			g.track(s, req, resp, m)
		}
		return resp, nil
	}
	r := t.newRecovery(a, g, s, d, asked)
	defer r.end()
	r.m, r.h, r.sent, r.sends = m, h, now, 1
	return r.run(resp, err)
}

// attempt makes a request ready to be sent. On a redirect hop it goes without the secrets that are not for d.
func (t *RecoveringTransport) attempt(req *http.Request, d *destination) *attempt {
	header := req.Header
	if req.Response != nil {
		header = t.Pool.headerFor(header, d)
	}
	return newAttempt(req, header, t.maxBodyBuffer())
}

// unusable goes on when the chosen credential has no access token and none can be had: with another one, else as the
// caller made the request.
func (t *RecoveringTransport) unusable(req *http.Request, g *group, d *destination, asked choice, m *member) (*http.Response, error) {
	tried := []*member{m}
	for {
		next := g.choose(d, time.Now(), asked, tried)
		if next == nil {
			return t.passThrough(req, d)
		}
		h, err := next.ready(req.Context(), canceled(req), next.cur.Load(), time.Now())
		if err != nil {
			closeBody(req)
			return nil, err
		}
		tried = append(tried, next)
		if h.cred.AccessToken == "" {
			continue
		}
		r := t.newRecovery(t.attempt(req, d), g, g.spec.Load(), d, asked)
		defer r.end()
		r.tried = tried
		return r.run(r.send(next, h))
	}
}

// passThrough sends the request as the caller made it. On a redirect hop the caller's headers come along from a host
// whose credential they may hold: net/http takes Authorization away when the host changes, and no other header.
func (t *RecoveringTransport) passThrough(req *http.Request, d *destination) (*http.Response, error) {
	if req.Response == nil {
		return t.base().RoundTrip(req)
	}
	clone := *req
	if clone.Header = t.Pool.headerFor(req.Header, d); len(clone.Header) == len(req.Header) {
		return t.base().RoundTrip(req)
	}
	resp, err := t.base().RoundTrip(&clone)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// ready returns tokens to send instead of ones that are due: those in hand while they serve, with a renewal in the
// background, and new ones when they have expired. When there are none to be had just now, the expired ones are sent all
// the same: the provider decides, not our clock. Its error is the caller's own context.
func (m *member) ready(ctx context.Context, cancel <-chan struct{}, h *held, now time.Time) (*held, error) {
	if !h.due(now) {
		return h, nil
	}
	if !h.expired(now) {
		_, _, _ = m.join(ctx, h, early) // nobody waits for it
		return h, nil
	}
	next, err := m.renew(ctx, cancel, h, expired)
	var own *callerError
	switch {
	case errors.As(err, &own):
		return nil, err
	case err == nil:
		return next, nil
	}
	return m.cur.Load(), nil
}

// served notes a success and lifts what stood against the credential.
func (p *Pool) served(ctx context.Context, m *member, h *held, resp *http.Response, sent time.Time, attempt int) {
	if s := resp.StatusCode; (s >= 200 && s < 300 || s == http.StatusSwitchingProtocols) && m.acceptedAt(h, sent) {
		p.mark(ctx, m, Standing{At: time.Now(), Of: h.digest})
	}
	if p.observed() {
		p.emit(ctx, Event{Type: Sent, Provider: m.provider, ID: m.id, Status: resp.StatusCode, Attempt: attempt, Duration: time.Since(sent)})
	}
}

// headerFor returns h without the headers that hold a secret of a credential which is not for d: h itself when there is none.
func (p *Pool) headerFor(h http.Header, d *destination) http.Header {
	own := h
	here, _ := p.table().lookup(d) // nobody: nil
	p.groups.Range(func(_, g any) bool {
		for _, m := range g.(*group).snapshot() {
			if g == here && m.serves(d) {
				continue
			}
			for _, name := range m.secretsIn(h) {
				if len(own) == len(h) {
					own = h.Clone()
				}
				delete(own, name)
			}
		}
		return true
	})
	return own
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the error in hand says more
	}
}
