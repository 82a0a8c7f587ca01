// Package fleettest is for tests in which many processes share one store. It has the worker
// processes, which are the test binary itself, a provider that watches them, and what happens to
// them. A test brings the store.
package fleettest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth/reauthtest"
)

// Provider is the provider of reauthtest behind a real socket. It rotates refresh tokens, ends a
// login whose refresh token is used twice, and says that access tokens live for an hour. It records
// every token request.
type Provider struct {
	*reauthtest.Provider
	URL string // of the server

	mu     sync.Mutex
	grants []*Grant
	holds  map[string]*Hold // by worker
	served map[string]bool  // access tokens with which a request was served
	news   chan struct{}    // gets a value when served has a new token
}

// Grant is one request to the token endpoint.
type Grant struct {
	Worker  string
	Arrived time.Time
	Spent   string // the refresh token of the request
	Issued  string // the refresh token of the answer; empty if refused or not answered yet
	Access  string // the access token of the answer
	Reuse   bool   // it was refused, and ended the login, because the refresh token had been used before
}

// workerHeader is the header that names the worker in its token requests.
const workerHeader = "X-Fleet-Worker"

// NewProvider serves a provider on the loopback interface until the test ends.
func NewProvider(t testing.TB, latency time.Duration) *Provider {
	t.Helper()
	fake := reauthtest.New(reauthtest.XAI)
	fake.TokenLatency = latency
	p := &Provider{
		Provider: fake, holds: make(map[string]*Hold), served: make(map[string]bool),
		news: make(chan struct{}, 1),
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == reauthtest.TokenPath {
		p.serveToken(w, r)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	p.Provider.ServeHTTP(seen, r)
	if seen.status != http.StatusOK {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.served[token] {
		p.served[token] = true
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)           // a body that was cut is no grant
	form, _ := url.ParseQuery(string(body)) // nor is a malformed body
	r.Body = io.NopCloser(bytes.NewReader(body))
	g := &Grant{Worker: r.Header.Get(workerHeader), Arrived: time.Now(), Spent: form.Get("refresh_token")}
	p.mu.Lock()
	p.grants = append(p.grants, g)
	hold := p.holds[g.Worker]
	delete(p.holds, g.Worker)
	p.mu.Unlock()
	if hold != nil && !hold.granted && !hold.wait(r.Context()) {
		panic(http.ErrAbortHandler) // the worker has died before the exchange
	}
	answer := httptest.NewRecorder() // so that Issued is known before the worker gets the answer
	p.Provider.ServeHTTP(answer, r)
	var pair struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	_ = json.Unmarshal(answer.Body.Bytes(), &pair) // a refusal has none
	p.mu.Lock()
	g.Issued, g.Access = pair.RefreshToken, pair.AccessToken
	g.Reuse = strings.Contains(answer.Body.String(), "reuse detected")
	p.mu.Unlock()
	if hold != nil && hold.granted && !hold.wait(r.Context()) {
		panic(http.ErrAbortHandler) // the worker has died, and the answer is lost
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a worker that has died needs no answer
}

// Grants returns the token requests so far, in the order in which they arrived.
func (p *Provider) Grants() []Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Grant, 0, len(p.grants))
	for _, g := range p.grants {
		list = append(list, *g)
	}
	return list
}

// Newest returns the tokens of the newest pair of a login, and whether a request was served with
// that access token. access and refresh are a pair of it.
func (p *Provider) Newest(access, refresh string) (newestAccess, newestRefresh string, served bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; i < len(p.grants); i++ {
		if g := p.grants[i]; g.Issued != "" && g.Spent == refresh {
			access, refresh = g.Access, g.Issued
		}
	}
	return access, refresh, p.served[access]
}

// Hold makes one token request wait.
type Hold struct {
	Arrived chan struct{} // closed when the request waits
	release chan struct{}
	granted bool
}

// Hold makes the next token request of a worker wait. If granted is false, it waits before the
// exchange. If granted is true, it waits when the old token is spent and only the answer is
// missing.
func (p *Provider) Hold(worker string, granted bool) *Hold {
	h := &Hold{Arrived: make(chan struct{}), release: make(chan struct{}), granted: granted}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds[worker] = h
	return h
}

// Release lets the token request go on.
func (h *Hold) Release() { close(h.release) }

func (h *Hold) wait(ctx context.Context) bool {
	close(h.Arrived)
	select {
	case <-h.release:
		return true
	case <-ctx.Done():
		return false
	}
}

// ExpireEvery makes all access tokens expire when d has passed since a request was first served with a
// new one, for a time, and longer until it has done so as often as at least fewest says. It returns how
// often. So each expiry needs an exchange, and a token lives long enough for all who share it to learn of
// it, however busy the machine is. On one that is too busy it gives up after patience.
func (p *Provider) ExpireEvery(d, lasts time.Duration, fewest int) (expiries int) {
	enough, late := time.After(lasts), time.After(lasts+patience)
	for {
		end := enough
		if expiries < fewest {
			end = late
		}
		select {
		case <-p.news:
		case <-end:
			return expiries
		}
		select {
		case <-time.After(d):
		case <-end:
			return expiries
		}
		p.Expire()
		expiries++
	}
}

// ExpireServed makes each access token expire when between d and twice d have passed since a request
// was first served with it, until ctx ends, and returns how many. So no token expires while those who
// share it still learn of it, of however many credentials.
func (p *Provider) ExpireServed(ctx context.Context, d time.Duration) (expiries int) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	known := make(map[string]bool) // served before the last tick; whether they have expired
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return expiries
		}
		for token, over := range known {
			if !over {
				p.Expire(token)
				known[token] = true
				expiries++
			}
		}
		p.mu.Lock()
		for token := range p.served {
			if _, ok := known[token]; !ok {
				known[token] = false
			}
		}
		p.mu.Unlock()
	}
}

// Tokens returns all tokens that the provider has issued or was shown.
func (p *Provider) Tokens() (list []string) {
	for _, g := range p.Grants() {
		list = append(list, g.Spent, g.Issued, g.Access)
	}
	return list
}
