package reauth_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/testrig"
	"github.com/reauth-go/reauth/reauthtest"
)

// noReset is the zero time. It stands for a provider that does not say when a quota comes back.
var noReset time.Time

// rig is a transport with its pool over one fake provider. Requests reach the fake without sockets.
// The pool keeps its credentials in memory, unless newRigOn got another one.
type rig struct {
	fake      *reauthtest.Provider
	provider  string
	url       string // where post sends its requests
	pool      *reauth.Pool
	transport *reauth.RecoveringTransport
	client    *http.Client
	events    *eventLog
	refresh   string // the refresh token of a login, where a test needs it later
}

// newRig makes a rig whose provider speaks the dialect. The fake's token endpoint refreshes its
// tokens. The rig's pool is closed when the test ends.
func newRig(t testing.TB, d reauthtest.Dialect) *rig {
	t.Helper()
	r := newRigOn(t, d, reauth.NewPool())
	t.Cleanup(func() { require.NoError(t, r.pool.Close()) })
	return r
}

// newRigOn is newRig with a pool that the caller closes.
func newRigOn(t testing.TB, d reauthtest.Dialect, pool *reauth.Pool) *rig {
	t.Helper()
	fake := reauthtest.New(d)
	r := &rig{fake: fake, pool: pool, events: new(eventLog)}
	switch d {
	case reauthtest.XAI:
		r.provider, r.url = "xai-oauth", "https://api.x.ai/v1/chat/completions"
	case reauthtest.OpenAI:
		r.provider, r.url = "openai-codex", "https://chatgpt.com/backend-api/codex/responses"
	case reauthtest.Anthropic:
		r.provider, r.url = "anthropic", "https://api.anthropic.com/v1/messages"
	}
	r.refreshAt(t, fake)
	pool.Observe = r.events.observe
	r.transport = reauth.NewRecoveringTransport(fake.Transport(), pool)
	r.client = &http.Client{Transport: r.transport}
	return r
}

// refreshAt makes the rig's provider refresh at a fake's token endpoint.
func (r *rig) refreshAt(t testing.TB, fake *reauthtest.Provider) {
	t.Helper()
	refresher := testrig.RefresherAt(t, r.provider, fake.Transport())
	r.register(t, func(p *reauth.Provider) { p.Refresher = refresher })
}

// register registers the rig's provider anew, with a change.
func (r *rig) register(t testing.TB, change func(*reauth.Provider)) {
	t.Helper()
	testrig.Register(t, r.pool, r.provider, change)
}

// login makes a login at the fake and adds it to the pool.
func (r *rig) login(t testing.TB, id string) (access, refresh string) {
	t.Helper()
	access, refresh = r.fake.Login()
	r.add(t, reauth.Credential{ID: id, AccessToken: access, RefreshToken: refresh})
	return access, refresh
}

// loginUntil is login with an access token that expires then, by the pool's clock.
func (r *rig) loginUntil(t testing.TB, id string, expiry time.Time) (access, refresh string) {
	t.Helper()
	access, refresh = r.fake.Login()
	r.add(t, reauth.Credential{ID: id, AccessToken: access, RefreshToken: refresh, Expiry: expiry})
	return access, refresh
}

// key makes the fake accept an API key and adds it to the pool.
func (r *rig) key(t testing.TB, id, key string) {
	t.Helper()
	r.fake.AddKey(key)
	r.add(t, reauth.Credential{ID: id, AccessToken: key})
}

// add adds a credential of the rig's provider to the pool.
func (r *rig) add(t testing.TB, c reauth.Credential) {
	t.Helper()
	c.Provider = r.provider
	_, err := r.pool.Add(context.Background(), c)
	require.NoError(t, err)
}

// post sends a small request and returns the status and the body of its answer.
func (r *rig) post(ctx context.Context) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(`{"model":"example"}`))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer set by the transport")
	return r.do(req)
}

// fakeClient returns a client that reaches the rig's fake without sockets.
func (r *rig) fakeClient() *http.Client { return &http.Client{Transport: r.fake.Transport()} }

func (r *rig) do(req *http.Request) (int, string, error) { return testrig.Send(r.client, req) }

// mustPost is post for a request that must get an answer.
func (r *rig) mustPost(t testing.TB) (int, string) {
	t.Helper()
	status, body, err := r.post(context.Background())
	require.NoError(t, err)
	return status, body
}

// statuses returns the status of each answer that the fake has given, in order.
func (r *rig) statuses() (list []int) {
	for _, q := range r.fake.Requests() {
		list = append(list, q.Status)
	}
	return list
}

// status returns how a credential of the rig stands.
func (r *rig) status(t testing.TB, id string) reauth.CredentialStatus {
	t.Helper()
	return testrig.StatusOf(t, r.pool, r.provider, id)
}

// The rest of this file gives short names to parts of testrig, which all test packages share.

type eventLog struct{ testrig.EventLog }

func (l *eventLog) observe(ctx context.Context, e reauth.Event) { l.Observe(ctx, e) }

func (l *eventLog) all(types ...reauth.EventType) []reauth.Event { return l.All(types...) }

type roundTripFunc = testrig.RoundTripFunc

func answer(req *http.Request, status int, body string, header ...string) *http.Response {
	return testrig.Answer(req, status, body, header...)
}

func setCancel(req *http.Request, cancel <-chan struct{}) { testrig.SetCancel(req, cancel) }

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}
