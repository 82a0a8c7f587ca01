package recordtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// tokenURL is the token endpoint of all processes.
const tokenURL = testrig.TokenURL

// pair names a pair of tokens: the number of its login, and how often that was refreshed.
type pair struct{ login, number int }

func (n pair) String() string { return fmt.Sprintf("login %d pair %d", n.login, n.number) }

// provider is what is known of the fake provider, beside what it knows itself.
type provider struct {
	mu       sync.Mutex      // guards what follows
	names    map[string]pair // of access tokens and refresh tokens
	newest   map[int]string  // refresh token, by login
	ended    map[int]bool    // logins
	inFlight map[string]*process
	env      reauth.Credential
	until    map[string]time.Time // when refusals of a kind end
	calm     bool                 // nothing is refused any more

	one sync.Mutex // held while the provider decides about an exchange
}

// newLogin makes a new login at the provider.
func (w *world) newLogin() reauth.Credential {
	access, refresh := w.fake.Login()
	v := &w.provider
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.names == nil {
		v.names, v.newest, v.ended = make(map[string]pair), make(map[int]string), make(map[int]bool)
	}
	n := pair{login: len(v.newest) + 1}
	v.names[access], v.names[refresh], v.newest[n.login] = n, n, refresh
	c := reauth.Credential{Provider: providerName, ID: id, AccessToken: access, RefreshToken: refresh}
	if hash(w.seed, "environment", "", n.login)%2 == 0 {
		v.env = c
	}
	return c
}

// environment returns the pair that processes have in their environment, if there is one.
func (v *provider) environment() reauth.Credential {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.env
}

// nameOf returns the name of a token.
func (v *provider) nameOf(token string) pair {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.names[token]
}

// newestOf returns the newest refresh token of a login, and whether the login lives.
func (v *provider) newestOf(login int) (token string, alive bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newest[login], !v.ended[login]
}

// refuseFor makes the API refuse for a while.
func (v *provider) refuseFor(how string, d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil {
		v.until = make(map[string]time.Time)
	}
	v.until[how] = time.Now().Add(d)
}

// calmDown ends all refusals.
func (v *provider) calmDown() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calm = true
}

// refuse is reauthtest.Provider.Refuse.
func (w *world) refuse(*http.Request, string) *reauthtest.Answer {
	v := &w.provider
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	limited := &reauthtest.Answer{Status: http.StatusTooManyRequests, Header: make(http.Header)}
	limited.Body = `{"error":{"type":"rate_limit_error","message":"Rate limit exceeded. Please slow down."}}`
	switch {
	case v.calm:
	case now.Before(v.until[doLimit]):
		limited.Header.Set("Retry-After", strconv.Itoa(int(v.until[doLimit].Sub(now).Seconds())+1))
		return limited
	case now.Before(v.until[doNoReset]):
		return limited
	case now.Before(v.until[doReject]):
		return &reauthtest.Answer{
			Status: http.StatusForbidden,
			Body:   `{"code":"unauthenticated:bad-credentials","error":"The OAuth2 access token could not be validated."}`,
		}
	}
	return nil
}

// base is the network of a process.
type base struct{ p *process }

// RoundTrip implements http.RoundTripper.
func (b *base) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case req.URL.Path == reauthtest.TokenPath:
		return b.exchange(req)
	case req.URL.Host == "api.x.ai":
		return b.ask(req)
	}
	closeBody(req)
	return testrig.Answer(req, http.StatusOK, "{}"), nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing is read from it any more
	}
}

// ask sends a request to the API.
func (b *base) ask(req *http.Request) (*http.Response, error) {
	sent, p := time.Now(), b.p
	if err := p.stop("send"); err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := p.w.fake.Transport().RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := p.stop("answer"); err != nil {
		_ = resp.Body.Close() // nobody reads it
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		p.w.truth.noteRefusal(p, sent, time.Now())
	}
	return resp, nil
}

// exchange sends a request to the token endpoint.
func (b *base) exchange(req *http.Request) (*http.Response, error) {
	p, w := b.p, b.p.w
	again, spent, err := detach(req)
	switch {
	case err != nil:
		return nil, err
	case p.isDead():
		return nil, errDead
	}
	w.beginExchange(p, spent)
	defer w.endExchange(p, spent)
	if err := p.stop("exchange"); err != nil {
		return nil, err
	}
	status, body, err := w.decide(p, spent, again)
	if err != nil {
		return nil, err
	}
	if err := p.stop("exchanged"); err != nil {
		return nil, err
	}
	if err := req.Context().Err(); err != nil {
		w.say("%s has given up waiting for the answer", p.name)
		return nil, err
	}
	var got issued
	if json.Unmarshal([]byte(body), &got) == nil && got.RefreshToken != "" {
		p.knows.minted(got.RefreshToken)
	}
	return testrig.Answer(req, status, body, "Content-Type", "application/json"), nil
}

// detach returns a copy of a token request that nobody cancels, and the refresh token in it.
func detach(req *http.Request) (again *http.Request, spent string, err error) {
	raw, err := io.ReadAll(req.Body)
	closeBody(req)
	if err != nil {
		return nil, "", err
	}
	form, err := url.ParseQuery(string(raw))
	again = req.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(raw))
	return again, form.Get("refresh_token"), err
}

// beginExchange notes that p spends a refresh token.
func (w *world) beginExchange(p *process, token string) {
	v := &w.provider
	name := v.nameOf(token)
	w.say("%s spends %v", p.name, name)
	v.mu.Lock()
	other := v.inFlight[token]
	if v.inFlight == nil {
		v.inFlight = make(map[string]*process)
	}
	v.inFlight[token] = p
	v.mu.Unlock()
	if other != nil && !other.isDead() && w.kind.ClaimLasts == 0 {
		w.breaks("two at once", "%s and %s spend %v", other.name, p.name, name)
	}
}

func (w *world) endExchange(p *process, token string) {
	v := &w.provider
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.inFlight[token] == p {
		delete(v.inFlight, token)
	}
}

// decide lets the provider answer a token request, and notes what it did.
func (w *world) decide(p *process, spent string, req *http.Request) (status int, body string, err error) {
	v := &w.provider
	v.one.Lock()
	defer v.one.Unlock()
	resp, err := w.fake.Transport().RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	name := v.nameOf(spent)
	if resp.StatusCode != http.StatusOK {
		w.refused(p, name)
		return resp.StatusCode, string(raw), nil
	}
	var got issued
	if err := json.Unmarshal(raw, &got); err != nil {
		return 0, "", err
	}
	v.noteIssued(pair{name.login, name.number + 1}, got)
	return resp.StatusCode, string(raw), nil
}

// issued is what the token endpoint answers.
type issued struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

func (v *provider) noteIssued(name pair, got issued) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names[got.AccessToken], v.names[got.RefreshToken] = name, name
	v.newest[name.login] = got.RefreshToken
}

// refused notes that p has spent a pair that was spent before. Its login ends.
func (w *world) refused(p *process, name pair) {
	v := &w.provider
	token, alive := v.newestOf(name.login)
	if !alive {
		return
	}
	v.mu.Lock()
	v.ended[name.login] = true
	v.mu.Unlock()
	w.say("%v was spent before: login %d ends", name, name.login)
	w.judgeReuse(p, name, token)
}
