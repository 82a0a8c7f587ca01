// Package reauthtest provides a fake LLM provider for tests, as net/http/httptest provides a fake
// server. The provider has an API, which refuses as the APIs of real providers do. It has a token
// endpoint, which rotates refresh tokens and ends a login whose refresh token is used twice. And it
// has an authorization server, where programs log in by the flows that real providers have.
//
//	fake := reauthtest.New(reauthtest.XAI)
//	pool := reauth.NewPool()
//	err := fake.Use(pool) // else a refresh goes to the real vendor
//	access, refresh := fake.Login()
//	fake.Expire(access)
//	base := fake.Transport() // in memory; or fake.Start() for a real server
//
// The transport under test is reauth.NewRecoveringTransport(base, pool), and its pool has the login.
//
// TestRoundTripper checks any transport that wraps another one against the contract of
// http.RoundTripper, as testing/fstest checks a file system.
//
// The package needs nothing but the standard library and package reauth.
package reauthtest

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Dialect is a family of providers. It decides how a Provider's API looks and how it refuses.
type Dialect uint8

// The dialects.
const (
	XAI       Dialect = iota // refuses an expired token with 403 and "unauthenticated:bad-credentials"
	OpenAI                   // 401 and "token_expired"
	Anthropic                // 401 and "authentication_error"; API keys go into x-api-key
	Gemini                   // 401 and "UNAUTHENTICATED", for a key 400 and "API_KEY_INVALID"; keys in x-goog-api-key
)

// Provider is a fake provider. Make one with New. While it serves, its fields are changed in Change
// only; its methods may be called at any time.
type Provider struct {
	Dialect Dialect

	// TokenLatency is how long the token endpoint takes to answer. It decides what to answer at the
	// end of that time.
	TokenLatency time.Duration
	// APILatency is how long the API takes to answer.
	APILatency time.Duration
	// PublishDelay is how long the API still refuses a new access token.
	PublishDelay time.Duration
	// Lifetime is what the token endpoint says in expires_in; zero means an hour. A token really
	// expires by Expire only, unless Punctual is set.
	Lifetime time.Duration
	// Punctual makes the API refuse access tokens at the end of their lifetime.
	Punctual bool
	// OmitExpiry leaves expires_in out of the token endpoint's answers.
	OmitExpiry bool
	// Skew is how far the server's stamps are ahead of the clock: Date headers and the exp of
	// tokens.
	Skew time.Duration
	// JWT makes access tokens JSON Web Tokens with an exp claim. Their signature is not valid.
	JWT bool
	// Reusable keeps refresh tokens: the token endpoint does not rotate them.
	Reusable bool
	// RefuseNew makes the API refuse the access tokens of every further exchange.
	RefuseNew bool
	// RefuseEarly makes the API refuse without reading the request's body.
	RefuseEarly bool
	// GitHubLifetime is how long GitHub's tokens (ghu_…) live. Then each comes with a refresh token
	// (ghr_…), which rotates. Zero: they live on, and none comes with them.
	GitHubLifetime time.Duration
	// ApproveAfter is how long the authorization server takes to consent to a login by itself.
	// Zero: it waits for Approve, or for a person on its pages.
	ApproveAfter time.Duration
	// CodeLifetime is how long a login waits for consent. Zero means 15 minutes.
	CodeLifetime time.Duration
	// Interval is how often a program may ask for the outcome of a login. Zero means 5 seconds.
	Interval time.Duration
	// Refuse is asked before anything else of the API, unless it is nil. When it returns an answer,
	// such as a recorded refusal, the API gives that one.
	Refuse func(r *http.Request, token string) *Answer

	mu       sync.Mutex
	logins   []*login
	access   map[string]*token
	refresh  map[string]*login // every refresh token ever issued
	faults   []Fault
	requests []Request
	asked    int
	granted  int
	reused   int
	asks     []*ask
	polls    int
	hasty    int
	clients  map[string]string // secrets by client id
	trusts   []Trust
	subjects map[string]int // how often a subject token was taken, for each that was ever issued
}

