package reauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// program is a rig all of whose functions are a program's own. The one that breaks names panics.
type program struct {
	*rig
	log    *bytes.Buffer
	breaks atomic.Value // a string
	open   atomic.Int64 // bodies of answers that nobody has closed
	access string       // of its login
}

// newToken is in the panics, and no pool has ever seen it.
const newToken = "new-0123456789abcdefEXAMPLE"

func (p *program) at(function string) {
	if p.breaks.Load() == function {
		panic(struct{ token string }{newToken})
	}
}

// newProgram makes a program over a shared store, with one login and a key.
func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{log: new(bytes.Buffer)}
	pool, err := reauth.OpenPool(context.Background(), breakingStore{reauth.NewMemStore(), p})
	require.NoError(t, err)
	p.rig = newRigOn(t, reauthtest.XAI, pool)
	pool.Observe = func(ctx context.Context, e reauth.Event) {
		p.at("observer")
		p.events.observe(ctx, e)
	}
	pool.Logger = slog.New(breakingHandler{slog.NewTextHandler(p.log, nil), p})
	p.transport.Classifier = func(string, *http.Response, []byte) (reauth.Verdict, bool) {
		p.at("classifier")
		return reauth.Verdict{}, false
	}
	p.transport.Base = p.base(p.transport.Base)
	p.register(t, p.functions(testrig.RefresherAt(t, p.provider, p.fake.Transport())))
	p.access, _ = p.login(t, "me")
	return p
}

// functions are those of a provider.
func (p *program) functions(refresher reauth.Refresher) func(*reauth.Provider) {
	return func(pr *reauth.Provider) {
		pr.Refresher = reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
			p.at("refresher")
			return refresher.Refresh(ctx, c)
		})
		pr.Classify = func(*http.Response, []byte) (reauth.Verdict, bool) {
			p.at("provider-classify")
			return reauth.Verdict{}, false
		}
		pr.MayRefuse = func(resp *http.Response) bool {
			p.at("may-refuse")
			return resp.StatusCode >= 400
		}
		pr.Authorize = func(h http.Header, c reauth.Credential) {
			p.at("authorize")
			h.Set("Authorization", "Bearer "+c.AccessToken)
		}
	}
}

// base reads the request's body first. It panics when it is to send a request after an exchange.
func (p *program) base(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if p.fake.Exchanges() > 0 {
			p.at("base")
		}
		sent, err := io.ReadAll(req.Body)
		_ = req.Body.Close() // a base's duty
		if err != nil {
			return nil, err
		}
		again := req.Clone(req.Context())
		again.Body = io.NopCloser(bytes.NewReader(sent))
		resp, err := next.RoundTrip(again)
		if err == nil {
			p.open.Add(1)
			resp.Body = &breakingBody{ReadCloser: resp.Body, p: p, name: "body"}
		}
		return resp, err
	})
}

// breakingBody is the body of an answer, or of a request.
type breakingBody struct {
	io.ReadCloser
	p    *program
	name string
	once sync.Once
}

func (b *breakingBody) Read(to []byte) (int, error) {
	b.p.at(b.name)
	return b.ReadCloser.Read(to)
}

func (b *breakingBody) Close() error {
	b.once.Do(func() { b.p.open.Add(-1) })
	return b.ReadCloser.Close()
}

// breakingHandler is the handler of a logger.
type breakingHandler struct {
	slog.Handler
	p *program
}

func (h breakingHandler) Handle(ctx context.Context, r slog.Record) error {
	h.p.at("logger")
	return h.Handler.Handle(ctx, r)
}

// breakingStore is a store, each of whose methods panics under a name of its own.
type breakingStore struct {
	reauth.Store
	p *program
}

func (s breakingStore) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	s.p.at("store load")
	return s.Store.Load(ctx, version)
}

func (s breakingStore) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	s.p.at("store update")
	e, err := s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		spend := h.Spend
		h.Spend = func(ctx context.Context, sp reauth.Spending) error {
			s.p.at("store spend")
			return spend(ctx, sp)
		}
		return fn(h)
	})
	s.p.at("store persist")
	return e, err
}

func (s breakingStore) Mark(
	ctx context.Context, provider, id, key string, m reauth.Mark, seen time.Time,
) error {
	s.p.at("store mark")
	return s.Store.Mark(ctx, provider, id, key, m, seen)
}

// refused sends a request with a token that the provider refuses.
func (p *program) refused(t *testing.T) (int, error) {
	t.Helper()
	access, _ := p.current(t)
	p.fake.Expire(access)
	status, _, err := p.post(context.Background())
	return status, err
}

