package integration

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

const (
	provider = "xai-oauth"
	id       = "me"
)

// rig is a pool over a store, and a client that recovers with it from the refusals of a fake
// provider.
type rig struct {
	fake   *reauthtest.Provider
	pool   *reauth.Pool
	client *http.Client

	mu     sync.Mutex
	events []reauth.Event
}

// newRig opens a pool. It calls hook, unless that is nil, in the middle of each exchange, before
// the token request.
func newRig(t testing.TB, fake *reauthtest.Provider, store reauth.Store, hook func()) *rig {
	t.Helper()
	pool, err := reauth.OpenPool(bounded(t), store)
	require.NoError(t, err)
	r := &rig{
		fake: fake, pool: pool,
		client: &http.Client{Transport: reauth.NewRecoveringTransport(fake.Transport(), pool)},
	}
	pool.Observe = func(_ context.Context, e reauth.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}
	refresher, err := reauth.BuiltinRefresher(provider, reauth.OAuth2Config{
		TokenURL:   "https://auth.example.com" + reauthtest.TokenPath,
		HTTPClient: &http.Client{Transport: fake.Transport()},
	})
	require.NoError(t, err)
	p, ok := reauth.LookupProvider(provider)
	require.True(t, ok)
	p.Refresher = reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
		if hook != nil {
			hook()
		}
		return refresher.Refresh(ctx, c)
	})
	require.NoError(t, pool.Register(p))
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	return r
}

// login adds a new login of the fake provider to the pool.
func (r *rig) login(t testing.TB) (access, refresh string) {
	t.Helper()
	access, refresh = r.fake.Login()
	_, err := r.pool.Add(bounded(t), reauth.Credential{
		Provider: provider, ID: id, AccessToken: access, RefreshToken: refresh,
	})
	require.NoError(t, err)
	return access, refresh
}

// post sends a request and returns the status of the answer, or 0 if there is none.
func (r *rig) post(t testing.TB) int {
	req, err := http.NewRequestWithContext(bounded(t), http.MethodPost, "https://api.x.ai/v1/chat/completions",
		strings.NewReader(`{}`))
	if !assert.NoError(t, err) {
		return 0
	}
	resp, err := r.client.Do(req)
	if !assert.NoError(t, err) {
		return 0
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode
}

// count returns the number of events of some types.
func (r *rig) count(types ...reauth.EventType) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if slices.Contains(types, e.Type) {
			n++
		}
	}
	return n
}

// failures returns the number of failures of the store that were told with a reason.
func (r *rig) failures(reason string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type == reauth.StoreFailed && e.Reason == reason {
			n++
		}
	}
	return n
}

// state returns the state of the one credential, or "" if there is none.
func (r *rig) state() string {
	for _, s := range r.pool.Status() {
		return string(s.State)
	}
	return ""
}

// eventually waits until f holds, and sends requests meanwhile, because a pool looks at its store
// only when it has to serve.
func (r *rig) eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.post(t)
		return f()
	}, patience, 50*time.Millisecond, what)
}