// login is a family of tokens.
type login struct {
	current string // the refresh token that may be used
	dead    bool
	way     way
	device  string    // that Kimi knows it by
	base    string    // of the API that takes its tokens; empty: any
	renewal string    // the refresh token of GitHub's that may be used; then current is the token that mints
	ends    time.Time // when that token ends; zero: never
}

// token is an access token or an API key.
type token struct {
	of     *login // nil for an API key
	state  state
	from   time.Time // the API accepts it from then on
	ends   time.Time // when it says that it expires; zero if it says nothing
	until  time.Time // when its quota comes back; zero if nobody knows
	useful bool

	account string // of a personal access token
	fedRAMP bool   // the account is of that environment
}

type state uint8

const (
	live state = iota
	expired
	exhausted
	forbidden
	blocked
)

// Answer is an answer of the API.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request is one request to the provider's API, as the provider saw it.
type Request struct {
	Method, Path string
	Token        string // as the client sent it
	Status       int
	Bytes        int64 // of the body, as far as the provider read it
	Header       http.Header
}

// New returns a provider of that dialect that knows no token yet.
func New(d Dialect) *Provider {
	return &Provider{
		Dialect: d, access: make(map[string]*token), refresh: make(map[string]*login),
		clients: make(map[string]string), subjects: make(map[string]int),
	}
}

// TokenPath is where the token endpoint is.
const TokenPath = "/oauth2/token"

// Start serves the provider on a loopback port until the server is closed.
func (p *Provider) Start() *httptest.Server { return httptest.NewServer(p) }

// ServeHTTP implements http.Handler. TokenPath is the token endpoint. The paths of the real
// providers' logins belong to the authorization server, and all other paths to the API.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(read(p, &p.Skew)).UTC().Format(http.TimeFormat))
	if !p.serveAuth(w, r) {
		p.serveAPI(w, r)
	}
}

// Change lets f change the fields while the provider serves. A request whose answer has begun may
// still be answered as before. f must call no method of the provider: it would wait for itself.
func (p *Provider) Change(f func(p *Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// read reads a field, which Change may change meanwhile. The caller does not hold p.mu.
func read[T any](p *Provider, field *T) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *field
}

// Login makes a new login and returns its tokens.
func (p *Provider) Login() (access, refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := new(login)
	p.logins = append(p.logins, l)
	return p.issue(l, true)
}

// LoginAt is Login at a provider with several hosts, such as Nous. The API takes the tokens at the host of
// base only, an https URL, and the token endpoint names base in inference_base_url.
func (p *Provider) LoginAt(base string) (access, refresh string) {
	access, refresh = p.Login()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh[refresh].base = base
	return access, refresh
}

// LoginGitHub makes a new login at GitHub and returns its token, for which Copilot's are minted. With
// GitHubLifetime it returns the token that renews it, too.
func (p *Provider) LoginGitHub() (token, refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &login{way: github}
	p.logins = append(p.logins, l)
	p.issueGitHub(l)
	return l.current, l.renewal
}

// issueGitHub gives l a new token of GitHub's. p.mu is held.
func (p *Provider) issueGitHub(l *login) {
	l.current = "ghu_" + rand.Text()
	p.refresh[l.current] = l
	if p.GitHubLifetime > 0 {
		l.renewal, l.ends = "ghr_"+rand.Text(), time.Now().Add(p.GitHubLifetime)
		p.refresh[l.renewal] = l
	}
}

// ExpireGitHub makes GitHub refuse the tokens that it has given so far, as at the end of their lifetime.
// Those that renew them stay good.
func (p *Provider) ExpireGitHub() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.logins {
		if l.way == github {
			l.ends = time.Now()
		}
	}
}

// Move gives the login of a refresh token another base, as LoginAt does.
func (p *Provider) Move(refresh, base string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.refresh[refresh]; l != nil {
		l.base = base
	}
}