// A function of the program that panics ends nothing but its call: it counts as failed, an event names
// it, and the next request is served. The base's panic goes on, and leaves nothing open.
func TestPanicOfEachFunctionOfTheProgram(t *testing.T) {
	ctx := context.Background()
	withGetBody := func(t *testing.T, p *program) (int, error) {
		p.fake.Expire(p.access)
		req, err := http.NewRequest(http.MethodPost, p.url, strings.NewReader("{}"))
		require.NoError(t, err)
		get := req.GetBody
		req.GetBody = func() (io.ReadCloser, error) {
			p.at("get-body")
			return get()
		}
		status, _, err := p.do(req)
		return status, err
	}
	uploading := func(t *testing.T, p *program) (int, error) {
		body := &breakingBody{ReadCloser: io.NopCloser(strings.NewReader("{}")), p: p, name: "request body"}
		p.open.Add(1)
		req, err := http.NewRequest(http.MethodPost, p.url, body)
		require.NoError(t, err)
		status, _, err := p.do(req)
		return status, err
	}
	refused := func(t *testing.T, p *program) (int, error) { return p.refused(t) }
	refresh := func(_ *testing.T, p *program) (int, error) { return 0, p.pool.Refresh(ctx, p.provider, "me") }
	for name, c := range map[string]struct {
		function string // that panics
		reason   string // of the event; empty: the function
		act      func(t *testing.T, p *program) (int, error)
		status   int    // of the answer; 0: there is none
		err      string // what the error says; empty: there is none
		silent   bool   // the observer is what panics
	}{
		"observer":          {function: "observer", act: refused, status: 200, silent: true},
		"logger":            {function: "logger", act: refused, status: 200},
		"classifier":        {function: "classifier", act: refused, status: 200},
		"Provider.Classify": {function: "provider-classify", act: refused, status: 200},
		"MayRefuse":         {function: "may-refuse", act: refused, status: 200},
		"Authorize": {
			function: "authorize", act: refused, err: "reauth: authorize xai-oauth/me: reauth: authorize panicked",
		},
		"GetBody":                 {function: "get-body", act: withGetBody, status: 403},
		"Refresher, of a request": {function: "refresher", act: refused, status: 403},
		"Refresher, of Refresh":   {function: "refresher", act: refresh, err: "reauth: refresher panicked"},
		"body of an answer":       {function: "body", act: refused, status: 403, err: "the Read of the body panicked"},
		"body of a request":       {function: "request body", reason: "body", act: uploading, err: "the Read of the body panicked"},
		"Store.Update, of a request": {
			function: "store update", reason: "store", act: refused, status: 403,
		},
		"Store.Update, at its end": {function: "store persist", reason: "store", act: refused, status: 200},
		"Spend":                    {function: "store spend", reason: "store", act: refresh, err: "reauth: store panicked"},
		"Store.Update, of Add": {
			function: "store update", reason: "store", err: "reauth: store panicked",
			act: func(_ *testing.T, p *program) (int, error) {
				_, err := p.pool.Add(ctx, reauth.Credential{Provider: p.provider, ID: "new", AccessToken: "key-new"})
				return 0, err
			},
		},
		"Store.Update, of Remove": {
			function: "store update", reason: "store", err: "reauth: store panicked",
			act: func(_ *testing.T, p *program) (int, error) { return 0, p.pool.Remove(ctx, p.provider, "me") },
		},
		"Store.Load, of Reset": {
			function: "store load", reason: "store", err: "reauth: store panicked",
			act: func(_ *testing.T, p *program) (int, error) { return 0, p.pool.Reset(ctx, p.provider, "me") },
		},
		"Store.Load, of a look": {
			function: "store load", reason: "store", status: 200,
			act: func(t *testing.T, p *program) (int, error) {
				time.Sleep(2 * time.Second)
				status, _ := p.mustPost(t)
				synctest.Wait()
				return status, nil
			},
		},
		"Store.Mark": {
			function: "store mark", reason: "store", status: 403,
			act: func(t *testing.T, p *program) (int, error) {
				p.fake.Exhaust(noReset, p.access)
				status, _ := p.mustPost(t)
				synctest.Wait()
				p.fake.Restore(p.access)
				return status, nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProgram(t)
				p.mustPost(t) // served once: its refusal counts
				p.breaks.Store(c.function)
				status, err := c.act(t, p)
				p.breaks.Store("")
				assert.Equal(t, c.status, status)
				if c.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.err)
					assert.NotContains(t, err.Error(), newToken)
				}
				p.assertTold(t, c.function, c.reason, c.silent)
				p.assertWorks(t)
			})
		})
	}
}

