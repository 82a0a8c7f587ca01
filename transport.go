// Package reauth keeps an HTTP client of an LLM provider working when its credential stops working.
//
// [NewRecoveringTransport] returns an [http.RoundTripper] to be put under an SDK: it adds the
// credential, reads the provider's refusals, refreshes the credential and replays the request once
// with the new token, or goes on with the next credential of the [Pool]. The program above sees the
// answer it asked for, or the provider's own refusal, intact.
//
// # Where to begin
//
// A program that uses the logins of the command reauth opens its file, and gives the client to its
// SDK with any API key:
//
//	path, err := reauth.DefaultStorePath()
//	if err != nil { … }
//	pool, err := reauth.OpenPool(ctx, reauth.NewFileStore(path))
//	if err != nil { … }
//	defer pool.Close()
//	pool.Logger = slog.Default()
//	transport := reauth.NewRecoveringTransport(nil, pool)
//	client := &http.Client{Transport: transport}
//
// These are the parts, by task:
//
//   - Credentials: [Pool.Add] for a key or a login, [Pool.AddSource] for what a command
//     ([CommandSource]), a file ([FileSource]) or an identity service ([TokenExchangeSource]) gives,
//     [Follow] for the login of another program. [NewPool] is for API keys and tests only, because it
//     forgets renewed logins.
//   - Stores: [NewFileStore] on one host, [NewSQLStore] on many, [NewSealedStore] over either.
//   - One request: [WithCredential], [WithAffinity], [WithoutCredential].
//   - What happened: Logger and Observe of [Pool], [Pool.Status], [ReasonNames].
//   - Without HTTP: [Pool.Token] and [Pool.Report], [Classify] and [ClassifyError].
//   - A provider of one's own: [Provider], [Pool.Register], [LookupProvider].
//   - Logins inside a program: package [github.com/reauth-go/reauth/login].
//   - Tests: package [github.com/reauth-go/reauth/reauthtest].
//
// # The life of a request
//
//	RoundTrip ── provider by URL ── none, or no credential ──► Base, untouched
//	   │
//	   ├─ the body is made replayable: by GetBody if there is one, else it is
//	   │  kept while it is sent, up to a cap
//	   ├─ the pool picks a credential; one about to expire is refreshed in the
//	   │  background, an expired one first
//	   ├─ a clone is authorized and goes to Base
//	   ├─ could the answer be a refusal? peek a bounded prefix and classify it
//	   │     pass      ─► return it as it came
//	   │     rejected  ─► refresh, one exchange for all requests that wait
//	   │                  ─► replay once with the new token;
//	   │                  not refreshable, refresh refused, or rejected again
//	   │                  ─► put aside, switch to the next credential
//	   │     dead      ─► retire it, switch
//	   │     exhausted ─► put aside until the provider's reset time, as a whole
//	   │                  or for one model, switch
//	   │     forbidden ─► no refresh; about an entitlement up to two other
//	   │                  credentials are tried, about content or the place
//	   │                  none, else one; then return it as it came
//	   │     (a request about objects of one account is never switched: see
//	   │     Provider.BoundPaths)
//	   └─ no credential left to try ─► the last refusal (the first forbidden
//	      one, if any), body intact
//
// # What it promises
//
// It never invents a failure: an error comes from Base, is the caller's own context, or tells that
// Provider.Authorize panicked. A mark on a credential only changes which one is preferred; with none in
// good standing the one that recovers soonest is used all the same.
//
// A refresh token is spent once: under the store's lock, after re-reading it, by one holder at a
// time, and whoever waits for it may leave without stopping it.
//
// Credentials go to their own hosts only, over https, and to nobody else: see Provider.Hosts. A
// redirect to another host does not carry them along. A redirect into a provider's host gets one only
// when the provider itself has sent it, and all redirects before it: http.Client tells that by
// Request.Response. Over plain http a redirect counts as the provider's only within one origin.
//
// A request that gets no credential is sent as its caller made it; the event [PassedThrough] tells why.
//
// A panic in a function that the program has given (the handler of Pool.Logger, Pool.Observe, a
// Refresher, a Store, the functions of a Provider, Classifier, GetBody, the Read of a body) ends
// nothing but that call, whichever goroutine it is in. The function counts as failed: where it returns
// an error, the panic is one; a classifier and MayRefuse leave the answer to what is asked next, and
// what Authorize was to sign is not sent. An event, [Panicked], names the function, and the log has the
// stack. Base alone is different: it is called as it would be without the transport, and its panic goes
// on, after what was open has been closed.
//
// RoundTrip bends one sentence of http.RoundTripper's contract, as [golang.org/x/oauth2] does: it
// handles authentication. A cookie set by a refusal that was replaced by a replay never reaches a
// cookie jar: the client sees the last answer only.
package reauth

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/rewind"
)