// issue makes a pair of tokens for l. p.mu is held.
func (p *Provider) issue(l *login, useful bool) (access, refresh string) {
	access, refresh = p.newAccess(), "rt-"+rand.Text()
	p.access[access] = &token{of: l, useful: useful, ends: time.Now().Add(p.lifetime())}
	l.current = refresh
	p.refresh[refresh] = l
	return access, refresh
}

// AddKey makes the API accept a static key.
func (p *Provider) AddKey(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[key] = &token{useful: true}
}

// AddPersonalToken makes the API accept a personal access token of a ChatGPT workspace, which begins with
// "at-". The authorization server tells its account at /api/accounts/v1/user-auth-credential/whoami, and
// the API answers a request without that account in ChatGPT-Account-Id with a page. With fedRAMP it does
// so without "X-OpenAI-Fedramp: true", too.
func (p *Provider) AddPersonalToken(key, account string, fedRAMP bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[key] = &token{useful: true, account: account, fedRAMP: fedRAMP}
}

// Expire makes the API refuse access tokens, or keys, as expired. Without arguments it is all of
// them, as for the methods below.
func (p *Provider) Expire(tokens ...string) { p.set(expired, time.Time{}, tokens) }

// Exhaust makes the API refuse tokens because their quota is used up until then. The zero time
// means that the API does not say until when.
func (p *Provider) Exhaust(until time.Time, tokens ...string) { p.set(exhausted, until, tokens) }

// Forbid makes the API refuse tokens for want of an entitlement.
func (p *Provider) Forbid(tokens ...string) { p.set(forbidden, time.Time{}, tokens) }

// Block makes the API refuse tokens because their account is gone for good.
func (p *Provider) Block(tokens ...string) { p.set(blocked, time.Time{}, tokens) }

// Restore makes the API accept tokens again.
func (p *Provider) Restore(tokens ...string) { p.set(live, time.Time{}, tokens) }

func (p *Provider) set(s state, until time.Time, tokens []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, t := range p.access {
		if len(tokens) == 0 || slices.Contains(tokens, text) {
			t.state, t.until = s, until
		}
	}
}

// Revoke ends logins, each named by one of its refresh tokens, present or past. The token endpoint
// refuses them from now on, and the API refuses their access tokens as expired.
func (p *Provider) Revoke(refresh ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range refresh {
		if l := p.refresh[r]; l != nil {
			p.kill(l)
		}
	}
}

// kill ends a login. p.mu is held.
func (p *Provider) kill(l *login) {
	l.dead = true
	for _, t := range p.access {
		if t.of == l {
			t.state = expired
		}
	}
}

// Alive reports whether a login can still be refreshed. refresh is any of its refresh tokens,
// present or past.
func (p *Provider) Alive(refresh string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.refresh[refresh]
	return l != nil && !l.dead
}

// Current reports whether refresh is the token with which its login can be refreshed now, or one of the
// two where GitHub's tokens expire.
func (p *Provider) Current(refresh string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.refresh[refresh]
	return l != nil && !l.dead && (l.current == refresh || l.renewal == refresh)
}

// Requests returns what the API has seen so far, in the order in which it answered.
func (p *Provider) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Exchanges returns how often the token endpoint has answered with new tokens.
func (p *Provider) Exchanges() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.granted
}

// TokenRequests returns how many requests the token endpoint has got, whatever it answered.
func (p *Provider) TokenRequests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Reuses returns how often somebody used a refresh token that had been used before. The token
// endpoint ended the login each time.
func (p *Provider) Reuses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reused
}

// sentToken returns the credential of a request, from the header where the dialect has it.
func (p *Provider) sentToken(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); p.Dialect == Anthropic && key != "" {
		return key
	}
	if key := r.Header.Get("X-Goog-Api-Key"); p.Dialect == Gemini && key != "" {
		return key
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return value
}