// assertTold checks that an event and the log name the function that has panicked.
func (p *program) assertTold(t *testing.T, function, reason string, silent bool) {
	t.Helper()
	if reason == "" {
		reason = function
	}
	assert.NotContains(t, p.log.String(), newToken)
	if function != "logger" {
		assert.Contains(t, p.log.String(), "reason="+reason)
		assert.Contains(t, p.log.String(), "stack=")
	}
	if silent {
		return
	}
	told := p.events.all(reauth.Panicked)
	require.NotEmpty(t, told)
	for _, e := range told {
		assert.Equal(t, reason, e.Reason)
		assert.NotContains(t, shownChain(e.Err), newToken)
		require.ErrorContains(t, e.Err, "reauth: "+reason+" panicked")
	}
}

// assertWorks checks that nothing is left locked, open or running, and that everything works again.
func (p *program) assertWorks(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	assert.Zero(t, p.open.Load(), "bodies are open")
	time.Sleep(10 * time.Minute)
	for range 2 {
		status, _ := p.mustPost(t)
		assert.Equal(t, 200, status)
	}
	require.NoError(t, p.pool.Refresh(ctx, p.provider, "me"))
	require.NoError(t, p.pool.Reset(ctx, p.provider, "me"))
	status, err := p.refused(t)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Zero(t, p.status(t, "me").InFlight)
	assert.Zero(t, p.open.Load(), "bodies are open")
	p.key(t, "another", "key-another")
	require.NoError(t, p.pool.Remove(ctx, p.provider, "another"))
	require.NoError(t, p.pool.Close())
}

// The base is the program's own, and called by its own goroutine: its panic goes on, as it would without
// a transport of ours. The refusal that was kept is closed, and so is the body of the request.
func TestPanicOfTheBaseGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t)
		p.mustPost(t)
		p.fake.Refuse = func(_ *http.Request, token string) *reauthtest.Answer {
			if token != p.access {
				return nil
			}
			return &reauthtest.Answer{Status: 401, Body: `{"error":{"code":"token_expired"}}` + strings.Repeat(" ", 1<<20)}
		}
		body := &breakingBody{ReadCloser: io.NopCloser(strings.NewReader("{}")), p: p, name: "request body"}
		p.open.Add(1)
		req, err := http.NewRequest(http.MethodPost, p.url, body)
		require.NoError(t, err)
		p.breaks.Store("base")
		assert.PanicsWithValue(t, struct{ token string }{newToken}, func() { _, _ = p.transport.RoundTrip(req) })
		p.breaks.Store("")
		p.assertWorks(t)
	})
}

// An observer may end the goroutine that saves a pair which the store could not take, or the one that
// writes forward what the store lacks. The saving goes on: a login is at stake.
func TestObserverThatEndsTheSavingStopsNoSaving(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.pool.Observe = func(_ context.Context, e reauth.Event) {
			if e.Type == reauth.StoreFailed {
				runtime.Goexit()
			}
		}
		store.fail("persist", errors.New("disk full"))
		r.fake.Expire(old)
		r.mustPost(t)
		time.Sleep(5 * time.Second)
		store.fail("persist", nil)
		time.Sleep(5 * time.Second)
		access, refresh := r.current(t)
		stored := reauth.Record(t, store.Store, r.provider, "me").Credential
		assert.NotEqual(t, old, access)
		assert.Equal(t, []string{access, refresh}, tokens(stored))
	})
}

// A request's body is looked through for objects by the caller's goroutine. A panic in it costs the
// account that the object belongs to, and nothing else.
func TestPanicWhileTheBodyIsLookedThrough(t *testing.T) {
	r := trackingRig(t, 100, map[string]string{"POST /v1/responses": `{"id":"resp_%d","object":"response"}`})
	r.send(t, "POST", "/v1/responses", `{"model":"example"}`)
	breaks := &program{rig: r}
	breaks.breaks.Store("request body")
	for function, getBody := range map[string]func() (io.ReadCloser, error){
		"get-body": func() (io.ReadCloser, error) { panic(newToken) },
		"body": func() (io.ReadCloser, error) {
			return &breakingBody{ReadCloser: io.NopCloser(strings.NewReader("{}")), p: breaks, name: "request body"}, nil
		},
	} {
		req, err := http.NewRequest(http.MethodPost, "https://api.openai.com/v1/responses", strings.NewReader(`{"a":"resp_1"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.GetBody = getBody
		_, _, _ = r.do(req) // the body that is sent may be the broken one
		told := r.events.all(reauth.Panicked)
		require.NotEmpty(t, told)
		assert.Equal(t, function, told[len(told)-1].Reason)
	}
	status, _ := r.send(t, "POST", "/v1/responses", `{"model":"example"}`)
	assert.Equal(t, 200, status)
}
