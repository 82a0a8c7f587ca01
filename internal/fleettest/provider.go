// Package fleettest is the choreography of the tests in which many processes share one store:
// worker processes, which are the test binary itself, a provider that watches them, and what is
// done to them. The tests bring the store.
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

// Provider is reauthtest's provider behind a real socket. It rotates refresh tokens, ends a login
// one of whose refresh tokens is used twice, and says that access tokens live for an hour. It keeps
// who has asked the token endpoint for what.
type Provider struct {
	*reauthtest.Provider
	URL string // of the server

	mu     sync.Mutex
	grants []*Grant
	holds  map[string]*Hold // by worker
	served map[string]bool  // access tokens a request has been served with
	news   chan struct{}    // a token is among them that was not before
}

// Grant is one request to the token endpoint.
type Grant struct {
	Worker  string
	Arrived time.Time
	Spent   string // the refresh token sent
	Issued  string // the refresh token given; empty: refused, or not answered yet
}

// workerHeader names the worker in its token requests.
const workerHeader = "X-Fleet-Worker"

// NewProvider serves a provider until the test ends.
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
	body, _ := io.ReadAll(r.Body)           // what was cut off is no grant
	form, _ := url.ParseQuery(string(body)) // nor is what is malformed
	r.Body = io.NopCloser(bytes.NewReader(body))
	g := &Grant{Worker: r.Header.Get(workerHeader), Arrived: time.Now(), Spent: form.Get("refresh_token")}
	p.mu.Lock()
	p.grants = append(p.grants, g)
	hold := p.holds[g.Worker]
	delete(p.holds, g.Worker)
	p.mu.Unlock()
	if hold != nil && !hold.granted && !hold.wait(r.Context()) {
		panic(http.ErrAbortHandler) // the worker has died: nothing was exchanged
	}
	answer := httptest.NewRecorder() // what is in it is known before the worker can have it
	p.Provider.ServeHTTP(answer, r)
	var pair struct {
		RefreshToken string `json:"refresh_token"`
	}
	if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &pair) == nil {
		p.mu.Lock()
		g.Issued = pair.RefreshToken
		p.mu.Unlock()
	}
	if hold != nil && hold.granted && !hold.wait(r.Context()) {
		panic(http.ErrAbortHandler) // the worker has died: the answer is lost
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a worker that has died needs no answer
}

// Grants returns what the token endpoint was asked so far, in the order in which it was.
func (p *Provider) Grants() []Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Grant, 0, len(p.grants))
	for _, g := range p.grants {
		list = append(list, *g)
	}
	return list
}

// Hold keeps one token request waiting.
type Hold struct {
	Arrived chan struct{} // closed when it waits
	release chan struct{}
	granted bool
}

// Hold keeps the worker's next token request waiting: before anything is exchanged, or, granted,
// when the old token is spent and only the answer is missing.
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

// ExpireEvery makes all access tokens expire again and again until ctx ends, and returns how often.
// Tokens that nobody has been served with since the last time are given until somebody is: else how
// many expiries need an exchange would depend on how busy the machine is.
func (p *Provider) ExpireEvery(ctx context.Context, d time.Duration) (expiries int) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return expiries
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			return expiries
		}
		p.Expire()
		expiries++
	}
}