// RecoveringTransport is an http.RoundTripper that adds credentials and recovers from their
// refusal. Its fields must not change after first use; the zero value passes everything through to
// http.DefaultTransport. It is safe for concurrent use, and must not be copied after first use.
type RecoveringTransport struct {
	Base http.RoundTripper // nil: http.DefaultTransport
	Pool *Pool             // nil: everything passes through

	// Classifier is asked first about an answer that may be a refusal; false leaves it to
	// Provider.Classify, then to the generic rules. body is the decoded beginning of the answer's
	// body, at most 64 KiB.
	Classifier func(provider string, resp *http.Response, body []byte) (Verdict, bool)

	// MaxBodyBuffer is how many bytes of a request body without GetBody are kept for a replay. A
	// longer body is sent all the same and cannot be replayed: its refusal is returned, and the
	// credential refreshed for the next request. 0: 32 MiB, negative: never keep.
	MaxBodyBuffer int64

	// MaxBodyMemory is how many bytes all bodies together take up that are kept for a replay. A body
	// that does not fit is sent all the same and cannot be replayed, like one that is too long. Large
	// bodies that are uploaded side by side would otherwise take up MaxBodyBuffer each. 0: 256 MiB,
	// negative: never keep.
	MaxBodyMemory int64

	// MaxAttempts bounds the sends per request, replays included. 0: each credential in good
	// standing once, and once more after its refresh, at most 32. 1: never replay; a refresh still
	// happens for the next request.
	MaxAttempts int

	// MarkFinal adds "X-Should-Retry: false" to refusals that no quick retry can help: dead,
	// forbidden, rejected beyond refresh, exhausted without a reset within a minute. The official
	// SDKs of OpenAI and Anthropic obey it.
	MarkFinal bool

	kept rewind.Budget // of the bodies that are kept now
}

// NewRecoveringTransport returns a transport over base with the credentials of pool. Either may be
// nil.
func NewRecoveringTransport(base http.RoundTripper, pool *Pool) *RecoveringTransport {
	return &RecoveringTransport{Base: base, Pool: pool}
}

var _ http.RoundTripper = (*RecoveringTransport)(nil)

// String names the transport and its pool.
func (t *RecoveringTransport) String() string {
	if t.Pool == nil {
		return "reauth.RecoveringTransport"
	}
	return "reauth.RecoveringTransport(" + t.Pool.String() + ")"
}

// Format prints String under any verb and flag.
func (t *RecoveringTransport) Format(f fmt.State, _ rune) { show(f, t.String()) }

// LogValue is what slog shows.
func (t *RecoveringTransport) LogValue() slog.Value { return slog.StringValue(t.String()) }

// base resolves the default of Base.
func (t *RecoveringTransport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

const (
	defaultBodyBuffer = 32 << 20
	defaultBodyMemory = 256 << 20
	defaultAttempts   = 32
)

// maxBodyBuffer resolves the default of MaxBodyBuffer, in bytes.
func (t *RecoveringTransport) maxBodyBuffer() int64 {
	if t.MaxBodyBuffer == 0 {
		return defaultBodyBuffer
	}
	return t.MaxBodyBuffer
}

// maxBodyMemory resolves the default of MaxBodyMemory, in bytes.
func (t *RecoveringTransport) maxBodyMemory() int64 {
	if t.MaxBodyMemory == 0 {
		return defaultBodyMemory
	}
	return t.MaxBodyMemory
}

// maxAttempts resolves the default of MaxAttempts.
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

// RoundTrip sends req with a credential of the pool and recovers from a refusal, as the package
// comment tells. The request is not modified. An answer that was obtained is returned with a nil
// error, whatever its status; its Request is req.
func (t *RecoveringTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Pool == nil || req == nil || req.URL == nil {
		return t.base().RoundTrip(req)
	}
	d := newDestination(req.URL)
	g, ok := t.Pool.table().lookup(&d)
	if !ok {
		return t.withoutProvider(req, &d)
	}
	if d.mayBeDiverted(req) {
		t.Pool.tellLack(req, lack{reason: unknownHost, provider: g.name, diverted: true}, &d, nil)
		return t.passThrough(req, &d)
	}
	now := time.Now()
	t.Pool.checkStore(req.Context(), now) // also without a credential: another process may have added one
	c := call{t: t, req: req, group: g, dest: d, route: routingFrom(req.Context())}
	if c.route.own {
		return t.passThrough(req, &d)
	}
	c.stray = req.Response != nil && t.Pool.strays(req, g)
	if !c.mayHaveOne(now) {
		return c.without()
	}
	c.provider = g.provider.Load()
	var body io.ReadCloser
	c.route, body = g.bind(c.provider, req, &d, c.route)
	c.instead(body)
	if g.asksTopic(c.provider, now) {
		c.route.about, body = readTopic(t.Pool, c.provider, c.req)
		c.instead(body)
	}
	if c.req == req {
		return c.send(now)
	}
	resp, err := c.send(now)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// instead has a body sent in the place of the request's, which has been read; nil: it was not.
func (c *call) instead(body io.ReadCloser) {
	if body == nil {
		return
	}
	read := *c.req
	read.Body = body
	c.req = &read
}

// call is one request for a provider that has credentials.
type call struct {
	t        *RecoveringTransport
	req      *http.Request
	group    *group
	provider *registered
	dest     destination
	route    routing
	stray    bool // a redirect has led it here from elsewhere
}

// mayHaveOne reports whether the request may get a credential, as far as that is known before one is
// chosen.
func (c *call) mayHaveOne(now time.Time) bool {
	if c.stray {
		return false
	}
	if c.group.size.Load() == 0 {
		c.t.Pool.awaitLook(c.req.Context(), now)
	}
	return c.group.size.Load() > 0
}

// send sends the request with a credential. It does what a success needs; the rest is recovery's.
func (c *call) send(now time.Time) (*http.Response, error) {
	m, try := c.group.choose(&c.dest, now, c.route, nil)
	if m == nil {
		return c.without()
	}
	t := m.tokens.Load()
	if t.due(now) {
		var err error
		if t, err = c.ready(m, t, now); err != nil {
			m.endTry(try)
			return nil, err
		}
		now = time.Now()
	}
	if t.header[0] == "" { // nothing to send, and an empty header would only mislead
		m.endTry(try)
		return c.sendWithAnother(m)
	}
	a, seen := c.newAttempt(), m.marks.Load()
	resp, err := a.send(c.t.base(), m, t, c.provider)
	if err == nil {
		a.noteLimits(c.provider, t, c.route.about, resp, now)
	}
	if err == nil && !m.mayRefuse(c.req.Context(), c.provider, resp) {
		a.release()
		m.served(c.req.Context(), t, resp, now, 1, c.route.about)
		m.endTry(try)
		if c.provider.TrackObjects > 0 {
			c.group.track(c.provider, c.req, resp, m)
		}
		return resp, nil
	}
	r := newRecovery(c, a)
	defer r.end()
	r.now, r.sent, r.seen, r.sends = turn{member: m, tokens: t, try: try}, now, seen, 1
	return r.run(resp, err)
}

// newAttempt makes the request ready to be sent. On a redirect hop it leaves the secrets of other
// hosts behind.
func (c *call) newAttempt() *attempt {
	header := c.req.Header
	if c.req.Response != nil {
		header = c.t.Pool.headerFor(header, &c.dest)
	}
	return newAttempt(c.req, header, bounds{c.t.maxBodyBuffer(), c.t.maxBodyMemory(), &c.t.kept})
}

// ready is member.ready for the request, whose body is closed when its caller has gone.
func (c *call) ready(m *member, t *tokens, now time.Time) (*tokens, error) {
	ctx, stop := callerContext(c.req)
	defer stop()
	t, err := m.ready(ctx, t, now)
	if !isCallerError(err) {
		return t, nil
	}
	closeBody(c.req)
	return nil, err
}

// sendWithAnother goes on when the chosen credential has no access token and none can be had: with
// another one, else as the caller made the request.
func (c *call) sendWithAnother(m *member) (*http.Response, error) {
	tried := []*member{m}
	for {
		next, try := c.group.choose(&c.dest, time.Now(), c.route, tried)
		if next == nil {
			return c.sendWithNewLogin(tried)
		}
		t, err := c.ready(next, next.tokens.Load(), time.Now())
		if err != nil {
			next.endTry(try)
			return nil, err
		}
		tried = append(tried, next)
		if t.cred.AccessToken != "" {
			return c.sendAs(turn{member: next, tokens: t, try: try}, tried)
		}
		next.endTry(try)
	}
}

// sendWithNewLogin goes on when no credential has an access token: with a new login in the place of
// one whose grant is dead, if the program can ask for it, else as the caller made the request.
func (c *call) sendWithNewLogin(tried []*member) (*http.Response, error) {
	ctx, stop := callerContext(c.req)
	defer stop()
	m, t, err := reloginAny(ctx, tried, &c.dest)
	switch {
	case isCallerError(err):
		closeBody(c.req)
		return nil, err
	case m == nil || err != nil || t.cred.AccessToken == "":
		return c.without(tried...)
	}
	return c.sendAs(turn{member: m, tokens: t}, tried)
}

// sendAs sends the request with the tokens of the turn, after others turned out to be none.
func (c *call) sendAs(w turn, tried []*member) (*http.Response, error) {
	r := newRecovery(c, c.newAttempt())
	defer r.end()
	r.tried, r.now = tried, w
	return r.run(r.send())
}

// without sends the request as its caller made it, and tells why it gets no credential. tried are
// the credentials that turned out to have no access token.
func (c *call) without(tried ...*member) (*http.Response, error) {
	if c.t.Pool.observed() {
		l := c.group.lack(c.route, tried)
		if c.stray {
			l = lack{reason: redirected, provider: c.group.name}
		}
		c.t.Pool.tellLack(c.req, l, &c.dest, tried)
	}
	return c.t.passThrough(c.req, &c.dest)
}

// withoutProvider sends a request to a host that no provider has, and tells it.
func (t *RecoveringTransport) withoutProvider(req *http.Request, d *destination) (*http.Response, error) {
	if t.Pool.observed() {
		t.Pool.tellLack(req, t.Pool.strangers(d), d, nil)
	}
	return t.passThrough(req, d)
}

// passThrough sends the request as the caller made it. On a redirect hop the caller's headers come
// along from a host whose credential they may hold: net/http takes Authorization away when the host
// changes, and no other header.
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
